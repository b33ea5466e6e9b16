package core

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// report is one answer of one host.
type report struct {
	observation
	from   *watcher
	host   Host
	source *Connector // whose connection settings were used
	start  time.Time  // when the question was asked
	err    error
	// refused tells that the host is there: it would not let us in, or did not
	// like the question.
	refused bool
}

// observation is what a host says about itself and its cluster.
type observation struct {
	self      Identity
	instances []Instance // nil when they were not asked for
}

// writes tells that the host is the writer by its own state and by its own row.
// Right after a failover either alone may be wrong.
func (o observation) writes() bool {
	return o.self.Role == RoleWriter && o.self.ID != "" && writerOf(o.instances) == o.self.ID
}

// watcher asks one host, again and again, on a connection of its own.
type watcher struct {
	cluster *Cluster
	host    Host
	source  *Connector
	cancel  context.CancelFunc
	done    chan struct{}
	wake    chan struct{} // capacity 1
	period  atomic.Int64  // nanoseconds between two questions

	asking  atomic.Int64          // nanotime when the question in flight was asked, 0 if none
	keyless atomic.Bool           // there are no credentials to ask a question with
	failure atomic.Pointer[error] // what the last question ended with, if it failed

	// The rest belongs to the watcher's goroutine.
	conn    Native
	link    *Link
	dialect Dialect
	turn    int
	useless *Connector // the source that could not log in the last time
}

func newWatcher(c *Cluster, h Host) *watcher {
	return &watcher{cluster: c, host: h, done: make(chan struct{}), wake: make(chan struct{}, 1)}
}

func (w *watcher) start(ctx context.Context, reports chan<- *report) {
	ctx, w.cancel = context.WithCancel(ctx)
	if !w.cluster.Go(func(context.Context) {
		defer close(w.done)
		w.run(ctx, reports)
	}) {
		w.cancel()
		close(w.done)
	}
}

// stop ends the watcher; done tells when.
func (w *watcher) stop() { w.cancel() }

// ask makes the watcher put its question now, or again when it is just waiting
// for an answer.
func (w *watcher) ask() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// pace sets the time between two questions. A shorter one takes effect at once.
func (w *watcher) pace(d time.Duration) {
	if time.Duration(w.period.Swap(int64(d))) > d {
		w.ask()
	}
}

// silence tells how long the question in flight has been waiting for its
// answer, or why the last one failed.
func (w *watcher) silence() (time.Duration, error) {
	if e := w.failure.Load(); e != nil {
		return 0, *e
	}
	if since := w.asking.Load(); since != 0 {
		return time.Duration(nanotime() - since), nil
	}
	return 0, nil
}

func (w *watcher) run(ctx context.Context, reports chan<- *report) {
	defer w.disconnect()
	failures := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(w.cluster.options.fastRefresh/2),
		backoff.WithMaxInterval(2*time.Second),
		backoff.WithMaxElapsedTime(0),
	)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	answered := false // the previous time
	for ctx.Err() == nil {
		r := w.question(ctx)
		err := r.err
		r.refused = err != nil && w.failure.Load() == nil
		if err != nil {
			w.disconnect()
		}
		select {
		case reports <- r: // the monitor's from here on
		case <-ctx.Done():
			return
		}
		timer.Reset(w.pause(failures, err, answered))
		answered = err == nil
		select {
		case <-timer.C:
		case <-w.wake:
		case <-ctx.Done():
		}
	}
}

// question asks the host. An answer that fails to come while this process is suspended
// (a function on a frozen machine, a laptop) tells nothing: its limit has passed while
// nobody looked. The question is put again then, once, on a new connection.
func (w *watcher) question(ctx context.Context) *report {
	for again := true; ; again = false {
		limit := w.cluster.options.queryTimeout
		if w.conn == nil {
			limit += w.cluster.options.connectTimeout
		}
		start := time.Now()
		o, err := w.safeProbe(ctx, false)
		if err == nil || !again || ctx.Err() != nil || time.Since(start) <= 2*limit || unauthenticated(err) {
			return &report{observation: o, from: w, host: w.host, source: w.source, start: start, err: err}
		}
		w.cluster.log.Debug("this process was suspended during a question", "host", w.host.ID, "error", err)
		w.disconnect()
	}
}

