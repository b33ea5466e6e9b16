package pgdriver

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

// Results are small, and made many at a time, as pgxpool does: they must cost no more than
// its own. They cannot be used again, since an application may close one long after the
// connection has gone to somebody else. What they need while they are open can.

// Results are allocated many at once, but not for a connection that is hardly used.
const fewestSlots, mostSlots = 2, 64

// slots is how many results of a kind are allocated next.
func (s *session) slots() int {
	s.allocated = min(max(2*s.allocated, fewestSlots), mostSlots)
	return s.allocated
}

// reading is a call whose answer is being read. It belongs to one session for good, and
// to one result at a time.
type reading struct {
	s    *session
	ctx  context.Context // of the call: what the answer waits for is bounded by it
	call core.Ongoing
	next *reading // of those that are not in use

	// Of a batch:
	tx   *tx   // that it has begun, and that owns its lease
	err  error // as reported
	over bool  // it is closed: the connection may be somebody else's by now
}

func (s *session) read(ctx context.Context, call core.Ongoing) *reading {
	o := s.unread
	if o == nil {
		o = &reading{s: s}
	} else {
		s.unread = o.next
	}
	o.ctx, o.call = ctx, call
	return o
}

// end returns what the caller shall see. Nobody may use o afterwards; the connection must
// still be the caller's.
func (o *reading) end(err error) error {
	err = o.s.leave(o.ctx, o.call, err)
	o.ctx, o.next = nil, o.s.unread
	o.s.unread = o
	return err
}

// poolRows are pgx's Rows whose error says what became of the connection.
type poolRows struct {
	inner pgx.Rows      // nil: there are none, because of err
	open  *reading      // nil when they are closed
	lease *pgxpool.Conn // to be given back at the end; nil if it is not ours
	err   *error        // as reported; a pointer, to be as small as pgxpool's
}

var _ pgx.Rows = (*poolRows)(nil)

func (s *session) newRows(ctx context.Context, call core.Ongoing, inner pgx.Rows) *poolRows {
	if len(s.rows) == 0 {
		s.rows = make([]poolRows, s.slots())
	}
	last := len(s.rows) - 1 // from the end: that writes no pointer
	r := &s.rows[last]
	s.rows = s.rows[:last]
	r.inner, r.open = inner, s.read(ctx, call)
	return r
}

// Close implements pgx.Rows.
func (r *poolRows) Close() {
	if r.open == nil {
		return
	}
	r.inner.Close()
	err := r.inner.Err()
	if err != nil {
		r.open.call = r.open.call.Sent(core.OpRows)
	}
	if err = r.open.end(err); err != nil {
		r.err = pointer(err)
	}
	r.open = nil
	if r.lease != nil {
		r.lease.Release()
		r.lease = nil
	}
}

// pointer is where err is kept that nearly no call has.
func pointer(err error) *error { return &err }

// Err implements pgx.Rows.
func (r *poolRows) Err() error {
	switch {
	case r.err != nil:
		return *r.err
	case r.open == nil:
		return nil
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
		return *r.err
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
		return nil, *r.err
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
	open  *reading
	lease *pgxpool.Conn
	err   *error
}

func (s *session) newRow(ctx context.Context, call core.Ongoing, inner pgx.Row) *poolRow {
	if len(s.oneRows) == 0 {
		s.oneRows = make([]poolRow, s.slots())
	}
	last := len(s.oneRows) - 1
	r := &s.oneRows[last]
	s.oneRows = s.oneRows[:last]
	r.inner, r.open = inner, s.read(ctx, call)
	return r
}

// Scan implements pgx.Row.
func (r *poolRow) Scan(dest ...any) error {
	o := r.open
	switch {
	case r.inner == nil:
		return *r.err
	case o == nil:
		return r.inner.Scan(dest...) // says that it is closed
	}
	r.open = nil
	if r.lease != nil {
		defer r.release() // also when a scanner panics
	}
	err := r.inner.Scan(dest...)
	if err == pgx.ErrNoRows { //nolint:errorlint // an answer like others, never wrapped
		_ = o.end(nil) // stays nil
		return err
	}
	return o.end(err)
}

func (r *poolRow) release() { r.lease.Release() }

// poolBatch is pgx's BatchResults with such errors.
type poolBatch struct {
	inner pgx.BatchResults
	open  *reading // nil when it is closed and there is nothing left to tell
	lease *pgxpool.Conn
}

// report tells the first loss; what follows from it is the same.
func (r *poolBatch) report(err error) error {
	o := r.open
	if err == nil || o == nil {
		return err
	}
	if o.over || (o.tx != nil && o.tx.closed()) || errors.As(o.err, new(*core.Error)) {
		return cmp.Or(o.err, err)
	}
	o.err = o.s.leave(o.ctx, o.call, err)
	return o.err
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
		return &poolRows{err: pointer(err)}, err
	}
	if r.open == nil {
		return inner, nil
	}
	return r.open.s.newRows(r.open.ctx, r.open.call, inner), nil
}

// QueryRow implements pgx.BatchResults.
func (r *poolBatch) QueryRow() pgx.Row {
	if r.open == nil {
		return r.inner.QueryRow()
	}
	return r.open.s.newRow(r.open.ctx, r.open.call, r.inner.QueryRow())
}

// Close implements pgx.BatchResults.
func (r *poolBatch) Close() error {
	o := r.open
	if o != nil && o.over {
		return o.err
	}
	if r.lease != nil {
		defer r.release() // also when a function of the batch panics
	}
	err := r.report(r.inner.Close())
	switch {
	case o == nil:
	case o.tx == nil && o.err == nil:
		err = o.end(err)
		r.open = nil
	default:
		if o.tx != nil && !o.tx.closed() {
			o.s.beginning = false
		}
		o.over, o.err = true, err
	}
	return err
}

func (r *poolBatch) release() {
	r.lease.Release()
	r.lease = nil
}

// Tx implements pgx.BatchResults.
func (r *poolBatch) Tx() pgx.Tx {
	if r.open == nil || r.open.tx == nil {
		return nil
	}
	return r.open.tx
}
