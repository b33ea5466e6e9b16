package database

import (
	"context"
	"database/sql/driver"
	"log/slog"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
)

// MySQL is Aurora MySQL, with go-sql-driver/mysql.
var MySQL = Database{
	Name:        "mysql",
	Flavor:      lab.AuroraMySQL,
	HundredRows: "select 10 * tens.n + ones.n from (" + tenRows + ") as tens, (" + tenRows + ") as ones",
	Argument:    "select ?",
	CreateBeats: "create table beats (worker int primary key, n int)",
	InsertBeat:  "insert into beats values (?, 0)",
	Beat:        beatMySQL,
	Wait:        "select sleep(3600)",
	bare: func(r Route) (driver.Connector, error) {
		cfg, err := mysqlConfig(r)
		if err != nil {
			return nil, err
		}
		return mysql.NewConnector(cfg)
	},
	awsdb: func(r Route, plugins []core.Plugin, log *slog.Logger) (driver.Connector, error) {
		cfg, err := mysqlConfig(r)
		if err != nil {
			return nil, err
		}
		return mysqldriver.NewConnector(cfg, mysqldriver.WithPlugins(plugins...), mysqldriver.WithResolver(r.Resolver), mysqldriver.WithLogger(log))
	},
}

const tenRows = "select 0 as n union all select 1 union all select 2 union all select 3 union all select 4 union all " +
	"select 5 union all select 6 union all select 7 union all select 8 union all select 9"

// beatMySQL asks afterwards who did it, on the same connection: MySQL's UPDATE
// returns nothing. What it measures is that round trip longer.
func beatMySQL(ctx context.Context, c Client, worker int) (host string, err error) {
	conn, release, err := c.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	if err := conn.Exec(ctx, "update beats set n = n + 1 where worker = ?", worker); err != nil {
		return "", err
	}
	err = conn.QueryRow(ctx, "select @@aurora_server_id").Scan(&host)
	return host, err
}

func mysqlConfig(r Route) (*mysql.Config, error) {
	cfg, err := mysql.ParseDSN(r.DSN)
	if err != nil {
		return nil, err
	}
	cfg.DialFunc = r.Dial
	return cfg, nil
}
