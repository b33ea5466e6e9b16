package pgdriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/core"
)

// std has another name than stdlib.Conn so that embedding it does not hide its
// method Conn.
type std = stdlib.Conn

// conn is pgx's database/sql connection. It differs in that its Rows report their
// errors, and in that it never pings by itself.
type conn struct {
	*std
	rows rows // reused: a connection has one open result nearly always
}

var (
	_ core.Native      = (*conn)(nil)
	_ core.RowsWrapper = (*conn)(nil)
)

// rows embeds the concrete type, so that every interface of pgx's Rows, now and
// in future, is there.
type rows struct {
	*stdlib.Rows
	ctx    context.Context // of the query: what its rows wait for is bounded by it
	failed func(ctx context.Context, err error) error
	err    error // as reported
}

// ResetSession implements driver.SessionResetter as pgx does, but without its ping
// after a second of idling: core has looked at the socket, which tells the same
// without a round trip.
func (c *conn) ResetSession(context.Context) error {
	if pg := c.Conn().PgConn(); pg.IsClosed() || pg.TxStatus() != 'I' {
		return driver.ErrBadConn
	}
	return nil
}

// WrapRows implements core.RowsWrapper.
func (c *conn) WrapRows(ctx context.Context, native driver.Rows, failed func(context.Context, error) error) driver.Rows {
	n, ok := native.(*stdlib.Rows)
	if !ok {
		return native
	}
	r := &c.rows
	if r.Rows != nil {
		// An earlier result without rows left is still open: pgx has let go of
		// the connection, but database/sql has not closed it yet.
		r = new(rows)
	}
	r.Rows, r.ctx = n, ctx
	if r.failed == nil { // the same for the life of the connection
		r.failed = failed
	}
	return r
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err != nil && !errors.Is(err, io.EOF) {
		return r.report(err)
	}
	return err
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	if r.Rows == nil {
		return nil
	}
	err := r.Rows.Close()
	if err != nil {
		err = r.report(err)
	}
	r.Rows, r.ctx = nil, nil
	if r.err != nil {
		r.err = nil
	}
	return err
}

// report tells the first error to core; all later ones are the same.
func (r *rows) report(err error) error {
	if r.err == nil {
		r.err = r.failed(r.ctx, err)
	}
	return r.err
}
