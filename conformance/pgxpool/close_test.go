package pgxpool

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// Close waits, as pgxpool's does, until all connections have been given back; meanwhile
// they work, and nobody gets another.
func TestCloseWaits(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		conn := p.hold(t, 1)[0]
		done := async(func() error { p.Close(); return nil })
		time.Sleep(10 * time.Second)
		select {
		case <-done:
			t.Fatal("Close did not wait for a connection in use")
		default:
		}
		lands(t, conn, "mydb-1")
		for name, err := range map[string]error{
			"Acquire":  func() error { _, err := p.Acquire(t.Context()); return err }(),
			"Exec":     func() error { _, err := p.Exec(t.Context(), "select 1"); return err }(),
			"QueryRow": func() error { _, err := where(t.Context(), p); return err }(),
			"Ping":     p.Ping(t.Context()),
		} {
			demand.Is(t, name, err, core.ErrClosed)
			if !strings.Contains(err.Error(), "closed pool") {
				t.Errorf("%s: pgxpool's error is gone: %v", name, err)
			}
		}
		given := time.Now()
		conn.Release()
		<-done
		within(t, "Close", given, atOnce)
	})
}

// While Close waits, hosts are watched on behalf of the calls in flight.
func TestCloseWatchesOverCalls(t *testing.T) {
	for _, l := range leaving[3:] {
		t.Run(l.name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c, quick...)
				call := async(func() error { _, err := p.Exec(context.Background(), slow); return err })
				time.Sleep(5 * time.Second)
				closing := async(func() error { p.Close(); return nil })
				time.Sleep(5 * time.Second)
				began := time.Now()
				l.do(c.Writer())
				e := <-call
				var lost *core.LostError
				if !errors.As(e.err, &lost) || !lost.Aborted {
					t.Errorf("the call: %v", e.err)
				}
				<-closing
				within(t, "Close", began, bound+time.Second)
			})
		})
	}
}

// Close ends those who wait for a failover.
func TestCloseDuringAFailover(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_min_conns=3")
		time.Sleep(2 * time.Second)
		calls := map[string]func(ctx context.Context) error{
			"Exec in flight": func(ctx context.Context) error { _, err := p.Exec(ctx, slow); return err },
			"Tx in flight": func(ctx context.Context) error {
				return inTransaction(ctx, p, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, slow); return err })
			},
		}
		var waiting sync.WaitGroup
		start := func(name string, do func(context.Context) error) {
			waiting.Go(func() {
				err := do(context.Background())
				if !errors.Is(err, core.ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
				demand.IsNot(t, name, err, core.ErrFailoverSuccess)
			})
		}
		for name, do := range calls {
			start(name, do)
		}
		time.Sleep(time.Second)
		c.Writer().Crash()
		time.Sleep(time.Second)
		start("Acquire", func(ctx context.Context) error { _, err := p.Acquire(ctx); return err })
		start("Ping", func(ctx context.Context) error { return p.Ping(ctx) })
		time.Sleep(time.Second)
		began := time.Now()
		p.Close()
		within(t, "Close", began, atOnce)
		waiting.Wait()
		within(t, "the end of those who waited", began, atOnce)
	})
}

// Close comes at any moment of the opening of connections, and more than once.
func TestCloseWhileOpening(t *testing.T) {
	for _, after := range []time.Duration{0, latency, 2 * latency, 3 * latency, 5 * latency, 8 * latency, 13 * latency, 20 * latency} {
		t.Run(after.String(), func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := open(t, c, c.Endpoint(), "pool_min_conns=5", "pool_max_conns=10")
				call := async(func() error { _, err := p.Exec(context.Background(), "select 1"); return err })
				time.Sleep(after)
				began := time.Now()
				var closing sync.WaitGroup
				for range 3 {
					closing.Go(p.Close)
				}
				closing.Wait()
				within(t, "Close", began, atOnce)
				if err := (<-call).err; err != nil {
					if !errors.Is(err, core.ErrClosed) {
						t.Errorf("the call: %v", err)
					}
				}
				p.Close()
			})
		})
	}
}

// A dial that hangs ends with Close: of a caller, and of the pool itself.
func TestCloseEndsDials(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		cfg := config(t, c, c.Endpoint(), "pool_min_conns=5")
		cfg.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		p := build(t, c, cfg)
		call := async(func() error { return p.Ping(context.Background()) })
		time.Sleep(time.Second)
		began := time.Now()
		p.Close()
		within(t, "Close", began, atOnce)
		if err := (<-call).err; !errors.Is(err, core.ErrClosed) {
			t.Errorf("the call: %v", err)
		}
	})
}

// Who has built the pool closes it, and then the Connector.
func TestCloseOfAConfiguredPool(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		cfg := config(t, c, c.Endpoint(), "pool_min_conns=3")
		k, err := pgdriver.ConfigurePool(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		lands(t, p, "mydb-1")
		crash(t, c, "mydb-2")
		lands(t, p, "mydb-2")
		call := async(func() error { _, err := p.Exec(context.Background(), "select pg_sleep(3)"); return err })
		time.Sleep(time.Second)
		p.Close()
		if err := (<-call).err; err != nil {
			t.Errorf("a call in flight: %v", err)
		}
		for range 2 {
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A connection that was taken out of the pool outlives it.
func TestCloseLeavesHijackedConnections(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		conn := p.hold(t, 1)[0].Hijack()
		p.Close()
		lands(t, conn, "mydb-1")
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A canceled call, too, leaves its connection behind for the server to end.
func TestCloseAfterCancel(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Exec(ctx, slow)
		if !errors.Is(err, context.DeadlineExceeded) || !pgconn.Timeout(err) {
			t.Error(err)
		}
		began := time.Now()
		p.Close()
		within(t, "Close", began, time.Second)
	})
}
