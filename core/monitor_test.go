package core

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// B02: a hundred first callers share one probe.
func TestBootstrapIsSharedByAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1", "r2")
		k := f.handle(t, nil)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := k.Cluster().Ready(t.Context()); err != nil {
					t.Error(err)
				}
				if w, ok := k.Cluster().Topology().Writer(); !ok || w.ID != "w1" {
					t.Errorf("ready without the writer: %v", w)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if dials := read(f, "w1", dialsOf); dials != 1 {
			t.Errorf("%d monitoring connections to the writer, want 1", dials)
		}
		if f.detects != 1 {
			t.Errorf("the kind of database was asked for %d times", f.detects)
		}
		if n := read(f, "r1", dialsOf) + read(f, "r2", dialsOf); n != 0 {
			t.Errorf("%d connections to readers although the first host is the writer", n)
		}
	})
}

// B03, B63: a first search that fails is told to all who waited, and forgotten.
func TestFailedBootstrapIsRetriedByTheNextCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		f.with("w1", func(h *fakeHost) { h.hangs = true })
		k := f.handle(t, nil)
		errs := make(chan error, 10)
		for range cap(errs) {
			go func() { errs <- k.Cluster().Ready(t.Context()) }()
		}
		start := time.Now()
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, ErrQueryTimeout) {
				t.Errorf("Ready: %v", err)
			}
		}
		if took := time.Since(start); took != 5*time.Second { // cluster_topology_connect_timeout_ms
			t.Errorf("it took %s", took)
		}
		if dials := read(f, "w1", dialsOf); dials != 1 {
			t.Errorf("%d dials, want 1", dials)
		}
		time.Sleep(time.Hour)
		if dials := read(f, "w1", dialsOf); dials != 1 {
			t.Errorf("%d dials although nobody asked again", dials)
		}
		f.with("w1", func(h *fakeHost) { h.hangs = false })
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Errorf("the next caller: %v", err)
		}
	})
}

// B27: the caller who happens to be first may leave; the search goes on.
func TestBootstrapOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		slow := make(chan struct{})
		f.onDial = sync.OnceFunc(func() { <-slow })
		k := f.handle(t, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- k.Cluster().Ready(ctx) }()
		synctest.Wait()
		go func() { second <- k.Cluster().Ready(t.Context()) }()
		synctest.Wait()
		cancel(errTestCause)
		if err := <-first; !errors.Is(err, errTestCause) {
			t.Errorf("the first caller: %v", err)
		}
		close(slow)
		if err := <-second; err != nil {
			t.Errorf("the second caller: %v", err)
		}
		if f.detects != 1 {
			t.Errorf("%d searches, want 1", f.detects)
		}
		time.Sleep(time.Minute)
		if top := k.Cluster().Topology(); time.Since(top.SeenAt) > 30*time.Second {
			t.Errorf("the monitor has stopped: last seen %s ago", time.Since(top.SeenAt))
		}
	})
}

// B13: a callback that panics costs one probe.
func TestMonitorSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		f.onDial = func() { panic("in a user's dialer") }
		if err := k.Cluster().Ready(t.Context()); err == nil {
			t.Error("ready without a probe")
		}
		f.mu.Lock()
		f.onDial = nil
		f.mu.Unlock()
		open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.kill("w1")
		f.mu.Lock()
		f.onDial = func() { panic("again") }
		f.mu.Unlock()
		time.Sleep(time.Minute)
		f.mu.Lock()
		f.onDial = nil
		f.mu.Unlock()
		f.promote("r1")
		time.Sleep(15 * time.Second)
		if w, _ := k.Cluster().Topology().Writer(); w.ID != "r1" {
			t.Errorf("the writer is %q: the monitor did not survive", w.ID)
		}
	})
}

// B83: a question that failed while the process was suspended is no doubt about the
// writer, and put again once. A second failure is one, whatever it took.
func TestSuspendedDuringAQuestion(t *testing.T) {
	for name, test := range map[string]struct {
		suspends []time.Duration
		search   bool
	}{
		"once":                   {[]time.Duration{time.Minute}, false},
		"now and then":           {[]time.Duration{time.Minute, 0, time.Minute, 0, time.Minute}, false},
		"not much beyond limits": {slices.Repeat([]time.Duration{6 * time.Second}, 3), true},
		"a driver without limit": {slices.Repeat([]time.Duration{time.Minute}, 3), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeCluster("w1", "r1")
				k := f.handle(t, nil)
				open(t, k)
				if err := k.Cluster().Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // not at the very moment of a question
				f.with("w1", func(h *fakeHost) { h.suspends = test.suspends })
				time.Sleep(10 * time.Minute)
				if n := read(f, "r1", dialsOf); (n > 0) != test.search {
					t.Errorf("the reader was dialled %d times", n)
				}
			})
		})
	}
}

