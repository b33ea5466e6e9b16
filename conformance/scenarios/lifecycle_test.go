package scenarios

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// A hundred callers connect at once: there is one search and one monitoring
// connection, and all share it.
func TestB02_OneMonitorForManyFirstConnects(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		var watchers atomic.Int64
		for _, i := range c.Instances() {
			i.OnLogin(func(user string) error {
				if user == watch {
					watchers.Add(1)
				}
				return nil
			})
		}
		p := open(t, c, c.Endpoint())
		conns := make([]*sql.Conn, 100)
		for n, err := range together(len(conns), func(n int) (err error) { conns[n], err = p.Conn(t.Context()); return err }) {
			if err != nil {
				t.Errorf("connect %d: %v", n, err)
			}
		}
		if got := connections(c); got != 101 {
			t.Errorf("%d connections, want 100 and one of the monitor", got)
		}
		if got := watchers.Load(); got != 1 {
			t.Errorf("%d monitoring logins, want 1", got)
		}
		for _, conn := range conns {
			_ = conn.Close()
		}
	})
}

// The first look fails: all who wait get the error, nothing is remembered, and
// the next caller succeeds.
func TestB03_FailedBootstrapIsRetried(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint())
		c.FailDNS(true)
		for _, err := range together(100, func(int) error { return p.PingContext(t.Context()) }) {
			demand.Is(t, "while DNS fails", err, core.ErrConnect)
		}
		c.FailDNS(false)
		if err := p.PingContext(t.Context()); err != nil {
			t.Errorf("after DNS has recovered: %v", err)
		}
		if got := connections(c); got != 2 {
			t.Errorf("%d connections, want 2", got)
		}
	})
}

// A context ends at every stage of a connect: dial, TLS, login, verification.
// Nothing is left of the attempt, and the next call works.
func TestB12_CancelAtEveryStageOfAConnect(t *testing.T) {
	virtual(t, lab.Options{TLS: lab.TLSRequired, Auth: lab.Cleartext, Instances: 2}, func(t *testing.T, c *cluster) {
		warm := open(t, c, c.Endpoint(), "topology-monitoring-user=app")
		began := time.Now()
		if err := warm.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		whole := time.Since(began)
		for _, cold := range []bool{true, false} {
			canceled := 0
			for limit := time.Duration(0); limit < whole; limit += latency * 3 / 4 {
				p := warm
				if cold {
					p = open(t, c, c.Endpoint(), "topology-monitoring-user=app")
				}
				p.SetMaxIdleConns(0)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				began := time.Now()
				err := p.PingContext(ctx)
				cancel()
				within(t, "connect", began, limit)
				if err != nil {
					canceled++
					demand.Is(t, fmt.Sprintf("connect canceled after %v", limit), err, context.DeadlineExceeded)
				}
				if err := p.PingContext(t.Context()); err != nil {
					t.Fatalf("connect after one that was canceled after %v: %v", limit, err)
				}
				if cold {
					if err := p.Close(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if canceled < 5 {
				t.Errorf("cold=%t: only %d connects were canceled", cold, canceled)
			}
		}
		time.Sleep(time.Second)
		if got := connections(c); got != 1 {
			t.Errorf("%d connections are left, want the monitor's", got)
		}
		if got := warm.searches(); got != 0 {
			t.Errorf("%d searches for the writer because of canceled connects", got)
		}
	})
}

// After fifty failovers there are as many connections and goroutines as before.
func TestB17_NothingGrowsWithFailovers(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		settle := func() (int, int) {
			time.Sleep(time.Minute)
			synctest.Wait()
			return connections(c), runtime.NumGoroutine()
		}
		conns, goroutines := settle()
		for n := range 50 {
			promote(t, c, fmt.Sprintf("mydb-%d", (n+1)%3+1), lab.PromoteOptions{DropSessions: n%2 == 0})
			for range 5 {
				if p.insert(t.Context()) == nil {
					break
				}
			}
			if err := p.insert(t.Context()); err != nil {
				t.Fatalf("failover %d: %v", n, err)
			}
			if n%7 == 0 {
				time.Sleep(40 * time.Second) // lets some of them settle
			}
		}
		nowConns, nowGoroutines := settle()
		if nowConns != conns {
			t.Errorf("%d connections, %d before", nowConns, conns)
		}
		if nowGoroutines > goroutines {
			t.Errorf("%d goroutines, %d before", nowGoroutines, goroutines)
		}
	})
}

// A thousand checkouts of a pool of five need five connections and the monitor's.
func TestB22_ConnectionBudget(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxOpenConns(5)
		p.SetMaxIdleConns(5)
		for _, err := range together(1000, func(int) error { return p.insert(t.Context()) }) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := connections(c); got != 6 {
			t.Errorf("%d connections, want 5 and the monitor's", got)
		}
		logins := 0
		for _, i := range c.Instances() {
			logins += i.Logins()
		}
		if logins != 6 {
			t.Errorf("%d logins, want 6", logins)
		}
	})
}

