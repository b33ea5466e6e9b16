package real

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// openPool opens pgx's own pool for a host of the cluster.
func openPool(t *testing.T, c *cluster, host string, params ...string) *pgdriver.Pool {
	t.Helper()
	return dialPool(t, c, c.DialContext, host, params...)
}

func dialPool(t *testing.T, c *cluster, dial core.DialFunc, host string, params ...string) *pgdriver.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(c.DSN(host, params...))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 2 * workers
	if cfg.ConnConfig.TLSConfig != nil {
		cfg.ConnConfig.TLSConfig.RootCAs = c.RootCAs()
	}
	p, err := pgdriver.NewPool(t.Context(), cfg, pgdriver.WithDialer(dial), pgdriver.WithResolver(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close) // also when the test has closed it
	return p
}

// TestPoolFailovers is TestFailovers for pgx's own interface: a failover of each kind.
func TestPoolFailovers(t *testing.T) {
	c := start(t, frontend.PostgreSQL, lab.Options{})
	p := openPool(t, c, c.Endpoint())
	createTable(t, bare(t, c, c.Endpoint()))
	s := scenarioOf(c, (&poolWriter{p, c.sql.Bind(insertWrite(c.sql))}).application())
	s.run(t, len(faults))
	p.Close()
	noSessionLeft(t, c)
	s.verify(t, len(faults)*workers)
}

// poolWriter is an application of pgx's own interface.
type poolWriter struct {
	pool   *pgdriver.Pool
	insert string
}

func (w *poolWriter) application() application {
	return application{
		ways: []way{w.exec, w.row, w.batch, w.runTx, w.nested, w.acquired, w.bare, w.hijacked},
		count: func(ctx context.Context, query, id string) (n int, err error) {
			return n, w.pool.QueryRow(ctx, query, id).Scan(&n)
		},
	}
}

func (w *poolWriter) exec(ctx context.Context, id, tag string) error {
	_, err := w.pool.Exec(ctx, w.insert, id, tag)
	return err
}

func (w *poolWriter) row(ctx context.Context, id, tag string) error {
	return w.pool.QueryRow(ctx, w.insert+" returning id", id, tag).Scan(new(string))
}

func (w *poolWriter) batch(ctx context.Context, id, tag string) error {
	b := &pgx.Batch{}
	b.Queue("select 1")
	b.Queue(w.insert, id, tag)
	return w.pool.SendBatch(ctx, b).Close()
}

// runTx gives each try a name of its own.
func (w *poolWriter) runTx(ctx context.Context, id, tag string) error {
	try := 0
	return pgdriver.RunTx(ctx, w.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		try++
		_, err := tx.Exec(ctx, w.insert, id, fmt.Sprintf("%s-%d", tag, try))
		return err
	})
}

func (w *poolWriter) nested(ctx context.Context, id, tag string) error {
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, w.insert, id, tag)
			return err
		})
	})
}

func (w *poolWriter) acquired(ctx context.Context, id, tag string) error {
	return w.pool.AcquireFunc(ctx, func(c pgdriver.Conn) error {
		_, err := c.Exec(ctx, w.insert, id, tag)
		return err
	})
}

func (w *poolWriter) bare(ctx context.Context, id, tag string) error {
	_, err := w.pool.Pool.Exec(ctx, w.insert, id, tag)
	return pgdriver.Cause(err)
}

func (w *poolWriter) hijacked(ctx context.Context, id, tag string) error {
	acquired, err := w.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	c := acquired.Hijack()
	defer c.Close(ctx) //nolint:errcheck // its server may be dead
	_, err = c.Exec(ctx, w.insert, id, tag)
	return pgdriver.Cause(err)
}
