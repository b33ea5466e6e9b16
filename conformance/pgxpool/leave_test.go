package pgxpool

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// Nobody gets a connection to a writer that is alive and was demoted, by whatever way the
// connections leave the pool.
func TestDemotedConnectionsLeave(t *testing.T) {
	takes := map[string]func(ctx context.Context, p *pool) ([]querier, func()){
		"Acquire": func(ctx context.Context, p *pool) ([]querier, func()) {
			c, err := p.Acquire(ctx)
			if err != nil {
				t.Error(err)
				return nil, func() {}
			}
			return []querier{c}, c.Release
		},
		"bare Acquire": func(ctx context.Context, p *pool) ([]querier, func()) {
			c, err := p.Pool.Pool.Acquire(ctx)
			if err != nil {
				t.Error(err)
				return nil, func() {}
			}
			return []querier{c}, c.Release
		},
		"AcquireAllIdle": func(ctx context.Context, p *pool) ([]querier, func()) {
			conns := p.AcquireAllIdle(ctx)
			var all []querier
			for _, c := range conns {
				all = append(all, c)
			}
			return all, func() {
				for _, c := range conns {
					c.Release()
				}
			}
		},
		"Begin": func(ctx context.Context, p *pool) ([]querier, func()) {
			tx, err := p.Begin(ctx)
			if err != nil {
				t.Error(err)
				return nil, func() {}
			}
			return []querier{tx}, func() { _ = tx.Rollback(ctx) }
		},
	}
	for name, take := range takes {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c, "pool_max_conns=6")
				p.fill(t, 6)
				promote(t, c, "mydb-2")
				p.Connector().Cluster().Look("mydb-1")
				time.Sleep(time.Second)
				for range 3 {
					got, release := take(t.Context(), p)
					for _, q := range got {
						lands(t, q, "mydb-2")
					}
					release()
				}
			})
		})
	}
}

// waits are calls that wait for the server, on connections that the pool does not hold.
var waits = map[string]func(t *testing.T, p *pool) func(ctx context.Context) error{
	"acquired": func(t *testing.T, p *pool) func(ctx context.Context) error {
		c := p.hold(t, 1)[0]
		t.Cleanup(c.Release)
		return func(ctx context.Context) error { _, err := c.Exec(ctx, "select pg_sleep(1000)"); return err }
	},
	"bare": func(t *testing.T, p *pool) func(ctx context.Context) error {
		c := p.hold(t, 1)[0]
		t.Cleanup(c.Release)
		return func(ctx context.Context) error { _, err := c.Conn().Exec(ctx, "select pg_sleep($1)", 1000); return err }
	},
	"LISTEN": func(t *testing.T, p *pool) func(ctx context.Context) error {
		c := p.hold(t, 1)[0]
		t.Cleanup(c.Release)
		if _, err := c.Exec(t.Context(), "listen news"); err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) error { _, err := c.Conn().WaitForNotification(ctx); return err }
	},
	"hijacked LISTEN": func(t *testing.T, p *pool) func(ctx context.Context) error {
		c := p.hold(t, 1)[0].Hijack()
		t.Cleanup(func() { _ = c.Close(context.Background()) })
		if _, err := c.Exec(t.Context(), "listen news"); err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) error { _, err := c.WaitForNotification(ctx); return err }
	},
	"hijacked": func(t *testing.T, p *pool) func(ctx context.Context) error {
		c := p.hold(t, 1)[0].Hijack()
		t.Cleanup(func() { _ = c.Close(context.Background()) })
		return func(ctx context.Context) error { _, err := c.Exec(ctx, "select pg_sleep(1000)"); return err }
	},
	"outside": func(t *testing.T, p *pool) func(ctx context.Context) error {
		c, err := pgx.ConnectConfig(t.Context(), p.Config().ConnConfig)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close(context.Background()) })
		return func(ctx context.Context) error { _, err := c.Exec(ctx, "select pg_sleep(1000)"); return err }
	},
}