// B14: how often hosts are asked, calm, in a search that finds nothing, and
// after it.
func TestMonitorsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1", "r2")
		k := f.handle(t, nil)
		open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		counts := func() (questions, dials int) {
			for _, id := range []string{"w1", "r1", "r2"} {
				questions += read(f, id, probesOf)
				dials += read(f, id, dialsOf)
			}
			return questions, dials
		}
		during := func(d time.Duration) (questions, dials int) {
			q, n := counts()
			time.Sleep(d)
			q2, n2 := counts()
			return q2 - q, n2 - n
		}
		time.Sleep(time.Second) // not at the very moment of a question
		// Calm: identity and topology of the writer, twice a minute.
		if q, n := during(10 * time.Minute); q != 40 || n != 0 {
			t.Errorf("calm: %d questions and %d dials in ten minutes, want 40 and 0", q, n)
		}
		// Searching in vain. The dead writer must not be dialled in a tight loop.
		f.kill("w1")
		k.Cluster().Suspect("w1", errTestCause)
		if q, n := during(time.Second); q == 0 || q > 200 || n == 0 || n > 200 {
			t.Errorf("searching: %d questions and %d dials in the first second", q, n)
		}
		if q, n := during(time.Minute); q > 60*200 || n > 60*100 {
			t.Errorf("searching: %d questions and %d dials in a minute", q, n)
		}
		// Found: fast for 30 s, then calm again, on the new writer alone.
		f.promote("r1")
		time.Sleep(time.Second)
		if w, _ := k.Cluster().Topology().Writer(); w.ID != "r1" {
			t.Fatalf("the writer is %q", w.ID)
		}
		time.Sleep(time.Minute)
		if q, n := during(10 * time.Minute); q < 38 || q > 42 || n != 0 {
			t.Errorf("calm again: %d questions and %d dials in ten minutes, want about 40 and 0", q, n)
		}
	})
}

// B14: all hosts refuse for long, then one comes back as the writer (B63).
func TestMonitorWhenEverythingIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.kill("w1")
		f.kill("r1")
		time.Sleep(time.Minute)
		before := read(f, "w1", dialsOf) + read(f, "r1", dialsOf)
		time.Sleep(10 * time.Minute)
		if n := read(f, "w1", dialsOf) + read(f, "r1", dialsOf) - before; n < 200 || n > 1200 { // one a second each at the most
			t.Errorf("%d dials to two dead hosts in ten minutes", n)
		}
		f.with("r1", func(h *fakeHost) { h.refuses = false })
		f.promote("r1")
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		top, err := k.Cluster().waitVerified(ctx, time.Now())
		if w, _ := top.Writer(); err != nil || w.ID != "r1" {
			t.Errorf("the writer is %q: %v", w.ID, err)
		}
	})
}

// B47: right after a failover a host must claim to be the writer by both checks.
func TestSearchEndsWithTheFirstHostThatClaimsByBothChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1", "r2")
		k := f.handle(t, nil)
		c := k.Cluster()
		open(t, k)
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // in virtual time nothing else separates now from before
		f.kill("w1")
		c.Suspect("w1", errTestCause)
		writer := func() string { w, _ := c.Topology().Writer(); return w.ID }
		// r1 says it is the writer, but its table still names w1.
		f.with("r1", func(h *fakeHost) { h.role = RoleWriter })
		time.Sleep(3 * time.Second)
		if writer() != "w1" || !c.Searching() {
			t.Errorf("own state alone was believed: writer %s, searching %t", writer(), c.Searching())
		}
		// r2's table names r2, but its own state is a reader's.
		f.with("r2", func(h *fakeHost) {
			h.rows = []Instance{{ID: "r1"}, {ID: "r2", Writer: true}, {ID: "w1"}}
		})
		time.Sleep(3 * time.Second)
		if writer() != "w1" || !c.Searching() {
			t.Errorf("the table alone was believed: writer %s, searching %t", writer(), c.Searching())
		}
		start := time.Now()
		f.with("r2", func(h *fakeHost) { h.role = RoleWriter })
		top, err := c.waitVerified(t.Context(), start)
		if err != nil || writer() != "r2" || top.SeenFrom != "r2" || !top.Verified {
			t.Errorf("writer %s, seen from %s: %v", writer(), top.SeenFrom, err)
		}
		if took := time.Since(start); took > 150*time.Millisecond {
			t.Errorf("it took %s to see, asking every 50 ms", took)
		}
		if c.Searching() {
			t.Error("still searching")
		}
	})
}

