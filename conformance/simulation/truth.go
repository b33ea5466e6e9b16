package simulation

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// condition is how a host is, from well to worse.
type condition uint8

const (
	well   condition = iota
	late             // slow but answering within the host monitor's interval, or silent about single statements
	unwell           // something is wrong: refusing, slower, losing single statements
	mute             // it says nothing any more, on no connection
)

// ailments are what is wrong with a host at present.
type ailments struct {
	silent   bool // vanished, frozen, or hanging before it has said anything
	gone     bool // no process, no instance
	refusing bool // new connections
	hanging  bool // every connection for itself, after some bytes
	late     bool // slow
	slow     bool // slower than the host monitor waits
	hooked   bool // single statements are lost or cut
	stuck    bool // single statements will never be answered
}

func (a ailments) condition() condition {
	tolerable := ailments{late: a.late, stuck: a.stuck}
	switch {
	case a.silent:
		return mute
	case a != tolerable:
		return unwell
	case a != ailments{}:
		return late
	}
	return well
}

// span is a time during which something held.
type span struct{ from, to time.Time }

func (s span) overlap(o span) time.Duration {
	from, to := s.from, s.to
	if o.from.After(from) {
		from = o.from
	}
	if o.to.Before(to) {
		to = o.to
	}
	return to.Sub(from)
}

