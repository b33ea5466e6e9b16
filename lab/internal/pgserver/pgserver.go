// Package pgserver speaks the PostgreSQL protocol, version 3, for one instance of an Aurora-like cluster.
//
// A Server answers unmodified clients on any net.Conn, a TCP socket or a connection in memory. All
// instances of a cluster share one Store, as the instances of an Aurora cluster share their storage; what
// an instance says about itself and its cluster comes from its Host, asked anew for every statement.
// Config.Statement sees each statement an instance receives and may decide its fate: run it, lose it,
// run it and lose the answer, hang, delay, fail.
//
// The SQL is that of package sqlengine, which executes it; here are the protocol, logging in, and what PostgreSQL has
// between sessions: cancelling, terminating and notifying.
//
// Nothing here waits on anything but channels, timers and connections, so everything works in a
// testing/synctest bubble over in-memory connections.
package pgserver

import (
	"crypto/tls"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Auth is how a server checks a login.
type Auth int

// The ways to log in.
const (
	SCRAM     Auth = iota // SCRAM-SHA-256 against Account.Password
	Cleartext             // the password in the clear
	PAM                   // the same, over TLS only, and with the words of PAM, as RDS does with login tokens
)

// Account is how a user logs in.
type Account struct {
	Auth     Auth
	Unknown  bool // there is no such user: no password will do, and the client is not told why
	Password string
	// Verify replaces Password for Cleartext and PAM.
	Verify func(password string) bool
}

// Config says how a Server behaves. Store and Host are required.
type Config struct {
	Store *sqlengine.Store
	Host  sqlengine.Host

	// Account is asked about the user at each login. nil: everybody is who they say.
	Account func(user string) Account
	// Login, if set, sees each authenticated user and may refuse with a *sqlengine.Error (any other error becomes
	// SQLSTATE 28000).
	Login func(user string) error

	TLS        *tls.Config // nil: TLS requests are declined
	RequireTLS bool        // refuse sessions without TLS with SQLSTATE 28000

	Database string            // the one database there is; empty: any name will do
	Version  string            // server_version; default "16.4"
	Settings map[string]string // further settings, for SHOW, current_setting and pg_settings

	// Statement is called once for every statement the instance receives (for the extended protocol: every
	// execution), before it runs, and decides what becomes of it. It may be called from several goroutines
	// at once and must not block. nil: run everything.
	Statement func(fate.Statement) fate.Fate
}
