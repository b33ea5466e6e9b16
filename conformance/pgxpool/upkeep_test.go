package pgxpool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// settles demands that the pool comes to have so many idle connections, all of them to
// one instance, within a time.
func settles(t *testing.T, p *pool, n int32, host string, limit time.Duration) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		there := 0
		for l := range p.Connector().Cluster().Links() {
			if l.Host() == host && l.Lost() == nil && l.Condemned() == nil {
				there++
			}
		}
		if s := p.Stat(); s.IdleConns() >= n && there >= int(n) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d connections to %s, %d idle after %v, want %d", there, host, p.Stat().IdleConns(), limit, n)
			return
		}
	}
}

// The pool goes on keeping connections ready, through a failover.
func TestPoolKeepsConnectionsReady(t *testing.T) {
	for _, param := range []string{"pool_min_conns=5", "pool_min_idle_conns=5"} {
		for _, l := range leaving {
			t.Run(param+"/"+l.name, func(t *testing.T) {
				virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
					p := writable(t, c, param, "pool_max_conns=10", "pool_health_check_period=5s", "pool_max_conn_lifetime=2m", "pool_max_conn_lifetime_jitter=20s")
					settles(t, p, 5, "mydb-1", 10*time.Second)
					l.do(c.Writer())
					promote(t, c, "mydb-2")
					// Whoever calls finds the connections lost; without callers they go with age.
					for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						_, err := p.Exec(ctx, "insert into t (id) values (1)")
						cancel()
						if err != nil && !errors.Is(err, core.ErrFailover) && !errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("insert: %v", err)
						}
					}
					settles(t, p, 5, "mydb-2", 3*time.Minute)
				})
			})
		}
	}
}

// MinConns has its share in waiting for a writer: its attempts end by themselves, and do
// not keep callers away.
func TestPoolIsFilledAfterALongFailover(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_min_conns=8", "pool_max_conns=8", "pool_health_check_period=5s")
		settles(t, p, 8, "mydb-1", 10*time.Second)
		c.Writer().Crash()
		time.Sleep(3 * time.Minute) // pgxpool gives an attempt one
		call := async(func() error { return p.Ping(t.Context()) })
		time.Sleep(30 * time.Second)
		promote(t, c, "mydb-2")
		promoted := time.Now()
		e := <-call
		if e.err != nil {
			t.Error(e.err)
		}
		if late := e.at.Sub(promoted); late > time.Second {
			t.Errorf("the call ended %v after the promotion", late)
		}
		settles(t, p, 8, "mydb-2", 2*time.Minute)
	})
}

// Connections end with their lifetime, and are replaced on whatever host is right then.
func TestLifetime(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_max_conns=5", "pool_max_conn_lifetime=1m", "pool_max_conn_lifetime_jitter=10s", "pool_health_check_period=1s")
		seen := map[string]bool{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
					err := p.AcquireFunc(t.Context(), func(conn pgdriver.Conn) error {
						id, err := where(t.Context(), conn)
						mu.Lock()
						defer mu.Unlock()
						seen[fmt.Sprint(id, conn.Conn().PgConn().PID())] = true
						return err
					})
					if err != nil && !errors.Is(err, core.ErrFailover) {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(5 * time.Minute)
		c.Writer().Crash()
		promote(t, c, "mydb-2")
		wg.Wait()
		if n := len(seen); n < 15 || n > 100 {
			t.Errorf("%d connections in ten minutes", n)
		}
		if n := p.Stat().MaxLifetimeDestroyCount(); n < 10 {
			t.Errorf("%d ended with their lifetime", n)
		}
	})
}

// Reset replaces all connections, as with pgxpool.
func TestReset(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_max_conns=5")
		p.fill(t, 4)
		held := p.hold(t, 1)[0]
		p.Reset()
		lands(t, held, "mydb-1")
		held.Release()
		time.Sleep(time.Second)
		if n := p.Stat().TotalConns(); n != 0 {
			t.Errorf("%d connections after Reset", n)
		}
		lands(t, p, "mydb-1")
	})
}

// A transaction that its owner left open is not for the next one.
func TestB104_OpenTransactionIsNotReused(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_max_conns=1")
		for name, leave := range map[string]func(ctx context.Context) error{
			"raw BEGIN": func(ctx context.Context) error { _, err := p.Exec(ctx, "begin"); return err },
			"a Tx of a Conn": func(ctx context.Context) error {
				conn := p.hold(t, 1)[0]
				defer conn.Release()
				tx, err := conn.Begin(ctx)
				if err != nil {
					return err
				}
				_, err = tx.Exec(ctx, "insert into t (id) values (1)")
				return err
			},
			"open rows": func(ctx context.Context) error {
				conn := p.hold(t, 1)[0]
				defer conn.Release()
				rows, err := conn.Query(ctx, "select generate_series from generate_series(1, 1000)")
				if err == nil {
					rows.Next()
				}
				return err
			},
		} {
			if err := leave(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			err := pgx.BeginFunc(t.Context(), p, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "insert into t (id) values (2)")
				return err
			})
			if err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		}
		for _, row := range c.Rows("t") {
			if row[0] != int64(2) {
				t.Errorf("row %v of a transaction that was never committed", row)
			}
		}
	})
}
