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

// tx is pgx's transaction whose errors say what became of it. It is as small as pgxpool's,
// and outlives what it needs while it is open.
type tx struct {
	inner pgx.Tx
	span  *span // nil when it is over
}

var _ pgx.Tx = (*tx)(nil)

// span is the time from a BEGIN, or SAVEPOINT, to its end.
type span struct {
	s      *session
	lease  *pgxpool.Conn // to be given back at the end; nil if it is not ours
	parent *span         // of a savepoint
	over   bool
	shared bool // with savepoints, which may outlive it
}

func (s *session) newTx(inner pgx.Tx, lease *pgxpool.Conn) *tx {
	at := s.span
	if at == nil {
		at = &span{s: s}
	}
	s.span, at.lease = nil, lease
	return &tx{inner, at}
}

func (p *span) ended() bool { return p.over || (p.parent != nil && p.parent.ended()) }

// closed tells that pgx will say pgx.ErrTxClosed, and that the connection may be
// somebody else's by now.
func (t *tx) closed() bool { return t.span == nil || t.span.ended() }

// Begin implements pgx.Tx.
func (t *tx) Begin(ctx context.Context) (pgx.Tx, error) {
	if t.closed() {
		return t.inner.Begin(ctx)
	}
	s := t.span.s
	ctx, call, err := s.conn.Enter(ctx, core.Call{Op: core.OpExec, Query: "savepoint"})
	if err != nil {
		return nil, err
	}
	inner, err := t.inner.Begin(ctx)
	if err = s.conn.Leave(ctx, call, err); err != nil {
		return nil, err
	}
	t.span.shared = true
	return &tx{inner, &span{s: s, parent: t.span}}, nil
}

// Commit implements pgx.Tx.
func (t *tx) Commit(ctx context.Context) error {
	if t.closed() {
		return t.inner.Commit(ctx) // says that it is closed
	}
	call := core.Call{Op: core.OpCommit}
	if t.span.parent != nil {
		call = core.Call{Op: core.OpExec, Query: "release savepoint"}
	}
	ctx, ongoing, err := t.span.s.conn.Enter(ctx, call)
	if err != nil { // a gate refused
		return errors.Join(err, t.Rollback(ctx))
	}
	err = t.span.s.conn.Leave(ctx, ongoing, t.inner.Commit(ctx))
	t.end()
	return err
}

// Rollback implements pgx.Tx.
func (t *tx) Rollback(ctx context.Context) error {
	if t.closed() {
		return t.inner.Rollback(ctx)
	}
	ctx, ongoing, _ := t.span.s.conn.Enter(ctx, core.Call{Op: core.OpRollback}) // never refused
	err := t.inner.Rollback(ctx)
	if errors.Is(err, pgx.ErrTxClosed) { // the batch that was to begin it has failed
		_ = t.span.s.conn.Leave(ctx, ongoing, nil)
	} else {
		err = t.span.s.conn.Leave(ctx, ongoing, err)
	}
	t.end()
	return err
}

func (t *tx) end() {
	at := t.span
	t.span = nil
	s, lease := at.s, at.lease
	if at.parent != nil {
		at.over = true
		return
	}
	if at.shared {
		at.over = true
	} else {
		at.lease, s.span = nil, at // for the next
	}
	s.conn.TxEnded()
	s.beginning = false
	if lease != nil {
		lease.Release()
	}
}

// CopyFrom implements pgx.Tx.
func (t *tx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	if t.closed() {
		return t.inner.CopyFrom(ctx, table, columns, source)
	}
	return t.span.s.copyFrom(ctx, t.inner, table, columns, source)
}

// SendBatch implements pgx.Tx.
func (t *tx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if t.closed() {
		return t.inner.SendBatch(ctx, b)
	}
	return t.span.s.sendBatch(ctx, t.inner, b, nil)
}

// LargeObjects implements pgx.Tx. Its errors are pgx's own, see [Cause].
func (t *tx) LargeObjects() pgx.LargeObjects { return t.inner.LargeObjects() }

// Prepare implements pgx.Tx.
func (t *tx) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	if t.closed() {
		return t.inner.Prepare(ctx, name, sql)
	}
	ctx, call, err := t.span.s.conn.Enter(ctx, core.Call{Op: core.OpPrepare, Query: sql})
	if err != nil {
		return nil, err
	}
	d, err := t.inner.Prepare(ctx, name, sql)
	return d, t.span.s.conn.Leave(ctx, call, err)
}

// Exec implements pgx.Tx.
func (t *tx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if t.closed() {
		return t.inner.Exec(ctx, sql, args...)
	}
	return t.span.s.exec(ctx, t.inner, sql, args)
}

// Query implements pgx.Tx.
func (t *tx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if t.closed() {
		return t.inner.Query(ctx, sql, args...)
	}
	r, err := t.span.s.query(ctx, t.inner, sql, args)
	return r, err
}

// QueryRow implements pgx.Tx.
func (t *tx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if t.closed() {
		return t.inner.QueryRow(ctx, sql, args...)
	}
	r, _ := t.span.s.queryRow(ctx, t.inner, sql, args) // Scan returns the error
	return r
}

// Conn implements pgx.Tx.
func (t *tx) Conn() *pgx.Conn { return t.inner.Conn() }
