package mysqlserver

import (
	"errors"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// state is what COM_RESET_CONNECTION makes new.
type state struct {
	engine        *sqlengine.Session
	variables     map[string]string // system variables as changed by the session
	userVariables map[string]sql.Expr
	nextReadOnly  *bool // by SET TRANSACTION, for the next transaction

	lastInsertID int64 // LAST_INSERT_ID()
	insertID     int64 // what the running statement tells the client
	rowCount     int64 // ROW_COUNT()
}

func newState(s *session) state {
	config := s.server.config
	return state{
		engine: sqlengine.NewSession(sqlengine.Config{
			Store: config.Store, Host: config.Host, Dialect: s.server.dialect, Version: s.server.version(), User: s.user, PID: uint32(s.number),
			Front: sqlengine.Front{State: s},
		}),
		variables: map[string]string{}, userVariables: map[string]sql.Expr{},
	}
}

func (s *session) inTransaction() bool { return s.engine.InBlock() }

func (s *session) autocommit() bool { return s.setting("autocommit") == "1" }

// transactionStatus are the status flags about transactions.
func (s *session) transactionStatus() uint16 {
	var flags uint16
	if s.autocommit() {
		flags |= statusAutocommit
	}
	if s.inTransaction() {
		flags |= statusInTransaction
		if s.engine.ReadOnly() && s.host().Writable() {
			flags |= statusReadOnly
		}
	}
	return flags
}

// begin opens a transaction; readOnly nil leaves it to the variables.
func (s *session) begin(readOnly *bool) {
	if readOnly == nil {
		if readOnly = s.nextReadOnly; readOnly == nil {
			only := s.setting("transaction_read_only") == "1"
			readOnly = &only
		}
	}
	s.nextReadOnly = nil
	s.engine.Begin(readOnly)
}

// openTransaction opens the transaction of a statement that reads or writes, if that does not end by itself.
func (s *session) openTransaction() {
	if !s.inTransaction() && !s.autocommit() {
		s.begin(nil)
	}
}

func (s *session) commit() error { return s.engine.Commit() }

func (s *session) rollback() { s.engine.Rollback() }

// finish ends the transaction of a statement that was not part of one. A deadlock ends every transaction.
func (s *session) finish(err error) error {
	var cause *sqlengine.Error
	switch {
	case err == nil && !s.inTransaction():
		return s.commit()
	case err != nil && (!s.inTransaction() || errors.As(err, &cause) && (cause.Code == "40P01" || cause.Code == "40001")):
		s.rollback()
	}
	return err
}

// transaction runs a statement about transactions.
func (s *session) transaction(stmt sql.Stmt) error {
	switch stmt := stmt.(type) {
	case sql.Begin:
		if err := s.commit(); err != nil {
			return err
		}
		s.begin(stmt.ReadOnly)
	case sql.Commit:
		if err := s.commit(); err != nil {
			return err
		}
		if stmt.Chain {
			s.begin(nil)
		}
	case sql.Rollback:
		s.rollback()
		if stmt.Chain {
			s.begin(nil)
		}
	default:
		return s.savepoint(stmt)
	}
	return nil
}

// savepoint runs a statement about savepoints. Setting one outside of a transaction is allowed and does nothing.
func (s *session) savepoint(stmt sql.Stmt) error {
	s.openTransaction()
	missing := func(name string) error { return errorf(1305, "42000", "SAVEPOINT %s does not exist", name) }
	switch stmt := stmt.(type) {
	case sql.Savepoint:
		if s.inTransaction() {
			return s.engine.Savepoint(stmt.Name)
		}
	case sql.Release:
		if !s.inTransaction() {
			return missing(stmt.Name)
		}
		return s.engine.Release(stmt.Name)
	case sql.RollbackTo:
		if !s.inTransaction() {
			return missing(stmt.Name)
		}
		return s.engine.RollbackTo(stmt.Name)
	}
	return nil
}

// setTransaction runs SET TRANSACTION. The isolation level is kept and changes nothing.
func (s *session) setTransaction(stmt syntax.SetTransaction) error {
	if stmt.Scope == "" && s.inTransaction() {
		return errorf(1568, "25001", "Transaction characteristics can't be changed while a transaction is in progress")
	}
	if stmt.Isolation != "" && stmt.Scope != "" {
		if err := s.set(stmt.Scope, "transaction_isolation", stmt.Isolation); err != nil {
			return err
		}
	}
	if stmt.ReadOnly == nil {
		return nil
	}
	if stmt.Scope == "" {
		s.nextReadOnly = stmt.ReadOnly
		return nil
	}
	return s.set(stmt.Scope, "transaction_read_only", digit(*stmt.ReadOnly))
}

// checkWritable refuses to change rows on a reader or in a read-only transaction.
func (s *session) checkWritable(stmt sql.Stmt) error {
	switch stmt.(type) {
	case *sql.Insert, *sql.Update, *sql.Delete, *syntax.LoadData:
		if s.engine.ReadOnly() || !s.inTransaction() && s.setting("transaction_read_only") == "1" {
			return s.readOnlyError(false)
		}
	}
	return nil
}
