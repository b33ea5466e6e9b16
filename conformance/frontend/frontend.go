// Package frontend tells the suite what it has to know of each front end of
// awsdb: of each way for an application to follow a cluster. Two give a *sql.DB; of
// the third, pgxpool, there is one made for the suite. The tests are written once, for
// any [Frontend], and run for [All].
//
// What is here is where front ends differ for several tests. What only one test
// needs of each, it keeps in a table of its own by [Frontend.Name].
package frontend

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// The front ends.
var (
	PostgreSQL Frontend = postgresql{}
	MySQL      Frontend = mySQL{}
	PGXPool    Frontend = pgxPool{postgresql{}}
)

// All are the front ends that the suite runs for.
func All() []Frontend { return []Frontend{PostgreSQL, MySQL, PGXPool} }

// Named is the front end of that name.
func Named(name string) (Frontend, error) {
	var names []string
	for _, f := range All() {
		if f.Name() == name {
			return f, nil
		}
		names = append(names, f.Name())
	}
	return nil, fmt.Errorf("no front end is called %q: there are %s", name, strings.Join(names, ", "))
}

// Frontend is one front end of awsdb.
type Frontend interface {
	// Name is what tests call it, "postgresql".
	Name() string
	// Driver is what it is registered as with database/sql, "awspg"; "" if it is not.
	Driver() string
	// Unlike is where it cannot do as drivers of database/sql do.
	Unlike() Unlike
	// Flavors are the clusters of the lab that it is made for.
	Flavors() Flavors
	// Dialect is what awsdb calls a flavor, "aurora-pg".
	Dialect(lab.Flavor) string

	// DSN is a connection string; each of params is one "key=value".
	DSN(l Login, params ...string) string
	// DSNs are all ways to write that connection string, by the names of the ways.
	DSNs(l Login, params ...string) map[string]string
	// Open opens a handle.
	Open(Options) (*Handle, error)
	// OpenDSN opens a handle as an application does that has nothing but a connection
	// string.
	OpenDSN(dsn string) (*Handle, error)
	// Bare is the driver underneath by itself, dialling into the lab.
	Bare(c *lab.Cluster, dsn string) (driver.Connector, error)
	// Unwrap gives the use of the driver's own connection under what the function
	// given to sql.Conn.Raw receives. ok is false when there is none.
	Unwrap(driverConn any) (query Query, ok bool)

	// SQL is what one says differently to each engine.
	SQL() SQL
	// Params are parameters of the driver's connection strings.
	Params() Params
	// Codes are the engine's errors.
	Codes() Codes
	// Code is the code of a server's error in the chain of err, "" without one.
	Code(err error) string
	// Own tells whether a statement that a server received is one of awsdb's. Those
	// are recognised by what no test sends.
	Own(text string) bool
}

// Flavors are the lab's clusters of one engine.
type Flavors struct {
	Aurora, GlobalAurora, MultiAZ, RDS lab.Flavor

	Community     []lab.Flavor // the first is the engine itself, others are related
	RealCommunity lab.Flavor   // the one of which there are real servers
}

// Unlike says why a front end cannot do something as drivers of database/sql do: "" where
// it does. Tests that are about nothing else skip it, others expect what it does instead.
type Unlike struct {
	Interfaces string // it gives to database/sql what a driver gives
	Prepare    string // preparing a statement asks the server
	Close      string // closing does not wait for calls in flight
	Late       string // a connection that comes too late for its caller is closed
	Parse      string // awsdb itself parses connection strings
	Start      string // opening a handle starts nothing of its own
}

// Login is what every connection string says.
type Login struct {
	User, Password string
	Host           string // without brackets
	Port           uint16 // 0: the engine's own
	Database       string
}

// Query runs one statement and gives the first value of its first row; nil if it
// has none.
type Query func(ctx context.Context, statement string) (any, error)

// Options say what an application opens.
type Options struct {
	Lab *lab.Cluster // dials, and looks names up
	DSN string
	// Params are of awsdb's parameters those that are used unless DSN has one of
	// that very name.
	Params map[string]string

	Dial        core.DialFunc  // instead of Lab's
	Resolver    Resolver       // instead of Lab
	Authorities *x509.CertPool // who may sign certificates, instead of Lab's
	Logger      *slog.Logger
	Plugins     []core.Plugin // exactly these; nil: as the parameters choose from the registry
	// OnConnect runs on each new connection, with the driver's own means.
	OnConnect func(ctx context.Context, query Query) error
}

func (o *Options) setDefaults() {
	if o.Dial == nil {
		o.Dial = o.Lab.DialContext
	}
	if o.Resolver == nil {
		o.Resolver = o.Lab
	}
}

// Resolver looks host names up. With a method LookupCNAME it also tells what a
// name stands for.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
}
