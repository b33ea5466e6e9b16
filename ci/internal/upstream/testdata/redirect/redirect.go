// Package redirect is what the public tests of tools open their connections
// with: the bare driver, or ours. The variable AWSDB_PLUGINS decides, so that
// both run in the same program. It has the value for our parameter plugins, and
// is empty for the bare drivers.
package redirect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

var plugins = os.Getenv("AWSDB_PLUGINS")

// Some tests open lib/pq by its name, without a place where another one could
// be said.
func init() {
	var postgres driver.Driver = pgdriver.Driver{}
	if plugins == "" {
		postgres = stdlib.GetDefaultDriver()
	}
	sql.Register("postgres", postgres)
}

// MySQL is the name of the driver for MySQL.
func MySQL() string {
	if plugins == "" {
		return "mysql"
	}
	return mysqldriver.Name
}

// DSN extends a connection string that has parameters.
func DSN(dsn string) string {
	if plugins == "" {
		return dsn
	}
	return dsn + "&plugins=" + plugins
}

// configs has what our pools were made of.
var configs sync.Map // of *pgxpool.Config, by *pgxpool.Pool

// Pool stands in for pgxpool.NewWithConfig.
func Pool(ctx context.Context, cfg *pgxpool.Config) (*pgxpool.Pool, error) {
	if plugins == "" {
		return pgxpool.NewWithConfig(ctx, cfg)
	}
	pool, err := pgdriver.NewPool(ctx, cfg.Copy(), pgdriver.WithParams(map[string]string{"plugins": plugins}))
	if err != nil {
		return nil, err
	}
	configs.Store(pool.Pool, cfg.Copy())
	return pool.Pool, nil
}

// Config stands in for the method of pools, for another call of Pool: NewPool
// does not take what pgxpool says about a pool of ours.
func Config(pool *pgxpool.Pool) *pgxpool.Config {
	if cfg, ours := configs.Load(pool); ours {
		return cfg.(*pgxpool.Config).Copy()
	}
	return pool.Config()
}