// B49: two hosts, the old writer never comes back.
func TestFailoverOfTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		idle := open(t, k)
		time.Sleep(time.Second) // in virtual time nothing else separates now from before
		f.kill("w1")
		f.promote("r1")
		start := time.Now()
		if err := idle.Ping(t.Context()); err == nil {
			t.Error("ping on a dead host")
		}
		top, err := k.Cluster().waitVerified(t.Context(), start)
		if w, _ := top.Writer(); err != nil || w.ID != "r1" || time.Since(start) > time.Second {
			t.Errorf("writer %q after %s: %v", w.ID, time.Since(start), err)
		}
		if next := open(t, k); next.Link().Host() != "r1" {
			t.Errorf("the next connection is to %s", next.Link().Host())
		}
		if idle.IsValid() {
			t.Error("the old connection is still valid")
		}
		time.Sleep(time.Second)
		if k.Cluster().Down("w1") == nil {
			t.Error("the old writer refuses connections and is not marked down")
		}
		f.with("w1", func(h *fakeHost) { h.refuses = false })
		time.Sleep(15 * time.Second)
		if err := k.Cluster().Down("w1"); err != nil {
			t.Errorf("B57: the old writer answers again: %v", err)
		}
	})
}

// A replaced writer that answers nothing loses its connections after half a
// second; one that answers keeps the busy ones (B46, B77).
func TestReplacedWriter(t *testing.T) {
	for name, frozen := range map[string]bool{"silent": true, "answering": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeCluster("w1", "r1")
				k := f.handle(t, nil, onRole(RoleWriter))
				busy := open(t, k)
				link := busy.Link()
				f.with("w1", func(h *fakeHost) { h.ignores = 'P' }) // a call that takes long
				answer := make(chan error, 1)
				go func() { answer <- busy.Ping(t.Context()) }()
				time.Sleep(time.Second)
				f.with("w1", func(h *fakeHost) { h.frozen = frozen })
				f.promote("r1")
				if _, err := k.Cluster().Reverify(t.Context(), "w1", errTestCause); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if link.Condemned() == nil {
					t.Error("not condemned at once")
				}
				if !frozen {
					time.Sleep(2 * time.Minute)
					if link.Lost() != nil || k.Cluster().Down("w1") != nil {
						t.Errorf("lost %v, down %v", link.Lost(), k.Cluster().Down("w1"))
					}
					link.Abort(errTestCause)
					if err := <-answer; err == nil {
						t.Error("a call on a cut connection succeeded")
					}
					return
				}
				if err := <-answer; !errors.Is(err, errSilent) {
					t.Errorf("the busy connection: %v", err)
				}
				if took := time.Since(start); took < 300*time.Millisecond || took > 700*time.Millisecond {
					t.Errorf("cut after %s, want about 500ms", took)
				}
				if k.Cluster().Down("w1") == nil {
					t.Error("not marked down")
				}
			})
		})
	}
}

// B50: the writer cannot be reached from here, but the readers agree on it.
func TestStableTopology(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1", "r2")
		k := f.handle(t, nil)
		open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		f.kill("w1")
		start := time.Now()
		top, err := k.Cluster().Reverify(t.Context(), "w1", errTestCause)
		if err != nil {
			t.Fatal(err)
		}
		if w, _ := top.Writer(); w.ID != "w1" || !top.Stable || top.Verified {
			t.Errorf("writer %q, stable %t, verified %t", w.ID, top.Stable, top.Verified)
		}
		if took := time.Since(start); took < 15*time.Second || took > 16*time.Second {
			t.Errorf("it took %s, want 15s", took)
		}
		f.with("w1", func(h *fakeHost) { h.refuses = false })
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		for top := k.Cluster().Topology(); !top.Verified; top = k.Cluster().Topology() {
			select {
			case <-top.Changed():
			case <-ctx.Done():
				t.Fatal("the writer came back and was not noticed")
			}
		}
	})
}

