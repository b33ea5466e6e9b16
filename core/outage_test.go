package core

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// source is an Authenticator that may be told to fail, or to wait.
type source struct {
	mu    sync.Mutex
	fails func(ctx context.Context, t Target) error
}

func (*source) Code() string { return "source" }

func (s *source) Authenticate(ctx context.Context, t Target) (Target, error) {
	s.mu.Lock()
	fails := s.fails
	s.mu.Unlock()
	if fails != nil {
		return t, fails(ctx, t)
	}
	return t, nil
}

func (*source) LoginFailed(context.Context, Target, error) bool { return false }

func (s *source) breakBy(fails func(ctx context.Context, t Target) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = fails
}

// outage is what the network says of an AWS service that is out of order.
func outage(context.Context, Target) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func hang(ctx context.Context, _ Target) error { <-ctx.Done(); return context.Cause(ctx) }

// What gives no credentials is not the database: its errors say nothing about the host.
func TestMissingCredentialsAreNoFaultOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		k := newFakeCluster("w1").handle(t, nil, s)
		s.breakBy(outage)
		_, err := k.Open(t.Context())
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, ErrConnect) || k.Classify(err) != FaultNone {
			t.Errorf("%v is a %v", err, k.Classify(err))
		}
	})
}

// monitors are the connections of the topology monitor.
func (c *Cluster) monitors() []*Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	var own []*Link
	for l := range c.links {
		if l.owner == nil {
			own = append(own, l)
		}
	}
	return own
}

// B90: a monitor that cannot log in has seen no fault. A writer that was replaced meanwhile is not
// declared dead, and its connections are not cut, however long credentials are waited for.
func TestMonitorWithoutCredentials(t *testing.T) {
	for name, fails := range map[string]func(context.Context, Target) error{"an outage": outage, "no answer": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := newFakeCluster("w1", "r1"), &source{}
				k := f.handle(t, nil, s)
				c := open(t, k)
				if _, err := c.Identify(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := k.Cluster().Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.breakBy(func(ctx context.Context, t Target) error {
					if t.Host.ID == "w1" {
						return fails(ctx, t)
					}
					return nil
				})
				for _, l := range k.Cluster().monitors() {
					l.Abort(errTestCause)
				}
				time.Sleep(time.Minute)
				f.promote("r1")
				time.Sleep(time.Minute)
				if w, _ := k.Cluster().Topology().Writer(); w.ID != "r1" {
					t.Errorf("the writer is %s", w.ID)
				}
				if err := c.Ping(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The monitor of two handles goes on with the credentials of the other when one has none.
func TestMonitorUsesASharerThatHasCredentials(t *testing.T) {
	for name, fails := range map[string]func(context.Context, Target) error{"an outage": outage, "no answer": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, s := newFakeCluster("w1", "r1"), &source{}
				shared := map[string]string{"cluster_id": t.Name()}
				k := f.handle(t, shared, s)
				open(t, f.handle(t, shared))
				if err := k.Cluster().Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.breakBy(fails)
				f.kill("w1")
				f.promote("r1")
				time.Sleep(time.Minute)
				if w, _ := k.Cluster().Topology().Writer(); w.ID != "r1" {
					t.Errorf("the writer is %q", w.ID)
				}
			})
		})
	}
}

// Whoever waits for credentials learns at once that the handle has been closed, and that it
// was not their own context that ended.
func TestCloseEndsTheWaitForCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		s.breakBy(func(ctx context.Context, _ Target) error { <-ctx.Done(); return ctx.Err() })
		k := newFakeCluster("w1").handle(t, nil, s)
		ctx := context.WithoutCancel(t.Context())
		ended := make(chan error, 2)
		go func() { _, err := k.Open(ctx); ended <- err }()
		go func() { _, _, err := k.Credentials(ctx); ended <- err }()
		synctest.Wait()
		_ = k.Close()
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, ErrClosed) || errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if _, _, err := k.Credentials(ctx); !errors.Is(err, ErrClosed) {
			t.Errorf("credentials of a closed handle: %v", err)
		}
	})
}

// A limit that an Authenticator has set itself has not ended the caller's context.
func TestLimitOfAnAuthenticator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{}
		s.breakBy(func(ctx context.Context, t Target) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return hang(ctx, t)
		})
		k := newFakeCluster("w1").handle(t, nil, s)
		if _, err := k.Open(t.Context()); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody's patience has ended: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := k.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's has: %v", err)
		}
	})
}
