package cluster

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/lab"
)

// Engine is a kind of database.
type Engine struct {
	Name   string // postgresql or mysql
	Driver string // what our driver is registered as
	flavor lab.Flavor
}

// The engines.
var (
	PostgreSQL = Engine{Name: "postgresql", Driver: "awspg", flavor: lab.AuroraPG}
	MySQL      = Engine{Name: "mysql", Driver: "awsmysql", flavor: lab.AuroraMySQL}
)

// Duplicate tells whether the engine's driver says in err that a unique constraint was violated.
func (e Engine) Duplicate(err error) bool {
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	switch e {
	case PostgreSQL:
		return errors.As(err, &pg) && pg.Code == "23505"
	case MySQL:
		return errors.As(err, &my) && my.Number == 1062
	}
	return false
}

// DSN is c.DSN for a program that reads times, which go-sql-driver must be told.
func (e Engine) DSN(c *lab.Cluster, endpoint string, params ...string) string {
	if e == MySQL {
		params = append(params, "parseTime=true")
	}
	return c.DSN(endpoint, params...)
}

// EachReal runs a test on a cluster of real servers of each engine. The names of the cluster work for all of this
// process, so that c.DSN(c.Endpoint()) is what a user has in DATABASE_URL. So such tests cannot be parallel.
func EachReal(t *testing.T, test func(t *testing.T, e Engine, c *lab.Cluster)) {
	t.Helper()
	for _, e := range []Engine{PostgreSQL, MySQL} {
		t.Run(e.Name, func(t *testing.T) { test(t, e, startPublished(t, e)) })
	}
}

func startPublished(t *testing.T, e Engine) *lab.Cluster {
	t.Helper()
	c := startReal(t, lab.Options{Flavor: e.flavor})
	if err := c.Publish(); err != nil {
		t.Fatal(err)
	}
	return c
}

// EachSimulated is [EachReal] on simulated clusters, for what no real server can be made to do at a given statement: see
// [Strike].
func EachSimulated(t *testing.T, test func(t *testing.T, e Engine, c *lab.Cluster)) {
	t.Helper()
	for _, e := range []Engine{PostgreSQL, MySQL} {
		t.Run(e.Name, func(t *testing.T) { test(t, e, StartSimulated(t, e)) })
	}
}

// StartSimulated starts a published cluster in this process, for what real servers cannot be made to do: to fail at a
// given statement.
func StartSimulated(t *testing.T, e Engine) *lab.Cluster {
	t.Helper()
	c, err := lab.Start(lab.Options{Flavor: e.flavor})
	started(t, c, err)
	if err := c.Publish(); err != nil {
		t.Fatal(err)
	}
	return c
}

// Strike lets fate befall the next statement that the writer of a simulated cluster receives and that contains a
// text, whatever its case. What it returns tells how many of them the writer has received since.
func Strike(c *lab.Cluster, text string, fate lab.Fate) (received func() int) {
	var n atomic.Int64
	c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
		if !strings.Contains(strings.ToLower(s.SQL), strings.ToLower(text)) || n.Add(1) > 1 {
			return lab.Run()
		}
		return fate
	})
	return func() int { return int(n.Load()) }
}

// LoseCommit loses the answer to the next COMMIT of a simulated cluster's writer, which takes effect. lost tells whether
// that has happened.
func LoseCommit(c *lab.Cluster) (lost func() bool) {
	received := Strike(c, "commit", lab.CutAfter())
	return func() bool { return received() > 0 }
}
