package pgdriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

// Pool is a *pgxpool.Pool that follows its cluster. What takes a *pgxpool.Pool takes the
// field Pool; what takes an interface (sqlc's DBTX) takes the Pool itself, and then gets
// errors that say what a failover did to the call: they match core.ErrFailover, and
// errors.As finds a *core.Error as well as pgx's own. Where code holds the bare pool or a
// connection, [Cause] says so of its errors. Methods that are not listed here (Stat,
// Config, Reset, AcquireAllIdle) are pgxpool's own.
//
// A call that ended before anything was sent, and a BEGIN or PING that was lost, is
// repeated on another connection, three times in all, as database/sql does; only SendBatch
// and CopyFrom leave that to the caller. No other statement is sent twice.
//
// A Pool may be used from any number of goroutines, what comes from it (Conn, Rows,
// transactions, batches) from one at a time.
type Pool struct {
	*pgxpool.Pool
	connector *core.Connector
	closing   atomic.Bool
}

// NewPool makes a pool of a configuration from pgxpool.ParseConfig, as
// pgxpool.NewWithConfig does; [ConfigurePool] says what becomes of the configuration's
// hooks. cfg itself is not changed. Nothing is opened before the first connection is
// asked for, unless cfg wants idle ones. Errors match core.ErrConfig.
func NewPool(ctx context.Context, cfg *pgxpool.Config, opts ...Option) (*Pool, error) {
	if cfg != nil && cfg.ConnConfig != nil {
		cfg = cfg.Copy()
	}
	k, err := ConfigurePool(cfg, opts...)
	if err != nil {
		return nil, err
	}
	p, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return &Pool{Pool: p, connector: k}, nil
}

// Connector is the pool's handle on its cluster. Closing the pool closes it.
func (p *Pool) Connector() *core.Connector { return p.connector }

// Close closes all connections and ends all that was started for the pool. Like
// pgxpool's it waits until every connection has been given back; calls that wait for a
// connection or a failover, and all later ones, end with core.ErrClosed. Servers are told
// of calls that have just been canceled, but a server that does not listen is not waited for.
func (p *Pool) Close() {
	p.closing.Store(true)
	p.connector.Drain()
	closed := make(chan struct{})
	go func() { defer close(closed); p.Pool.Close() }()
	limit := time.NewTimer(farewellLimit)
	defer limit.Stop()
	select {
	case <-closed:
	case <-limit.C:
		p.connector.Abandon()
		<-closed
	}
	_ = p.connector.Close() // has nothing to report
}

// farewellLimit is how long Close waits for servers to take a cancel request: some round
// trips within a region. pgx itself would wait for 15 s.
const farewellLimit = 50 * time.Millisecond

// Cause says of an error that came from the bare *pgxpool.Pool, from one of its connections
// or transactions, or from a *pgx.Conn, what awsdb knows of it. If the connection was lost
// the result matches core.ErrFailover (with the failover plugin) and, since nobody knows
// any more what the call was, always core.ErrOutcomeUnknown; it does not wait for the
// failover. Other errors are returned as they are, and so are those of a Pool's methods,
// which say more. nil stays nil. See core.Cause.
func Cause(err error) error { return core.Cause(err) }

// maxAttempts is how often a call is begun that has had no effect; database/sql's number.
const maxAttempts = 3

// again tells that a call may be begun anew on another connection: nothing was sent, or
// nothing that matters.
func again(attempt int, err error) bool {
	return err != nil && attempt < maxAttempts && errors.Is(err, driver.ErrBadConn)
}

// Exec is pgxpool's Exec.
func (p *Pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	for attempt := 1; ; attempt++ {
		tag, err := p.exec(ctx, attempt, sql, args)
		if !again(attempt, err) {
			return tag, err
		}
	}
}

func (p *Pool) exec(ctx context.Context, attempt int, sql string, args []any) (pgconn.CommandTag, error) {
	c, err := p.acquire(ctx, attempt)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	defer c.Release() // an argument may panic when it is encoded
	return c.Exec(ctx, sql, args...)
}

// Query is pgxpool's Query. [pgx.Rows.Err] is of the same kind as other methods' errors.
func (p *Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	for attempt := 1; ; attempt++ {
		c, err := p.acquire(ctx, attempt)
		if err != nil {
			return &poolRows{err: pointer(err)}, err
		}
		r, err := c.session.query(ctx, c.Conn(), sql, args)
		if err == nil {
			r.lease = c.poolConn
			return r, nil
		}
		c.Release()
		if !again(attempt, err) {
			return r, err
		}
	}
}

// QueryRow is pgxpool's QueryRow.
func (p *Pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	for attempt := 1; ; attempt++ {
		c, err := p.acquire(ctx, attempt)
		if err != nil {
			return &poolRow{err: pointer(err)}
		}
		r, err := c.session.queryRow(ctx, c.Conn(), sql, args)
		if err == nil {
			r.lease = c.poolConn
			return r
		}
		c.Release()
		if !again(attempt, err) {
			return r
		}
	}
}

// SendBatch is pgxpool's SendBatch. Functions that were given to queued queries see pgx's
// own errors; what Close returns is complete.
func (p *Pool) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	c, err := p.Acquire(ctx)
	if err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return c.session.sendBatch(ctx, c.Conn(), b, c.poolConn)
}