// B28: a cluster nobody uses is left alone after a while.
func TestMonitorParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		c := open(t, k)
		time.Sleep(time.Minute)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(parkAfter + 2*time.Minute)
		probes := read(f, "w1", probesOf)
		if n := read(f, "w1", func(h *fakeHost) int { return len(h.conns) }); n != 0 {
			t.Errorf("%d monitoring connections are left", n)
		}
		time.Sleep(time.Hour)
		if n := read(f, "w1", probesOf) - probes; n != 0 {
			t.Errorf("%d questions while parked", n)
		}
	})
}

// B71: a database without topology gets no monitor at all.
func TestPlainDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		f.plain = true
		k := f.handle(t, nil)
		c := open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		probes := read(f, "w1", probesOf)
		k.Cluster().Suspect("w1", errTestCause)
		k.Cluster().Look("w1")
		time.Sleep(time.Hour)
		if n := read(f, "w1", probesOf) - probes; n != 0 {
			t.Errorf("%d questions to a plain database", n)
		}
		if n := read(f, "w1", func(h *fakeHost) int { return len(h.conns) }); n != 1 {
			t.Errorf("%d connections, want the application's alone", n)
		}
		if k.Cluster().Searching() {
			t.Error("searching for a writer that cannot be found")
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		top := k.Cluster().Topology()
		if w, ok := top.Writer(); !ok || w.Addr != fakeAddress || !top.Verified {
			t.Errorf("topology %+v", top.Hosts)
		}
	})
}

// B64, B92: of two handles that share a cluster one has lost its login.
func TestMonitorUsesASharersCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		f.passwords = map[string]string{"alice": "a", "bob": "b"}
		shared := map[string]string{"cluster_id": "shared-credentials"}
		one, two := f.handle(t, shared), f.handle(t, shared)
		one.engine = &fakeEngine{cluster: f, user: "alice", password: "wrong"}
		two.engine = &fakeEngine{cluster: f, user: "bob", password: "b"}
		if err := one.Cluster().Ready(t.Context()); err != nil {
			t.Fatalf("the other handle's credentials would do: %v", err)
		}
		open(t, two)
		// Now bob's are revoked, and alice's are right.
		f.mu.Lock()
		f.passwords = map[string]string{"alice": "wrong", "bob": "revoked"}
		f.mu.Unlock()
		f.with("w1", func(h *fakeHost) {
			for c := range h.conns {
				_ = c.Close()
			}
		})
		f.promote("r1")
		time.Sleep(time.Minute)
		if w, _ := one.Cluster().Topology().Writer(); w.ID != "r1" {
			t.Errorf("the writer is %q: the monitor has not tried the other credentials", w.ID)
		}
		if one.Cluster().Down("w1") != nil {
			t.Error("B42: a refused login marked the host down")
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.requests != 0 {
			t.Errorf("%d cancel requests for logins that failed", f.requests)
		}
	})
}

// B48: answers that make no sense leave the last good picture.
func TestUnusableTopologyIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		good := k.Cluster().Topology()
		for _, rows := range [][]Instance{{}, {{ID: "w1"}, {ID: "r1"}}, {{ID: "", Writer: true}}} {
			f.with("w1", func(h *fakeHost) { h.rows = rows })
			time.Sleep(2 * time.Minute)
			if top := k.Cluster().Topology(); !top.sameHosts(good.Hosts) {
				t.Errorf("after rows %v the hosts are %v", rows, top.Hosts)
			}
		}
		f.with("w1", func(h *fakeHost) { h.rows = nil })
		time.Sleep(time.Minute)
		if top := k.Cluster().Topology(); !top.Verified || time.Since(top.SeenAt) > 30*time.Second {
			t.Errorf("not recovered: %+v", top)
		}
	})
}

// B62: instances come and go without a failover.
func TestInstancesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		open(t, k)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		f.rows = []Instance{{ID: "w1", Writer: true}, {ID: "r7"}}
		f.mu.Unlock()
		time.Sleep(31 * time.Second)
		top := k.Cluster().Topology()
		if _, ok := top.Host("r7"); !ok || len(top.Hosts) != 2 {
			t.Errorf("hosts %v", top.Hosts)
		}
	})
}

