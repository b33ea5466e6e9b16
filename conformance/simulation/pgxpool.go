package simulation

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/pgdriver"
)

// native tells that the run is about pgx's own pool, which is used by its own interface.
func (r *run) native() bool { return r.front == frontend.PGXPool }

// size are parameters of pgx's connection strings. What is kept in stock and what is too
// old goes through the chain at times of pgxpool's own.
func (l limits) size() []string {
	var params []string
	if l.open > 0 {
		params = append(params, fmt.Sprintf("pool_max_conns=%d", l.open))
	}
	if l.idle%2 == 0 {
		params = append(params, fmt.Sprintf("pool_min_idle_conns=%d", l.idle),
			fmt.Sprintf("pool_health_check_period=%ds", 1+l.idle), fmt.Sprintf("pool_max_conn_lifetime=%ds", 5+5*l.idle))
	}
	return params
}

// pgxAccess is pgx's own interface.
type pgxAccess struct {
	*pgdriver.Pool
	handle *frontend.Handle
}

func (a pgxAccess) Close() error { return a.handle.Close() }

func (a pgxAccess) exec(ctx context.Context, statement string, args ...any) error {
	_, err := a.Exec(ctx, statement, args...)
	return err
}

func (a pgxAccess) numbers(ctx context.Context, query string, each func(n int64)) error {
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
	if err == nil || ctx.Err() != nil || errors.Is(err, driver.ErrBadConn) || errors.As(err, new(*core.Error)) || w.front.Code(err) != "" {
		return err
	}
	w.problem("%s: an error without a reason: %T %v", what, err, err)
	return err
}

// inside demands that a statement that was lost before the commit is known to be rolled
// back.
func (w *worker) inside(what string, err error) error {
	var e *core.Error
	if errors.As(err, &e) && e.Op != core.OpConnect && (e.Outcome == core.OutcomeUnknown || !e.InTx) {
		w.problem("%s was lost before the commit, and it is not known that it was rolled back: %v", what, err)
	}
	return err
}

// acquire takes a connection out of the pool, which must not be one that was known to be
// unfit before.
func (a pgxAccess) acquire(ctx context.Context, w *worker) (pgdriver.Conn, error) {
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
func (a pgxAccess) listenLoop(ctx context.Context, w *worker) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(1+w.rng.IntN(1_500_000)) * time.Microsecond)
		w.note("listen: %v", a.listen(ctx, w))
	}
}

// listenFor is how long somebody listens on one connection.
const listenFor = 20 * time.Second

func (a pgxAccess) listen(ctx context.Context, w *worker) error {
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
