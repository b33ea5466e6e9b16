package core

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func closedCluster(c *Cluster) bool { return c.ctx.Err() != nil }

// B67, promise 5: handles share a Cluster only when both give the same id.
func TestSharingByClusterID(t *testing.T) {
	f := newFakeCluster("w1", "r1")
	with := func(id string) *Connector {
		params := map[string]string{}
		if id != "" {
			params["cluster_id"] = id
		}
		return f.handle(t, params)
	}
	one, same, other, none, none2 := with("a"), with("a"), with("b"), with(""), with("")
	if one.Cluster() != same.Cluster() {
		t.Error("the same cluster_id gives two clusters")
	}
	for i, a := range []*Connector{one, other, none, none2} {
		for _, b := range []*Connector{one, other, none, none2}[i+1:] {
			if a.Cluster() == b.Cluster() {
				t.Error("handles without a common cluster_id share a cluster")
			}
		}
	}
	family, err := NewConnector(Config{Engine: &fakeEngine{cluster: f}, Family: "other", Addr: fakeAddress, Settings: settingsFrom(t, map[string]string{"cluster_id": "a"}), Plugins: []Plugin{}})
	if err != nil {
		t.Fatal(err)
	}
	defer family.Close()
	if family.Cluster() == one.Cluster() {
		t.Error("two families share a cluster")
	}
	// The last Close ends it, an id can be used again afterwards.
	c := one.Cluster()
	_ = one.Close()
	_ = one.Close()
	if closedCluster(c) {
		t.Error("the cluster ended with the first of two handles, or with its second Close")
	}
	_ = same.Close()
	if !closedCluster(c) {
		t.Error("the cluster outlives its last handle")
	}
	if again := with("a"); again.Cluster() == c || closedCluster(again.Cluster()) {
		t.Error("a new handle got the cluster that has ended")
	}
}

// B04: handles that come and go at the same time never get an ended cluster.
func TestSharingRace(t *testing.T) {
	f := newFakeCluster("w1")
	settings := settingsFrom(t, map[string]string{"cluster_id": "race"})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				k, err := NewConnector(Config{Engine: &fakeEngine{cluster: f}, Family: "fake", Addr: fakeAddress, Settings: settings, Plugins: []Plugin{}})
				if err != nil {
					t.Error(err)
					return
				}
				if closedCluster(k.Cluster()) {
					t.Error("a new handle's cluster has ended")
				}
				_ = k.Close()
			}
		})
	}
	wg.Wait()
	clusters.mu.Lock()
	defer clusters.mu.Unlock()
	for key := range clusters.shared {
		if key.id == "race" {
			t.Error("the registry of clusters still holds one")
		}
	}
}

// B25: after Close everything ends with a typed error, nothing runs any more,
// and a new handle works.
func TestUseAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		c := open(t, k)
		waiting := make(chan error, 3)
		f.with("w1", func(h *fakeHost) { h.frozen = true })
		go func() { _, err := k.Cluster().waitVerified(t.Context(), time.Now().Add(time.Hour)); waiting <- err }()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waiting; !errors.Is(err, ErrClosed) {
			t.Errorf("a waiter got %v", err)
		}
		if _, err := k.Open(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Open: %v", err)
		}
		if _, err := k.Connect(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Connect: %v", err)
		}
		cl := k.Cluster()
		if err := cl.Ready(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("Ready: %v", err)
		}
		if _, err := cl.waitVerified(t.Context(), time.Now().Add(time.Hour)); !errors.Is(err, ErrClosed) {
			t.Errorf("waitVerified: %v", err)
		}
		if cl.Go(func(context.Context) { t.Error("ran") }) {
			t.Error("Go started something")
		}
		cl.Suspect("w1", errTestCause) // must not start anything either
		if n := len(cl.links); n != 0 {
			t.Errorf("%d links are left", n)
		}
		synctest.Wait()
		f.with("w1", func(h *fakeHost) {
			if len(h.conns) != 0 {
				t.Errorf("the server still has %d connections", len(h.conns))
			}
			h.frozen = false
		})
		again := f.handle(t, nil, onRole(RoleWriter))
		if err := open(t, again).Ping(t.Context()); err != nil {
			t.Errorf("a new handle: %v", err)
		}
	})
}

func TestReleaseResources(t *testing.T) {
	f := newFakeCluster("w1", "r1")
	ReleaseResources() // nothing is open: nothing happens
	a, b := f.handle(t, map[string]string{"cluster_id": "r"}), f.handle(t, map[string]string{"cluster_id": "r"})
	alone := f.handle(t, nil)
	ReleaseResources()
	for _, k := range []*Connector{a, b, alone} {
		if !closedCluster(k.Cluster()) {
			t.Error("a cluster is still open")
		}
		if _, err := k.Open(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Open: %v", err)
		}
	}
	ReleaseResources()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := f.handle(t, map[string]string{"cluster_id": "r"}, onRole(RoleWriter)).Cluster().Ready(t.Context()); err != nil {
		t.Errorf("a new handle afterwards: %v", err)
	}
}