// Several names of one cluster, shared on request: one monitor, not one per name.
func TestB23_OneMonitorForManyNames(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		c.Alias("db.example.com", c.Endpoint())
		hosts := []string{c.Endpoint(), c.ReaderEndpoint(), "db.example.com", c.Instance("mydb-3").Host()}
		for _, host := range hosts {
			p := open(t, c, host, "cluster_id=b23")
			if err := p.PingContext(t.Context()); err != nil {
				t.Fatalf("%s: %v", host, err)
			}
		}
		if got := connections(c); got != len(hosts)+1 {
			t.Errorf("%d connections, want one per handle and one of the monitor", got)
		}
	})
}

// A thousand different passwords leave nothing behind.
func TestB24_ChangingPasswordsDoNotAccumulate(t *testing.T) {
	accept := func(_, password string) bool { return len(password) > 5 }
	virtual(t, lab.Options{Auth: lab.Cleartext, VerifyPassword: accept, Instances: 1}, func(t *testing.T, c *cluster) {
		tokens := &tokens{}
		p := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint(), "topology-monitoring-user=app"), Plugins: []core.Plugin{tokens}})
		p.SetMaxIdleConns(0)
		connect := func(n int) uint64 {
			for range n {
				if err := p.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			forget(c)
			time.Sleep(time.Second)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		connect(100)
		before := connect(500)
		after := connect(500)
		if after > before+100_000 { // 200 bytes for each connect
			t.Errorf("the heap grew by %d bytes in 500 connects", after-before)
		}
		if got := tokens.made.Load(); got != 1100 {
			t.Errorf("%d passwords were asked for, want one for each connect", got)
		}
	})
}

// tokens is a plugin that makes a new password for each login.
type tokens struct{ made atomic.Int64 }

func (*tokens) Code() string { return "tokens" }

func (k *tokens) Authenticate(_ context.Context, t core.Target) (core.Target, error) {
	t.User, t.Password = "app", core.Secret(fmt.Sprintf("token-%032d", k.made.Add(1)))
	return t, nil
}

func (*tokens) LoginFailed(context.Context, core.Target, error) bool { return false }

// Opening a handle starts nothing; only the first connect does.
func TestB26_OpeningStartsNothing(t *testing.T) { frontend.Each(t, openingStartsNothing) }

