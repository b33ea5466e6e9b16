package pgdriver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// An application that stops cancels its calls and closes its pool at once. The server is
// still told to give the calls up, by requests that pgx sends meanwhile, and the pool
// waits for no longer than that.
func TestCloseLetsCancelRequestsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := handoverPool(t, lab.Options{Latency: time.Millisecond}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { _, err := p.Exec(ctx, "select pg_sleep(100)"); result <- err }()
		time.Sleep(time.Second)
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		p.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

// Where the server says nothing any more, Close does not wait for it.
func TestCloseBesideAFrozenServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, cluster := handoverPool(t, lab.Options{Latency: time.Millisecond}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { _, err := p.Exec(ctx, "select pg_sleep(100)"); result <- err }()
		time.Sleep(time.Second)
		cluster.Writer().Freeze()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		p.Close()
		if took, limit := time.Since(began), farewellLimit+time.Millisecond; took > limit {
			t.Errorf("Close took %v", took)
		}
	})
}
