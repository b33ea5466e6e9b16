package hostmonitor

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/awsdb/awsdb/core"
)

// detector finds the connections of one cluster that have been waiting for too long.
// The handles of the cluster share it; one of them at a time runs its loop.
type detector struct {
	cluster *core.Cluster
	leader  chan struct{} // capacity 1: held by the handle that runs the loop
	changed chan struct{} // capacity 1: handles has changed

	mu      sync.Mutex // guards what follows; never held over I/O
	handles map[*core.Connector]handle
	probers map[place]*prober
}

// place is where a host is. Its identifier says it all; a host that has none is where
// the connection leads: the same name may lead to another machine by now.
type place struct {
	host string
	addr string // "" where host is an identifier
}

func placeOf(l *core.Link) place {
	host := l.Host()
	if !strings.ContainsAny(host, ".:/") {
		return place{host: host}
	}
	_, addr := l.Place()
	return place{host, addr}
}

// handle is what the detector knows of a Connector.
type handle struct {
	Options
	writeLimit time.Duration // how long a write may wait until TCP_USER_TIMEOUT is taken off; 0: there is none
}

type detectorKey struct{}

func detectorOf(c *core.Cluster) *detector {
	return c.Shared(detectorKey{}, func() any {
		return &detector{
			cluster: c,
			leader:  make(chan struct{}, 1),
			changed: make(chan struct{}, 1),
			handles: map[*core.Connector]handle{},
			probers: map[place]*prober{},
		}
	}).(*detector)
}

func (d *detector) add(k *core.Connector, o Options) {
	h := handle{o, k.Settings().Duration("tcp_user_timeout_ms") / 2}
	d.mu.Lock()
	d.handles[k] = h
	d.mu.Unlock()
	signal(d.changed)
}

func (d *detector) remove(k *core.Connector) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.handles, k)
	for _, p := range d.probers {
		signal(p.wake) // to forget the handle
	}
}

// current returns w unless its handle has been closed.
func (d *detector) current(w *waiting) *waiting {
	if w == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.handles[w.link.Connector()]; !ok {
		return nil
	}
	return w
}

func (d *detector) watched() map[*core.Connector]handle {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.handles)
}

// signal leaves a word in a channel of capacity 1.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lead waits until no other handle runs the loop, and runs it.
func (d *detector) lead(ctx context.Context) {
	select {
	case d.leader <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-d.leader }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-d.changed:
		case <-ctx.Done():
			return
		}
		timer.Reset(d.look())
	}
}

const (
	// minSleep keeps many calls that reach their time one after the other from making
	// the loop spin. Detection is late by so much at most.
	minSleep = 10 * time.Millisecond
	// maxSleep is how long the loop sleeps when there are no handles.
	maxSleep = time.Hour
)

// look sees to it that the hosts of all calls that have waited for long are asked. It
// returns when the next call could have.
func (d *detector) look() time.Duration {
	handles := d.watched()
	next := maxSleep
	for _, h := range handles { // a call may begin right now
		next = min(next, h.DetectionTime)
		if h.writeLimit > 0 {
			next = min(next, h.writeLimit)
		}
	}
	for l := range d.cluster.Links() {
		h, ok := handles[l.Connector()]
		if !ok || l.Lost() != nil {
			continue
		}
		switch blocked := l.Blocked(); {
		case blocked >= h.DetectionTime:
			d.ask(l, h.Options, false)
		case blocked > 0:
			next = min(next, h.DetectionTime-blocked)
		}
		if h.writeLimit > 0 {
			next = min(next, h.liftLimit(l))
		}
	}
	return max(next, minSleep)
}

// liftLimit sees to it that the kernel does not cut a connection whose server is
// merely slow to take what is written. It returns when to look again.
func (h handle) liftLimit(l *core.Link) time.Duration {
	waits := l.Writing()
	if waits < h.writeLimit {
		return h.writeLimit - waits
	}
	l.LiftUserTimeout()
	return h.writeLimit
}

// doubt makes the host of a call whose deadline has passed be asked.
func (d *detector) doubt(l *core.Link) {
	d.mu.Lock()
	h, ok := d.handles[l.Connector()]
	d.mu.Unlock()
	if ok {
		d.ask(l, h.Options, true)
	}
}

// ask starts the prober of the host that l leads to, or wakes it.
func (d *detector) ask(l *core.Link, o Options, doubt bool) {
	at := placeOf(l)
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.probers[at]
	if p == nil {
		p = &prober{detector: d, place: at, wake: make(chan struct{}, 1)}
		if !d.cluster.Go(p.run) {
			return
		}
		d.probers[at] = p
	}
	if doubt {
		p.doubt.Store(&waiting{l, o})
	}
	signal(p.wake)
}

// retire takes a prober that has nothing to do off the list, unless it has just been
// woken.
func (d *detector) retire(p *prober) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(p.wake) > 0 {
		return false
	}
	delete(d.probers, p.place)
	return true
}

// waiting is a call that waits for a host, and the settings of its handle.
type waiting struct {
	link    *core.Link
	options Options
}

// foremost returns, of the calls that have waited for a host for too long, the one whose
// handle wants to know soonest; nil if there are none.
func (d *detector) foremost(at place) *waiting {
	var first *waiting
	for _, w := range d.overdue(at) {
		if first == nil || w.options.patience() < first.options.patience() {
			first = w
		}
	}
	return first
}

// overdue returns the calls that have waited for a host for too long.
func (d *detector) overdue(at place) []*waiting {
	handles := d.watched()
	var calls []*waiting
	for l := range d.cluster.Links() {
		h, ok := handles[l.Connector()]
		if ok && l.Lost() == nil && l.Blocked() >= h.DetectionTime && placeOf(l) == at {
			calls = append(calls, &waiting{l, h.Options})
		}
	}
	return calls
}

// begunSince tells that of the calls that have waited for a host for too long one began
// after t.
func (d *detector) begunSince(at place, t time.Time) bool {
	asked := time.Since(t)
	for _, w := range d.overdue(at) {
		if w.link.Blocked() < asked {
			return true
		}
	}
	return false
}

// giveUp cuts all connections to a place. The host is down, unless it has no identifier
// and its name has led elsewhere as well.
func (d *detector) giveUp(at place, cause error) {
	var there []*core.Link
	moved := false
	for l := range d.cluster.Links() {
		switch {
		case l.Host() != at.host || l.Lost() != nil:
		case placeOf(l) == at:
			there = append(there, l)
		default:
			moved = true
		}
	}
	if !moved {
		d.cluster.MarkDown(at.host, cause)
		return
	}
	for _, l := range there {
		l.Condemn(cause) // all, before the first call returns: see Cluster.MarkDown
	}
	for _, l := range there {
		l.Abort(cause)
	}
}

// patience is how long a host that is asked may stay silent.
func (o Options) patience() time.Duration { return o.Interval * time.Duration(o.Count) }