// merge joins spans that are at most gap apart, in the order of time.
func merge(spans []span, gap time.Duration) []span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var merged []span
	for _, s := range spans {
		if n := len(merged); n > 0 && !s.from.After(merged[n-1].to.Add(gap)) {
			if s.to.After(merged[n-1].to) {
				merged[n-1].to = s.to
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// truth is what really happened to the hosts, for the checks at the end.
type truth struct {
	mu     sync.Mutex
	hosts  map[string]*history
	reigns []reign
	names  []span // name resolution did not work
	joined map[string]time.Time
}

// reign is the beginning of somebody's being the writer.
type reign struct {
	host string
	from time.Time
}

type history struct {
	ailments
	changes []change
	moments []span        // troubles that are over at once, or have an end of their own
	delay   time.Duration // of its answers
}

type change struct {
	at   time.Time
	what condition
}

// note changes what is wrong with a host.
func (t *truth) note(id string, edit func(a *ailments)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.historyOf(id)
	edit(&h.ailments)
	h.changes = append(h.changes, change{time.Now(), h.condition()})
}

// momentary is how long a host may be confused by what is over at once, such as a
// reset of its connections.
const momentary = 50 * time.Millisecond

func (t *truth) moment(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.historyOf(id)
	h.moments = append(h.moments, span{time.Now(), time.Now().Add(momentary)})
}

func (t *truth) historyOf(id string) *history {
	if t.hosts == nil {
		t.hosts = map[string]*history{}
	}
	if t.hosts[id] == nil {
		t.hosts[id] = &history{}
	}
	return t.hosts[id]
}

func (t *truth) crown(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reigns = append(t.reigns, reign{id, time.Now()})
}

func (t *truth) join(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.joined == nil {
		t.joined = map[string]time.Time{}
	}
	t.joined[id] = time.Now()
}

// stranger tells that one became the writer who may have been too new to be known:
// awsdb hears of new instances every topology_refresh_ms, and from those it knows.
func (t *truth) stranger() bool {
	return slices.ContainsFunc(t.reigns, func(w reign) bool {
		joined, late := t.joined[w.host]
		return late && w.from.Sub(joined) < 35*time.Second
	})
}

func (t *truth) namesFailed(from time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names = append(t.names, span{from, time.Now()})
}

// spans are the times during which a host was in that condition or a worse one.
func (t *truth) spans(id string, worst condition) []span {
	h := t.hosts[id]
	if h == nil {
		return nil
	}
	var spans []span
	var since time.Time
	for _, c := range append(h.changes, change{time.Now(), well}) {
		switch {
		case c.what >= worst && since.IsZero():
			since = c.at
		case c.what < worst && !since.IsZero():
			spans = append(spans, span{since, c.at})
			since = time.Time{}
		}
	}
	if worst < mute {
		spans = append(spans, h.moments...)
	}
	return spans
}

// reignsOf are the times during which a host was the writer.
func (t *truth) reignsOf(id string) []span {
	var spans []span
	for n, r := range t.reigns {
		end := time.Now()
		if n+1 < len(t.reigns) {
			end = t.reigns[n+1].from
		}
		if r.host == id {
			spans = append(spans, span{r.from, end})
		}
	}
	return merge(spans, 0)
}

func (t *truth) ids() []string {
	var ids []string
	for id := range t.hosts {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare[string])
	return ids
}

// What follows is done to hosts, and noted. Only the goroutine of the faults does it.

func (r *run) crash(i *lab.Instance) {
	r.truth.note(i.ID(), func(a *ailments) { a.gone = true })
	i.Crash()
}

func (r *run) shutdown(i *lab.Instance) {
	r.truth.note(i.ID(), func(a *ailments) { a.gone = true })
	i.Shutdown()
}

func (r *run) freeze(i *lab.Instance) {
	r.truth.note(i.ID(), func(a *ailments) { a.silent = true })
	i.Freeze()
}

func (r *run) vanish(i *lab.Instance, loss lab.Loss) {
	r.truth.note(i.ID(), func(a *ailments) { a.silent = true })
	i.Vanish(loss)
}

func (r *run) refuse(i *lab.Instance) {
	r.truth.note(i.ID(), func(a *ailments) { a.refusing = true })
	i.Refuse()
}

func (r *run) reset(i *lab.Instance) {
	r.truth.moment(i.ID())
	i.ResetConnections()
}

// mumble is how many bytes are no answer to anything yet: a host that stops there is
// mute.
const mumble = 8

func (r *run) hangAfter(i *lab.Instance, n int) {
	r.truth.note(i.ID(), func(a *ailments) {
		a.hanging = true
		a.silent = a.silent || n <= mumble
	})
	i.HangAfter(n)
}

// slow: a host that answers within the interval is well.
func (r *run) slow(i *lab.Instance, d time.Duration) {
	r.truth.note(i.ID(), func(a *ailments) {
		if a.slow { // answers that are on their way stay slow
			h := r.truth.hosts[i.ID()]
			h.moments = append(h.moments, span{time.Now(), time.Now().Add(h.delay)})
		}
		r.truth.hosts[i.ID()].delay = d
		a.late, a.slow = d > 0, d+2*r.latency+time.Millisecond > r.shortest
	})
	i.Slow(d)
}

// hook lets statements meet a fate; hangs tells that it is to have no answer.
func (r *run) hook(i *lab.Instance, f func(lab.Statement) lab.Fate, hangs bool) {
	r.truth.note(i.ID(), func(a *ailments) { a.hooked, a.stuck = true, a.stuck || hangs })
	i.OnStatement(f)
}

// unhook ends that. A question of the host monitor that has no answer may be all that
// it hears, or does not, of the host until it gives up.
func (r *run) unhook(i *lab.Instance) {
	i.OnStatement(nil)
	r.truth.note(i.ID(), func(a *ailments) {
		if a.hooked && a.stuck {
			r.truth.hosts[i.ID()].moments = append(r.truth.hosts[i.ID()].moments, span{time.Now(), time.Now().Add(r.patience)})
		}
		a.hooked = false
	})
}

func (r *run) mend(i *lab.Instance) {
	i.Heal()
	r.truth.moment(i.ID()) // connections that were ended meanwhile are reset now
	r.truth.note(i.ID(), func(a *ailments) { *a = ailments{gone: a.gone, hooked: a.hooked, stuck: a.stuck} })
}

func (r *run) restart(i *lab.Instance) {
	i.Restart()
	r.truth.moment(i.ID())
	r.truth.note(i.ID(), func(a *ailments) { *a = ailments{hooked: a.hooked} })
}