// B28: the time without users counts from the last of them.
func TestMonitorParksOnlyAfterTheLastUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c := open(t, k)
		time.Sleep(2 * parkAfter)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		probes := read(f, "w1", probesOf)
		time.Sleep(parkAfter - time.Minute)
		if n := read(f, "w1", probesOf) - probes; n < 50 {
			t.Errorf("%d questions in the fourteen minutes after the last use, want two per 30 s", n)
		}
	})
}

// B13: so do the resolver's panics.
func TestMonitorSurvivesAPanickingResolver(t *testing.T) {
	f := newFakeCluster("w1")
	k, err := NewConnector(Config{
		Engine: &fakeEngine{cluster: f}, Family: "fake", Addr: "db.company.example:5432", Settings: settingsFrom(t, nil), Plugins: []Plugin{},
		Dial: f.dial, Resolver: cnames(func(context.Context, string) (string, error) { panic("in a user's resolver") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.hangUp()
	defer k.Close()
	f.aliases["db.company.example:5432"] = "w1"
	if err := k.Cluster().Ready(t.Context()); err != nil {
		t.Errorf("one host needs no pattern: %v", err)
	}
}

// B48: the old writer's mark lingers for a moment after the failover. It is
// alive, so its busy connections are left alone.
func TestLingeringMarkOfAnAnsweringOldWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		busy := open(t, k)
		time.Sleep(time.Second)
		f.promote("r1")
		f.with("r1", func(h *fakeHost) {
			h.rows = []Instance{{ID: "r1", Writer: true, UpdatedAt: time.Now()}, {ID: "w1", Writer: true, UpdatedAt: time.Now().Add(-time.Second)}}
		})
		top, err := k.Cluster().Reverify(t.Context(), "w1", errTestCause)
		if w, _ := top.Writer(); err != nil || w.ID != "r1" {
			t.Fatalf("writer %q: %v", w.ID, err)
		}
		if busy.Link().Condemned() == nil {
			t.Error("not condemned")
		}
		time.Sleep(50 * time.Millisecond) // gone with the next answer
		f.with("r1", func(h *fakeHost) { h.rows = nil })
		time.Sleep(2 * time.Minute)
		if busy.Link().Lost() != nil || k.Cluster().Down("w1") != nil {
			t.Errorf("lost %v, down %v", busy.Link().Lost(), k.Cluster().Down("w1"))
		}
	})
}

// B53: the writer that was unreachable for so long that the readers' word had
// to do, and another is promoted: the old one's connections are condemned.
func TestFailoverAfterAStableTopology(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1", "r2")
		k := f.handle(t, nil, onRole(RoleWriter))
		old := open(t, k)
		time.Sleep(time.Second)
		f.kill("w1")
		f.with("r1", func(h *fakeHost) { h.refuses = true })
		f.with("r2", func(h *fakeHost) { // knows of r1's promotion, which cannot be reached
			h.rows = []Instance{{ID: "r1", Writer: true}, {ID: "r2"}, {ID: "w1"}}
		})
		if top, err := k.Cluster().Reverify(t.Context(), "w1", errTestCause); err != nil || !top.Stable {
			t.Fatalf("stable %t: %v", top.Stable, err)
		}
		f.with("r1", func(h *fakeHost) { h.refuses = false })
		f.promote("r1")
		f.with("r2", func(h *fakeHost) { h.rows = nil })
		time.Sleep(15 * time.Second)
		if top := k.Cluster().Topology(); !top.Verified || top.SeenFrom != "r1" {
			t.Errorf("seen from %s, verified %t", top.SeenFrom, top.Verified)
		}
		if old.Link().Condemned() == nil {
			t.Error("the connection to the old writer is still good")
		}
		if k.Cluster().Down("w1") == nil {
			t.Error("the old writer refuses everything and is not marked down")
		}
	})
}

// B28: a cluster that nobody has used for long is watched again from the moment
// somebody asks for it.
func TestMonitorResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		if err := open(t, k).Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(parkAfter + time.Hour)
		f.promote("r1") // unseen
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the caller takes its time to dial
		if w, _ := k.Cluster().Topology().Writer(); w.ID != "r1" {
			t.Errorf("after resumption the writer is %q", w.ID)
		}
		if c := open(t, k); c.Link().Host() != "r1" {
			t.Errorf("the connection is to %s", c.Link().Host())
		}
		probes := read(f, "r1", probesOf)
		time.Sleep(10 * time.Minute)
		if n := read(f, "r1", probesOf) - probes; n < 30 {
			t.Errorf("%d questions in ten minutes: nobody watches", n)
		}
	})
}
