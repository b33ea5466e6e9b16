package demo

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

var postgresql = engine{
	name:   "PostgreSQL",
	flavor: lab.AuroraPG,
	connector: func(cluster *lab.Cluster, log *slog.Logger) (driver.Connector, error) {
		cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
		if err != nil {
			return nil, fmt.Errorf("parse the cluster's own URL: %w", err)
		}
		return pgdriver.NewConnector(cfg,
			pgdriver.WithDialer(cluster.DialContext),
			pgdriver.WithResolver(cluster),
			pgdriver.WithLogger(log),
			pgdriver.WithParams(detection),
		)
	},
	serverError: func(err error) string {
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) {
			return "SQLSTATE " + refusal.Code
		}
		return ""
	},
	packages: []string{"awsdb/awsdb/pgdriver.", "jackc/pgx/v5/pgconn."},
	statements: statements{
		insertAccount: `insert into accounts (id, owner) values ($1, $2)`,
		insertPayment: `insert into payments (id, attempt, amount) values ($1, $2, $3)`,
		selectPayment: `select count(*) from payments where id = $1`,
		selectAccount: `select owner from accounts where id = $1`,
	},
}
