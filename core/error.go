package core

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// Sentinels for errors.Is. The first three are the outcome of a failover and
// also match ErrFailover.
var (
	// ErrFailover matches every error that a failover (or the attempt of one)
	// gave to a call.
	ErrFailover = errors.New("awsdb: failover")
	// ErrFailoverSuccess: the connection was lost, and a usable host is known
	// now. Run the unit of work again; whether the lost statement took effect is
	// told by ErrOutcomeUnknown.
	ErrFailoverSuccess = errors.New("awsdb: connection lost, a new host is ready")
	// ErrFailoverFailed: the connection was lost and no usable host was found
	// within failover_timeout_sec or the caller's context.
	ErrFailoverFailed = errors.New("awsdb: no usable host was found in time")
	// ErrTransactionResolutionUnknown: the connection was lost inside a
	// transaction. The transaction is over; it was rolled back unless the lost
	// call was the commit, or a statement before the loss may have committed by
	// itself, as DDL does on MySQL: then ErrOutcomeUnknown matches as well.
	ErrTransactionResolutionUnknown = errors.New("awsdb: connection lost inside a transaction")

	// ErrOutcomeUnknown: the request left this process, no answer came, and the
	// call was a commit or ran outside a transaction, so that it may have taken
	// effect; or its transaction may have been committed in part before. Check
	// before repeating it.
	ErrOutcomeUnknown = errors.New("awsdb: the call may have taken effect")
	// ErrConnect: a connection could not be established.
	ErrConnect = errors.New("awsdb: cannot connect")
	// ErrQueryTimeout: one of awsdb's own questions to the server (role,
	// topology) was not answered within auxiliary_query_timeout_sec.
	ErrQueryTimeout = errors.New("awsdb: own query timed out")
	// ErrReadWriteSplitting: a connection could not be switched between writer
	// and reader. Nothing gives it yet: that plugin is still to be built.
	ErrReadWriteSplitting = errors.New("awsdb: read/write splitting")
	// ErrUnsupported: the database or the endpoint cannot do what was asked.
	ErrUnsupported = errors.New("awsdb: not supported")
	// ErrConfig: the DSN or the options are wrong. The message names every
	// problem and its remedy.
	ErrConfig = errors.New("awsdb: configuration")
	// ErrClosed: the database handle has been closed.
	ErrClosed = errors.New("awsdb: closed")
)

// Op names the call that failed.
type Op uint8

// The calls.
const (
	OpConnect Op = iota
	OpQuery
	OpExec
	OpPrepare
	OpBegin
	OpCommit
	OpRollback
	OpPing
	OpRows // reading a result
	OpCall // any, through an interface of the driver's own; see Cause
)

var opNames = [...]string{"connect", "query", "exec", "prepare", "begin", "commit", "rollback", "ping", "rows", "call"}

// String returns the call's lower-case name.
func (o Op) String() string { return opNames[o] }

// repeatable tells that the call changes nothing by itself, so that sending it
// twice is harmless.
func (o Op) repeatable() bool { return o == OpConnect || o == OpPrepare || o == OpBegin || o == OpPing }

// Outcome is what is known about a request whose connection failed.
type Outcome uint8

// The outcomes.
const (
	// OutcomeNotSent: no byte of it left this process.
	OutcomeNotSent Outcome = iota
	// OutcomeRolledBack: it has no effect; the server refused it or ended the
	// transaction it belonged to.
	OutcomeRolledBack
	// OutcomeUnknown: it may have taken effect.
	OutcomeUnknown
)

// String returns "not sent", "rolled back" or "unknown".
func (o Outcome) String() string {
	return [...]string{"not sent", "rolled back", "unknown"}[o]
}

