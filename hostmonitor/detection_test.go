package hostmonitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/core"
)

const (
	here  = "10.0.0.1:5432"
	there = "10.0.0.2:5432"
)

// quick is thirteen seconds from the beginning of a call to the end of its host.
var quick = Options{DetectionTime: 10 * time.Second, Interval: time.Second, Count: 3}

// one is a network of one server, to which the DSN's name leads.
func one(id string) *fakeNet {
	f := newFakeNet()
	f.serve(here, id)
	f.lead(dsnAddr, here)
	return f
}

func vanish(s *fakeServer) { s.vanish = true }
func come(s *fakeServer)   { s.vanish = false }
func pingsOf(f *fakeNet) (n int) {
	f.with(here, func(s *fakeServer) { n = s.pings })
	return n
}

// A host that does not answer is down after the time to detect and the intervals; its
// connections are cut, in use or idle, and others are refused until it answers.
func TestSilentHostIsDown(t *testing.T) {
	for _, id := range []string{"db-1", ""} { // known by its identifier, or by its address
		for name, fault := range map[string]func(*fakeServer){
			"vanished": vanish,
			"refusing": func(s *fakeServer) { s.refuse = true },
		} {
			t.Run(name+" "+id, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := one(id)
					k := f.handle(t, nil, mustNew(t, quick))
					c, idle := open(t, k), open(t, k)
					f.with(here, fault)
					start := time.Now()
					err := <-begin(t, c)
					if took := time.Since(start); took < 12*time.Second || took > 13*time.Second+50*time.Millisecond {
						t.Errorf("cut after %s", took)
					}
					var lost *core.LostError
					if !errors.As(err, &lost) || !lost.Aborted {
						t.Errorf("the call ended with %v", err)
					}
					if idle.Link().Condemned() == nil {
						t.Error("a caller who was cut could get an idle connection to the host")
					}
					synctest.Wait()
					if idle.Link().Lost() == nil {
						t.Error("an idle connection to the host is left")
					}
					if id == "" { // otherwise the name might lead elsewhere
						start = time.Now()
						if _, err := k.Open(t.Context()); err == nil || time.Since(start) != 0 {
							t.Errorf("a connect to the host took %s: %v", time.Since(start), err)
						}
					}
					time.Sleep(time.Minute)
					if k.Cluster().Down(c.Link().Host()) == nil {
						t.Error("a minute later the host is no longer down")
					}
					f.with(here, func(s *fakeServer) { s.vanish, s.refuse = false, false })
					time.Sleep(quick.Interval + downInterval)
					if err := k.Cluster().Down(c.Link().Host()); err != nil {
						t.Errorf("the host answers, but is down: %v", err)
					}
					open(t, k)
				})
			})
		}
	}
}

// B46: a call on a host that answers takes as long as it takes; a silence shorter than
// the threshold harms nobody.
func TestAnsweringHostIsLeftAlone(t *testing.T) {
	for name, fault := range map[string]func(s *fakeServer){
		"answering":              func(*fakeServer) {},
		"slow":                   func(s *fakeServer) { s.latency = 900 * time.Millisecond },
		"no room":                func(s *fakeServer) { s.login = errBusy },
		"an error of no meaning": func(s *fakeServer) { s.login = errors.New("fake: certificate signed by nobody") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := one("db-1")
				c := open(t, f.handle(t, nil, mustNew(t, quick)))
				f.with(here, fault)
				done := begin(t, c)
				time.Sleep(30 * time.Minute)
				if name != "slow" { // a blip and two slow answers are too much together
					f.with(here, vanish)
					time.Sleep(1900 * time.Millisecond)
					f.with(here, come)
				}
				time.Sleep(30 * time.Minute)
				select {
				case err := <-done:
					t.Fatalf("the call was ended: %v", err)
				default:
				}
				abandon(t, c, done)
			})
		})
	}
}

// A host whose name leads to another server by now is not kept out.
func TestNameThatHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("")
		f.serve(there, "")
		k := f.handle(t, nil, mustNew(t, quick))
		stuck := open(t, k)
		f.with(here, vanish)
		done := begin(t, stuck)
		f.lead(dsnAddr, there)
		moved := open(t, k)
		busy := begin(t, moved)
		if err := <-done; err == nil {
			t.Error("the call on the vanished server was answered")
		}
		if moved.Link().Lost() != nil {
			t.Errorf("the connection to the other server was cut: %v", moved.Link().Lost())
		}
		for range 120 {
			time.Sleep(time.Second)
			open(t, k)
		}
		abandon(t, moved, busy)
	})
}

