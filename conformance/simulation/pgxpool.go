package simulation

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/pgdriver"
)

// pgxPool is pgx's own pool. It is PostgreSQL in all that the simulation asks of a front
// end, and is used by its own interface.
type pgxPool struct{ frontend.Frontend }

func (pgxPool) Name() string { return "pgxpool" }

// frontEnds are the suite's, pgx's pool by its own interface instead of database/sql's.
func frontEnds() []frontend.Frontend {
	native := pgxPool{frontend.PostgreSQL}
	others := slices.DeleteFunc(frontend.All(), func(f frontend.Frontend) bool { return f.Name() == native.Name() })
	return append(others, native)
}

// unlimited is what pgxpool needs as the size of a pool that nobody waits for.
const unlimited = 200

func (pgxPool) access(o frontend.Options, l limits) (access, *core.Cluster, error) {
	cfg, err := pgxpool.ParseConfig(o.DSN)
	if err != nil {
		return nil, nil, err
	}
	cfg.MaxConns = unlimited
	if l.open > 0 {
		cfg.MaxConns = int32(l.open)
	}
	// What is kept in stock and what is too old goes through the chain at times of
	// pgxpool's own.
	if l.idle%2 == 0 {
		cfg.MinIdleConns = int32(min(l.idle, int(cfg.MaxConns)))
		cfg.HealthCheckPeriod = time.Duration(1+l.idle) * time.Second
		cfg.MaxConnLifetime = time.Duration(5+5*l.idle) * time.Second
	}
	p, err := pgdriver.NewPool(context.Background(), cfg,
		pgdriver.WithDialer(o.Lab.DialContext), pgdriver.WithResolver(o.Lab),
		pgdriver.WithLogger(o.Logger), pgdriver.WithPlugins(o.Plugins...), pgdriver.WithParams(o.Params))
	if err != nil {
		return nil, nil, err
	}
	return &pgxAccess{p}, p.Connector().Cluster(), nil
}

// pgxAccess is pgx's own interface.
type pgxAccess struct{ *pgdriver.Pool }

func (a *pgxAccess) Close() error {
	a.Pool.Close()
	return nil
}

func (a *pgxAccess) exec(ctx context.Context, statement string, args ...any) error {
	_, err := a.Exec(ctx, statement, args...)
	return err
}

func (a *pgxAccess) numbers(ctx context.Context, query string, each func(n int64)) error {
	rows, err := a.Query(ctx, query)
	if err != nil {
		return err
	}
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&n}, func() error { each(n); return nil })
	return err
}

// explain demands that an error says what it is: the server's, the caller's own context,
// or one of awsdb's; of a bare pool's errors that is told by Cause. driver.ErrBadConn is
// what database/sql says of a call that it could not send on any of three connections.
func (w *worker) explain(ctx context.Context, what string, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, driver.ErrBadConn) || errors.As(err, new(*core.Error)) || errors.As(err, new(*pgconn.PgError)) {
		return err
	}
	w.problem("%s: an error without a reason: %T %v", what, err, err)
	return err
}

// inside demands that a statement that was lost before the commit is known to be rolled
// back.
func (w *worker) inside(what string, err error) error {
	var e *core.Error
	if errors.As(err, &e) && (e.Outcome == core.OutcomeUnknown || !e.InTx) {
		w.problem("%s was lost before the commit, and it is not known that it was rolled back: %v", what, err)
	}
	return err
}

// acquire takes a connection out of the pool, which must not be one that was known to be
// unfit before.
func (a *pgxAccess) acquire(ctx context.Context, w *worker) (pgdriver.Conn, error) {
	unfit := map[*core.Link]bool{}
	for l := range a.Connector().Cluster().Links() {
		if l.Condemned() != nil || l.Lost() != nil {
			unfit[l] = true
		}
	}
	c, err := a.Acquire(ctx)
	if err == nil && unfit[linkUnder(c.Conn().PgConn().Conn())] {
		w.problem("a connection is handed out that was known to be lost or condemned")
	}
	return c, err
}

func linkUnder(c net.Conn) *core.Link {
	for {
		if l, ok := c.(*core.Link); ok {
			return l
		}
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = inner.NetConn()
	}
}

// listenLoop waits for notifications on a connection of its own, most of the time in
// vain: that is no reason to take the host for dead.
func (a *pgxAccess) listenLoop(ctx context.Context, w *worker) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(1+w.rng.IntN(1_500_000)) * time.Microsecond)
		w.note("listen: %v", a.listen(ctx, w))
	}
}

// listenFor is how long somebody listens on one connection.
const listenFor = 20 * time.Second

func (a *pgxAccess) listen(ctx context.Context, w *worker) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, listenFor)
	defer cancel()
	c, err := a.acquire(ctx, w)
	if err != nil {
		return w.explain(ctx, "acquire", err)
	}
	defer c.Release()
	if _, err := c.Exec(ctx, "listen news"); err != nil {
		return w.explain(ctx, "listen", err)
	}
	for err == nil {
		_, err = c.Conn().WaitForNotification(ctx)
	}
	if took := time.Since(began); took > listenFor+50*time.Millisecond {
		w.problem("listening with a limit of %v took %v: %v", listenFor, took, err)
	}
	return w.explain(ctx, "wait for a notification", pgdriver.Cause(err))
}
