package blackhole

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// detection are the settings of the host monitor in these tests, far below the kernel's limits.
var detection = frontend.Detection{Time: 500 * time.Millisecond, Interval: 200 * time.Millisecond, Count: 3}

// promptly is how soon a place in the pool is free after a call has ended, and how exact a deadline is. It is
// demanded of the best of some rounds: the machine may be busy with something else.
const (
	promptly = 100 * time.Millisecond
	rounds   = 2
)

// wantAborted demands that err is that of a connection which awsdb has cut, not the kernel.
func wantAborted(t *testing.T, what string, err error) {
	t.Helper()
	var lost *core.LostError
	if !errors.As(err, &lost) || !lost.Aborted {
		t.Errorf("%s: %v, want an error of a connection that awsdb has cut", what, err)
	}
}

// allCut waits until the connections are cut, but for one: the driver may have closed that of the call itself.
func allCut(t *testing.T, links []*core.Link) {
	t.Helper()
	eventually(t, "connections to the host are not cut", func() bool {
		n := 0
		for _, link := range links {
			if link.Lost() != nil {
				n++
			}
		}
		return n >= len(links)-1
	})
}

// TestMonitor: the host monitor ends a call into a black hole, whatever the kernel knows of it, cuts the idle
// connections, keeps new ones from waiting, frees the pool, and sees the host come back.
func TestMonitor(t *testing.T) {
	for name, test := range map[string]struct {
		loss  loss
		acked bool // the request has been acknowledged before
	}{
		"request acknowledged":     {everything, true},
		"request not acknowledged": {everything, false},
		"answer lost":              {answersOnly, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, c *cluster) {
				best := patience
				for range rounds {
					best = min(best, monitorRound(t, c, c.Readers()[0], test.loss, test.acked))
				}
				if best > promptly {
					t.Errorf("at best, the place in the pool was free %v after the call's end, want %v", best, promptly)
				}
			})
		})
	}
}

func monitorRound(t *testing.T, c *cluster, i *lab.Instance, loss loss, acked bool) (slot time.Duration) {
	db := open(t, c, i.Host(), detection.Params("plugins=host_monitoring_v2")...)
	links := idle(t, db, 3)
	i.ResetStatements()
	var done <-chan ended
	var began time.Time
	if acked {
		began = time.Now()
		done = call(t.Context(), c, db)
		received(t, i)
	}
	heal := drop(t, i, loss)
	if !acked {
		began = time.Now()
		done = call(t.Context(), c, db)
	}
	end := <-done
	took := end.at.Sub(began)
	eventually(t, "the connection is held", func() bool { return db.Stats().InUse == 0 })
	slot = time.Since(end.at)
	t.Logf("ended after %v, the settings make %v; place in the pool free %v later", ms(took), detection.Total(), slot)
	wantAborted(t, "the call", end.err)
	if !errors.Is(end.err, core.ErrOutcomeUnknown) {
		t.Errorf("%v, want %v", end.err, core.ErrOutcomeUnknown)
	}
	if took < detection.Total()-detection.Interval {
		t.Errorf("ended after %v: that is no proof against the host", took)
	}
	allCut(t, links)
	if len(loss) < len(everything) && len(i.Statements()) == 0 {
		t.Error("the request has not arrived")
	}
	wantAborted(t, "a new connection", db.PingContext(t.Context()))

	heal()
	if id := works(t, c, db); id != i.ID() {
		t.Errorf("landed on %s, want %s", id, i.ID())
	}
	return slot
}

// TestDeadline: a caller's deadline that passes in a black hole ends the call on time and frees its place in the pool, and
// makes the monitor look at the host at once.
func TestDeadline(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		i := c.Readers()[0]
		const limit = 300 * time.Millisecond
		late, slot := patience, patience
		for range rounds {
			db := open(t, c, i.Host(), "plugins=host_monitoring_v2",
				"failure_detection_time_ms=3600000", "failure_detection_interval_ms=200", "failure_detection_count=2")
			links := idle(t, db, 3)
			heal := drop(t, i, everything)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			began := time.Now()
			end := <-call(ctx, c, db)
			cancel()
			eventually(t, "the connection is held", func() bool { return db.Stats().InUse == 0 })
			late, slot = min(late, end.at.Sub(began)-limit), min(slot, time.Since(end.at))
			if !errors.Is(end.err, context.DeadlineExceeded) {
				t.Errorf("%v, want %v", end.err, context.DeadlineExceeded)
			}
			allCut(t, links)
			t.Logf("the host was known to be down %v after the deadline", ms(time.Since(end.at)))
			heal()
			works(t, c, db)
		}
		t.Logf("at best, the call ended %v after its deadline, its place in the pool was free %v later", late, slot)
		if late > promptly || slot > promptly {
			t.Errorf("want %v each", promptly)
		}
	})
}

// TestFailover: a call into the black hole that was the writer ends in a failover to the new one, and the old one is
// used again, as a reader.
func TestFailover(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		old, next := c.Writer(), c.Readers()[0]
		db := open(t, c, c.Endpoint(), detection.Params()...)
		conn, _ := session(t, db)
		heal := drop(t, old, everything)
		if err := c.Promote(next.ID(), lab.PromoteOptions{DNSLag: patience}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		end := <-call(t.Context(), c, conn)
		t.Logf("ended after %v; the monitor's settings make %v", ms(end.at.Sub(began)), detection.Total())
		wantAborted(t, "the call", end.err)
		if !errors.Is(end.err, core.ErrFailoverSuccess) {
			t.Errorf("%v, want %v", end.err, core.ErrFailoverSuccess)
		}
		if id := works(t, c, db); id != next.ID() {
			t.Errorf("landed on %s, want %s", id, next.ID())
		}
		heal()
		reader := open(t, c, old.Host(), detection.Params()...)
		if id := works(t, c, reader); id != old.ID() {
			t.Errorf("landed on %s, want %s", id, old.ID())
		}
	})
}

// TestHalfOpen: one connection goes nowhere, as when a firewall has forgotten it. Its host answers, and is left alone
// with all its other connections; the kernel ends this one.
func TestHalfOpen(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		i := c.Readers()[0]
		db := open(t, c, i.Host(), detection.Params(append(strings.Fields(keepAlive+noUserTimeout), "plugins=host_monitoring_v2")...)...)
		lost, link := session(t, db)
		other, _ := session(t, db)
		i.ResetStatements()
		began := time.Now()
		done := call(t.Context(), c, lost)
		received(t, i)
		dropPort(t, link.LocalAddr().String(), everything)
		end := <-done
		t.Logf("ended after %v: %v", ms(end.at.Sub(began)), end.err)
		if !errors.Is(end.err, syscall.ETIMEDOUT) || !errors.Is(end.err, core.ErrOutcomeUnknown) {
			t.Errorf("%v, want %v", end.err, syscall.ETIMEDOUT)
		}
		if end.at.Sub(began) < 2*detection.Total() {
			t.Error("that was too soon for the host monitor to have had its say")
		}
		if err := db.Cluster().Down(i.ID()); err != nil {
			t.Errorf("the host is down: %v", err)
		}
		if err := other.PingContext(t.Context()); err != nil {
			t.Errorf("the other connection: %v", err)
		}
	})
}
