package real

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience is how long anything may take. Only a test that fails waits so long.
	patience = 60 * time.Second
	// callLimit is the deadline an application gives its calls.
	callLimit = 5 * time.Second
)

// cluster is a cluster of real servers, and the front end that a test reaches it with.
type cluster struct {
	*lab.Cluster
	front frontend.Frontend
	sql   frontend.SQL
	codes frontend.Codes
}

// start starts servers for the duration of the test. The flavor is Aurora, if none is given.
func start(t *testing.T, f frontend.Frontend, o lab.Options) *cluster {
	t.Helper()
	if os.Getenv("AWSDB_UNIT") == "1" {
		t.Skip("AWSDB_UNIT=1: needs database servers")
	}
	if o.Flavor == (lab.Options{}).Flavor {
		o.Flavor = f.Flavors().Aurora
	}
	c, err := lab.StartReal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := c.Err(); err != nil {
			t.Errorf("lab: %v", err)
		}
	})
	return &cluster{c, f, f.SQL(), f.Codes()}
}

// eachEngine runs a test for each engine, by database/sql. It is for what takes long; TestPoolFailovers is its like
// for pgx's own pool.
func eachEngine(t *testing.T, test func(t *testing.T, f frontend.Frontend)) {
	for _, f := range []frontend.Frontend{frontend.PostgreSQL, frontend.MySQL} {
		t.Run(f.Name(), func(t *testing.T) { test(t, f) })
	}
}

// open opens a pool for a host of the cluster. The plugins are those that are linked in, unless
// the parameters say otherwise: failover and host_monitoring_v2.
func open(t *testing.T, c *cluster, host string, params ...string) *frontend.Handle {
	t.Helper()
	return openWith(t, c, frontend.Options{DSN: c.DSN(host, params...)})
}

func openWith(t *testing.T, c *cluster, o frontend.Options) *frontend.Handle {
	t.Helper()
	o.Lab = c.Cluster
	db, err := c.front.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil { // also when the test has closed it
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// bare is one connection of the driver that knows nothing of awsdb.
func bare(t *testing.T, c *cluster, host string) *sql.DB {
	t.Helper()
	connector, err := c.front.Bare(c.Cluster, c.DSN(host))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() }) // it may be on a dead server
	if err := bounded(patience, db.PingContext); err != nil {
		t.Fatal(err)
	}
	return db
}

// bounded gives a call a deadline.
func bounded(limit time.Duration, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return call(ctx)
}

func mustExec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	err := bounded(patience, func(ctx context.Context) error { _, err := db.ExecContext(ctx, query, args...); return err })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func scalar[T any](t *testing.T, db *sql.DB, query string, args ...any) (value T) {
	t.Helper()
	err := bounded(patience, func(ctx context.Context) error { return db.QueryRowContext(ctx, query, args...).Scan(&value) })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// says demands that err holds a server's error of that code.
func (c *cluster) says(t *testing.T, what string, err error, code string) {
	t.Helper()
	if got := c.front.Code(err); got != code {
		t.Errorf("%s: server's error %q, want %q: %v", what, got, code, err)
	}
}

// eventually waits until check holds.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for began := time.Now(); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("after %v: %s", patience, what)
		}
	}
}

func promote(t *testing.T, c *cluster, id string, o lab.PromoteOptions) {
	t.Helper()
	if err := c.Promote(id, o); err != nil {
		t.Fatal(err)
	}
}

// replaceWriter kills the writer, promotes a reader and brings the old writer back.
func replaceWriter(t *testing.T, c *cluster) {
	t.Helper()
	old, next := c.Writer(), c.Readers()[0]
	old.Crash()
	promote(t, c, next.ID(), lab.PromoteOptions{})
	old.Restart()
}

// follows waits until the pool has noticed: calls that meet a connection just lost
// may fail until then, and idle connections to the old writer are condemned after.
func follows(t *testing.T, db *frontend.Handle) {
	t.Helper()
	eventually(t, "the pool does not follow the writer", func() bool {
		return bounded(patience, func(ctx context.Context) error {
			var one int
			return db.QueryRowContext(ctx, "select 1").Scan(&one)
		}) == nil
	})
}

// wantCluster demands that the library knows the kind of the database, its members and its writer.
func wantCluster(t *testing.T, c *cluster, db *frontend.Handle, flavor lab.Flavor) {
	t.Helper()
	if got, want := db.Cluster().Dialect().Code(), c.front.Dialect(flavor); got != want {
		t.Errorf("dialect %s, want %s", got, want)
	}
	hosts := len(c.Instances())
	if slices.Contains(c.front.Flavors().Community, flavor) {
		hosts = 1
	}
	var topology *core.Topology
	eventually(t, "the topology is not known", func() bool {
		topology = db.Cluster().Topology()
		return topology.Verified && len(topology.Hosts) == hosts
	})
	writer, ok := topology.Writer()
	if !ok || hosts > 1 && writer.ID != c.Writer().ID() {
		t.Errorf("writer %v, want %s", writer, c.Writer().ID())
	}
}
