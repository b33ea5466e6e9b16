package blackhole

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// patience is how long anything may take. Only a test that fails waits so long.
const patience = 60 * time.Second

// cluster is a simulated cluster on loopback, and the front end that a test reaches it with.
type cluster struct {
	*lab.Cluster
	front frontend.Frontend
	sql   frontend.SQL
}

// start starts a cluster for the duration of the test.
func start(t *testing.T, f frontend.Frontend) *cluster {
	t.Helper()
	c, err := lab.Start(lab.Options{Flavor: f.Flavors().Aurora, Auth: lab.Trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := c.Err(); err != nil {
			t.Errorf("lab: %v", err)
		}
	})
	return &cluster{c, f, f.SQL()}
}

// each runs a test with a cluster of each engine, at the same time as all others.
func each(t *testing.T, test func(t *testing.T, c *cluster)) {
	t.Helper()
	if outside != nil {
		t.Skip(outside)
	}
	t.Parallel()
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		t.Parallel()
		test(t, start(t, f))
	})
}

// open opens a pool for a host of the cluster.
func open(t *testing.T, c *cluster, host string, params ...string) *frontend.Handle {
	t.Helper()
	db, err := c.front.Open(frontend.Options{Lab: c.Cluster, DSN: c.DSN(host, params...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// session is a connection of the pool and the socket under it.
func session(t *testing.T, db *frontend.Handle) (*sql.Conn, *core.Link) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // it may be closed already
	link, err := db.Link(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, link
}

// idle leaves n connections in the pool and returns the sockets under them.
func idle(t *testing.T, db *frontend.Handle, n int) []*core.Link {
	t.Helper()
	db.SetMaxIdleConns(n)
	var conns []*sql.Conn
	var links []*core.Link
	for range n {
		conn, link := session(t, db)
		conns, links = append(conns, conn), append(links, link)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return links
}

// caller is what runs statements: a pool or one of its connections.
type caller interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// ended is how a call has ended.
type ended struct {
	err error
	at  time.Time
}

// call begins a call that takes for ever on the server. It has been acknowledged if the server has it.
func call(ctx context.Context, c *cluster, db caller) <-chan ended {
	done := make(chan ended, 1)
	go func() {
		_, err := db.ExecContext(ctx, c.sql.Sleep(2*patience))
		done <- ended{err, time.Now()}
	}()
	return done
}

// received waits until an instance has got the call.
func received(t *testing.T, i *lab.Instance) {
	t.Helper()
	eventually(t, "the call has not arrived", func() bool {
		for _, s := range i.Statements() {
			if strings.Contains(s.SQL, "sleep(") {
				return true
			}
		}
		return false
	})
	time.Sleep(100 * time.Millisecond) // the kernel may be late to acknowledge what the server has read
}

// eventually waits until check holds.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for began := time.Now(); !check(); time.Sleep(time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("after %v: %s", patience, what)
		}
	}
}

// works waits until a call on the pool succeeds, and returns the instance that has answered.
func works(t *testing.T, c *cluster, db *frontend.Handle) (id string) {
	t.Helper()
	eventually(t, "no call succeeds", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return db.QueryRowContext(ctx, c.sql.InstanceID).Scan(&id) == nil
	})
	return id
}

// ms is d as it is logged.
func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
