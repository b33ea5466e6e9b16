package frontend

import (
	"time"

	"github.com/awsdb/awsdb/lab"
)

// SQL is what one says differently to each engine. Tests keep to what all engines
// understand, and write arguments as "?": see Bind.
type SQL struct {
	// Bind writes the engine's placeholders for those of a statement that are
	// written as "?".
	Bind func(statement string) string

	InstanceID    string // one row: the identifier of the Aurora instance that answers
	Host          string // the same as an expression
	Reader        string // one row: true if the instance that answers is a reader
	SessionID     string // one row: an integer that no other session of that server has
	EndSession    string // ends the session that runs it
	OtherSessions string // one row: how many other sessions of the user the server has

	Begin, Commit string // as the driver sends them

	Sleep func(time.Duration) string // one row, that late
	// Settled ends a query that waits until others, whose clients may have gone, have
	// ended what they do to its rows; "" where the end of a client ends that.
	Settled string
	// Series gives the integers from 1 to n, a row each.
	Series func(n int) string
	// Rows gives 5 rows and RowsOf as many as its argument says, at most 5, after
	// they have been written into the table t (id bigint), by engines that can do
	// that in one statement.
	Rows, RowsOf string

	// What no statement but those that read a topology contains.
	AuroraTopology, MultiAZTopology string
}

// Params are parameters of connection strings, each "key=value".
type Params struct {
	// Modes are the ways in which the driver sends statements.
	Modes []string
	// PreparingModes are those of Modes in which database/sql prepares what has
	// arguments, and then executes it.
	PreparingModes []string
	// ReadOnly makes all transactions read-only.
	ReadOnly string
	// Session are settings that suit an application and not the monitor: read-only
	// hosts refused, unqualified names that mean something else, short limits.
	Session []string
	// NoTLS asks for no encryption.
	NoTLS string
	// VerifiedTLS asks for TLS that verifies the server by the certificate authorities in
	// a file.
	VerifiedTLS func(file string) []string
	// Auths are the ways to check a password.
	Auths []lab.Auth
	// Cleartext are what a login with the password in the clear needs, which then
	// also needs TLS; nil: nothing, not even TLS.
	Cleartext []string
	// LongLocks let a statement wait for a lock for an hour; nil: it does anyhow.
	LongLocks []string
	// Wrong are mistakes that the driver's own parser finds.
	Wrong []string
	// MultiAZAlias chooses the dialect of a Multi-AZ cluster by another wrapper's
	// name for it.
	MultiAZAlias string
}

// Codes are the engine's errors, as lab.Fail and lab.LoginError take them and
// [Frontend.Code] gives them: SQLSTATEs or error numbers.
type Codes struct {
	ReadOnly            string // a write on a reader
	ReadOnlyTransaction string // a write in a transaction that is read-only by its own will
	UniqueViolation     string
	UndefinedTable      string
	NotPermitted        string // of an object
	Shutdown            string // the server is going down
	TooManyConnections  string
	WrongPassword       string
	NoLogin             string // the user may not log in
	NoDatabase          string
	TLSRequired         string
	Internal            string // of the server's inner life; its text may say anything

	// Harmless are errors of a single statement that sound as if the host were
	// lost: of foreign servers, of files.
	Harmless []string
}