func openingStartsNothing(t *testing.T, f frontend.Frontend) {
	most := runtime.NumGoroutine() + 1 // database/sql's own opener
	if f.Unlike().Start != "" {
		most++
	}
	db, err := f.OpenDSN(f.DSN(application("mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // checked below
	if got := runtime.NumGoroutine(); got > most {
		t.Errorf("%d goroutines, want at most %d", got, most)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// The first caller's context ends: what it started goes on.
func TestB27_BackgroundWorkOutlivesTheFirstCaller(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := p.PingContext(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(5 * time.Minute)
		forget(c)
		promote(t, c, "mydb-2")
		time.Sleep(31 * time.Second)
		if w, _ := p.Cluster().Topology().Writer(); w.ID != "mydb-2" {
			t.Errorf("five minutes later the monitor takes %q for the writer", w.ID)
		}
	})
}

// A cluster nobody uses is not watched: after a quarter of an hour there is no
// connection at all. The next use finds the writer of that time.
func TestB28_IdleParking(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint())
		p.SetMaxIdleConns(0)
		for _, writer := range []string{"mydb-2", "mydb-1", "mydb-3"} {
			promote(t, c, writer)
			began := time.Now()
			p.lands(t, writer)
			within(t, "the first call after a long time", began, atOnce)
			time.Sleep(14 * time.Minute)
			if got := connections(c); got != 1 {
				t.Errorf("%d connections after 14 minutes, want the monitor's", got)
			}
			time.Sleep(2 * time.Minute)
			if got := connections(c); got != 0 {
				t.Errorf("%d connections after 16 minutes, want none", got)
			}
		}
		pinned := p.hold(t, 1)[0]
		time.Sleep(time.Hour)
		if got := connections(c); got != 2 {
			t.Errorf("%d connections beside one that is in use, want 2", got)
		}
		_ = pinned.Close()
	})
}

// The process stands still for an hour: the first call afterwards works.
func TestB83_AfterALongStandstill(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.fill(t, 5)
		time.Sleep(time.Hour)
		began := time.Now()
		if err := p.insert(t.Context()); err != nil {
			t.Error(err)
		}
		within(t, "the first call", began, atOnce)
	})
}

// A connect that comes too late for its caller is closed, or serves the next, and is not
// leaked.
func TestB18_LateConnectionIsClosed(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxIdleConns(0)
		time.Sleep(time.Second)
		base := connections(c)
		c.Writer().Slow(3 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		demand.Is(t, "connect to a slow host", p.PingContext(ctx), context.DeadlineExceeded)
		within(t, "connect", began, time.Second)
		c.Writer().Slow(0)
		time.Sleep(time.Minute)
		if c.unlike.Late != "" { // what is left is of use
			before := dials(c)
			if err := p.PingContext(t.Context()); err != nil || dials(c) != before {
				t.Errorf("the next call: %v, after %d dials", err, dials(c)-before)
			}
			time.Sleep(time.Second) // it was the last one
		}
		if got := connections(c); got != base {
			t.Errorf("%d connections, %d before", got, base)
		}
	})
}

// The login succeeds and the question who the server is fails: the connection is
// closed.
func TestB20_FailedVerificationClosesTheConnection(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxIdleConns(0)
		time.Sleep(time.Second)
		base := connections(c)
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if s.User == "app" && c.front.Own(s.SQL) {
				return lab.Fail(c.codes.NotPermitted, "permission denied")
			}
			return lab.Run()
		})
		err := p.PingContext(t.Context())
		demand.Is(t, "connect", err, core.ErrConnect)
		c.says(t, "connect", err, c.codes.NotPermitted)
		time.Sleep(time.Second)
		if got := connections(c); got != base {
			t.Errorf("%d connections, %d before", got, base)
		}
	})
}

// A thousand checkouts leave no more behind than one.
func TestB31_CheckoutsDoNotAccumulate(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		goroutines := runtime.NumGoroutine()
		for range 1000 {
			if err := p.insert(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		links := 0
		for range p.Cluster().Links() {
			links++
		}
		if diff := cmp.Diff(1, links); diff != "" {
			t.Errorf("links (-want +got):\n%s", diff)
		}
		if got := runtime.NumGoroutine(); got > goroutines {
			t.Errorf("%d goroutines, %d before", got, goroutines)
		}
	})
}
