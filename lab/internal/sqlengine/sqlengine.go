// Package sqlengine is the SQL engine behind the lab's wire servers: a store, transactions with row locks, and a
// compiler for what package syntax parses. It knows nothing of a wire protocol.
//
// All instances of a cluster share one [Store], as the instances of an Aurora cluster share their storage; what an
// instance says about itself and its cluster comes from its [Host], asked anew for every statement. A wire server makes
// a [Session] for each connection and uses it from that connection's goroutine:
//
//	session := sqlengine.NewSession(sqlengine.Config{Store: store, Host: host, Dialect: sqlengine.PostgreSQL()})
//	defer session.Rollback()                             // whatever the client left open
//	p, err := session.Prepare(parsed, nil)               // p.Params and p.Fields say what goes in and comes out
//	result, err := session.Run(ctx, p, args)             // in the open transaction; opens one if there is none
//
// Outside of a transaction block the server decides when the transaction of a statement ends: after each one in
// autocommit mode, with [Session.Commit], or [Session.Rollback] if the statement has failed. A failed statement has
// undone itself when Run returns. Inside of a block a server that wants the whole block to fail with it, as PostgreSQL
// does, calls [Session.Fail]; one that does not, as MySQL, goes on.
//
// What a front has of its own goes through two values: [Dialect], the functions, views and settings that its SQL knows,
// and [Front], what the server does for the session, such as sending a warning. A front with another grammar lowers it
// to the AST of package syntax.
//
// The SQL is what tests and applications of moderate size write: tables with keys and constraints,
// INSERT/UPDATE/DELETE/SELECT with joins, subqueries and aggregates, and transactions with savepoints. Foreign keys are
// parsed and not enforced, plain indexes are accepted and do nothing; what is not understood fails with the SQLSTATE of
// PostgreSQL. Isolation is read committed with row locks, whatever is asked for.
//
// Nothing here waits on anything but channels and timers, so everything works in a testing/synctest bubble.
package sqlengine

import "time"

// Host is what a session needs to know about its instance and cluster. Its methods are called from many
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

	AuroraMySQL       // Amazon Aurora MySQL
	GlobalAuroraMySQL // Aurora MySQL in a global database
	MultiAZMySQL      // RDS Multi-AZ DB cluster
	RDSMySQL          // RDS single instance
	MySQL             // community MySQL
	MariaDB           // community MariaDB
)

// InstanceStatus is one instance as a status function of the cluster reports it.
type InstanceStatus struct {
	ID         string // instance identifier
	Region     string // AWS region, for the global database functions
	Endpoint   string // DNS name, for the topology of a Multi-AZ cluster
	Port       int    // likewise
	Writer     bool
	CPU        float64   // percent
	LagMillis  float64   // replica lag, milliseconds
	LastUpdate time.Time // zero: NULL
	ResourceID string    // DBI resource id, likewise; empty: ID
}
