// Package pgserver speaks the PostgreSQL protocol, version 3, for one instance of an Aurora-like cluster.
//
// A Server answers unmodified clients on any net.Conn, a TCP socket or a connection in memory. All
// instances of a cluster share one Store, as the instances of an Aurora cluster share their storage; what
// an instance says about itself and its cluster comes from its Host, asked anew for every statement.
// Config.Statement sees each statement an instance receives and may decide its Fate: run it, lose it,
// run it and lose the answer, hang, delay, fail.
//
// The SQL it understands is what tests and applications of moderate size write: tables with keys and
// constraints, INSERT/UPDATE/DELETE/SELECT with joins, subqueries and aggregates, transactions with
// savepoints, and the functions by which a client finds out what Aurora or RDS it talks to. Foreign keys
// are parsed and not enforced, plain indexes are accepted and do nothing; what is not understood fails
// with the SQLSTATE of the real server. Isolation is read committed with row locks, whatever is asked for.
//
// Nothing here waits on anything but channels, timers and connections, so everything works in a
// testing/synctest bubble over in-memory connections.
package pgserver

import (
	"crypto/tls"
	"time"
)

// Host is what a server needs to know about its instance and cluster. Its methods are called from many
// goroutines, Writable also while the store is locked: they must be quick and must not use the Store.
type Host interface {
	ID() string               // instance identifier, "mydb-1"
	Writable() bool           // true while this instance is the cluster's writer
	Status() []InstanceStatus // the cluster as this host reports it, which may be stale
	Flavor() Flavor           // which functions and settings exist
}

// Flavor is the kind of service a server pretends to be.
type Flavor int

// The flavors.
const (
	AuroraPG       Flavor = iota // Amazon Aurora PostgreSQL
	GlobalAuroraPG               // Aurora PostgreSQL in a global database
	MultiAZPG                    // RDS Multi-AZ DB cluster
	RDSPG                        // RDS single instance
	PG                           // community PostgreSQL
)

// InstanceStatus is one instance as a status function of the cluster reports it.
type InstanceStatus struct {
	ID         string // instance identifier
	Region     string // AWS region, for the global database functions
	Endpoint   string // DNS name, for show_topology
	Port       int    // for show_topology
	Writer     bool
	CPU        float64   // percent
	LagMillis  float64   // replica lag, milliseconds
	LastUpdate time.Time // zero: NULL
	ResourceID string    // DBI resource id, for show_topology; empty: ID
}

// Auth is how a server checks a login.
type Auth int

// The ways to log in.
const (
	Trust     Auth = iota // everybody is who they say
	SCRAM                 // SCRAM-SHA-256 against Config.Users
	Cleartext             // the password in the clear, as IAM authentication sends its token
)

// Config says how a Server behaves. Store and Host are required.
type Config struct {
	Store *Store
	Host  Host

	Auth  Auth
	Users map[string]string // user to password, for SCRAM and Cleartext
	// VerifyPassword replaces Users for Cleartext.
	VerifyPassword func(user, password string) bool
	// Login, if set, sees each authenticated user and may refuse with a *Error (any other error becomes
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
	Statement func(Statement) Fate
}

// Statement is one statement as an instance received it.
type Statement struct {
	Conn     uint64    // number of the connection, unique within the server, starting at 1
	User     string    // who sent it
	SQL      string    // its text, without the terminating semicolon
	Args     []any     // the bound parameters as bool, int64, float64, string, []byte, time.Time or nil
	InTx     bool      // inside a transaction block
	Writable bool      // the instance was the writer at that moment
	At       time.Time // when it was received
}
