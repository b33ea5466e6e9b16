package frontend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/pgdriver"
)

// pgxPool is pgdriver's native pool. The engine is PostgreSQL's.
type pgxPool struct{ postgresql }

func (pgxPool) Name() string   { return "pgxpool" }
func (pgxPool) Driver() string { return "" }

func (pgxPool) Unlike() Unlike {
	return Unlike{
		Interfaces: "it is no driver: what database/sql gets from it here is the suite's own",
		Prepare:    "pgx prepares a statement when it first runs it on a connection",
		Close:      "a pgxpool waits until all its connections have been given back",
		Late:       "a pgxpool opens a connection to the end, and keeps it for the next caller",
		Parse:      "the application calls pgx's parser, whose errors show all when they are printed by %#v",
		Start:      "a pgxpool starts a goroutine that looks after idle connections",
	}
}

// generous is as many connections as a test may want at once: what limits there are
// is database/sql's business. pool_max_conns in the connection string says otherwise.
const generous = 1000

func (f pgxPool) Open(o Options) (*Handle, error) {
	o.setDefaults()
	cfg, err := f.parse(o.DSN)
	if err != nil {
		return nil, err
	}
	return newPoolHandle(cfg, configure(cfg.ConnConfig, o)...)
}

func (f pgxPool) OpenDSN(dsn string) (*Handle, error) {
	cfg, err := f.parse(dsn)
	if err != nil {
		return nil, err
	}
	return newPoolHandle(cfg)
}

func (pgxPool) parse(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(known(dsn))
	if err == nil && !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = generous
	}
	return cfg, err
}

func newPoolHandle(cfg *pgxpool.Config, opts ...pgdriver.Option) (*Handle, error) {
	pool, err := pgdriver.NewPool(context.Background(), cfg, opts...)
	if err != nil {
		return nil, err
	}
	a := newPoolAdapter(pool)
	return &Handle{DB: sql.OpenDB(a), Connector: pool.Connector(), Native: pool, adapter: a}, nil
}

func (f pgxPool) Unwrap(driverConn any) (Query, bool) {
	c, ok := PGX(driverConn)
	if !ok {
		return nil, false
	}
	return queryPGX(c), true
}

// PGX is pgx's connection under what the function given to sql.Conn.Raw receives, of both
// front ends for PostgreSQL.
func PGX(driverConn any) (*pgx.Conn, bool) {
	if r, ok := driverConn.(interface{ Raw() driver.Conn }); ok {
		return PGX(r.Raw())
	}
	if a, ok := driverConn.(*adapted); ok {
		if a.pinned == nil {
			return nil, false
		}
		return a.pinned.Conn(), true
	}
	return pgdriver.Unwrap(driverConn)
}
