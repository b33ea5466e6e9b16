package core

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// asked is an Authenticator that only counts.
type asked struct{ times *atomic.Int32 }

func (asked) Code() string { return "asked" }

func (a asked) Authenticate(_ context.Context, t Target) (Target, error) {
	a.times.Add(1)
	return t, nil
}

func (asked) LoginFailed(context.Context, Target, error) bool { return false }

// OpenBeside goes where the connection leads, OpenAnew where its host is to be found
// now; neither counts as a connection of the application.
func TestOpenBesideAndAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil)
		c := open(t, k) // by the cluster endpoint, to w1
		if _, addr := c.Link().Place(); addr != fakeAddress {
			t.Errorf("Place is %s", addr)
		}
		links := len(slices.Collect(k.Cluster().Links()))
		before := read(f, "w1", dialsOf)
		n, l, err := k.OpenBeside(t.Context(), c.Link(), topologyPrefix, nil)
		if err != nil || l.Host() != c.Link().Host() || read(f, "w1", dialsOf) != before+1 {
			t.Fatalf("beside: %v", err)
		}
		_ = n.Close()
		if _, err := c.Identify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := k.Cluster().Ready(t.Context()); err != nil { // now w1 has an address of its own
			t.Fatal(err)
		}
		f.promote("r1") // and the endpoint leads elsewhere
		before = read(f, "w1", dialsOf)
		n, l, err = k.OpenAnew(t.Context(), c.Link(), topologyPrefix, nil)
		if err != nil || l.Host() != "w1" || read(f, "w1", dialsOf) != before+1 {
			t.Fatalf("anew: %v, dials %d", err, read(f, "w1", dialsOf)-before)
		}
		if got := len(slices.Collect(k.Cluster().Links())); got != links {
			t.Errorf("%d connections of applications, want %d", got, links)
		}
		_ = n.Close()
	})
}

// A handle that is closed opens nothing more, and Close ends what it was opening.
func TestCloseEndsOpenBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		shared := map[string]string{"cluster_id": t.Name()}
		var times atomic.Int32
		first, second := f.handle(t, shared, asked{&times}), f.handle(t, shared)
		c := open(t, first)
		f.with("w1", func(h *fakeHost) { h.hangs = true })
		ended := make(chan error, 1)
		go func() {
			_, _, err := first.OpenBeside(context.WithoutCancel(t.Context()), c.Link(), topologyPrefix, nil)
			ended <- err
		}()
		synctest.Wait()
		_ = first.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("opening while the handle was closed: %v", err)
		}
		before := times.Load()
		if _, _, err := first.OpenBeside(t.Context(), c.Link(), topologyPrefix, nil); !errors.Is(err, ErrClosed) || times.Load() != before {
			t.Errorf("with a closed handle: %v, asked for credentials %d times", err, times.Load()-before)
		}
		if second.Cluster().ctx.Err() != nil {
			t.Error("the other handle's cluster has ended")
		}
	})
}

// The topology monitor goes over to another sharer when the handle whose settings it
// has used is closed.
func TestMonitorLeavesAClosedHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		shared := map[string]string{"cluster_id": t.Name()}
		var first, second atomic.Int32
		k, other := f.handle(t, shared, asked{&first}), f.handle(t, shared, asked{&second})
		open(t, other)
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = k.Close()
		mine, others := first.Load(), second.Load()
		f.with("w1", func(h *fakeHost) {
			for c := range h.conns {
				_ = c.Close()
			}
		})
		time.Sleep(2 * time.Minute)
		if first.Load() != mine || second.Load() == others {
			t.Errorf("%d logins on account of the closed handle, %d of the open one", first.Load()-mine, second.Load()-others)
		}
	})
}
