package awsauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Run makes the fetches that Get asks for, and renews what is used, until ctx ends; then
// it has no goroutine any more. A fetch under way is begun anew by another handle's Run, if
// there is one; else those who wait for it get ErrNotRunning.
func (c *Cache[K, V]) Run(ctx context.Context) {
	c.mu.Lock()
	c.runners++
	c.mu.Unlock()
	var fetches sync.WaitGroup
	defer c.leave()
	defer fetches.Wait()
	for ctx.Err() == nil {
		c.rest(ctx, c.begin(ctx, &fetches))
	}
	c.signal() // the token that this one may have taken was meant for all, and its fetches may take long to end
}

// rest waits until there may be something to do: at next, unless that is zero.
func (c *Cache[K, V]) rest(ctx context.Context, next time.Time) {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
	case <-c.wake:
	case <-due:
	}
}

// begin starts every fetch whose time has come and returns when to look again, zero if
// only Get can bring something to do.
func (c *Cache[K, V]) begin(ctx context.Context, fetches *sync.WaitGroup) (next time.Time) {
	now := wallClock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if e.idle(now) {
			delete(c.entries, key)
			continue
		}
		at := e.nextFetch(now)
		switch {
		case at.IsZero():
		case !now.Before(at):
			if e.flight == nil {
				e.flight = newFlight[V]()
			}
			f := e.flight
			f.started, e.used = true, false
			fetches.Go(func() { c.complete(ctx, key, f) })
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	return next
}

// nextFetch is when the entry may want a fetch to be begun; zero: not before Get says so. Whether a
// value has been used is known when it is due.
func (e *entry[V]) nextFetch(now time.Time) time.Time {
	switch {
	case e.flight != nil && e.flight.started:
		return time.Time{}
	case e.flight != nil:
		return later(e.resume(now), now)
	case !e.held || e.Renew.IsZero():
		return time.Time{}
	}
	at := later(e.Renew, e.resume(now))
	if !e.used && !now.Before(at) {
		return time.Time{}
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// complete makes one fetch and tells everybody who waits for it.
func (c *Cache[K, V]) complete(ctx context.Context, key K, f *flight[V]) {
	fetched, err := c.attempt(ctx, key)
	now := wallClock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && ctx.Err() != nil { // cut by the end of this handle, which says nothing
		f.started = false
		c.signal()
		return
	}
	if e := c.entries[key]; e != nil && e.flight == f {
		if err == nil && f.refused != nil && f.refused(fetched.Value) { // which was known only when it was on its way
			f.started, f.refused = false, nil
			c.signal()
			return
		}
		e.flight = nil
		if err == nil {
			e.succeed(fetched, now)
		} else {
			e.fail(err, now)
		}
	}
	f.value = fetched.Value
	f.end(err)
	c.signal() // when to look next has changed
}

// attempt calls fetch within the limit. A panic in it, which may be the application's code, must
// not end the process from a goroutine that the application knows nothing about. What it says is
// left out: it may be a secret.
func (c *Cache[K, V]) attempt(ctx context.Context, key K) (fetched Fetched[V], err error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			fetched, err = Fetched[V]{}, fmt.Errorf("awsauth: fetching credentials panicked with a %T", p)
		}
	}()
	fetched, err = c.fetch(ctx, key)
	switch {
	case err == nil:
		return fetched, nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("no credentials within %s: %w", c.limit, err)
	}
	return Fetched[V]{}, err
}

// leave ends a Run. The last one to go answers whoever waits.
func (c *Cache[K, V]) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runners--
	if c.runners > 0 {
		return
	}
	for _, e := range c.entries {
		if e.flight != nil {
			e.flight.end(ErrNotRunning)
			e.flight = nil
		}
	}
}

// asPause returns the pause that an error asks for.
func asPause(err error) (time.Duration, bool) {
	var p interface{ Pause() time.Duration }
	if errors.As(err, &p) {
		return p.Pause(), true
	}
	return 0, false
}