// B26: a Connector that nobody connects with has started nothing.
func TestNewConnectorStartsNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFakeCluster("w1")
	k := f.handle(t, nil, onRole(RoleWriter))
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines more", got-before)
	}
	if k.Cluster().Topology().Epoch != 0 || read(f, "w1", dialsOf) != 0 {
		t.Error("something was asked")
	}
}

// handleOn is a second handle that shares k's cluster and wants another role.
func (f *fakeCluster) handleOn(t *testing.T, k *Connector, role Role) *Connector {
	t.Helper()
	other := &Connector{
		engine: k.engine, settings: k.settings, log: k.log, dial: k.dial, cname: k.cname, host: k.host, endpoint: k.endpoint,
		port: k.port, cluster: k.cluster, ctx: k.ctx, cancel: func(error) {},
	}
	other.chain = other.compile([]Plugin{onRole(role)})
	return other
}

// B51, B53: a topology condemns the connections whose host has lost the role
// they were opened for, idle or busy, and no others.
func TestPublishCondemns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1", "r2")
		k := f.handle(t, nil, onRole(RoleWriter))
		readers := f.handleOn(t, k, RoleReader)
		idle, busy := open(t, k), open(t, k)
		reading, anything := open(t, readers), open(t, f.handleOn(t, k, RoleWriter))
		anything.Expect(RoleUnknown)
		f.with("w1", func(h *fakeHost) { h.frozen = true })
		answer := make(chan error, 1)
		go func() { answer <- busy.Ping(t.Context()) }()
		synctest.Wait()

		hosts := slices.Clone(k.Cluster().Topology().Hosts) // r1, r2, w1
		swap := func(writer string) Topology {
			swapped := slices.Clone(hosts)
			for i := range swapped {
				swapped[i].Role = RoleReader
				if swapped[i].ID == writer {
					swapped[i].Role = RoleWriter
				}
			}
			return Topology{Hosts: swapped, SeenAt: time.Now()}
		}
		old := k.Cluster().Topology()
		hearsay := swap("r2")
		k.Cluster().publish(hearsay)
		select {
		case <-old.Changed():
		default:
			t.Error("waiters on the old topology were not woken")
		}
		for _, c := range []*Conn{idle, busy, reading, anything} {
			if c.Link().Condemned() != nil {
				t.Fatalf("hearsay condemned a connection to %s", c.Link().Host())
			}
		}
		truth := swap("r1")
		truth.Verified = true
		published := k.Cluster().publish(truth)
		if published.Epoch != old.Epoch+2 {
			t.Errorf("epoch %d after %d and one other", published.Epoch, old.Epoch)
		}
		for name, c := range map[string]*Conn{"idle": idle, "busy": busy} {
			if c.Link().Condemned() == nil || c.IsValid() || c.Link().Lost() != nil {
				t.Errorf("%s: condemned %v, valid %t, lost %v", name, c.Link().Condemned(), c.IsValid(), c.Link().Lost())
			}
		}
		if reading.Link().Host() != "r1" || reading.Link().Condemned() == nil {
			t.Errorf("the reader connection is on %s, condemned %v: its host is the writer now", reading.Link().Host(), reading.Link().Condemned())
		}
		if err := anything.Link().Condemned(); err != nil {
			t.Errorf("a connection for any role was condemned: %v", err)
		}
		// What runs on a busy one goes on to its end.
		select {
		case err := <-answer:
			t.Errorf("the busy connection's call ended: %v", err)
		default:
		}
		busy.Link().Abort(errTestCause)
		if err := <-answer; err == nil {
			t.Error("a call on a cut connection succeeded")
		}
	})
}

func TestPublishCondemnsForRemovedHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		reading := open(t, f.handleOn(t, k, RoleReader))
		byName := open(t, k) // by the cluster's endpoint, not identified yet
		byName.Link().want.Store(uint32(RoleWriter))
		synctest.Wait() // the monitor has nothing to say now
		k.Cluster().publish(Topology{Hosts: []Host{{ID: "w1", Role: RoleWriter}}, Verified: true})
		if err := reading.Link().Condemned(); err == nil || !strings.Contains(err.Error(), "no longer part of the cluster") {
			t.Errorf("condemned: %v", err)
		}
		if err := byName.Link().Condemned(); err != nil {
			t.Errorf("a connection that is still being opened by name was condemned: %v", err)
		}
	})
}

// A connection that was being opened while its host lost the role is condemned
// as soon as it says what it is for.
func TestExpectAfterANewerTopology(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			topology  Topology
			want      Role
			condemned bool
		}{
			{Topology{Hosts: []Host{{ID: "w1", Role: RoleReader}}, Verified: true}, RoleWriter, true},
			{Topology{Hosts: []Host{{ID: "w1", Role: RoleReader}}, Verified: true}, RoleReader, false},
			{Topology{Hosts: []Host{{ID: "w1", Role: RoleReader}}, Verified: true}, RoleUnknown, false},
			{Topology{Hosts: []Host{{ID: "w1", Role: RoleReader}}}, RoleWriter, false}, // hearsay
			{Topology{Hosts: []Host{{ID: "r1", Role: RoleWriter}}, Verified: true}, RoleWriter, false},
		}
		for _, test := range tests {
			c := open(t, k)
			if id, err := c.Identify(t.Context()); err != nil || id != (Identity{"w1", RoleWriter}) {
				t.Fatalf("identity %v, %v", id, err)
			}
			synctest.Wait() // the monitor has nothing to say now
			k.Cluster().publish(test.topology)
			c.Expect(test.want)
			if got := c.Link().Condemned() != nil; got != test.condemned || c.Link().Want() != test.want {
				t.Errorf("%+v, expecting a %s: condemned %t", test.topology.Hosts, test.want, got)
			}
		}
	})
}

func TestWaitVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		c := f.handle(t, nil).Cluster()
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTestCause)
		defer cancel()
		if _, err := c.waitVerified(ctx, start.Add(time.Minute)); !errors.Is(err, errTestCause) || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		// B46: a doubt about a healthy writer is dispelled by asking it, in no time.
		time.Sleep(time.Second)
		start = time.Now()
		top, err := c.Reverify(t.Context(), "w1", errTestCause)
		if err != nil || top.SeenAt.Before(start) || !top.Verified {
			t.Errorf("seen at %s, verified %t: %v", top.SeenAt, top.Verified, err)
		}
		if time.Since(start) > lossGrace || c.Searching() {
			t.Errorf("it took %s, searching %t", time.Since(start), c.Searching())
		}
		if c.Down("w1") != nil {
			t.Error("a suspicion marked the host down")
		}
		if _, err := c.WaitSettled(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A lost connection to a reader says little about the writer: that has more time to
// answer until all hosts are asked.
func TestDoubtReportedByAReader(t *testing.T) {
	for host, grace := range map[string]time.Duration{"w1": lossGrace, "r1": lookGrace} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeCluster("w1", "r1")
			c := f.handle(t, nil).Cluster()
			if err := c.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // a question that is under way would dispel the doubt
			f.with("w1", func(h *fakeHost) { h.frozen = true })
			c.Suspect(host, errTestCause)
			time.Sleep(grace - time.Millisecond)
			if n := read(f, "r1", dialsOf); n != 0 {
				t.Errorf("reported by %s: all hosts are asked before %s", host, grace)
			}
			time.Sleep(2 * time.Millisecond)
			if n := read(f, "r1", dialsOf); n != 1 {
				t.Errorf("reported by %s: %d hosts beside the writer are asked after %s", host, n, grace)
			}
		})
	}
}

func TestKeepAliveOfInMemorySockets(t *testing.T) {
	l, _ := pipeLink(t) // no TCP: nothing to set, no error
	if l.Lost() != nil {
		t.Error(l.Lost())
	}
}

// The connections a Connector must cut when it is closed: those that are being
// opened, and those whose users have let go.
func TestCloseCutsADialInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		k := f.handle(t, nil)
		f.with("w1", func(h *fakeHost) { h.hangs = true })
		failed := make(chan error, 1)
		go func() { _, err := k.Open(context.Background()); failed <- err }()
		synctest.Wait()
		if err := k.Close(); err != nil {
			t.Error(err)
		}
		if err := <-failed; !errors.Is(err, ErrClosed) {
			t.Errorf("Open: %v", err)
		}
	})
}

func TestConnectErrors(t *testing.T) {
	f := newFakeCluster("w1")
	k := f.handle(t, nil)
	f.with("w1", func(h *fakeHost) { h.refuses = true })
	_, err := k.Connect(t.Context())
	if !errors.Is(err, ErrConnect) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	if c, err := k.Connect(endedContext()); c != nil || err == nil { // B56
		t.Errorf("Connect gives %v, %v", c, err)
	}
}

// Handles that share a cluster must want the same of it.
func TestSharersMustAgree(t *testing.T) {
	f := newFakeCluster("w1")
	f.handle(t, map[string]string{"cluster_id": "agree", "topology_refresh_ms": "1000"})
	f.handle(t, map[string]string{"cluster_id": "agree", "topology_refresh_ms": "1s"})
	_, err := NewConnector(Config{
		Engine: &fakeEngine{cluster: f}, Family: "fake", Addr: fakeAddress, Plugins: []Plugin{},
		Settings: settingsFrom(t, map[string]string{"cluster_id": "agree", "topology_refresh_ms": "2000"}),
	})
	if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "agree") {
		t.Errorf("a second pace for one cluster: %v", err)
	}
}

// B53: what was hearsay first condemns as soon as it is confirmed.
func TestConfirmedHearsayCondemns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleWriter))
		c := open(t, k)
		hosts := []Host{{ID: "r1", Role: RoleWriter}, {ID: "w1", Role: RoleReader}}
		synctest.Wait() // the monitor has nothing to say now
		for _, top := range []Topology{{Hosts: hosts}, {Hosts: hosts, Stable: true}} {
			if k.Cluster().publish(top); c.Link().Condemned() != nil {
				t.Fatal("hearsay condemned")
			}
		}
		if k.Cluster().publish(Topology{Hosts: hosts, Verified: true}); c.Link().Condemned() == nil {
			t.Error("confirmed, and the connection to the old writer is still good")
		}
	})
}
