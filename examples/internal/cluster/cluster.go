// Package cluster starts a cluster of the lab for the test of an example.
package cluster

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// Patience is how long anything may take. Only a test that fails waits so long.
const Patience = 90 * time.Second

// Start starts a simulated cluster, which ends with the test.
func Start(t *testing.T) *lab.Cluster {
	t.Helper()
	c, err := lab.Start(lab.Options{})
	return started(t, c, err)
}

// StartReal starts a cluster of real PostgreSQL servers, for SQL that the simulation does
// not have.
func StartReal(t *testing.T) *lab.Cluster {
	t.Helper()
	return startReal(t, lab.Options{})
}

func startReal(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	if os.Getenv("AWSDB_UNIT") == "1" {
		t.Skip("AWSDB_UNIT=1: needs database servers")
	}
	c, err := lab.StartReal(t.Context(), o)
	return started(t, c, err)
}

func started(t *testing.T, c *lab.Cluster, err error) *lab.Cluster {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := c.Err(); err != nil {
			t.Errorf("lab: %v", err)
		}
	})
	return c
}

// Config is a pool's configuration for the cluster's writer endpoint.
func Config(t *testing.T, c *lab.Cluster) *pgxpool.Config {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(c.DSN(c.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Pool opens a pool, which is closed with the test. A program of one's own needs neither
// dialer nor resolver: those are the lab's network and DNS.
func Pool(t *testing.T, c *lab.Cluster, cfg *pgxpool.Config) *pgdriver.Pool {
	t.Helper()
	pool, err := pgdriver.NewPool(t.Context(), cfg, pgdriver.WithDialer(c.DialContext), pgdriver.WithResolver(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// FailOver kills the writer and promotes another instance.
func FailOver(t *testing.T, c *lab.Cluster, next string) {
	t.Helper()
	c.Writer().Crash()
	if err := c.Promote(next, lab.PromoteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// Context ends after [Patience], or with the test.
func Context(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// Await waits until done, which is asked again and again.
func Await(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.Now().Add(Patience)
	for !done() {
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		time.Sleep(5 * time.Millisecond) //ci:wait what is awaited happens elsewhere
	}
}

// Program runs a program with this DATABASE_URL until a table of a simulated cluster has rows, and ends it as an interrupt does.
func Program(t *testing.T, c *lab.Cluster, url, table string, run func(ctx context.Context) error) {
	t.Helper()
	t.Setenv("DATABASE_URL", url)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	result := make(chan error, 1)
	go func() { result <- run(ctx) }()
	Await(t, "rows of "+table, func() bool { return len(c.Rows(table)) > 0 || len(result) > 0 })
	interrupt()
	if err := <-result; err != nil {
		t.Error(err)
	}
}
