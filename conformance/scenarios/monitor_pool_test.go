package scenarios

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// slotLimit is how long a place in the pool may be held after an abort.
const slotLimit = 100 * time.Millisecond

// B75: the connection that was given up leaves its place in the pool at once, whatever
// was done on it: who waits for the only place gets it, and a connection to another host
// or the refusal.
func TestB75_PlaceInThePoolAfterAnAbort(t *testing.T) {
	calls := map[string]func(ctx context.Context, p *pool) error{
		"exec": func(ctx context.Context, p *pool) error { return p.sleep(ctx, time.Hour) },
		"rows": func(ctx context.Context, p *pool) error {
			rows, err := p.QueryContext(ctx, p.lab.sql.Sleep(time.Hour))
			if err != nil {
				return err
			}
			rows.Next()
			return errors.Join(rows.Err(), rows.Close())
		},
		"transaction": func(ctx context.Context, p *pool) error {
			tx, err := p.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, p.lab.sql.Sleep(time.Hour))
			return errors.Join(err, ignoreDone(tx.Rollback()))
		},
		"pinned": func(ctx context.Context, p *pool) error {
			conn, err := p.Conn(ctx)
			if err != nil {
				return err
			}
			_, err = conn.ExecContext(ctx, p.lab.sql.Sleep(time.Hour))
			_ = conn.Close() // is of the connection that was given up
			return err
		},
		"prepared": func(ctx context.Context, p *pool) error {
			stmt, err := p.PrepareContext(ctx, p.lab.sql.Sleep(time.Hour))
			if err != nil {
				return err
			}
			_, err = stmt.ExecContext(ctx)
			_ = stmt.Close() // is of the connection that was given up
			return err
		},
	}
	for name, call := range calls {
		for _, l := range mutes[:3] {
			for _, plugins := range []string{monitorAlone, withFailover} {
				t.Run(plugins+"/"+l.name+"/"+name, func(t *testing.T) {
					t.Parallel()
					virtual(t, lab.Options{}, func(t *testing.T, c *cluster) { placeInThePool(t, c, plugins, l, call) })
				})
			}
		}
	}
}

func placeInThePool(t *testing.T, c *cluster, plugins string, l loss, call func(ctx context.Context, p *pool) error) {
	host := c.ReaderEndpoint()
	if plugins == monitorAlone {
		c.SetDNS(host, "mydb-2") // where the name leads by then
	}
	p := open(t, c, host, quick.params(plugins)...)
	p.SetMaxOpenConns(1)
	id, err := p.where(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context()) // a context that can end, as of a request
	defer cancel()
	lost := async(func() error { return call(ctx, p) })
	time.Sleep(time.Second)
	l.do(c.Instance(id))
	if plugins == monitorAlone {
		c.SetDNS(host, "mydb-3")
	}
	next := async(func() error { return p.PingContext(context.Background()) })
	e := <-lost
	cut(t, "the call", e.err, id)
	after := <-next
	if took := after.at.Sub(e.at); took > slotLimit {
		t.Errorf("the next caller got a connection after %v", took)
	}
	if after.err != nil {
		t.Errorf("the next caller: %v", after.err)
	}
}

// The same with a name that leads to the dead host only: the refusal comes at once, to
// all who wait.
func TestB75_RefusalAfterAnAbort(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Instance("mydb-2").IP(), quick.params(monitorAlone)...)
		p.SetMaxOpenConns(1)
		p.SetMaxIdleConns(0)
		c.Instance("mydb-2").Freeze()
		if err := p.PingContext(context.Background()); err == nil { // the address itself is down now
			t.Fatal("a dead host was reached")
		}
		began := time.Now()
		for _, err := range together(20, func(int) error { return p.PingContext(context.Background()) }) {
			demand.Is(t, "a connect", err, core.ErrConnect)
		}
		within(t, "twenty connects", began, slotLimit)
	})
}

// B75: a caller whose context ends while the connection is given up waits for nobody.
func TestB75_ContextEndsWithTheAbort(t *testing.T) {
	for late := range 7 {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
			p.fill(t, 5)
			c.Writer().Freeze()
			limit := quick.bound() + time.Duration(late-3)*500*time.Microsecond
			began := time.Now()
			for _, err := range together(5, func(int) error {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				return p.sleep(ctx, time.Hour)
			}) {
				if !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(*core.LostError)) {
					t.Errorf("the call: %v", err)
				}
			}
			within(t, "the calls", began, quick.bound()+tolerance)
		})
	}
}

// B76: five hundred connections to a host that has vanished are cut and closed at once:
// the failover does not wait for any of them, nor does Close.
func TestB76_FiveHundredConnectionsAreCut(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, quick.params(withFailover)...)
		p.fill(t, 500)
		var calls []<-chan ended
		for range 100 {
			calls = append(calls, async(func() error { return p.sleep(context.Background(), time.Hour) }))
		}
		time.Sleep(time.Second)
		down := p.downs()
		began := time.Now()
		c.Writer().Vanish(lab.LosingRequests)
		exactly(t, "noticing it", (<-down).Sub(began), quick.bound()-time.Second)
		promoted := time.Now()
		promote(t, c, "mydb-2")
		for _, call := range calls {
			e := <-call
			if took := e.at.Sub(promoted); took > firstWriteLimit {
				t.Fatalf("a call was released %v after the promotion", took)
			}
			demand.Is(t, "a call", e.err, core.ErrFailoverSuccess)
		}
		next := time.Now()
		for _, err := range together(100, func(int) error { return p.insert(context.Background()) }) {
			if err != nil {
				t.Errorf("the next write: %v", err)
			}
		}
		within(t, "a hundred writes", next, slotLimit)
		closing := time.Now()
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		within(t, "Close", closing, slotLimit)
	})
}

// B25, B76: Close while the host is asked, is down, or hangs: at once. A pool that waits
// for its connections waits until the host monitor cuts the cancel request.
func TestB76_CloseWhileTheHostIsAsked(t *testing.T) {
	for _, after := range []time.Duration{time.Second, quick.Time + time.Second, quick.bound() + time.Second} {
		for _, l := range mutes {
			t.Run(after.String()+"/"+l.name, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
					p.fill(t, 10)
					l.do(c.Writer())
					ctx, cancel := context.WithCancel(t.Context())
					call := async(func() error { return p.sleep(ctx, time.Hour) })
					time.Sleep(after)
					limit := slotLimit
					if c.unlike.Close != "" && after < quick.bound() {
						limit += quick.bound()
					}
					began := time.Now()
					cancel()
					<-call
					if err := p.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
					within(t, "close", began, limit)
				})
			})
		}
	}
}
