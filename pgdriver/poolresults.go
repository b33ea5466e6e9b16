package pgdriver

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

// slots is how many results are allocated at once; pgxpool does the same.
const slots = 64

// poolRows are pgx's Rows whose error says what became of the connection.
type poolRows struct {
	inner pgx.Rows // nil: there are none, because of err
	s     *session
	ctx   context.Context // of the query: what its rows wait for is bounded by it
	call  core.Ongoing
	lease *pgxpool.Conn // to be given back at the end; nil if it is not ours
	err   error         // as reported
	done  bool
}

var _ pgx.Rows = (*poolRows)(nil)

func (s *session) newRows(ctx context.Context, call core.Ongoing, inner pgx.Rows) *poolRows {
	if len(s.rows) == 0 {
		s.rows = make([]poolRows, slots)
	}
	r := &s.rows[0]
	s.rows = s.rows[1:]
	r.inner, r.s, r.ctx, r.call = inner, s, ctx, call
	return r
}

// Close implements pgx.Rows.
func (r *poolRows) Close() {
	if r.inner == nil || r.done {
		return
	}
	r.done = true
	r.inner.Close()
	if r.err = r.inner.Err(); r.err != nil {
		r.call = r.call.Sent(core.OpRows)
	}
	r.err = r.s.leave(r.ctx, r.call, r.err)
	if r.lease != nil {
		r.lease.Release()
	}
	r.ctx, r.lease = nil, nil
}

// Err implements pgx.Rows.
func (r *poolRows) Err() error {
	if r.inner == nil || r.done {
		return r.err
	}
	return r.inner.Err()
}

// CommandTag implements pgx.Rows.
func (r *poolRows) CommandTag() pgconn.CommandTag {
	if r.inner == nil {
		return pgconn.CommandTag{}
	}
	return r.inner.CommandTag()
}

// FieldDescriptions implements pgx.Rows.
func (r *poolRows) FieldDescriptions() []pgconn.FieldDescription {
	if r.inner == nil {
		return nil
	}
	return r.inner.FieldDescriptions()
}

// Next implements pgx.Rows.
func (r *poolRows) Next() bool {
	if r.inner == nil {
		return false
	}
	if r.inner.Next() {
		return true
	}
	r.Close()
	return false
}

// Scan implements pgx.Rows.
func (r *poolRows) Scan(dest ...any) error {
	if r.inner == nil {
		return r.err
	}
	err := r.inner.Scan(dest...)
	if err != nil {
		r.Close()
	}
	return err
}

// Values implements pgx.Rows.
func (r *poolRows) Values() ([]any, error) {
	if r.inner == nil {
		return nil, r.err
	}
	values, err := r.inner.Values()
	if err != nil {
		r.Close()
	}
	return values, err
}

// RawValues implements pgx.Rows.
func (r *poolRows) RawValues() [][]byte {
	if r.inner == nil {
		return nil
	}
	return r.inner.RawValues()
}

// Conn implements pgx.Rows.
func (r *poolRows) Conn() *pgx.Conn {
	if r.inner == nil {
		return nil
	}
	return r.inner.Conn()
}

// TypeMap implements pgx.Rows.
func (r *poolRows) TypeMap() *pgtype.Map {
	if r.inner == nil {
		return nil
	}
	return r.inner.TypeMap()
}

// poolRow is pgx's Row with such an error.
type poolRow struct {
	inner pgx.Row // nil: there is none, because of err
	s     *session
	ctx   context.Context
	call  core.Ongoing
	lease *pgxpool.Conn
	err   error

	// To begin anew; pool is nil if the row is not from a Pool.
	pool    *Pool
	args    []any
	attempt int
}

func (s *session) newRow(ctx context.Context, call core.Ongoing, inner pgx.Row) *poolRow {
	if len(s.oneRows) == 0 {
		s.oneRows = make([]poolRow, slots)
	}
	r := &s.oneRows[0]
	s.oneRows = s.oneRows[1:]
	r.inner, r.s, r.ctx, r.call = inner, s, ctx, call
	return r
}

// Scan implements pgx.Row.
func (r *poolRow) Scan(dest ...any) error {
	if r.inner == nil {
		return r.err
	}
	err := r.scan(dest)
	if r.pool != nil && again(r.attempt, err) {
		return r.pool.queryRow(r.ctx, r.attempt+1, r.call.Query, r.args).Scan(dest...)
	}
	return err
}

func (r *poolRow) scan(dest []any) error {
	if r.lease != nil {
		defer r.release() // also when a scanner panics
	}
	err := r.inner.Scan(dest...)
	if err == nil || err == pgx.ErrNoRows { //nolint:errorlint // as pgx returns it; no error of the call
		_ = r.s.leave(r.ctx, r.call, nil) // stays nil
		return err
	}
	return r.s.leave(r.ctx, r.call, err)
}

func (r *poolRow) release() { r.lease.Release() }

// poolBatch is pgx's BatchResults with such errors.
type poolBatch struct {
	inner pgx.BatchResults
	s     *session
	ctx   context.Context
	call  core.Ongoing
	lease *pgxpool.Conn
	tx    *tx   // owns the lease instead when the batch began a transaction
	raw   error // of pgx, reported as err
	err   error
}

// report tells the first loss; what follows from it is the same.
func (r *poolBatch) report(err error) error {
	if err == nil {
		return nil
	}
	if r.raw == nil || err != r.raw { //nolint:errorlint // the very same error is not reported twice
		r.raw, r.err = err, r.s.leave(r.ctx, r.call, err)
	}
	return r.err
}

// Exec implements pgx.BatchResults.
func (r *poolBatch) Exec() (pgconn.CommandTag, error) {
	tag, err := r.inner.Exec()
	return tag, r.report(err)
}

// Query implements pgx.BatchResults.
func (r *poolBatch) Query() (pgx.Rows, error) {
	inner, err := r.inner.Query()
	if err != nil {
		err = r.report(err)
		return &poolRows{err: err}, err
	}
	return r.s.newRows(r.ctx, r.call, inner), nil
}

// QueryRow implements pgx.BatchResults.
func (r *poolBatch) QueryRow() pgx.Row { return r.s.newRow(r.ctx, r.call, r.inner.QueryRow()) }

// Close implements pgx.BatchResults.
func (r *poolBatch) Close() error {
	err := r.report(r.inner.Close())
	if r.lease != nil {
		r.lease.Release()
		r.lease = nil
	}
	return err
}

// Tx implements pgx.BatchResults.
func (r *poolBatch) Tx() pgx.Tx {
	if r.tx == nil {
		return nil
	}
	return r.tx
}
