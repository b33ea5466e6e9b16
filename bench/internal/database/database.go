// Package database has what differs between the kinds of databases that are
// measured: how to connect with the bare driver and with awsdb, and some
// statements.
package database

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// Database is a kind of database.
type Database struct {
	Name   string
	Flavor lab.Flavor
	// HundredRows is a query with as many rows of one integer.
	HundredRows string
	// Argument is a query with an integer as argument, which it returns.
	Argument string
	// CreateBeats makes the table that Beat writes to; InsertBeat adds a row for a
	// worker, its argument.
	CreateBeats, InsertBeat string
	// Beat writes to the row of a worker, and returns the identifier of the
	// instance that did it.
	Beat func(ctx context.Context, c Client, worker int) (host string, err error)

	// Wait is a statement that takes an hour.
	Wait string

	listens string // a query for the address and port of the server; "" if it must not be gone to directly
	bare    func(Route) (driver.Connector, error)
	awsdb   func(Route, []core.Plugin, *slog.Logger) (driver.Connector, error)
	// pool opens a Client that is not of database/sql; nil: there is none.
	pool func(contestant string, r Route, connections int, monitoring hostmonitor.Options, log *slog.Logger) (Client, error)
}

// Route is how to get to a cluster.
type Route struct {
	// DSN is of the cluster endpoint.
	DSN string
	// Dial connects to hosts by name.
	Dial core.DialFunc
	// Resolver is what awsdb asks about names. nil: net.DefaultResolver.
	Resolver core.Resolver
}

// To is the route to a cluster in this process.
func To(cluster *lab.Cluster) Route {
	return Route{DSN: cluster.DSN(cluster.Endpoint()), Dial: cluster.DialContext, Resolver: cluster}
}

// Bare is the bare driver as it is, with its default settings.
func (d Database) Bare(r Route) (driver.Connector, error) { return d.bare(r) }

// AWSDB is awsdb with the host monitor and the failover plugin; zero monitoring
// means the defaults, which the rest is left at. log may be nil.
func (d Database) AWSDB(r Route, monitoring hostmonitor.Options, log *slog.Logger) (driver.Connector, error) {
	plugins, err := Plugins(monitoring)
	if err != nil {
		return nil, err
	}
	return d.awsdb(r, plugins, log)
}

// Plugins are all that are measured, in their order.
func Plugins(monitoring hostmonitor.Options) ([]core.Plugin, error) {
	monitor, err := hostmonitor.New(monitoring)
	if err != nil {
		return nil, err
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		return nil, err
	}
	return []core.Plugin{monitor, follow}, nil
}

var all = []Database{PostgreSQL, MySQL, Pgxpool}

// ByName finds the Database with the given Name.
func ByName(name string) (Database, error) {
	n := slices.IndexFunc(all, func(d Database) bool { return d.Name == name })
	if n < 0 {
		return Database{}, fmt.Errorf("engine %q: write %s", name, Names())
	}
	return all[n], nil
}

// Names are the names that ByName knows, for a sentence.
func Names() string {
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	return strings.Join(names, " or ")
}
