package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// Close of an idle handle: at once, twice, and then a new handle works.
func TestB25_CloseIdle(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		for range 2 {
			p := writable(t, c)
			p.fill(t, 10)
			began := time.Now()
			for range 2 {
				if err := p.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			within(t, "close", began, atOnce)
			synctest.Wait()
			time.Sleep(roundTrip)
			if got := connections(c); got != 0 {
				t.Errorf("%d connections after Close", got)
			}
			if err := p.PingContext(t.Context()); err == nil {
				t.Error("ping after Close succeeded")
			}
			demand.Is(t, "connect after Close", p.Dial(t.Context()), core.ErrClosed)
			if err := p.Connector.Close(); err != nil {
				t.Errorf("closing the connector again: %v", err)
			}
		}
	})
}

// Close during a failover: whoever waits for a new writer is let go.
func TestB25_CloseDuringFailover(t *testing.T) {
	losses := map[string]func(*lab.Instance){
		"crash":    (*lab.Instance).Crash,
		"freeze":   (*lab.Instance).Freeze,
		"vanish":   func(i *lab.Instance) { i.Vanish(lab.LosingRequests) },
		"shutdown": (*lab.Instance).Shutdown,
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				p.fill(t, 10)
				var calls []<-chan ended
				lose(c.Writer())
				for range 20 { // some find a connection, the others dial
					calls = append(calls, async(func() error { return p.insert(context.Background()) }))
				}
				time.Sleep(5 * time.Second)
				began := time.Now()
				closing := together(2, func(int) error { return p.Close() })
				within(t, "close", began, atOnce)
				if err := errors.Join(closing...); err != nil {
					t.Errorf("close: %v", err)
				}
				for _, call := range calls {
					e := <-call
					if e.err == nil {
						t.Error("a call succeeded without a writer")
					}
				}
				within(t, "the callers' release", began, atOnce)
			})
		})
	}
}

// Close while somebody reads a result: that goes on, as with the bare driver or pool, and
// when it has ended nothing is left.
func TestB25_CloseWithBusyRows(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		rows, err := p.QueryContext(t.Context(), c.sql.Series(1000))
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		closing := async(p.Close)
		time.Sleep(atOnce)
		if waits := len(closing) == 0; waits != (c.unlike.Close != "") {
			t.Errorf("close waits for the rows: %t", waits)
		}
		n := 1
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err == nil && n != 1000 {
			t.Errorf("%d rows instead of 1000, and no error", n)
		}
		if err := rows.Close(); err != nil {
			t.Errorf("closing the rows: %v", err)
		}
		if e := <-closing; e.err != nil {
			t.Errorf("close: %v", e.err)
		}
		time.Sleep(roundTrip)
		if got := connections(c); got != 0 {
			t.Errorf("%d connections after Close", got)
		}
	})
}

// Failover, Close of connections and Close of the handle at once: no deadlock. It
// runs in real time because sql.Conn.Close waits with a mutex for the call that
// runs on the connection.
func TestB08_EverythingAtOnce(t *testing.T) {
	for seed := range 5 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			loopback(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				var calls []<-chan ended
				for n, conn := range p.hold(t, 20) {
					calls = append(calls, async(func() error {
						_, err := conn.ExecContext(context.Background(), c.sql.Sleep(100*time.Millisecond))
						return err
					}), async(func() error {
						// Not before the call has begun: database/sql cannot bear that.
						time.Sleep(time.Duration(10+n*seed) * time.Millisecond)
						return conn.Close()
					}))
				}
				time.Sleep(5 * time.Millisecond)
				c.Writer().Crash()
				promote(t, c, "mydb-2")
				time.Sleep(time.Duration(seed) * 10 * time.Millisecond)
				if err := p.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
				for _, call := range calls {
					<-call
				}
			})
		})
	}
}