// B102: a connection that its owner holds for long is ended when its host is dead, though
// the network says nothing.
func TestB102_HeldConnectionsOfADeadHost(t *testing.T) {
	for _, l := range leaving[3:] {
		for name, wait := range waits {
			t.Run(l.name+"/"+name, func(t *testing.T) {
				virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
					p := writable(t, c, quick...)
					call := wait(t, p)
					time.Sleep(3 * time.Second)
					done := async(func() error { return call(context.Background()) })
					time.Sleep(time.Second)
					began := time.Now()
					l.do(c.Writer())
					// The Pool's own calls go on to wait for a new writer.
					time.AfterFunc(bound, func() { promote(t, c, "mydb-2") })
					e := <-done
					if took := e.at.Sub(began); took > bound+100*time.Millisecond {
						t.Errorf("ended after %v", took)
					}
					var lost *core.LostError
					if !errors.As(e.err, &lost) || !lost.Aborted || lost.Host != "mydb-1" {
						t.Errorf("the error does not say that the host was given up: %v", e.err)
					}
					err := pgdriver.Cause(e.err)
					demand.Is(t, name, err, core.ErrOutcomeUnknown)
					lands(t, p, "mydb-2")
				})
			})
		}
	}
}

// B102: a connection that waits for notifications from a host that crashes, or is demoted
// with its sessions ended, is closed.
func TestB102_ListenerOfACrashedHost(t *testing.T) {
	for _, hijack := range []bool{false, true} {
		virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
			p := writable(t, c)
			conn := p.hold(t, 1)[0]
			listener := conn.Conn()
			if hijack {
				listener = conn.Hijack()
				defer listener.Close(context.Background())
			} else {
				defer conn.Release()
			}
			if _, err := listener.Exec(t.Context(), "listen news"); err != nil {
				t.Fatal(err)
			}
			must(t, p, "notify news, 'one'")
			n, err := listener.WaitForNotification(t.Context())
			if err != nil || n.Payload != "one" {
				t.Fatalf("notification %v: %v", n, err)
			}
			done := async(func() error { _, err := listener.WaitForNotification(context.Background()); return err })
			time.Sleep(time.Minute)
			c.Writer().Crash()
			e := <-done
			demand.Is(t, "WaitForNotification", pgdriver.Cause(e.err), core.ErrFailover)
			promote(t, c, "mydb-2")
			time.Sleep(roundTrip)
			// As applications do: try again until the connection is closed, then take another.
			for range 3 {
				if listener.IsClosed() {
					break
				}
				_, err = listener.WaitForNotification(t.Context())
				demand.Is(t, "again", pgdriver.Cause(err), core.ErrFailover)
			}
			if !listener.IsClosed() {
				t.Error("the connection is still open for pgx")
			}
			lands(t, p, "mydb-2")
		})
	}
}

// A hijacked connection, and one that is made with the pool's configuration, are like any
// other; a new one is on the new writer.
func TestConnectionsBesideThePool(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		hijacked := p.hold(t, 1)[0].Hijack()
		beside, err := pgx.ConnectConfig(t.Context(), p.Config().ConnConfig)
		if err != nil {
			t.Fatal(err)
		}
		for name, conn := range map[string]*pgx.Conn{"hijacked": hijacked, "beside": beside} {
			lands(t, conn, "mydb-1")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := conn.Exec(ctx, "select pg_sleep(100)"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
			if err := conn.Close(t.Context()); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
		if n := p.Stat().TotalConns(); n > 1 {
			t.Errorf("the pool counts %d connections", n)
		}
		crash(t, c, "mydb-2")
		again, err := pgx.ConnectConfig(t.Context(), p.Config().ConnConfig)
		if err != nil {
			t.Fatal(err)
		}
		lands(t, again, "mydb-2")
		if err := again.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A pool's configuration is not one for a second pool: it would be led to the first one's
// connections.
func TestConfigOfAPool(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := open(t, c, c.Endpoint())
		_, err := pgdriver.NewPool(t.Context(), p.Config())
		demand.Is(t, "NewPool", err, core.ErrConfig)
		if err == nil || !strings.Contains(err.Error(), "parse the connection string again") {
			t.Errorf("the error does not say what to do: %v", err)
		}
		// The bare pool takes it, and follows as well.
		second, err := pgxpool.NewWithConfig(t.Context(), p.Config())
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		lands(t, second, "mydb-1")
		crash(t, c, "mydb-2")
		lands(t, second, "mydb-2")
		lands(t, p, "mydb-2")
	})
}
