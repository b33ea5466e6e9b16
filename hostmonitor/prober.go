package hostmonitor

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/awsdb/awsdb/core"
)

// prober asks one host whether it is alive, as long as somebody wants to know.
type prober struct {
	detector *detector
	place    place
	wake     chan struct{}           // capacity 1
	doubt    atomic.Pointer[waiting] // a call whose deadline has passed since the last conclusion
	alarm    atomic.Pointer[alarm]   // of the latest question

	// The rest belongs to the goroutine.
	conn     core.Native
	link     *core.Link
	source   *waiting      // on whose account conn was opened
	silence  time.Duration // whole intervals without an answer
	asked    time.Time     // when the latest question was put
	heard    time.Time     // the same, or when the host has last said something while it was open
	wasDown  bool          // then
	last     *waiting      // on whose account
	wantedAt time.Time     // when somebody last wanted to know
}

const (
	// downInterval is the longest time between two questions to a host that is down: it
	// shall be used again as soon as it answers.
	downInterval = time.Second
	// lag is how late this process may be because it is busy. If it is later, it was
	// suspended.
	lag = time.Second
)

func (p *prober) run(ctx context.Context) {
	defer func() { p.disconnect(nil) }()
	for ctx.Err() == nil {
		w := p.reason()
		if p.detector.current(p.source) == nil {
			p.disconnect(nil) // the handle that it belongs to has been closed
		}
		if w == nil {
			p.silence = 0
			if !p.rest(ctx) {
				return
			}
			continue
		}
		if time.Since(p.heard) > 2*w.options.patience()+lag {
			p.silence = 0 // too long ago to mean anything: the process was suspended
		}
		p.asked = time.Now()
		intervals := p.examine(ctx, w)
		p.pause(ctx, w.options, intervals)
	}
}

// reason returns on whose account the host is to be asked; nil if on nobody's.
func (p *prober) reason() *waiting {
	w := p.detector.foremost(p.place)
	if w == nil {
		w = p.detector.current(p.doubt.Load())
	}
	if w != nil {
		p.last, p.wantedAt = w, time.Now()
		return w
	}
	p.last = p.detector.current(p.last)
	if p.last != nil && p.down() && time.Since(p.wantedAt) < p.last.options.DisposalTime {
		return p.last // to see it come back
	}
	return nil
}

func (p *prober) down() bool { return p.detector.cluster.Down(p.place.host) != nil }

// rest waits for something to do. It reports false when there was nothing for long.
func (p *prober) rest(ctx context.Context) bool {
	var disposal time.Duration
	if p.last != nil {
		disposal = p.last.options.DisposalTime
	}
	timer := time.NewTimer(disposal)
	defer timer.Stop()
	select {
	case <-p.wake:
		return true
	case <-timer.C:
		return !p.detector.retire(p)
	case <-ctx.Done():
		return false
	}
}

// pause waits until the next question is due: so many intervals after the latest, or
// when a call has waited for long that began after it. What the host answered before
// says nothing about that.
func (p *prober) pause(ctx context.Context, o Options, intervals int) {
	d := o.Interval * time.Duration(intervals)
	if p.down() {
		d = min(d, downInterval)
	}
	timer := time.NewTimer(time.Until(p.asked.Add(d)))
	defer timer.Stop()
	for {
		select {
		case <-p.wake:
			if p.silence == 0 && p.detector.begunSince(p.place, p.asked) {
				return
			}
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// allowed is how many intervals the next question may take. A connection that is open
// has one: it may be all that is broken. A host to which one is being opened may be
// silent for what is left until it is down: it has more to do for a login.
func (p *prober) allowed(o Options) int {
	if p.conn != nil || p.wasDown {
		return 1
	}
	left := o.patience() - p.silence
	return max(1, int((left+o.Interval-1)/o.Interval))
}

// examine puts one question and draws the conclusion. It returns how many intervals
// that took, begun ones included.
func (p *prober) examine(ctx context.Context, w *waiting) (intervals int) {
	o, cluster, log := w.options, p.detector.cluster, w.link.Connector().Log()
	p.wasDown = p.down()
	allowed := p.allowed(o)
	v, err := p.ask(ctx, w, o.Interval*time.Duration(allowed))
	intervals = min(allowed, 1+int(time.Since(p.heard)/o.Interval)) // what came before was no silence
	if ctx.Err() != nil {
		return intervals
	}
	if err != nil || (p.wasDown && p.place.addr != "") { // what a name leads to now may be another place
		p.disconnect(err)
	}
	switch {
	case v == alive:
		p.silence = 0
		p.doubt.Store(nil)
		cluster.MarkUp(p.place.host)
	case v == unclear:
		log.Debug("nothing can be said about the host", "host", p.place.host, "error", err)
		p.doubt.CompareAndSwap(w, nil) // asking again would tell no more
	case p.wasDown && !p.down():
		p.silence = 0 // somebody has heard of it meanwhile
	default:
		p.silence += o.Interval * time.Duration(intervals)
		log.Debug("host does not answer", "host", p.place.host, "silence", p.silence, "error", err)
		if p.wasDown || p.silence >= o.patience() {
			p.doubt.Store(nil) // settled: else it would keep us asking a host that never comes back
			p.detector.giveUp(p.place, fmt.Errorf("no answer to the host monitor for %s: %w", p.silence, err))
		}
	}
	return intervals
}
