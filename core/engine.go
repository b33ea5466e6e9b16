package core

import (
	"context"
	"database/sql/driver"
)

// Engine is what a driver module supplies: the only code that knows pgx or
// go-sql-driver. One Engine belongs to one Connector and holds its parsed
// configuration; all methods may be called from several goroutines.
type Engine interface {
	// Open connects and logs in. It must dial through t.Dial only, and return
	// the Link under the connection. The context bounds all of it.
	Open(ctx context.Context, t Target) (Native, *Link, error)
	// Detect finds out what kind of database the connection leads to. endpoint
	// is the name the application used; it decides which kinds are tried first.
	Detect(ctx context.Context, c Native, endpoint Endpoint) (Dialect, error)
	// Classify names the kind of a driver error. It is a pure function of the
	// error's types and codes. d may be nil.
	Classify(err error, d Dialect) Fault
}

// Native is the driver's own connection: the set of database/sql/driver
// interfaces that pgx and go-sql-driver both have.
type Native interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.NamedValueChecker
}

// RowsWrapper is implemented by a Native whose Rows shall report failures to
// the Conn. The wrapper must embed the driver's concrete Rows type, so that
// every interface it has, now or in future, is still there; where the driver does
// not export it, an interface of all that it implements, with a test that notices
// when that becomes more. It calls failed for each error other than io.EOF of Next,
// NextResultSet or Close, and returns what failed returns. It should not allocate: a
// connection has one open result nearly always.
type RowsWrapper interface {
	WrapRows(ctx context.Context, rows driver.Rows, failed func(ctx context.Context, err error) error) driver.Rows
}

// SilentCloser is implemented by a Native of a protocol in which closing a
// statement is not answered: closing never waits for the server, and is not put
// off.
type SilentCloser interface{ ClosesSilently() }

// ImplicitCommitter is implemented by a Native of a server on which some
// statements end the open transaction by themselves: what came before them cannot
// be rolled back any more, and what comes after them is committed at once. Of several
// statements in one text each is committed by itself there.
type ImplicitCommitter interface {
	// CommitsImplicitly tells that the text holds such a statement, or may. It is
	// asked for every statement inside a transaction.
	CommitsImplicitly(query string) bool
	// CommitsInParts tells that outside a transaction the text is not committed as a
	// whole, or may not be: it holds several statements, or runs a procedure. It is
	// asked for statements that have failed.
	CommitsInParts(query string) bool
}

// ContextTx is implemented by a Native whose driver.Tx does not end with the context
// of its BeginTx. Where that context can end, these methods are used instead.
type ContextTx interface {
	CommitContext(ctx context.Context) error
	RollbackContext(ctx context.Context) error
}

// ReadOnlyRejecter is implemented by an Engine whose driver has an option of its
// own for writes that meet a read-only host (go-sql-driver's rejectReadOnly). Where
// no plugin takes care of them, the connection is dropped and database/sql repeats
// the statement on another one.
type ReadOnlyRejecter interface{ RejectsReadOnly() bool }

// Dialect is what one database flavour answers differently. Dialects are small
// structs in the driver modules; they ask their questions on the connection
// given, which is always one of our own or has just been opened.
type Dialect interface {
	// Code is the name for the parameter wrapper_dialect, such as "aurora-pg".
	Code() string
	// Clustered tells that the database has a topology worth following.
	Clustered() bool
	// Identify asks the server who it is and what its role is: one round trip.
	Identify(ctx context.Context, c Native) (Identity, error)
	// Topology asks the server for the instances of its cluster.
	Topology(ctx context.Context, c Native) ([]Instance, error)
}

// WriteProber is a Dialect with a cheaper question than Identify for the commonest
// case: the connection was dialled to an instance that is known, to write.
type WriteProber interface {
	// AcceptsWrites tells that the session can write, and its host therefore is a
	// writer. false leaves it open: the session may be read-only by its settings.
	AcceptsWrites(ctx context.Context, c Native) (bool, error)
}

// Identity is what a server says about itself.
type Identity struct {
	// ID is the instance identifier; "" when the server has none.
	ID string
	// Role is the server's own state, not what a status table says of it.
	Role Role
}

// Fault is the kind of an error, as far as hosts and connections are concerned.
type Fault uint8

// The faults.
const (
	// FaultNone: an ordinary error; the connection is as good as before.
	FaultNone Fault = iota
	// FaultCanceled: the caller's context ended. Never a sign of health.
	FaultCanceled
	// FaultLink: the socket failed, or could not be opened.
	FaultLink
	// FaultShutdown: the server said that it is going away or not there yet.
	FaultShutdown
	// FaultReadOnly: a write met a host or a transaction that is read-only.
	FaultReadOnly
	// FaultLogin: the server refused the credentials.
	FaultLogin
	// FaultClosed: the driver says that it has closed the connection itself. That
	// is a consequence, never a cause.
	FaultClosed
	// FaultBusy: the server is alive but has no room for the connection.
	FaultBusy
)

var faultNames = [...]string{"none", "canceled", "link", "shutdown", "read-only", "login", "closed", "busy"}

// String returns the fault's lower-case name.
func (f Fault) String() string { return faultNames[f] }

// lost tells that the connection cannot be used any more.
func (f Fault) lost() bool { return f == FaultLink || f == FaultShutdown }
