package core

import (
	"context"
	"database/sql/driver"
	"errors"
)

// stmt is a prepared statement of a Conn.
type stmt struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	conn  *Conn
	text  string
}

// newStmt wraps s. Drivers whose statements check their own arguments keep that.
func newStmt(c *Conn, s driver.Stmt, text string) driver.Stmt {
	exec, okExec := s.(driver.StmtExecContext)
	query, okQuery := s.(driver.StmtQueryContext)
	if !okExec || !okQuery {
		return s // no driver of ours; nothing is known about its calls
	}
	st := stmt{Stmt: s, exec: exec, query: query, conn: c, text: text}
	checker, checks := s.(driver.NamedValueChecker)
	converter, converts := s.(driver.ColumnConverter) //nolint:staticcheck // deprecated, but go-sql-driver has it
	switch {
	case checks && converts:
		cs := c.spare
		if cs == nil {
			cs = new(convertingStmt)
		}
		c.spare = nil
		*cs = convertingStmt{checkingStmt{st, checker}, converter}
		return cs
	case checks:
		return &checkingStmt{st, checker}
	}
	plain := st // st itself would then be allocated for every kind
	return &plain
}

type checkingStmt struct {
	stmt
	driver.NamedValueChecker
}

// convertingStmt is used again when it has been closed: go-sql-driver prepares for
// every call that has arguments (driver.ErrSkip), and such a call shall not
// allocate more than it does without awsdb.
type convertingStmt struct {
	checkingStmt
	columnConverter
}

// columnConverter has another name than driver.ColumnConverter so that embedding it
// does not hide its method of that name.
type columnConverter = driver.ColumnConverter //nolint:staticcheck // deprecated, but go-sql-driver has it

var _ driver.ColumnConverter = (*convertingStmt)(nil) //nolint:staticcheck // likewise

// Close implements driver.Stmt.
func (s *convertingStmt) Close() error {
	err := s.checkingStmt.Close()
	if c := s.conn; c.silent {
		c.spare = s
	}
	return err
}

// Close implements driver.Stmt. Waiting for the server to confirm it is put off
// until the connection prepares again or is taken from the pool: database/sql
// closes statements with the lock of the whole pool held, and one host that does
// not answer would stop everybody.
func (s *stmt) Close() error {
	c := s.conn
	if c.silent {
		return s.Stmt.Close()
	}
	c.unused = append(c.unused, s.Stmt)
	return nil
}

// closeUnused closes the statements that were put off, within ctx.
func (c *Conn) closeUnused(ctx context.Context) error {
	if len(c.unused) == 0 {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { c.link.Abort(context.Cause(ctx)) }) // driver.Stmt.Close takes no context
	defer stop()
	var errs []error
	for _, s := range c.unused {
		errs = append(errs, s.Close())
	}
	clear(c.unused)
	c.unused = c.unused[:0]
	return errors.Join(errs...)
}

// ExecContext implements driver.StmtExecContext.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	c := s.conn
	call := Call{OpExec, s.text}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	result, err := s.exec.ExecContext(ctx, args)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return result, nil
}

// QueryContext implements driver.StmtQueryContext.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	c := s.conn
	call := Call{OpQuery, s.text}
	ctx, err := c.begin(ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	rows, err := s.query.QueryContext(ctx, args)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return c.wrapRows(ctx, s.text, rows), nil
}
