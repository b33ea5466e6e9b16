package pgserver

import (
	"slices"

	"github.com/awsdb/awsdb/lab/internal/pgserver/syntax"
)

// begin opens the transaction that the next statement runs in, unless one is open.
func (s *session) begin() *transaction {
	if s.tx == nil {
		s.tx = newTransaction(s.server.config.Store, s.host())
		if value, _ := s.setting("default_transaction_read_only"); value == "on" {
			s.tx.readOnly = true
		}
	}
	return s.tx
}

// readOnly reports whether writes are refused now.
func (s *session) readOnly() bool {
	if !s.host().Writable() {
		return true
	}
	if s.tx != nil {
		return s.tx.readOnly
	}
	value, _ := s.setting("default_transaction_read_only")
	return value == "on"
}

// commit commits the open transaction, if any. When that fails it is rolled back.
func (s *session) commit() error {
	tx := s.tx
	if tx == nil {
		return nil
	}
	if err := s.server.config.Store.apply(tx, s.host().Writable); err != nil {
		s.rollback()
		return err
	}
	s.endTransaction()
	s.server.deliver(tx.notifications)
	return nil
}

// rollback undoes the open transaction, if any.
func (s *session) rollback() {
	if s.tx != nil {
		s.tx.rollbackTo(0)
		s.endTransaction()
	}
}

func (s *session) endTransaction() {
	for _, restore := range slices.Backward(s.tx.atEnd) {
		restore()
	}
	s.tx.end()
	s.tx, s.inBlock, s.failed = nil, false, false
	s.portals = map[string]*portal{}
}

// block runs a statement about transactions; false when stmt is none.
func (s *session) block(stmt syntax.Stmt) (r *result, handled bool, err error) {
	switch stmt := stmt.(type) {
	case syntax.Begin:
		r, err = s.beginBlock(stmt)
	case syntax.Commit:
		r, err = s.commitBlock(stmt.Chain)
	case syntax.Rollback:
		r, err = s.rollbackBlock(stmt.Chain)
	case syntax.Savepoint:
		r, err = s.savepoint(stmt.Name)
	case syntax.Release:
		r, err = s.release(stmt.Name)
	case syntax.RollbackTo:
		r, err = s.rollbackTo(stmt.Name)
	default:
		return nil, false, nil
	}
	return r, true, err
}

func (s *session) beginBlock(stmt syntax.Begin) (*result, error) {
	tag := "BEGIN"
	if stmt.Start {
		tag = "START TRANSACTION"
	}
	if s.failed {
		return nil, abortedError()
	}
	if s.inBlock {
		s.warn("25001", "there is already a transaction in progress")
		return &result{tag: tag}, nil
	}
	if stmt.ReadOnly != nil && !*stmt.ReadOnly && !s.host().Writable() {
		return nil, errorf("0A000", "cannot set transaction read-write mode during recovery")
	}
	tx := s.begin()
	s.inBlock = true
	if stmt.ReadOnly != nil {
		tx.readOnly = *stmt.ReadOnly
	}
	if level, ok := stmt.Options["transaction_isolation"]; ok {
		s.assign(tx, "transaction_isolation", &level, true)
	}
	return &result{tag: tag}, nil
}

func abortedError() error {
	return errorf("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

func (s *session) commitBlock(chain bool) (*result, error) {
	if s.failed {
		return s.rollbackBlock(chain)
	}
	if !s.inBlock {
		s.warn("25P01", "there is no transaction in progress")
	}
	if err := s.commit(); err != nil {
		return nil, err
	}
	s.chain(chain)
	return &result{tag: "COMMIT"}, nil
}

func (s *session) rollbackBlock(chain bool) (*result, error) {
	if !s.inBlock {
		s.warn("25P01", "there is no transaction in progress")
	}
	s.rollback()
	s.chain(chain)
	return &result{tag: "ROLLBACK"}, nil
}

func (s *session) chain(chain bool) {
	if chain {
		s.begin()
		s.inBlock = true
	}
}

func (s *session) savepoint(name string) (*result, error) {
	if s.failed {
		return nil, abortedError()
	}
	if !s.inBlock {
		return nil, errorf("25P01", "SAVEPOINT can only be used in transaction blocks")
	}
	s.tx.savepoints = append(s.tx.savepoints, savepoint{name: name, undo: len(s.tx.undo), notifications: len(s.tx.notifications)})
	return &result{tag: "SAVEPOINT"}, nil
}

// findSavepoint is the index of the youngest savepoint of that name.
func (s *session) findSavepoint(name string) (int, error) {
	if !s.inBlock {
		return 0, errorf("25P01", "savepoints can only be used in transaction blocks")
	}
	for i, sp := range slices.Backward(s.tx.savepoints) {
		if sp.name == name {
			return i, nil
		}
	}
	return 0, errorf("3B001", "savepoint \"%s\" does not exist", name)
}

func (s *session) release(name string) (*result, error) {
	if s.failed {
		return nil, abortedError()
	}
	i, err := s.findSavepoint(name)
	if err != nil {
		return nil, err
	}
	s.tx.savepoints = s.tx.savepoints[:i]
	return &result{tag: "RELEASE"}, nil
}

func (s *session) rollbackTo(name string) (*result, error) {
	i, err := s.findSavepoint(name)
	if err != nil {
		return nil, err
	}
	sp := s.tx.savepoints[i]
	s.tx.rollbackTo(sp.undo)
	s.tx.savepoints = s.tx.savepoints[:i+1]
	s.tx.notifications = s.tx.notifications[:sp.notifications]
	s.failed = false
	return &result{tag: "ROLLBACK"}, nil
}