// The same when nobody has connected to the other server yet.
func TestNameThatMovesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("")
		f.serve(there, "")
		k := f.handle(t, nil, mustNew(t, quick))
		stuck := open(t, k)
		f.with(here, vanish)
		if err := <-begin(t, stuck); err == nil {
			t.Error("the call on the vanished server was answered")
		}
		if _, err := k.Open(t.Context()); err == nil {
			t.Error("connected to a vanished server")
		}
		f.lead(dsnAddr, there)
		time.Sleep(quick.Interval + downInterval)
		open(t, k)
		time.Sleep(time.Minute)
		open(t, k)
	})
}

// B33: a deadline makes the host be asked; nobody asks for it for ever.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		o := quick
		o.DisposalTime = time.Minute
		k := f.handle(t, nil, mustNew(t, o))
		c, idle := open(t, k), open(t, k)
		f.with(here, vanish)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.QueryContext(ctx, "wait", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call ended with %v", err)
		}
		time.Sleep(3*time.Second + 50*time.Millisecond)
		if idle.Link().Lost() == nil {
			t.Error("the host has not been asked, or is not down")
		}
		time.Sleep(10 * time.Minute)
		dials := dialsTo(f, here)
		time.Sleep(time.Hour)
		if n := dialsTo(f, here) - dials; n != 0 {
			t.Errorf("%d dials by a monitor that nobody needs", n)
		}
	})
}

// B33, the other direction: deadlines on a host that is well are nothing.
func TestDeadlinesOfAHealthyHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		k := f.handle(t, nil, mustNew(t, quick))
		idle := open(t, k)
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if _, err := open(t, k).QueryContext(ctx, "wait", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the call ended with %v", err)
			}
			cancel()
		}
		if idle.Link().Lost() != nil || pingsOf(f) > 3 {
			t.Errorf("lost: %v, %d pings in a second", idle.Link().Lost(), pingsOf(f))
		}
	})
}

// A connection of the monitor's own that was lost without a sign is no sign either.
func TestStaleProbe(t *testing.T) {
	for _, count := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			f := one("db-1")
			o := quick
			o.Count = count
			c := open(t, f.handle(t, nil, mustNew(t, o)))
			done := begin(t, c)
			time.Sleep(time.Minute) // the monitor has its connection
			f.loseConnections(here)
			time.Sleep(time.Minute)
			if c.Link().Lost() != nil {
				t.Errorf("count %d: %v", count, c.Link().Lost())
			}
			abandon(t, c, done)
		})
	}
}

// What somebody else has heard of the host while it was being asked counts.
func TestUpWhileBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		k := f.handle(t, nil, mustNew(t, quick))
		c := open(t, k)
		f.with(here, vanish)
		if err := <-begin(t, c); err == nil {
			t.Fatal("answered")
		}
		time.Sleep(quick.Interval / 2) // in the middle of a question
		k.Cluster().MarkUp("db-1")
		time.Sleep(time.Minute)
		if err := k.Cluster().Down("db-1"); err != nil {
			t.Errorf("down again, without anybody having waited: %v", err)
		}
	})
}

// A dialer that does not heed its context does not make its host immortal.
func TestDeafDialer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		c := open(t, f.handle(t, nil, mustNew(t, quick)))
		f.with(here, func(s *fakeServer) { s.vanish, s.deaf = true, true })
		done := begin(t, c)
		time.Sleep(quick.DetectionTime + deafFor + time.Second)
		if c.Link().Lost() == nil {
			t.Error("the call still waits")
		}
		abandon(t, c, done)
	})
}

// The caller's errors are the caller's: that the monitor's own question has timed out
// must not look like a deadline of the call.
func TestCutCallsMatchNoContextError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		k := f.handle(t, nil, mustNew(t, quick))
		c := open(t, k)
		f.with(here, vanish)
		err := <-begin(t, c)
		if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("the call: %v", err)
		}
		if _, err = k.Open(t.Context()); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a connect: %v", err)
		}
	})
}

// Handles that share a cluster have their own idea of patience.
func TestSharedClusterDifferentOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		shared := map[string]string{"cluster_id": t.Name()}
		slow := quick
		slow.Interval = 10 * time.Second
		hasty, patient := f.handle(t, shared, mustNew(t, quick)), f.handle(t, shared, mustNew(t, slow))
		short, long := open(t, hasty), open(t, patient)
		f.with(here, func(s *fakeServer) { s.refuse = true }) // so that questions are short
		start := time.Now()
		first, second := begin(t, short), begin(t, long)
		time.Sleep(quick.DetectionTime + 1900*time.Millisecond)
		abandon(t, short, first)
		if err := <-second; err == nil || time.Since(start) < 30*time.Second {
			t.Errorf("cut after %s: %v", time.Since(start), err)
		}
	})
}

