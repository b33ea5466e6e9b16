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

	"github.com/google/go-cmp/cmp"
)

// origin is where a Cache of the tests fetches from: it numbers its answers.
type origin struct {
	mu        sync.Mutex
	calls     map[string]int
	life      time.Duration // of a value; 0: for ever
	ahead     time.Duration // how long before the end of its life it is renewed
	takes     time.Duration
	err       error
	panicking bool
}

func (o *origin) fetch(ctx context.Context, key string) (Fetched[string], error) {
	o.mu.Lock()
	if o.calls == nil {
		o.calls = map[string]int{}
	}
	o.calls[key]++
	n, err, takes, panicking := o.calls[key], o.err, o.takes, o.panicking
	f := Fetched[string]{Value: fmt.Sprintf("%s %d", key, n)}
	life, ahead := o.life, o.ahead
	o.mu.Unlock()
	if panicking {
		panic("secret")
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return f, ctx.Err()
	}
	if life > 0 {
		f.Expires = time.Now().Add(life)
	}
	if ahead > 0 {
		f.Renew = time.Now().Add(life - ahead)
	}
	return f, err
}

func (o *origin) set(change func(*origin)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(o)
}

// asked returns how often a key was fetched.
func (o *origin) asked(key string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls[key]
}

// running runs f in virtual time with a Cache that one handle runs.
func running(t *testing.T, o *origin, f func(t *testing.T, c *Cache[string, string])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(o.fetch, 30*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() { c.Run(ctx) })
		defer runs.Wait()
		defer cancel()
		f(t, c)
	})
}

// got is what a Get returned.
type got struct {
	Value string
	Fresh bool
	Error string
}

func get(ctx context.Context, c *Cache[string, string], key string) got {
	value, fresh, err := c.Get(ctx, key)
	g := got{Value: value, Fresh: fresh}
	if err != nil {
		g.Error = err.Error()
	}
	return g
}

func expect(t *testing.T, c *Cache[string, string], key string, want got) {
	t.Helper()
	if diff := cmp.Diff(want, get(t.Context(), c, key)); diff != "" {
		t.Errorf("Get(%q) (-want +got):\n%s", key, diff)
	}
}

func TestCacheServesWhatItHolds(t *testing.T) {
	o := &origin{life: 15 * time.Minute}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		expect(t, c, "a", got{"a 1", true, ""})
		expect(t, c, "a", got{"a 1", false, ""})
		expect(t, c, "b", got{"b 1", true, ""})
		time.Sleep(15*time.Minute - time.Second)
		expect(t, c, "a", got{"a 1", false, ""})
		time.Sleep(time.Second)
		expect(t, c, "a", got{"a 2", true, ""})
	})
}

func TestCacheFetchesOnceForAll(t *testing.T) {
	o := &origin{life: time.Minute, takes: time.Second}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		for round := 1; round <= 2; round++ {
			var callers sync.WaitGroup
			for range 500 {
				callers.Go(func() {
					want := got{fmt.Sprintf("a %d", round), true, ""}
					if g := get(t.Context(), c, "a"); g != want {
						t.Errorf("got %v, want %v", g, want)
					}
				})
			}
			callers.Wait()
			if o.asked("a") != round {
				t.Fatalf("%d fetches in round %d", o.asked("a"), round)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestCacheRenewsAhead(t *testing.T) {
	o := &origin{life: 10 * time.Minute, ahead: time.Minute, takes: time.Second}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		get(t.Context(), c, "used")
		get(t.Context(), c, "once")
		get(t.Context(), c, "used")
		time.Sleep(9*time.Minute + 2*time.Second)
		if o.asked("used") != 2 || o.asked("once") != 1 {
			t.Errorf("used was fetched %d times, want 2; once %d, want 1", o.asked("used"), o.asked("once"))
		}
		expect(t, c, "used", got{"used 2", false, ""})
		expect(t, c, "once", got{"once 1", false, ""}) // still good, and wanted again
		time.Sleep(2 * time.Second)
		expect(t, c, "once", got{"once 2", false, ""})
	})
}

func TestCacheSurvivesAnOutage(t *testing.T) {
	o := &origin{life: 10 * time.Minute, ahead: 5 * time.Minute}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		get(t.Context(), c, "a")
		o.set(func(o *origin) { o.err = errors.New("out of order") })
		for range 9 {
			time.Sleep(time.Minute)
			expect(t, c, "a", got{"a 1", false, ""})
		}
		if o.asked("a") < 3 {
			t.Errorf("%d fetches, want several in five minutes", o.asked("a"))
		}
		time.Sleep(time.Minute)
		expect(t, c, "a", got{"", false, "out of order"})
		o.set(func(o *origin) { o.err = nil })
		time.Sleep(10 * time.Second)
		if g := get(t.Context(), c, "a"); g.Error != "" || !g.Fresh {
			t.Errorf("after the outage: %v", g)
		}
	})
}

func TestCacheServesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{}
		c := NewCache(func(ctx context.Context, key string) (Fetched[string], error) {
			f, err := o.fetch(ctx, key)
			f.Renew = time.Now().Add(time.Minute)
			return f, err
		}, time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		go c.Run(ctx)
		get(ctx, c, "a")
		o.set(func(o *origin) { o.err = errors.New("out of order") })
		time.Sleep(24 * time.Hour)
		expect(t, c, "a", got{"a 1", false, ""})
		synctest.Wait()
		expect(t, c, "a", got{"a 1", false, ""})
		if o.asked("a") != 2 {
			t.Errorf("%d fetches, want 2: nobody used it meanwhile", o.asked("a"))
		}
		cancel()
	})
}

