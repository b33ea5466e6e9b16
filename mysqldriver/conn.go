package mysqldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/awsdb/awsdb/core"
)

// nativeConn is what go-sql-driver's connection implements; its type is not
// exported.
type nativeConn interface {
	core.Native
	driver.Validator
	driver.Execer  //nolint:staticcheck // deprecated, but documented by go-sql-driver as the way to its results
	driver.Queryer //nolint:staticcheck // deprecated, but go-sql-driver has it
}

// conn is go-sql-driver's connection; it adds only that its Rows report their
// errors.
type conn struct {
	nativeConn
	rows rows // reused: a connection has one open result nearly always
}

var (
	_ core.Native       = (*conn)(nil)
	_ core.RowsWrapper  = (*conn)(nil)
	_ core.SilentCloser = (*conn)(nil)
	_ core.ContextTx    = (*conn)(nil)

	_ core.ImplicitCommitter = (*conn)(nil)
)

// ClosesSilently implements core.SilentCloser: COM_STMT_CLOSE has no response.
func (c *conn) ClosesSilently() {}

// CommitContext implements core.ContextTx: the driver's own Commit waits for ever.
func (c *conn) CommitContext(ctx context.Context) error {
	_, err := c.ExecContext(ctx, "COMMIT", nil)
	return err
}

// RollbackContext implements core.ContextTx.
func (c *conn) RollbackContext(ctx context.Context) error {
	_, err := c.ExecContext(ctx, "ROLLBACK", nil)
	return err
}

// nativeRows is what the Rows of both of go-sql-driver's protocols implement;
// their types are not exported.
type nativeRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows passes everything on and reports errors.
type rows struct {
	nativeRows
	ctx    context.Context // of the query: what its rows wait for is bounded by it
	failed func(ctx context.Context, err error) error
	err    error // as reported
}

// WrapRows implements core.RowsWrapper.
func (c *conn) WrapRows(ctx context.Context, native driver.Rows, failed func(context.Context, error) error) driver.Rows {
	n, ok := native.(nativeRows)
	if !ok {
		return native
	}
	r := &c.rows
	if r.nativeRows != nil {
		// An earlier result without rows left is still open: the driver has let go
		// of the connection, but database/sql has not closed it yet.
		r = new(rows)
	}
	r.nativeRows, r.ctx = n, ctx
	if r.failed == nil { // the same for the life of the connection
		r.failed = failed
	}
	return r
}

// Next implements driver.Rows.
func (r *rows) Next(dest []driver.Value) error {
	if r.nativeRows == nil {
		return io.EOF // closed
	}
	err := r.nativeRows.Next(dest)
	if err != nil && !errors.Is(err, io.EOF) {
		return r.report(err)
	}
	return err
}

// NextResultSet implements driver.RowsNextResultSet.
func (r *rows) NextResultSet() error {
	if r.nativeRows == nil {
		return io.EOF // closed
	}
	err := r.nativeRows.NextResultSet()
	if err != nil && !errors.Is(err, io.EOF) {
		return r.report(err)
	}
	return err
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	if r.nativeRows == nil {
		return nil
	}
	err := r.readToEnd()
	if closing := r.nativeRows.Close(); err == nil {
		err = closing
	}
	if err != nil {
		err = r.report(err)
	}
	r.nativeRows, r.ctx, r.err = nil, nil, nil
	return err
}

// readToEnd reads what is left of the results. The driver's Close would do that too,
// but stops watching the context first.
func (r *rows) readToEnd() error {
	for {
		err := r.nativeRows.NextResultSet()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// report tells the first error to core; all later ones are the same.
func (r *rows) report(err error) error {
	if r.err == nil {
		r.err = r.failed(r.ctx, err)
	}
	return r.err
}
