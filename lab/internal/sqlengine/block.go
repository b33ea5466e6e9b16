package sqlengine

import (
	"slices"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// begin opens the transaction that the next statement runs in, unless one is open.
func (s *Session) begin() *transaction {
	if s.tx == nil {
		s.tx = newTransaction(s.config.Store, s.Host())
		s.tx.readOnly, s.tx.lockTimeout = s.readOnlyByDefault(), s.LockTimeout
	}
	return s.tx
}

func (s *Session) readOnlyByDefault() bool {
	settings := s.dialect().Settings
	return settings != nil && settings.ReadOnly(s)
}

// ReadOnly reports whether writes are refused now, because of the host or of the transaction.
func (s *Session) ReadOnly() bool {
	if !s.Host().Writable() {
		return true
	}
	if s.tx != nil {
		return s.tx.readOnly
	}
	return s.readOnlyByDefault()
}

// Begin opens a transaction block, unless one is open. readOnly decides whether it may write; nil leaves that to the
// settings.
func (s *Session) Begin(readOnly *bool) {
	s.begin()
	s.inBlock = true
	if readOnly != nil {
		s.tx.readOnly = *readOnly
	}
}

// Commit commits the open transaction, if any. When that fails it is rolled back: with SQLSTATE 25006 if the host is not
// the writer any more.
func (s *Session) Commit() error {
	tx := s.tx
	if tx == nil {
		return nil
	}
	if s.failed {
		s.Rollback()
		return abortedError()
	}
	if err := s.config.Store.apply(tx, s.Host().Writable); err != nil {
		s.Rollback()
		return err
	}
	s.endTransaction()
	if s.config.Front.Deliver != nil && len(tx.notifications) > 0 {
		s.config.Front.Deliver(tx.notifications)
	}
	return nil
}

// Rollback undoes the open transaction, if any.
func (s *Session) Rollback() {
	if s.tx != nil {
		s.tx.rollbackTo(0)
		s.endTransaction()
	}
}

func (s *Session) endTransaction() {
	for _, restore := range slices.Backward(s.tx.atEnd) {
		restore()
	}
	s.tx.end()
	s.tx, s.inBlock, s.failed = nil, false, false
	if s.config.Front.Ended != nil {
		s.config.Front.Ended()
	}
}

// block runs a statement about transactions; false when stmt is none.
func (s *Session) block(stmt syntax.Stmt) (r *Result, handled bool, err error) {
	switch stmt := stmt.(type) {
	case syntax.Begin:
		r, err = s.beginBlock(stmt)
	case syntax.Commit:
		r, err = s.commitBlock(stmt.Chain)
	case syntax.Rollback:
		r, err = s.rollbackBlock(stmt.Chain)
	case syntax.Savepoint:
		r, err = &Result{Verb: "SAVEPOINT"}, s.Savepoint(stmt.Name)
	case syntax.Release:
		r, err = &Result{Verb: "RELEASE"}, s.Release(stmt.Name)
	case syntax.RollbackTo:
		r, err = &Result{Verb: "ROLLBACK"}, s.RollbackTo(stmt.Name)
	default:
		return nil, false, nil
	}
	return r, true, err
}

func (s *Session) beginBlock(stmt syntax.Begin) (*Result, error) {
	tag := "BEGIN"
	if stmt.Start {
		tag = "START TRANSACTION"
	}
	if s.inBlock {
		s.warn("25001", "there is already a transaction in progress")
		return &Result{Verb: tag}, nil
	}
	if stmt.ReadOnly != nil && !*stmt.ReadOnly && !s.Host().Writable() {
		return nil, Errorf("0A000", "cannot set transaction read-write mode during recovery")
	}
	s.Begin(stmt.ReadOnly)
	if level, ok := stmt.Options["transaction_isolation"]; ok {
		s.Keep("transaction_isolation", level, ForTransaction)
	}
	return &Result{Verb: tag}, nil
}

func (s *Session) commitBlock(chain bool) (*Result, error) {
	if s.failed {
		return s.rollbackBlock(chain)
	}
	if !s.inBlock {
		s.warn("25P01", "there is no transaction in progress")
	}
	if err := s.Commit(); err != nil {
		return nil, err
	}
	s.chain(chain)
	return &Result{Verb: "COMMIT"}, nil
}

func (s *Session) rollbackBlock(chain bool) (*Result, error) {
	if !s.inBlock {
		s.warn("25P01", "there is no transaction in progress")
	}
	s.Rollback()
	s.chain(chain)
	return &Result{Verb: "ROLLBACK"}, nil
}

func (s *Session) chain(chain bool) {
	if chain {
		s.Begin(nil)
	}
}

// Savepoint sets a savepoint. Outside of a transaction block it fails with SQLSTATE 25P01.
func (s *Session) Savepoint(name string) error {
	if !s.inBlock {
		return Errorf("25P01", "SAVEPOINT can only be used in transaction blocks")
	}
	s.tx.savepoints = append(s.tx.savepoints, savepoint{name: name, undo: len(s.tx.undo), notifications: len(s.tx.notifications)})
	return nil
}

// findSavepoint is the index of the youngest savepoint of that name.
func (s *Session) findSavepoint(name string) (int, error) {
	if !s.inBlock {
		return 0, Errorf("25P01", "savepoints can only be used in transaction blocks")
	}
	for i, sp := range slices.Backward(s.tx.savepoints) {
		if sp.name == name {
			return i, nil
		}
	}
	failure := Errorf("3B001", "savepoint \"%s\" does not exist", name)
	failure.Subject = name
	return 0, failure
}

// Release forgets a savepoint and those after it. Without such a savepoint it fails with SQLSTATE 3B001.
func (s *Session) Release(name string) error {
	i, err := s.findSavepoint(name)
	if err != nil {
		return err
	}
	s.tx.savepoints = s.tx.savepoints[:i]
	return nil
}

// RollbackTo undoes what came after a savepoint, which stays; a failed block can go on then. Without such a savepoint it
// fails with SQLSTATE 3B001.
func (s *Session) RollbackTo(name string) error {
	i, err := s.findSavepoint(name)
	if err != nil {
		return err
	}
	sp := s.tx.savepoints[i]
	s.tx.rollbackTo(sp.undo)
	s.tx.savepoints = s.tx.savepoints[:i+1]
	s.tx.notifications = s.tx.notifications[:sp.notifications]
	s.failed = false
	return nil
}
