package awsauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCacheBounds(t *testing.T) {
	o := &origin{takes: time.Hour, life: time.Hour}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, _, err := c.Get(ctx, "a")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the caller's deadline: %v after %s", err, time.Since(start))
		}
		_, _, err = c.Get(t.Context(), "a")
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "within 30s") || time.Since(start) != 30*time.Second {
			t.Errorf("the limit of a fetch: %v after %s", err, time.Since(start))
		}
		if o.asked("a") != 1 {
			t.Errorf("%d fetches, want 1", o.asked("a"))
		}
	})
}

func TestCachePanic(t *testing.T) {
	o := &origin{panicking: true}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		expect(t, c, "a", got{"", false, "awsauth: fetching credentials panicked with a string"})
		o.set(func(o *origin) { o.panicking = false })
		time.Sleep(time.Second)
		expect(t, c, "a", got{"a 2", true, ""})
	})
}

func TestCacheWithoutRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{life: time.Hour}
		c := NewCache(o.fetch, 30*time.Second)
		start := time.Now()
		if _, _, err := c.Get(t.Context(), "a"); !errors.Is(err, ErrNotRunning) || time.Since(start) != 30*time.Second {
			t.Errorf("nobody runs: %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, func() { c.Run(ctx) })
		start = time.Now()
		expect(t, c, "a", got{"a 1", true, ""})
		if time.Since(start) != time.Second {
			t.Errorf("a Run that came later was used after %s", time.Since(start))
		}
		cancel()
		synctest.Wait()
		expect(t, c, "a", got{"a 1", false, ""}) // what is held is served all the same
	})
}

// One plugin value may belong to several handles: what one of them was fetching when it
// was closed, another fetches.
func TestCacheOfSeveralHandles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{life: time.Hour, takes: 10 * time.Second}
		c := NewCache(o.fetch, 30*time.Second)
		first, closeFirst := context.WithCancel(t.Context())
		second, closeSecond := context.WithCancel(t.Context())
		go c.Run(first)
		synctest.Wait()
		var callers sync.WaitGroup
		callers.Go(func() { expect(t, c, "a", got{"a 2", true, ""}) })
		time.Sleep(time.Second)
		go c.Run(second)
		synctest.Wait()
		closeFirst()
		callers.Wait()

		callers.Go(func() { expect(t, c, "b", got{"", false, ErrNotRunning.Error()}) })
		time.Sleep(time.Second)
		closeSecond()
		callers.Wait()
		if o.asked("a") != 2 || o.asked("b") != 1 {
			t.Errorf("a was fetched %d times, want 2; b %d, want 1", o.asked("a"), o.asked("b"))
		}
	})
}

func TestCacheDoesNotGrow(t *testing.T) {
	o := &origin{life: time.Minute}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		for n := range 10_000 {
			get(t.Context(), c, fmt.Sprint(n))
			time.Sleep(time.Second)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.entries) > 200 {
			t.Errorf("%d entries are kept, of which 60 are good", len(c.entries))
		}
	})
}

// A handle that ends takes no other's wake-up with it, however long it has to wait for a fetch.
func TestCacheEndOfOneHandle(t *testing.T) {
	for range 50 { // which of two things that are ready a select takes is left to chance
		synctest.Test(t, func(t *testing.T) {
			stubborn := make(chan struct{})
			c := NewCache(func(_ context.Context, key string) (Fetched[string], error) {
				if key == "stubborn" {
					<-stubborn
				}
				return Fetched[string]{Value: key}, nil
			}, time.Hour)
			first, end := context.WithCancel(t.Context())
			second, endSecond := context.WithCancel(t.Context())
			var runs sync.WaitGroup
			runs.Go(func() { c.Run(first) })
			runs.Go(func() { _, _, _ = c.Get(t.Context(), "stubborn") })
			synctest.Wait()
			runs.Go(func() { c.Run(second) })
			synctest.Wait()
			runs.Go(end)
			runs.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, _, err := c.Get(ctx, "other"); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(2 * time.Minute)
			close(stubborn)
			endSecond()
			runs.Wait()
		})
	}
}