// Error is every error that awsdb itself makes. The driver's error, if there
// was one, is found by errors.As through Unwrap.
type Error struct {
	// Kind is one of the sentinels above, or nil when no plugin dealt with the
	// failure.
	Kind error
	// Op is the call that failed.
	Op Op
	// Host is the instance it was talking to, or the address when the instance
	// is not known.
	Host string
	// Phase is where it failed: "dial", "login", "verify", "send", "reply",
	// "wait".
	Phase string
	// Sent tells that bytes of the request left this process.
	Sent bool
	// InTx tells that a transaction was open.
	InTx bool
	// Outcome is what is known about the request.
	Outcome Outcome
	// Err is the cause: the driver's error, or why the connection was cut.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	s := "awsdb: " + e.Op.String()
	if e.Host != "" {
		s += " on " + e.Host
	}
	if e.Phase != "" {
		s += " (" + e.Phase + ")"
	}
	if e.Kind != nil {
		s += ": " + trimPrefix(e.Kind)
	}
	if e.Op != OpConnect {
		s += ", outcome " + e.Outcome.String()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// trimPrefix returns a sentinel's text without the library's name, which the
// surrounding message has already.
func trimPrefix(sentinel error) string {
	const prefix = "awsdb: "
	if s := sentinel.Error(); len(s) > len(prefix) {
		return s[len(prefix):]
	}
	return ""
}

// Unwrap returns the cause, which does not match driver.ErrBadConn: whether a call may
// be repeated unseen is not for what befell another connection to decide.
func (e *Error) Unwrap() error { return harmless(e.Err) }

// Is matches the sentinels. driver.ErrBadConn, at which database/sql repeats
// the call on another connection, matches only if that is harmless: outside a
// transaction, and nothing was sent, the call changes nothing by itself, or the
// server refused it.
func (e *Error) Is(target error) bool {
	switch target {
	case nil:
		return false
	case e.Kind:
		return true
	case ErrFailover:
		return e.Kind == ErrFailoverSuccess || e.Kind == ErrFailoverFailed || e.Kind == ErrTransactionResolutionUnknown
	case ErrOutcomeUnknown:
		return e.Outcome == OutcomeUnknown
	case driver.ErrBadConn:
		return e.repeatable()
	}
	return false
}

func (e *Error) repeatable() bool {
	return e.Kind == nil && e.Op != OpConnect && !e.InTx && e.Outcome != OutcomeUnknown
}

// Class groups errors as PEP 249 and SQLAlchemy do, for code that was written
// with those classes in mind.
type Class uint8

// The classes.
const (
	// ClassNone: not an error of awsdb's; the driver's errors keep their own
	// types.
	ClassNone Class = iota
	// ClassOperational: the database or the way to it failed; trying again later
	// may help.
	ClassOperational
	// ClassInterface: the handle was used in a way it cannot serve.
	ClassInterface
	// ClassNotSupported: the database cannot do what was asked.
	ClassNotSupported
	// ClassDatabase: any other error of awsdb's.
	ClassDatabase
)

var classNames = [...]string{"none", "operational", "interface", "not supported", "database"}

// String returns the lower-case name of the class.
func (c Class) String() string { return classNames[c] }

// ClassOf returns the class of err.
func ClassOf(err error) Class {
	for _, s := range []error{ErrFailover, ErrOutcomeUnknown, ErrConnect, ErrQueryTimeout} {
		if errors.Is(err, s) {
			return ClassOperational
		}
	}
	if errors.Is(err, ErrReadWriteSplitting) {
		return ClassInterface
	}
	if errors.Is(err, ErrUnsupported) {
		return ClassNotSupported
	}
	if errors.Is(err, ErrConfig) || errors.Is(err, ErrClosed) {
		return ClassDatabase
	}
	if errors.As(err, new(*Error)) {
		return ClassOperational
	}
	return ClassNone
}

// LostError is why a connection is gone: what the network said, or why we cut
// it. It is recorded once per connection, by whoever noticed first.
type LostError struct {
	// Host is the instance ID, or the address when the instance is not known.
	Host string
	// Aborted tells that we cut the connection ourselves; Err is the reason.
	Aborted bool
	// Err is the cause.
	Err error

	link *Link // nil if there was none
}

// Error implements error.
func (e *LostError) Error() string {
	if e.Aborted {
		return fmt.Sprintf("connection to %s given up: %v", e.Host, e.Err)
	}
	return fmt.Sprintf("connection to %s lost: %v", e.Host, e.Err)
}

// Unwrap returns the cause, which does not match driver.ErrBadConn, see [Error.Unwrap].
// Nor does the cause of a cut match context.Canceled and context.DeadlineExceeded: if a
// question of our own has run into its limit, no caller's context has ended.
func (e *LostError) Unwrap() error {
	cause := harmless(e.Err)
	if e.Aborted && cause != nil {
		return notContext{cause}
	}
	return cause
}

// harmless hides a match with driver.ErrBadConn, at which database/sql would
// repeat what must not be repeated, and nothing else of err.
func harmless(err error) error {
	switch {
	case err == driver.ErrBadConn: //nolint:errorlint // the bare error; the next case is for the others
		return errBroken // says more
	case errors.Is(err, driver.ErrBadConn):
		return notBadConn{err}
	}
	return err
}

// notBadConn has no Unwrap: errors.Is and errors.As have to ask it.
type notBadConn struct{ err error }

// Error implements error.
func (e notBadConn) Error() string { return e.err.Error() }

// Is matches all that the error does but driver.ErrBadConn.
func (e notBadConn) Is(target error) bool {
	return target != driver.ErrBadConn && errors.Is(e.err, target) //nolint:errorlint // identity is meant
}

// As finds what the error holds.
func (e notBadConn) As(target any) bool { return errors.As(e.err, target) }

var errBroken = errors.New("connection is closed")

// notContext has no Unwrap: errors.Is and errors.As have to ask it.
type notContext struct{ err error }

// Error implements error.
func (e notContext) Error() string { return e.err.Error() }

// Is matches all that the error does but the errors of contexts.
func (e notContext) Is(target error) bool {
	return target != context.Canceled && target != context.DeadlineExceeded && errors.Is(e.err, target) //nolint:errorlint // identity is meant
}

// As finds what the error holds.
func (e notContext) As(target any) bool { return errors.As(e.err, target) }

// timeoutError names our own limit as the cause when it, and not the caller's
// context, ended a question.
func timeoutError(caller, limited context.Context, what string, err error) error {
	if caller.Err() != nil || limited.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrQueryTimeout, what, err)
}
