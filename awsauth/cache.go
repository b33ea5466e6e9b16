package awsauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/awsdb/awsdb/core"
)

// Fetched is what a fetch brought, and for how long it is good. Times are compared by
// the wall clock: that is what signatures and expirations are about, and the only clock
// that goes on while a process is frozen.
type Fetched[V any] struct {
	// Value is what Get returns.
	Value V
	// Renew is when a newer value is fetched in the background, if this one has been used
	// meanwhile. Zero: never.
	Renew time.Time
	// Expires is when the value is no longer served. Zero: it is served until a newer one
	// has been fetched, however long that takes.
	Expires time.Time
}

// Cache keeps what is expensive to get. Whoever asks for a key while nothing is held
// waits for one fetch, however many they are; what is held is renewed ahead of its expiry,
// in the background, as long as it is used. A fetch that failed is repeated after a pause
// that grows from 0.1 to 10 seconds, and until then its error is the answer: no number
// of callers makes it faster.
//
// All fetches run on goroutines of Run, so that a caller who gives up early spoils
// nothing for the others. Several handles may Run one Cache; without any, nothing is fetched.
//
// Methods may be called by any goroutine.
type Cache[K comparable, V any] struct {
	fetch func(ctx context.Context, key K) (Fetched[V], error)
	limit time.Duration
	wake  chan struct{} // holds a token when there is something to do for one of the runners

	mu      sync.Mutex // never held while something is waited for
	entries map[K]*entry[V]
	runners int
}

// ErrNotRunning is the error of a Get that no Run was there for: the handle is closed. It matches
// core.ErrClosed.
var ErrNotRunning = fmt.Errorf("no open handle is there to fetch credentials: %w", core.ErrClosed)

// NewCache returns an empty Cache. A fetch gets a context that ends after limit and with
// the handle whose Run it is made by; it is called for several keys at a time, for each by one goroutine.
// A panic of fetch is reported as an error. An error that has a method Pause() time.Duration
// keeps the next fetch away for at least that time: where another wrong password would
// lock an account.
func NewCache[K comparable, V any](fetch func(ctx context.Context, key K) (Fetched[V], error), limit time.Duration) *Cache[K, V] {
	return &Cache[K, V]{fetch: fetch, limit: limit, wake: make(chan struct{}, 1), entries: map[K]*entry[V]{}}
}

// Get returns the value of a key, and waits for it within ctx if none is held. fresh
// tells that this call has waited for it, and that no other was refused meanwhile.
func (c *Cache[K, V]) Get(ctx context.Context, key K) (value V, fresh bool, err error) {
	value, pending, err := c.look(key)
	if pending.flight == nil {
		return value, false, err
	}
	f := pending.flight
	var abandoned <-chan time.Time
	if !pending.running {
		timer := time.NewTimer(c.limit) // a handle that has just been opened is about to run
		defer timer.Stop()
		abandoned = timer.C
	}
	for {
		select {
		case <-f.done:
			return f.value, f.err == nil && f.refused == nil, f.err
		case <-ctx.Done():
			return value, false, fmt.Errorf("awsauth: waiting for credentials: %w", context.Cause(ctx))
		case <-abandoned:
			if c.abandon(key, f) {
				return value, false, ErrNotRunning
			}
			abandoned = nil // somebody runs by now
		}
	}
}

// waiting is what a caller of Get finds when it must wait.
type waiting[V any] struct {
	flight  *flight[V]
	running bool // there is somebody to make the fetch
}

// look returns the value that is held, the error that stands in for it, or what to wait for.
func (c *Cache[K, V]) look(key K) (value V, w waiting[V], err error) {
	now := wallClock()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		e = &entry[V]{}
		c.entries[key] = e
	}
	e.used = true
	if e.valid(now) {
		if e.flight == nil && e.due(now) && !e.paused(now) {
			e.flight = newFlight[V]()
			c.signal()
		}
		return e.Value, w, nil
	}
	if e.flight == nil {
		if e.err != nil && e.paused(now) {
			return value, w, e.err
		}
		e.flight = newFlight[V]()
		c.signal()
	}
	return value, waiting[V]{e.flight, c.runners > 0}, nil
}

// abandon ends a fetch that nobody is there to make, and reports whether it did.
func (c *Cache[K, V]) abandon(key K, f *flight[V]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runners > 0 || f.started {
		return false
	}
	if e := c.entries[key]; e != nil && e.flight == f {
		e.flight = nil
		f.end(ErrNotRunning)
	}
	return true
}

// Discard forgets the value of a key if refused says that it is the one that was refused;
// the next Get fetches, and a fetch under way that brings the same value is made again. When
// a value is refused that is younger than a minute, that waits for a growing pause, so that
// many who are refused do not make as many fetches. refused must not wait for anything.
func (c *Cache[K, V]) Discard(key K, refused func(V) bool) {
	now := wallClock()
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil || !e.held || !refused(e.Value) {
		return
	}
	e.discard(now, refused)
}

// signal wakes one of the runners.
func (c *Cache[K, V]) signal() {
	select {
	case c.wake <- struct{}{}:
	default: // one is about to look anyway
	}
}
