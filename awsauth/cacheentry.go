package awsauth

import (
	"math/rand/v2"
	"time"
)

const (
	// shortestPause and longestPause bound how long a failed fetch is not repeated.
	shortestPause = 100 * time.Millisecond
	longestPause  = 10 * time.Second
	// youth is the age below which a value that is refused is no surprise: fetching another
	// one at once, again and again, would help nobody.
	youth = time.Minute
	// clockSlack is how far the wall clock may step back before what is held is taken to be
	// from another time.
	clockSlack = time.Minute
)

// entry is what a Cache knows of one key. The Cache's lock guards it.
type entry[V any] struct {
	Fetched[V]
	held      bool
	fetchedAt time.Time
	used      bool       // since a fetch was last begun
	flight    *flight[V] // nil: none is wanted or under way

	failures    int       // in a row
	err         error     // of the last fetch, nil if that went well
	refusals    int       // of young values, in a row
	discardedAt time.Time // when the last of them was
	pausedAt    time.Time
	pausedUntil time.Time // no fetch is begun before that, see resume
}

// flight is one fetch, for all who wait for it. Until done is closed, the Cache's lock guards it; then nobody writes.
type flight[V any] struct {
	started bool
	refused func(V) bool // what was discarded since it began; nil: nothing
	done    chan struct{}
	value   V
	err     error
}

func newFlight[V any]() *flight[V] { return &flight[V]{done: make(chan struct{})} }

// end gives everybody who waits the error.
func (f *flight[V]) end(err error) {
	f.err = err
	close(f.done)
}

// valid tells that the value may be served. A clock that was set back makes it unknown
// how old the value is.
func (e *entry[V]) valid(now time.Time) bool {
	return e.held && (e.Expires.IsZero() || now.Before(e.Expires)) && !now.Add(clockSlack).Before(e.fetchedAt)
}

// due tells that a newer value is wanted.
func (e *entry[V]) due(now time.Time) bool {
	return !e.Renew.IsZero() && !now.Before(e.Renew)
}

// idle tells that nothing of the entry is worth keeping.
func (e *entry[V]) idle(now time.Time) bool {
	return e.flight == nil && !e.valid(now) && !now.Before(e.resume(now).Add(youth))
}

func (e *entry[V]) pause(now time.Time, wait time.Duration) {
	e.pausedAt, e.pausedUntil = now, now.Add(wait)
}

// resume is when fetches may be begun again; not after now if they are not paused. A pause is over
// when the clock was set back: it would last as long as the clock was wrong, which may be why the
// fetch failed.
func (e *entry[V]) resume(now time.Time) time.Time {
	if now.Add(clockSlack).Before(e.pausedAt) {
		return now
	}
	return e.pausedUntil
}

// paused tells that no fetch may be begun.
func (e *entry[V]) paused(now time.Time) bool { return now.Before(e.resume(now)) }

func (e *entry[V]) discard(now time.Time, refused func(V) bool) {
	if now.Sub(e.discardedAt) >= youth {
		e.refusals = 0
	}
	if now.Sub(e.fetchedAt) < youth {
		e.pause(now, pause(e.refusals))
		e.refusals, e.discardedAt = e.refusals+1, now
	}
	e.held, e.Fetched = false, Fetched[V]{}
	if e.flight != nil && e.flight.started {
		e.flight.refused = refused
	}
}

func (e *entry[V]) succeed(fetched Fetched[V], now time.Time) {
	fetched.Renew, fetched.Expires = fetched.Renew.Round(0), fetched.Expires.Round(0)
	e.Fetched, e.held, e.fetchedAt = fetched, true, now
	e.failures, e.err = 0, nil
}

func (e *entry[V]) fail(err error, now time.Time) {
	e.err = err
	wait := pause(e.failures)
	if longer, ok := asPause(err); ok {
		wait = max(wait, longer)
	}
	e.pause(now, wait)
	e.failures++
}

// pause is how long to wait after so many failures before: half of it for certain, the
// other half by chance, so that processes that failed together do not come back together.
func pause(before int) time.Duration {
	longest := longestPause
	if before < 7 { // 0.1 s doubled seven times exceeds 10 s
		longest = min(longest, shortestPause<<before)
	}
	return longest/2 + rand.N(longest/2)
}

// wallClock is the current time without its monotonic reading, which stands still while
// a machine or a function is frozen.
func wallClock() time.Time { return time.Now().Round(0) }