// pause is the time between two questions. A host that has just broken an
// established connection is asked again at once: a promotion ends all sessions.
// While the writer is searched for, even a host that refuses connections is asked
// at the fast pace for some seconds: it may be the next writer, just starting.
func (w *watcher) pause(failures *backoff.ExponentialBackOff, err error, answered bool) time.Duration {
	period := time.Duration(w.period.Load())
	if err == nil {
		failures.Reset()
		return period
	}
	if answered && !errors.Is(err, ErrQueryTimeout) {
		return time.Millisecond
	}
	if failures.GetElapsedTime() < settleFor {
		return period/2 + rand.N(period)
	}
	return max(period, failures.NextBackOff())
}

// safeProbe keeps the watcher alive whatever a callback (dialer, credentials,
// resolver) does.
func (w *watcher) safeProbe(ctx context.Context, first bool) (o observation, err error) {
	w.asking.Store(nanotime())
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while asking %s: %v", w.host.ID, p)
			w.cluster.log.Error("probe panicked", "host", w.host.ID, "panic", p)
		}
		w.asking.Store(0)
		w.failure.Store(nil)
		if w.unreachable(err) {
			w.failure.Store(&err)
		}
	}()
	o, err = w.probe(ctx, first)
	return o, err
}

// unreachable tells that err is about the host, not about our login, a busy
// server or a question it did not like.
func (w *watcher) unreachable(err error) bool {
	if err == nil || w.source == nil || unauthenticated(err) {
		return false
	}
	if errors.Is(err, ErrQueryTimeout) || (w.link != nil && w.link.Lost() != nil) {
		return true
	}
	return w.source.classify(err, w.dialect).lost()
}

// probe asks the host who it is and, if it says it is the writer or every other
// time, what its cluster looks like.
func (w *watcher) probe(ctx context.Context, first bool) (observation, error) {
	var o observation
	if w.conn == nil {
		if err := w.connect(ctx); err != nil {
			return o, err
		}
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, w.cluster.options.queryTimeout)
	defer cancel()
	var err error
	if o.self, err = w.dialect.Identify(ctx, w.conn); err != nil {
		return o, timeoutError(caller, ctx, "identify "+w.host.ID, err)
	}
	w.turn++
	if w.dialect.Clustered() && (first || o.self.Role == RoleWriter || w.turn%2 == 1 || time.Duration(w.period.Load()) >= w.cluster.options.fastRefresh) {
		rows, err := w.dialect.Topology(ctx, w.conn)
		if err != nil {
			return o, timeoutError(caller, ctx, "topology from "+w.host.ID, err)
		}
		o.instances = currentInstances(rows)
	}
	return o, nil
}

// credentialsPatience is how long a watcher waits for credentials where there are no others.
const credentialsPatience = time.Minute

func (w *watcher) connect(ctx context.Context) error {
	limit, patience := w.cluster.options.connectTimeout, credentialsPatience
	sources := w.sources()
	if len(sources) > 1 {
		patience = limit // the others' may be there, and these at the next attempt
	}
	err := ErrClosed
	for _, k := range sources {
		w.source = k
		w.conn, w.link, err = k.openMonitor(ctx, w.host, limit, patience, w.setKeyless)
		if err == nil || (k.classify(err, w.dialect) != FaultLogin && !unauthenticated(err)) {
			break
		}
		w.source, w.useless = nil, k // another sharer's credentials may do, now or next time
		if ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		w.conn, w.link = nil, nil
		return err
	}
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if w.dialect, err = w.cluster.detect(ctx, w.source, w.conn); err != nil {
		w.disconnect()
		return timeoutError(caller, ctx, "find out the kind of database", err)
	}
	return nil
}

// sources are the handles by whose credentials to try to log in, one after the other.
func (w *watcher) sources() []*Connector {
	if w.source != nil && !w.source.closed.Load() {
		return []*Connector{w.source}
	}
	sources := w.cluster.sources()
	if i := slices.Index(sources, w.useless); i >= 0 {
		sources = append(slices.Delete(sources, i, i+1), w.useless)
	}
	return sources
}

// setKeyless notes whether there are credentials. While they are waited for the host is not asked.
func (w *watcher) setKeyless(keyless bool) {
	w.asking.Store(nanotime())
	w.keyless.Store(keyless)
}

// disconnect closes the connection without waiting for a host that may hang.
func (w *watcher) disconnect() {
	if w.conn == nil {
		return
	}
	if w.link != nil && w.failure.Load() != nil {
		w.link.Abort(errSilent)
	}
	_ = w.conn.Close() // ours alone, and done with
	w.conn, w.link = nil, nil
}
