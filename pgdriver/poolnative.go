package pgdriver

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
)

// native is what a core.Conn holds when its session has been handed over to pgx's own
// interface: calls come from there, none through database/sql.
type native struct{ s *session }

var (
	_ core.Native      = native{}
	_ driver.Validator = native{}
)

// Conn is the connection on top; nil while it is being opened.
func (n native) Conn() *pgx.Conn { return n.s.pgx }

// IsValid implements driver.Validator.
func (n native) IsValid() bool { return n.s.pgx == nil || !n.s.pgx.IsClosed() }

// ResetSession implements driver.SessionResetter.
func (n native) ResetSession(context.Context) error {
	if !n.IsValid() {
		return driver.ErrBadConn
	}
	return nil
}

// Ping implements driver.Pinger.
func (n native) Ping(ctx context.Context) error {
	if n.s.pgx == nil {
		return driver.ErrBadConn
	}
	return n.s.pgx.Ping(ctx)
}

// Close implements driver.Conn: pgx closes the connection.
func (n native) Close() error { return nil }

var errNative = fmt.Errorf("%w: this connection belongs to a pgxpool: use it by Conn() *pgx.Conn", core.ErrUnsupported)

// Prepare implements driver.Conn.
func (native) Prepare(string) (driver.Stmt, error) { return nil, errNative }

// PrepareContext implements driver.ConnPrepareContext.
func (native) PrepareContext(context.Context, string) (driver.Stmt, error) { return nil, errNative }

// Begin implements driver.Conn.
func (native) Begin() (driver.Tx, error) { return nil, errNative }

// BeginTx implements driver.ConnBeginTx.
func (native) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return nil, errNative }

// ExecContext implements driver.ExecerContext.
func (native) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, errNative
}

// QueryContext implements driver.QueryerContext.
func (native) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, errNative
}

// CheckNamedValue implements driver.NamedValueChecker.
func (native) CheckNamedValue(*driver.NamedValue) error { return errNative }
