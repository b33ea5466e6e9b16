package frontend

import (
	"context"
	"database/sql/driver"
	"io"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/pgdriver"
)

// poolAdapter puts database/sql in front of a native pool, so that the suite speaks to it
// as to all others. What is asked of the *sql.DB goes to the Pool's own methods, a
// transaction to the Pool's; a connection that was taken out to one taken from the Pool.
// What database/sql counts as its connections is a limit and nothing else.
type poolAdapter struct {
	pool *pgdriver.Pool
	keep atomic.Int64 // connections that may be idle; -1: all
}

func newPoolAdapter(pool *pgdriver.Pool) *poolAdapter {
	a := &poolAdapter{pool: pool}
	a.keep.Store(-1)
	return a
}

// Connect implements driver.Connector. The Pool connects when it has to.
func (a *poolAdapter) Connect(context.Context) (driver.Conn, error) { return &adapted{adapter: a}, nil }

// Driver implements driver.Connector.
func (a *poolAdapter) Driver() driver.Driver { return pgdriver.Driver{} }

// Close implements io.Closer.
func (a *poolAdapter) Close() error {
	a.pool.Close()
	return nil
}

func (a *poolAdapter) keepIdle(n int) {
	a.keep.Store(int64(max(n, 0)))
	if n <= 0 {
		a.pool.Reset()
	}
}

// release gives a connection back, or ends it where one more must not be idle.
func (a *poolAdapter) release(c pgdriver.Conn) {
	if keep := a.keep.Load(); keep >= 0 && int64(a.pool.Stat().IdleConns()) >= keep {
		_ = c.Conn().Close(context.Background()) // as database/sql does
	}
	c.Release()
}

// caller is who runs statements: the Pool, a connection taken from it, or a transaction.
type caller interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// adapted is what database/sql takes for a connection. It has one only from acquire, or
// the begin of a transaction, until it is put away.
type adapted struct {
	adapter *poolAdapter
	pinned  *pgdriver.Conn // nil: none
	tx      pgx.Tx         // nil: none
}

var (
	_ driver.ConnBeginTx        = (*adapted)(nil)
	_ driver.ConnPrepareContext = (*adapted)(nil)
	_ driver.ExecerContext      = (*adapted)(nil)
	_ driver.QueryerContext     = (*adapted)(nil)
	_ driver.Pinger             = (*adapted)(nil)
	_ driver.Validator          = (*adapted)(nil)
	_ driver.NamedValueChecker  = (*adapted)(nil)
)

// acquire takes a connection from the Pool, for all that follows.
func (c *adapted) acquire(ctx context.Context) error {
	if c.pinned != nil {
		return nil
	}
	conn, err := c.adapter.pool.Acquire(ctx)
	if err == nil {
		c.pinned = &conn
	}
	return err
}

// use is who runs the next statement; done is to be called after it. Where nothing may be
// idle, the Pool must not keep the connection.
func (c *adapted) use(ctx context.Context) (q caller, done func(), err error) {
	done = func() {}
	switch {
	case c.tx != nil:
		return c.tx, done, nil
	case c.pinned != nil:
		return *c.pinned, done, nil
	case c.adapter.keep.Load() != 0:
		return c.adapter.pool, done, nil
	}
	conn, err := c.adapter.pool.Acquire(ctx)
	return conn, func() { c.adapter.release(conn) }, err
}

// IsValid implements driver.Validator: database/sql is about to put the connection away.
func (c *adapted) IsValid() bool {
	if c.pinned != nil {
		c.adapter.release(*c.pinned)
		c.pinned = nil
	}
	return true
}

// Close implements driver.Conn.
func (c *adapted) Close() error {
	c.IsValid()
	return nil
}

// link is the socket of the connection that was acquired; nil if none was.
func (c *adapted) link() *core.Link {
	if c.pinned == nil {
		return nil
	}
	n := c.pinned.Conn().PgConn().Conn()
	for {
		switch below := n.(type) {
		case *core.Link:
			return below
		case interface{ NetConn() net.Conn }:
			n = below.NetConn()
		default:
			return nil
		}
	}
}

