package frontend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/pgdriver"
)

// pgxPool is pgdriver's native pool. The engine is PostgreSQL's.
type pgxPool struct{ postgresql }

func (pgxPool) Name() string { return "pgxpool" }

// generous is as many connections as a test may want at once: what limits there are
// is database/sql's business. pool_max_conns in the connection string says otherwise.
const generous = 1000

func (pgxPool) Open(o Options) (*Handle, error) {
	o.setDefaults()
	cfg, err := pgxpool.ParseConfig(known(o.DSN))
	if err != nil {
		return nil, err
	}
	if !strings.Contains(o.DSN, "pool_max_conns") {
		cfg.MaxConns = generous
	}
	pool, err := pgdriver.NewPool(context.Background(), cfg, configure(cfg.ConnConfig, o)...)
	if err != nil {
		return nil, err
	}
	a := newPoolAdapter(pool)
	return &Handle{DB: sql.OpenDB(a), Connector: pool.Connector(), Native: pool, adapter: a}, nil
}

func (f pgxPool) Unwrap(driverConn any) (Query, bool) {
	if r, ok := driverConn.(interface{ Raw() driver.Conn }); ok {
		return f.Unwrap(r.Raw())
	}
	if a, ok := driverConn.(*adapted); ok && a.pinned != nil {
		return queryPGX(a.pinned.Conn()), true
	}
	return nil, false
}
