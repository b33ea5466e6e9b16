package pgdriver

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

// TxBeginner is what a [Pool], a *pgxpool.Pool and a *pgx.Conn have in common for RunTx.
type TxBeginner interface {
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

// RunTx is core.RunTx for pgx's own interface: it runs fn inside a transaction and commits
// it, and starts over when that is safe. fn must have no effects of its own outside the
// transaction, or bear their repetition, and must return the errors it gets from tx. With
// a [Pool] it starts over after a failover too, unless the outcome of the commit is
// unknown; with anything else only where the server asks for it (SQLSTATE 40001, 40P01).
func RunTx(ctx context.Context, db TxBeginner, opts pgx.TxOptions, fn func(tx pgx.Tx) error) error {
	return core.Retry(ctx, func() error { return Cause(pgx.BeginTxFunc(ctx, db, opts, fn)) })
}

// tx is pgx's transaction whose errors say what became of it.
type tx struct {
	inner  pgx.Tx
	s      *session
	lease  *pgxpool.Conn // to be given back at the end; nil afterwards
	parent *tx           // of a savepoint
	over   bool
}

var _ pgx.Tx = (*tx)(nil)

// closed tells that pgx will say pgx.ErrTxClosed, and that the connection may be
// somebody else's by now.
func (t *tx) closed() bool { return t.over || (t.parent != nil && t.parent.closed()) }

// Begin implements pgx.Tx.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if t.closed() {
		return t.inner.Begin(ctx)
	}
	ctx, call, err := t.s.conn.Enter(ctx, core.Call{Op: core.OpExec, Query: "savepoint"})
	if err != nil {
		return nil, err
	}
	inner, err := t.inner.Begin(ctx)
	if err = t.s.conn.Leave(ctx, call, err); err != nil {
		return nil, err
	}
	return &tx{inner: inner, s: t.s, parent: t}, nil
}

// Commit implements pgx.Tx.
func (t *tx) Commit(ctx context.Context) error {
	if t.closed() {
		return t.inner.Commit(ctx) // says that it is closed
	}
	call := core.Call{Op: core.OpCommit}
	if t.parent != nil {
		call = core.Call{Op: core.OpExec, Query: "release savepoint"}
	}
	ctx, ongoing, err := t.s.conn.Enter(ctx, call)
	if err != nil { // a gate refused
		return errors.Join(err, t.Rollback(ctx))
	}
	err = t.s.conn.Leave(ctx, ongoing, t.inner.Commit(ctx))
	t.end()
	return err
}

// Rollback implements pgx.Tx.
func (t *tx) Rollback(ctx context.Context) error {
	if t.closed() {
		return t.inner.Rollback(ctx)
	}
	ctx, ongoing, _ := t.s.conn.Enter(ctx, core.Call{Op: core.OpRollback}) // never refused
	err := t.s.conn.Leave(ctx, ongoing, t.inner.Rollback(ctx))
	t.end()
	return err
}

func (t *tx) end() {
	t.over = true
	if t.parent != nil {
		return
	}
	t.s.conn.TxEnded()
	if t.lease != nil {
		t.lease.Release()
		t.lease = nil
	}
}

// CopyFrom implements pgx.Tx.
func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if t.closed() {
		return t.inner.CopyFrom(ctx, table, columns, source)
	}
	return t.s.copyFrom(ctx, t.inner, table, columns, source)
}

// SendBatch implements pgx.Tx.
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.closed() {
		return t.inner.SendBatch(ctx, b)
	}
	return t.s.sendBatch(ctx, t.inner, b, nil)
}

// LargeObjects implements pgx.Tx. Its errors are pgx's own, see [Cause].
func (t *tx) LargeObjects() pgx.LargeObjects { return t.inner.LargeObjects() }

// Prepare implements pgx.Tx.
func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if t.closed() {
		return t.inner.Prepare(ctx, name, sql)
	}
	ctx, call, err := t.s.conn.Enter(ctx, core.Call{Op: core.OpPrepare, Query: sql})
	if err != nil {
		return nil, err
	}
	d, err := t.inner.Prepare(ctx, name, sql)
	return d, t.s.conn.Leave(ctx, call, err)
}

// Exec implements pgx.Tx.
func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.closed() {
		return t.inner.Exec(ctx, sql, args...)
	}
	return t.s.exec(ctx, t.inner, sql, args)
}

// Query implements pgx.Tx.
func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.closed() {
		return t.inner.Query(ctx, sql, args...)
	}
	r, err := t.s.query(ctx, t.inner, sql, args)
	return r, err
}

// QueryRow implements pgx.Tx.
func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.closed() {
		return t.inner.QueryRow(ctx, sql, args...)
	}
	return t.s.queryRow(ctx, t.inner, sql, args)
}

// Conn implements pgx.Tx.
func (t *tx) Conn() *pgx.Conn { return t.inner.Conn() }