// ExecContext implements driver.ExecerContext.
func (c *adapted) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	q, done, err := c.use(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	tag, err := q.Exec(ctx, query, values(args)...)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// QueryContext implements driver.QueryerContext. The first row is read at once, as pgx's
// own driver does: database/sql asks for the columns.
func (c *adapted) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	q, done, err := c.use(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := q.Query(ctx, query, values(args)...)
	if err != nil {
		done()
		return nil, err
	}
	r := &adaptedRows{rows: rows, first: rows.Next(), done: done}
	if err := rows.Err(); err != nil {
		return nil, r.Close()
	}
	return r, nil
}

// Ping implements driver.Pinger.
func (c *adapted) Ping(ctx context.Context) error {
	switch {
	case c.pinned != nil:
		return c.pinned.Ping(ctx)
	case c.adapter.keep.Load() != 0:
		return c.adapter.pool.Ping(ctx)
	}
	conn, err := c.adapter.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.adapter.release(conn)
	return conn.Ping(ctx)
}

// CheckNamedValue implements driver.NamedValueChecker: pgx knows more types.
func (c *adapted) CheckNamedValue(*driver.NamedValue) error { return nil }

// PrepareContext implements driver.ConnPrepareContext. pgx prepares what it runs by itself.
func (c *adapted) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return &adaptedStmt{c, query}, nil
}

// Prepare implements driver.Conn.
func (c *adapted) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// BeginTx implements driver.ConnBeginTx.
func (c *adapted) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var o pgx.TxOptions
	if opts.ReadOnly {
		o.AccessMode = pgx.ReadOnly
	}
	begin := c.adapter.pool.BeginTx
	if c.adapter.keep.Load() == 0 {
		if err := c.acquire(ctx); err != nil {
			return nil, err
		}
	}
	if c.pinned != nil {
		begin = c.pinned.BeginTx
	}
	tx, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	c.tx = tx
	return &adaptedTx{c, ctx}, nil
}

// Begin implements driver.Conn.
func (c *adapted) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// adaptedTx is the transaction of an adapted. database/sql gives its ends no context;
// pgx's own driver takes that of the beginning.
type adaptedTx struct {
	conn *adapted
	ctx  context.Context
}

// Commit implements driver.Tx.
func (t *adaptedTx) Commit() error {
	tx := t.conn.tx
	t.conn.tx = nil
	return tx.Commit(t.ctx)
}

// Rollback implements driver.Tx.
func (t *adaptedTx) Rollback() error {
	tx := t.conn.tx
	t.conn.tx = nil
	return tx.Rollback(t.ctx)
}

// adaptedStmt is the text of a statement.
type adaptedStmt struct {
	conn  *adapted
	query string
}

var (
	_ driver.StmtExecContext  = (*adaptedStmt)(nil)
	_ driver.StmtQueryContext = (*adaptedStmt)(nil)
)

// ExecContext implements driver.StmtExecContext.
func (s *adaptedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s *adaptedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// NumInput implements driver.Stmt.
func (s *adaptedStmt) NumInput() int { return -1 }

// Close implements driver.Stmt.
func (s *adaptedStmt) Close() error { return nil }

// Exec implements driver.Stmt.
func (s *adaptedStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }

// Query implements driver.Stmt.
func (s *adaptedStmt) Query([]driver.Value) (driver.Rows, error) { return nil, driver.ErrSkip }

// adaptedRows are pgx's rows, of which the first may have been read.
type adaptedRows struct {
	rows  pgx.Rows
	first bool
	done  func()
}

// Columns implements driver.Rows.
func (r *adaptedRows) Columns() []string {
	fields := r.rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}

// Next implements driver.Rows.
func (r *adaptedRows) Next(dest []driver.Value) error {
	if more := r.first || r.rows.Next(); !more {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	r.first = false
	row, err := r.rows.Values()
	if err != nil {
		return err
	}
	for i, v := range row {
		dest[i] = plain(v)
	}
	return nil
}

// Close implements driver.Rows.
func (r *adaptedRows) Close() error {
	r.rows.Close()
	r.done()
	r.done = func() {}
	return r.rows.Err()
}

// plain is a value in one of the types that drivers give to database/sql.
func plain(v any) driver.Value {
	switch v := v.(type) {
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint32:
		return int64(v)
	case float32:
		return float64(v)
	}
	return v
}

func values(args []driver.NamedValue) []any {
	all := make([]any, len(args))
	for i, a := range args {
		all[i] = a.Value
	}
	return all
}
