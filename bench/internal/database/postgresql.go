package database

import (
	"context"
	"database/sql/driver"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// PostgreSQL is Aurora PostgreSQL, with pgx/stdlib.
var PostgreSQL = Database{
	Name:        "postgresql",
	Flavor:      lab.AuroraPG,
	HundredRows: "select n from generate_series(1, 100) as n",
	Argument:    "select $1::bigint",
	CreateBeats: "create table beats (worker int primary key, n int)",
	InsertBeat:  "insert into beats values ($1, 0)",
	Beat: func(ctx context.Context, c Client, worker int) (host string, err error) {
		err = c.QueryRow(ctx, "update beats set n = n + 1 where worker = $1 returning aurora_db_instance_identifier()", worker).Scan(&host)
		return host, err
	},
	Wait:    "select pg_sleep(3600)",
	listens: "select host(inet_server_addr()) || ':' || inet_server_port()",
	bare: func(r Route) (driver.Connector, error) {
		cfg, err := pgxConfig(r)
		if err != nil {
			return nil, err
		}
		return stdlib.GetConnector(*cfg), nil
	},
	awsdb: func(r Route, plugins []core.Plugin, log *slog.Logger) (driver.Connector, error) {
		cfg, err := pgxConfig(r)
		if err != nil {
			return nil, err
		}
		return pgdriver.NewConnector(cfg, pgdriver.WithPlugins(plugins...), pgdriver.WithResolver(r.Resolver), pgdriver.WithLogger(log))
	},
}

func pgxConfig(r Route) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(r.DSN)
	if err != nil {
		return nil, err
	}
	r.apply(cfg)
	return cfg, nil
}

// apply makes cfg go that way.
func (r Route) apply(cfg *pgx.ConnConfig) {
	cfg.DialFunc = pgconn.DialFunc(r.Dial)
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil } // Dial knows names
}
