package pgxpool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// leaving are the ways in which a writer goes.
var leaving = []struct {
	name string
	do   func(*lab.Instance)
}{
	{"demoted", func(*lab.Instance) {}},
	{"crashed", (*lab.Instance).Crash},
	{"refuses", (*lab.Instance).Refuse},
	{"vanished", func(i *lab.Instance) { i.Vanish(lab.LosingRequests) }},
	{"frozen", (*lab.Instance).Freeze},
}

// B81: a pool full of connections, idle and in use, to a writer that is no longer one.
// Everybody who asks for a connection meanwhile gets one to the new writer.
func TestB81_WholePoolIsLost(t *testing.T) {
	for _, l := range leaving {
		for _, busy := range []int{0, 5, 10} {
			t.Run(fmt.Sprintf("%s/%d of 10 in use", l.name, busy), func(t *testing.T) {
				virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
					p := writable(t, c, "pool_max_conns=10")
					p.fill(t, 10)
					held := p.hold(t, busy)
					time.Sleep(2 * time.Second)
					l.do(c.Writer())
					promote(t, c, "mydb-2")
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					time.AfterFunc(5*time.Second, func() {
						for _, c := range held {
							c.Release()
						}
					})
					var wg sync.WaitGroup
					for range 30 {
						wg.Go(func() {
							for {
								_, err := p.Exec(ctx, "insert into t (id) values (1)")
								if err == nil {
									break
								}
								if !errors.Is(err, core.ErrFailoverSuccess) && !errors.Is(err, core.ErrFailoverFailed) {
									t.Errorf("insert: %v", err)
									return
								}
								time.Sleep(100 * time.Millisecond)
							}
							conn, err := p.Acquire(ctx)
							if err != nil {
								t.Errorf("acquire: %v", err)
								return
							}
							defer conn.Release()
							lands(t, conn, "mydb-2")
						})
					}
					wg.Wait()
					within(t, "the way to the new writer", began, 10*time.Second)
				})
			})
		}
	}
}

// B81: who asks for a connection while there is no writer waits for it, and gets it.
func TestB81_AcquireWaits(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_max_conns=4")
		p.fill(t, 4)
		time.Sleep(2 * time.Second)
		c.Writer().Crash()
		time.Sleep(roundTrip)
		time.AfterFunc(12*time.Second, func() { promote(t, c, "mydb-3") })
		promoted := time.Now().Add(12 * time.Second)
		var waiting []<-chan ended
		for range 20 {
			waiting = append(waiting, async(func() error {
				conn, err := p.Acquire(t.Context())
				if err != nil {
					return err
				}
				defer conn.Release()
				id, err := where(t.Context(), conn)
				if id != "mydb-3" {
					return fmt.Errorf("landed on %q: %w", id, err)
				}
				return err
			}))
		}
		for _, w := range waiting {
			e := <-w
			if e.err != nil {
				t.Error(e.err)
			}
			if late := e.at.Sub(promoted); late < 0 || late > time.Second {
				t.Errorf("a connection %v after the promotion", late)
			}
		}
	})
}

// B81: a context that is too short for the failover ends the wait on time, and the error
// says what was waited for.
func TestB81_AcquireGivesUpInTime(t *testing.T) {
	for _, loss := range []string{"crashed", "vanished"} {
		t.Run(loss, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c, "pool_max_conns=4")
				p.fill(t, 4)
				time.Sleep(2 * time.Second)
				if loss == "crashed" {
					c.Writer().Crash()
				} else {
					c.Writer().Vanish(lab.LosingRequests)
					p.Pool.Reset() // or else a connection to it would be given out
				}
				time.Sleep(roundTrip)
				for name, call := range map[string]func(ctx context.Context) error{
					"Acquire":  func(ctx context.Context) error { _, err := p.Acquire(ctx); return err },
					"Exec":     func(ctx context.Context) error { _, err := p.Exec(ctx, "select 1"); return err },
					"QueryRow": func(ctx context.Context) error { _, err := where(ctx, p); return err },
					"Begin":    func(ctx context.Context) error { _, err := p.Begin(ctx); return err },
					"bare":     func(ctx context.Context) error { _, err := p.Pool.Pool.Exec(ctx, "select 1"); return err },
				} {
					ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
					began := time.Now()
					err := call(ctx)
					if took := time.Since(began); took != 3*time.Second {
						t.Errorf("%s ended after %v", name, took)
					}
					cancel()
					demand.Is(t, name, err, context.DeadlineExceeded)
					if name == "bare" {
						continue // pgxpool says nothing but that
					}
					demand.Is(t, name, err, core.ErrFailoverFailed)
					demand.IsNot(t, name, err, core.ErrOutcomeUnknown)
					if loss == "crashed" && !strings.Contains(err.Error(), "mydb-1") { // who says nothing has not yet been given up
						t.Errorf("%s: the error does not say who did not answer: %v", name, err)
					}
				}
			})
		})
	}
}

// B81: two failovers in a row.
func TestB81_Flapping(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_max_conns=8")
		p.fill(t, 8)
		time.Sleep(2 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		stop := time.Now().Add(20 * time.Second)
		for i := range 16 {
			wg.Go(func() {
				for n := 0; time.Now().Before(stop); n++ {
					err := pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
						_, err := tx.Exec(ctx, "insert into t (id) values ($1)", i)
						return err
					})
					if err != nil && !errors.Is(err, core.ErrFailover) {
						t.Errorf("after %d transactions: %v", n, err)
						return
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		for n, id := range []string{"mydb-2", "mydb-1", "mydb-3", "mydb-2"} {
			time.Sleep(3 * time.Second)
			old := c.Writer()
			if n%2 == 1 {
				old.Crash()
			}
			promote(t, c, id)
			time.AfterFunc(100*time.Millisecond, old.Restart)
			time.Sleep(200 * time.Millisecond)
		}
		wg.Wait()
		lands(t, p, "mydb-2")
		if strings.Contains(p.log(), "too many failed attempts") {
			t.Error(p.log())
		}
	})
}
