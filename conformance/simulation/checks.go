package simulation

import (
	"slices"
	"strings"
	"time"
)

// call is one that had no deadline.
type call struct {
	span
	what string
	own  time.Duration // what it rightly took
	err  error
}

// tolerance is for round trips, and for calls that reach their time one after the other.
const tolerance = 100 * time.Millisecond

// checkMonitor looks at what the host monitors have done, and what they have not.
func (r *run) checkMonitor() {
	r.truth.mu.Lock()
	defer r.truth.mu.Unlock()
	for _, c := range r.censuses {
		c.mu.Lock()
		for s := range c.sockets {
			r.problem("a socket to %v is open after Close", s.names)
		}
		for host, p := range c.probes {
			if p.open != 0 {
				r.problem("host monitor has %d connections to %s after Close", p.open, host)
			}
		}
		for host := range c.vain {
			c.judge(host)
		}
		r.checkWaits(c)
		r.checkDowns(c)
		r.result.Questions += c.asked
		r.result.Downs += len(c.downs)
		c.mu.Unlock()
	}
	r.checkCalls()
}

// checkWaits demands that nobody waits for a mute host for longer than it takes to
// notice.
func (r *run) checkWaits(c *census) {
	for _, w := range c.waits {
		if w.pool.monitor == nil || w.pool.strays {
			continue
		}
		limit := w.pool.allowed()
		for _, dead := range r.truth.spans(w.host, mute) {
			if took := w.overlap(dead); took > limit+tolerance && !r.nameless(dead) {
				r.problem("a call waited for %s, which was mute, for %v from %.4fs on; want %v at most", w.host, took, r.at(later(w.from, dead.from)), limit)
			}
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// nameless tells that names could not be looked up at some time then. In the lab the
// host monitor has to.
func (r *run) nameless(s span) bool {
	return slices.ContainsFunc(r.truth.names, func(n span) bool { return n.overlap(s) >= 0 })
}

// checkDowns demands that no host was taken for dead that answered, or that had been
// silent for less than all intervals but one.
func (r *run) checkDowns(c *census) {
	for _, d := range c.downs {
		least := time.Duration(-1)
		gap := time.Duration(0)
		for _, o := range c.settings {
			if patience := o.Interval * time.Duration(o.Count-1); least < 0 || patience < least {
				least = patience
			}
			gap = max(gap, 2*o.Interval)
		}
		id := r.instanceNamed(d.host)
		if id == "" {
			continue // a name that leads to several, whose connections cannot be told from each other yet
		}
		longest := time.Duration(-1)
		for _, s := range merge(r.truth.spans(id, unwell), gap) {
			if !s.from.After(d.at) && s.to.After(d.at.Add(-gap)) {
				longest = max(longest, s.overlap(span{s.from, d.at}))
			}
		}
		if longest < max(0, least-tolerance) {
			r.problem("host monitor took %s for dead at %.4fs, which had been unwell for %v; want %v at least", d.host, r.at(d.at), longest, least)
		}
	}
}

func (r *run) at(t time.Time) float64 { return t.Sub(r.start).Seconds() }

// instanceNamed is the ID of the instance that is called by it, or by its address; ""
// for the name of something else.
func (r *run) instanceNamed(name string) string {
	for _, i := range r.everyone() {
		if strings.EqualFold(i.Addr(), name) || strings.EqualFold(i.ID(), name) {
			return i.ID()
		}
	}
	return ""
}

// recovery is what everybody needs to find together again when something was wrong;
// mere is how long a call may take for no reason.
const (
	recovery = 3 * time.Second
	mere     = time.Second
)

// checkCalls demands of the calls without deadline that they end when what held them
// up has, or has been noticed.
func (r *run) checkCalls() {
	if r.pool.monitor == nil || !r.pool.roomy || r.truth.stranger() {
		return
	}
	var excused []span
	limit := r.pool.allowed() + recovery
	for _, id := range r.truth.ids() {
		silences := r.truth.spans(id, mute)
		for _, s := range silences {
			excused = append(excused, span{s.from, earlier(s.to.Add(recovery), s.from.Add(limit))})
			for _, w := range r.truth.reignsOf(id) {
				if s.overlap(w) > 0 {
					excused = append(excused, span{s.from, earlier(s.to, w.to).Add(recovery)})
				}
			}
		}
		for _, s := range r.truth.spans(id, late) {
			if !slices.Contains(silences, s) {
				excused = append(excused, span{s.from, s.to.Add(recovery)})
			}
		}
	}
	for _, w := range r.truth.reigns {
		excused = append(excused, span{w.from, w.from.Add(2 * recovery)}) // other hosts may be late to know
	}
	for _, s := range r.truth.names {
		excused = append(excused, span{s.from, s.to.Add(recovery)})
	}
	excused = merge(excused, 0)
	for _, c := range r.calls {
		took := c.to.Sub(c.from)
		for _, s := range excused {
			took -= max(0, c.overlap(s))
		}
		if took > c.own+mere {
			r.problem("%s from %.4fs to %.4fs held up for %v without a reason: %v", c.what, r.at(c.from), r.at(c.to), took-c.own, c.err)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