func TestCachePausesAfterFailures(t *testing.T) {
	o := &origin{err: errors.New("out of order")}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			expect(t, c, "a", got{"", false, "out of order"})
			time.Sleep(time.Millisecond)
		}
		// 0.05 to 0.1 s doubling to 5 to 10 s.
		if n := o.asked("a"); n < 10*60/10 || n > 8+10*60/5 {
			t.Errorf("%d fetches in ten minutes of pressure", n)
		}
	})
}

// lockable is an error of which another one too soon would be worse.
type lockable struct{}

func (lockable) Error() string        { return "wrong password" }
func (lockable) Pause() time.Duration { return time.Hour }

func TestCacheTakesThePauseOfAnError(t *testing.T) {
	o := &origin{err: fmt.Errorf("signing in: %w", lockable{})}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		for range 59 {
			expect(t, c, "a", got{"", false, "signing in: wrong password"})
			time.Sleep(time.Minute)
		}
		if o.asked("a") != 1 {
			t.Errorf("%d fetches in an hour, want 1", o.asked("a"))
		}
	})
}

func TestCacheDiscard(t *testing.T) {
	o := &origin{life: time.Hour, takes: time.Millisecond}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		is := func(value string) func(string) bool { return func(v string) bool { return v == value } }
		get(t.Context(), c, "a")
		time.Sleep(10 * time.Minute)
		c.Discard("a", is("a 0"))
		c.Discard("b", is("b 1"))
		expect(t, c, "a", got{"a 1", false, ""})
		start := time.Now()
		c.Discard("a", is("a 1"))
		expect(t, c, "a", got{"a 2", true, ""})
		if took := time.Since(start); took != o.takes {
			t.Errorf("an old value was replaced after %s, want at once", took)
		}
		c.Discard("a", is("a 1"))
		expect(t, c, "a", got{"a 2", false, ""})
	})
}

// A server that refuses every value does not make as many fetches as there are logins.
func TestCacheDiscardUnderPressure(t *testing.T) {
	o := &origin{life: time.Hour, takes: time.Millisecond}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var callers sync.WaitGroup
		for range 50 {
			callers.Go(func() {
				for ctx.Err() == nil {
					_, _, _ = c.Get(ctx, "a")
					time.Sleep(10 * time.Millisecond)
					c.Discard("a", func(string) bool { return true })
				}
			})
		}
		callers.Wait()
		if n := o.asked("a"); n < 30 || n > 80 {
			t.Errorf("%d fetches in five minutes", n)
		}
	})
}

// Refusals that have nothing to do with each other do not add up.
func TestCacheDiscardNowAndThen(t *testing.T) {
	o := &origin{life: 10 * time.Second}
	running(t, o, func(t *testing.T, c *Cache[string, string]) {
		for range 20 {
			get(t.Context(), c, "a")
			c.Discard("a", func(string) bool { return true })
			start := time.Now()
			get(t.Context(), c, "a")
			if took := time.Since(start); took > shortestPause {
				t.Errorf("waited %s", took)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// What was fetched before the refusal may be what was refused. If it is, it is fetched again.
func TestCacheDoubtsAFetchThatIsUnderWay(t *testing.T) {
	for refused, want := range map[string]got{"a 1": {"a 2", false, ""}, "a 1, a 2": {"a 3", true, ""}} {
		t.Run(refused, func(t *testing.T) {
			o := &origin{life: time.Hour, ahead: 30 * time.Minute, takes: time.Second}
			running(t, o, func(t *testing.T, c *Cache[string, string]) {
				get(t.Context(), c, "a")
				get(t.Context(), c, "a")
				time.Sleep(30*time.Minute + time.Second/2)
				c.Discard("a", func(value string) bool { return strings.Contains(refused, value) })
				expect(t, c, "a", want)
			})
		})
	}
}

// A machine that was suspended, or whose clock is set, trusts the wall clock.
func TestCacheFollowsTheWallClock(t *testing.T) {
	now := wallClock()
	held := entry[string]{Fetched: Fetched[string]{Expires: now.Add(time.Hour)}, held: true, fetchedAt: now}
	tests := map[string]struct {
		at   time.Time
		want bool
	}{
		"at once":                  {now, true},
		"before the end":           {now.Add(time.Hour - 1), true},
		"at the end":               {now.Add(time.Hour), false},
		"corrected by a little":    {now.Add(-time.Second), true},
		"set back by half an hour": {now.Add(-30 * time.Minute), false},
	}
	for name, test := range tests {
		if got := held.valid(test.at); got != test.want {
			t.Errorf("%s: valid %t, want %t", name, got, test.want)
		}
	}
}

// A pause does not last as long as the clock was wrong, which may be why the fetch failed.
func TestCachePauseEndsWhenTheClockIsSetBack(t *testing.T) {
	now := wallClock()
	for name, pause := range map[string]func(e *entry[string]){
		"after a failure": func(e *entry[string]) { e.fail(errors.New("the signature is of tomorrow"), now) },
		"after a refusal": func(e *entry[string]) { e.fetchedAt = now; e.discard(now, nil) },
	} {
		var e entry[string]
		pause(&e)
		for at, want := range map[time.Duration]bool{0: true, longestPause: false, -time.Second: true, -time.Hour: false} {
			if got := e.paused(now.Add(at)); got != want {
				t.Errorf("%s, %s later: paused %t, want %t", name, at, got, want)
			}
		}
		e.flight = newFlight[string]()
		if back := now.Add(-time.Hour); e.nextFetch(back) != back {
			t.Errorf("%s: the next fetch is at %s, want at once", name, e.nextFetch(back).Sub(back))
		}
	}
}