// A handle that is closed is not used any more, whatever its cluster goes on with.
func TestClosedSharerIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		shared := map[string]string{"cluster_id": t.Name()}
		asked := 0
		first, second := f.handle(t, shared, mustNew(t, quick), credentials{&asked}), f.handle(t, shared, mustNew(t, quick))
		c, other := open(t, first), open(t, second)
		f.with(here, vanish)
		if err := <-begin(t, c); err == nil {
			t.Fatal("answered")
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		before := asked
		time.Sleep(10 * time.Second)
		if asked != before {
			t.Errorf("%d logins with the credentials of a closed handle", asked-before)
		}
		_ = other.Close()
	})
}

// credentials counts how often it is asked.
type credentials struct{ asked *int }

func (credentials) Code() string { return "credentials" }

func (c credentials) Authenticate(_ context.Context, t core.Target) (core.Target, error) {
	*c.asked++
	return t, nil
}

func (credentials) LoginFailed(context.Context, core.Target, error) bool { return false }

// A callback of the application that panics does not end the monitor.
func TestPanicInADialer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		c := open(t, f.handle(t, nil, mustNew(t, quick)))
		f.with(here, func(s *fakeServer) { s.panics = true })
		done := begin(t, c)
		time.Sleep(time.Minute)
		if c.Link().Lost() != nil {
			t.Errorf("a panic was taken for a dead host: %v", c.Link().Lost())
		}
		f.with(here, func(s *fakeServer) { s.panics, s.vanish = false, true })
		if err := <-done; err == nil {
			t.Error("answered")
		}
	})
}

// One goroutine asks, however many wait, and however long.
func TestOneQuestionForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		k := f.handle(t, nil, mustNew(t, quick))
		var ended []<-chan error
		for range 100 {
			ended = append(ended, begin(t, open(t, k)))
		}
		dials := dialsTo(f, here)
		time.Sleep(quick.DetectionTime + time.Minute)
		if dials, pings := dialsTo(f, here)-dials, pingsOf(f); dials != 1 || pings < 58 || pings > 60 {
			t.Errorf("%d connections and %d pings in a minute", dials, pings)
		}
		f.with(here, vanish)
		for _, e := range ended {
			if err := <-e; err == nil {
				t.Error("answered")
			}
		}
	})
}

// The connection of the monitor is closed when it has not been needed for long.
func TestDisposal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		o := quick
		o.DisposalTime = time.Minute
		k := f.handle(t, nil, mustNew(t, o))
		c := open(t, k)
		done := begin(t, c)
		time.Sleep(20 * time.Second)
		abandon(t, c, done)
		time.Sleep(time.Minute - 2*time.Second)
		if n := f.connections(here); n != 1 {
			t.Errorf("%d connections before the time", n)
		}
		time.Sleep(4 * time.Second)
		if n := f.connections(here); n != 0 {
			t.Errorf("%d connections after the time", n)
		}
		next := open(t, k) // and all begins again
		f.with(here, vanish)
		if err := <-begin(t, next); err == nil {
			t.Error("answered")
		}
	})
}

// Close ends a question at once.
func TestCloseDuringAQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		k := f.handle(t, nil, mustNew(t, quick))
		c := open(t, k)
		f.with(here, vanish)
		done := begin(t, c)
		time.Sleep(quick.DetectionTime + quick.Interval/2)
		start := time.Now()
		if err := k.Close(); err != nil || time.Since(start) > 10*time.Millisecond { // the fake network's own pace
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		abandon(t, c, done)
	})
}

// What a host answered before a call began to wait does not put off the question that the
// call is due.
func TestAnswerOfBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := one("db-1")
		k := f.handle(t, nil, mustNew(t, Options{DetectionTime: 3 * time.Second, Interval: 5 * time.Second, Count: 2}))
		first, second := open(t, k), open(t, k)
		waits := begin(t, first)
		time.Sleep(3*time.Second + 10*time.Millisecond) // it has been asked, and has answered
		f.with(here, vanish)
		start := time.Now()
		if err := <-begin(t, second); err == nil {
			t.Error("a dead host answered")
		}
		if took := time.Since(start); took < 13*time.Second || took > 13*time.Second+50*time.Millisecond {
			t.Errorf("cut after %s, want 13 s", took)
		}
		if err := <-waits; err == nil {
			t.Error("a dead host answered")
		}
	})
}
