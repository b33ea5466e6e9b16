package demo

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"

	gosqldriver "github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
)

// mysql leaves calls with arguments to statements that are prepared, executed
// once and closed, since the configuration does not ask for interpolateParams.
var mysql = engine{
	name:   "MySQL",
	flavor: lab.AuroraMySQL,
	connector: func(cluster *lab.Cluster, log *slog.Logger) (driver.Connector, error) {
		cfg, err := gosqldriver.ParseDSN(cluster.DSN(cluster.Endpoint()))
		if err != nil {
			return nil, fmt.Errorf("parse the cluster's own DSN: %w", err)
		}
		return mysqldriver.NewConnector(cfg,
			mysqldriver.WithDialer(cluster.DialContext),
			mysqldriver.WithResolver(cluster),
			mysqldriver.WithLogger(log),
			mysqldriver.WithParams(detection),
		)
	},
	serverError: func(err error) string {
		var refusal *gosqldriver.MySQLError
		if errors.As(err, &refusal) {
			return fmt.Sprintf("error %d", refusal.Number)
		}
		return ""
	},
	packages: []string{"awsdb/awsdb/mysqldriver.", "go-sql-driver/mysql."},
	statements: statements{
		insertAccount: `insert into accounts (id, owner) values (?, ?)`,
		insertPayment: `insert into payments (id, attempt, amount) values (?, ?, ?)`,
		selectPayment: `select count(*) from payments where id = ?`,
		selectAccount: `select owner from accounts where id = ?`,
	},
}
