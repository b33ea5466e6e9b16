package sqlengine

import (
	"context"
	"errors"
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// Config says what a Session works on. Store, Host and Dialect are required.
type Config struct {
	Store   *Store
	Host    Host
	Dialect *Dialect

	Version  string            // of the server; default: that of the dialect
	Settings map[string]string // further settings, and defaults other than the dialect's

	User, Database string
	PID            uint32 // number of the session, unique within the server

	Front Front
}

// Session executes the statements of one connection. Only one goroutine may use it.
type Session struct {
	User     string
	Database string // may be changed by a front whose sessions change it
	PID      uint32
	// LockTimeout is how long a statement waits for each lock before it fails with ErrLockTimeout. It counts from the next
	// transaction on; 0: without end.
	LockTimeout time.Duration

	config   Config
	initial  map[string]string // settings as of the login
	settings map[string]string // as changed since

	tx      *transaction // open, of a block or for one statement
	inBlock bool         // after Begin
	failed  bool         // the block has failed
}

// NewSession makes a session without an open transaction. There is nothing to close, but a transaction left open holds
// its locks: call [Session.Rollback] at the end.
func NewSession(config Config) *Session {
	return &Session{
		User: config.User, Database: config.Database, PID: config.PID, config: config,
		initial: map[string]string{}, settings: map[string]string{},
	}
}

// Host is the host the session is on.
func (s *Session) Host() Host { return s.config.Host }

// Front is what the server gave as Config.Front.
func (s *Session) Front() *Front { return &s.config.Front }

// Version is the version of the server, "16.4".
func (s *Session) Version() string {
	if s.config.Version != "" {
		return s.config.Version
	}
	return s.dialect().Version
}

func (s *Session) dialect() *Dialect { return s.config.Dialect }

func (s *Session) flavor() Flavor { return s.Host().Flavor() }

// InBlock reports whether a transaction block is open.
func (s *Session) InBlock() bool { return s.inBlock }

// Failed reports whether a transaction block is open that has failed.
func (s *Session) Failed() bool { return s.failed }

// Fail is how a failed statement fails its whole transaction: a block refuses everything from here on but its end,
// and the transaction of a single statement is rolled back.
func (s *Session) Fail() {
	if s.inBlock {
		s.failed = true
	} else {
		s.Rollback()
	}
}

// Refuse gives the error that a failed block has for a statement, nil when it is to be run.
func (s *Session) Refuse(stmt syntax.Stmt) error {
	if !s.failed {
		return nil
	}
	switch stmt.(type) {
	case syntax.Commit, syntax.Rollback, syntax.RollbackTo:
		return nil
	}
	return abortedError()
}

func abortedError() error {
	return Errorf("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

// Prepare compiles a statement. declared are the types of its parameters as far as the client gave them, 0 where it
// did not; the others follow from where the parameters stand.
func (s *Session) Prepare(parsed syntax.Parsed, declared []OID) (p *Prepared, err error) {
	defer recovered(&err)
	if err := s.Refuse(parsed.Stmt); err != nil {
		return nil, err
	}
	return s.compile(parsed, declared)
}

// recovered makes a panic, which is a defect of this package, the error of one statement.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = Errorf("XX000", "internal error: %v", v)
	}
}

// Run executes a statement in the open transaction, or opens one for it, which stays open. When it fails nothing of the
// statement remains, and the transaction goes on unless the caller ends it, or calls [Session.Fail]; of statements about
// transactions a failed Commit has ended it. The end of ctx ends the statement with the cause of ctx. args are values
// of the types p.Params says, as [Import] makes them. Errors that are not *Error are made one by [AsError].
func (s *Session) Run(ctx context.Context, p *Prepared, args []any) (r *Result, err error) {
	defer recovered(&err)
	if err := s.Refuse(p.stmt); err != nil {
		return nil, err
	}
	if r, handled, err := s.block(p.stmt); handled {
		return r, err
	}
	tx := s.begin()
	if p, err = s.refresh(p); err != nil {
		return nil, err
	}
	return s.execute(&Execution{ctx: ctx, session: s, tx: tx, args: args}, p)
}

// AsError makes any error one for the client.
func AsError(err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return &Error{Code: bad.Code, Message: bad.Message}
	}
	return Errorf("XX000", "%v", err)
}
