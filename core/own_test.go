package core

import (
	"context"
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