// CopyFrom is pgxpool's CopyFrom.
func (p *Pool) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer c.Release() // source may panic
	return c.CopyFrom(ctx, table, columns, source)
}

// Begin is pgxpool's Begin.
func (p *Pool) Begin(ctx context.Context) (pgx.Tx, error) { return p.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is pgxpool's BeginTx.
func (p *Pool) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	for attempt := 1; ; attempt++ {
		c, err := p.acquire(ctx, attempt)
		if err != nil {
			return nil, err
		}
		t, err := c.session.beginTx(ctx, c.Conn(), opts, c.poolConn)
		if err == nil {
			return t, nil
		}
		c.Release()
		if !again(attempt, err) {
			return nil, err
		}
	}
}

// Ping is pgxpool's Ping.
func (p *Pool) Ping(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		c, err := p.acquire(ctx, attempt)
		if err == nil {
			err = c.Ping(ctx)
			c.Release()
		}
		if !again(attempt, err) {
			return err
		}
	}
}

// acquire is Acquire for an attempt. After one that failed a connection is looked at before
// it is used: a host that has closed one has closed others too, and those that were in
// use a moment ago are handed out without a look. database/sql opens a new one for its
// last attempt, which pgxpool cannot be asked for.
func (p *Pool) acquire(ctx context.Context, attempt int) (Conn, error) {
	for {
		c, err := p.Acquire(ctx)
		if err != nil || attempt == 1 || c.session.conn.Alive() {
			return c, err
		}
		c.Release() // nobody will get it
	}
}

// Acquire is pgxpool's Acquire. During a failover it waits within ctx for a connection to
// the right host. The connection must be given back by Release.
func (p *Pool) Acquire(ctx context.Context) (Conn, error) {
	c, err := p.Pool.Acquire(ctx)
	if err != nil {
		return Conn{}, p.unavailable(ctx, err)
	}
	return Conn{c, sessionOf(c.Conn())}, nil
}

// unavailable says what was waited for in vain: pgxpool knows only that time is up, and
// cancels what is being opened when it is closed.
func (p *Pool) unavailable(ctx context.Context, err error) error {
	if p.closing.Load() && ctx.Err() == nil {
		if errors.Is(err, context.Canceled) {
			err = nil // not by the caller
		}
		return &core.Error{Op: core.OpConnect, Kind: core.ErrClosed, Host: p.connector.Host().Addr, Err: err}
	}
	cluster := p.connector.Cluster()
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil || !cluster.Searching() {
		return err
	}
	if _, why := cluster.WaitSettled(ctx); why != nil { // which does not wait any more
		if err = why; !errors.Is(why, context.DeadlineExceeded) {
			err = errors.Join(context.DeadlineExceeded, why)
		}
	}
	return &core.Error{Op: core.OpConnect, Kind: core.ErrFailoverFailed, Host: p.connector.Host().Addr, Phase: "wait", Err: err}
}

// AcquireFunc is pgxpool's AcquireFunc.
func (p *Pool) AcquireFunc(ctx context.Context, f func(Conn) error) error {
	c, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	return f(c)
}

// poolConn has another name than pgxpool.Conn so that embedding it does not hide its
// method Conn.
type poolConn = pgxpool.Conn

// Conn is a *pgxpool.Conn, acquired from a [Pool], with the Pool's errors. Nothing is
// repeated on it. Its methods Conn, Release and Hijack are pgxpool's own; Conn reaches the
// *pgx.Conn, for LISTEN, Prepare and whatever else is pgx's, whose errors [Cause] explains.
type Conn struct {
	*poolConn
	session *session
}

// Bare is pgxpool's connection itself, for code that wants one.
func (c Conn) Bare() *pgxpool.Conn { return c.poolConn }

// Exec is pgxpool's Exec.
func (c Conn) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return c.session.exec(ctx, c.Conn(), sql, args)
}

// Query is pgxpool's Query.
func (c Conn) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	r, err := c.session.query(ctx, c.Conn(), sql, args)
	return r, err
}

// QueryRow is pgxpool's QueryRow.
func (c Conn) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	r, _ := c.session.queryRow(ctx, c.Conn(), sql, args) // Scan returns the error
	return r
}

// SendBatch is pgxpool's SendBatch.
func (c Conn) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return c.session.sendBatch(ctx, c.Conn(), b, nil)
}

// CopyFrom is pgxpool's CopyFrom.
func (c Conn) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	return c.session.copyFrom(ctx, c.Conn(), table, columns, source)
}

// Begin is pgxpool's Begin.
func (c Conn) Begin(ctx context.Context) (pgx.Tx, error) { return c.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is pgxpool's BeginTx.
func (c Conn) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	t, err := c.session.beginTx(ctx, c.Conn(), opts, nil)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Ping is pgxpool's Ping.
func (c Conn) Ping(ctx context.Context) error {
	ctx, call, err := c.session.conn.Enter(ctx, core.Call{Op: core.OpPing})
	if err != nil {
		return err
	}
	return c.session.conn.Leave(ctx, call, c.poolConn.Ping(ctx))
}
