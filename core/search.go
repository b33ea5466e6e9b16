package core

import (
	"context"
	"fmt"
	"time"
)

// search asks every known host, fast, until one proves to be the writer.
func (m *monitor) search(ctx context.Context, why string) {
	if !m.searching {
		m.setSearching(true)
		m.agreedOn = ""
		m.cluster.log.Info("searching for the writer", "reason", why, "last_writer", m.writer)
	}
	for _, h := range m.cluster.Topology().Hosts {
		m.watch(ctx, h)
	}
	m.setPace()
	m.wakeAll()
}

func (m *monitor) watch(ctx context.Context, h Host) {
	if w := m.watchers[h.ID]; w != nil {
		return
	}
	m.start(ctx, newWatcher(m.cluster, h))
}

func (m *monitor) start(ctx context.Context, w *watcher) {
	m.watchers[w.host.ID] = w
	w.pace(m.pace())
	w.start(ctx, m.reports)
}

func (m *monitor) drop(id string) {
	if w := m.watchers[id]; w != nil {
		if w.keyless.Load() {
			delete(m.demoted, id) // nobody will ever know
		}
		w.stop() // the Cluster awaits it
		delete(m.watchers, id)
	}
}

func (m *monitor) wakeAll() {
	for _, w := range m.watchers {
		w.ask()
	}
}

// pace is the time between two questions to a host. While searching, hosts are
// asked twice per cluster_topology_high_refresh_rate_ms: the cheap question (who
// are you?) finds a new writer between two topology refreshes.
func (m *monitor) pace() time.Duration {
	o := &m.cluster.options
	switch {
	case m.searching:
		return o.fastRefresh / 2
	case !m.settleUntil.IsZero():
		return o.fastRefresh
	}
	return o.refresh
}

func (m *monitor) setPace() {
	for _, w := range m.watchers {
		w.pace(m.pace())
	}
}

// handle takes in what one host said.
func (m *monitor) handle(ctx context.Context, r *report) {
	if m.watchers[r.host.ID] != r.from {
		return // stopped meanwhile
	}
	if r.err == nil && r.self.ID != r.host.ID {
		r.err = fmt.Errorf("its address leads to instance %q", r.self.ID)
	}
	if r.err != nil {
		m.failed(ctx, r)
		return
	}
	m.cluster.MarkUp(r.host.ID)
	delete(m.demoted, r.host.ID)
	switch {
	case r.writes():
		m.confirmed(ctx, r)
	case r.host.ID == m.writer && !m.searching:
		m.search(ctx, "the writer says it is a "+r.self.Role.String())
		m.hint(r)
	case m.searching:
		m.hint(r)
		m.learn(ctx, r)
		m.checkStable(r)
	case writerOf(r.instances) == m.writer:
		m.drop(r.host.ID) // it knows the present writer: no need to watch it
	}
}

// failed takes in that a host did not answer.
func (m *monitor) failed(ctx context.Context, r *report) {
	m.cluster.log.Debug("probe failed", "host", r.host.ID, "error", r.err)
	if r.host.ID != m.writer {
		return
	}
	m.setProblem(r.err)
	switch {
	case m.searching && r.refused:
		// It is there but does not let us in (no room, no permission): nobody
		// shall wait for an answer that will not come.
		m.publishStable(m.cluster.Topology().Hosts, r)
	case !m.searching && !r.refused:
		m.search(ctx, "the writer does not answer")
	}
}

// confirmed takes a host as the writer: it says so by both checks.
func (m *monitor) confirmed(ctx context.Context, r *report) {
	c := m.cluster
	old := c.Topology()
	if !r.start.After(old.SeenAt) && old.Verified && m.writer != r.host.ID && !m.searching {
		return // an older answer than the one we believe
	}
	hosts, err := c.hostsOf(r.instances, r.source)
	if err != nil {
		if !m.unusable { // once, not with every answer
			c.log.Warn("topology is unusable", "host", r.host.ID, "error", err)
		}
		m.unusable = true
		return
	}
	m.unusable = false
	previous := m.writer
	replaced := previous != "" && previous != r.host.ID
	if replaced {
		m.settleUntil = time.Now().Add(settleFor)
	}
	m.writer, m.agreedOn = r.host.ID, ""
	m.setProblem(nil)
	m.setSearching(false)
	m.settle(r.start)
	t := c.publish(Topology{Hosts: hosts, SeenAt: r.start, SeenFrom: r.host.ID, Verified: true})
	if !old.sameHosts(hosts) {
		m.logTopology("topology changed", t)
	}
	m.forget(t)
	if replaced {
		for _, h := range hosts {
			m.watch(ctx, h)
		}
		m.demote(previous)
	}
	m.setPace()
}

// settle drops the suspicion when the answer was given after it arose.
func (m *monitor) settle(asked time.Time) {
	m.mu.Lock()
	if m.suspicion != nil && !asked.Before(m.suspicion.since) {
		m.suspicion = nil
	}
	m.mu.Unlock()
}

// forget stops the watchers of hosts that are gone and, once calm, of all but
// the writer.
func (m *monitor) forget(t *Topology) {
	calm := m.settleUntil.IsZero() && !m.searching
	for id := range m.watchers {
		if _, known := t.Host(id); !known || (calm && id != m.writer) {
			m.drop(id)
		}
	}
}

// hint wakes the watcher of the host that a reader takes for the writer: readers
// often know first.
func (m *monitor) hint(r *report) {
	if id := writerOf(r.instances); id != "" && id != r.host.ID {
		if w := m.watchers[id]; w != nil {
			w.ask()
		}
	}
}

// learn starts watching hosts that only the reporting host knew.
func (m *monitor) learn(ctx context.Context, r *report) {
	if len(r.instances) == 0 {
		return
	}
	hosts, err := m.cluster.hostsOf(r.instances, r.source)
	if err != nil {
		return
	}
	for _, h := range hosts {
		m.watch(ctx, h)
	}
	if t := m.cluster.Topology(); !t.Verified && t.Epoch > 0 && !t.sameHosts(hosts) {
		// hearsay replaces hearsay
		m.cluster.publish(Topology{Hosts: hosts, SeenAt: r.start, SeenFrom: r.host.ID})
	}
}

// checkStable lets waiters go when everybody who answers has agreed for long on
// a writer that cannot be reached from here. They will find out for themselves.
func (m *monitor) checkStable(r *report) {
	if len(r.instances) == 0 {
		return
	}
	named := writerOf(r.instances)
	if named == "" || named != m.agreedOn {
		m.agreedOn, m.agreedSince = named, time.Now()
		return
	}
	if time.Since(m.agreedSince) < stableAfter {
		return
	}
	m.agreedSince = time.Now()
	if hosts, err := m.cluster.hostsOf(r.instances, r.source); err == nil {
		m.publishStable(hosts, r)
	}
}

// publishStable says that the writer cannot be asked and that waiting will not
// help, at most once a second.
func (m *monitor) publishStable(hosts []Host, r *report) {
	t := m.cluster.Topology()
	if t.Stable && r.start.Sub(t.SeenAt) < time.Second {
		return
	}
	if !t.Stable {
		m.cluster.log.Warn("the writer cannot be asked; going on with what is known", "writer", writerID(hosts), "error", r.err)
	}
	m.cluster.publish(Topology{Hosts: hosts, SeenAt: r.start, SeenFrom: r.host.ID, Stable: true})
	m.settle(r.start)
}

// demote begins the watch over a writer that has been replaced: is it alive?
func (m *monitor) demote(id string) {
	m.demoted[id] = time.Now()
	if w := m.watchers[id]; w != nil {
		w.ask()
	}
	m.judgeDemoted()
}

// judgeDemoted cuts the connections to replaced writers that do not answer. A
// replaced writer that answers keeps its busy connections until they are
// returned: they may be reading.
func (m *monitor) judgeDemoted() {
	for id, since := range m.demoted {
		w := m.watchers[id]
		if w != nil && w.keyless.Load() {
			m.demoted[id] = time.Now() // it has not been asked yet
			continue
		}
		var silent time.Duration
		var cause error
		if w != nil {
			silent, cause = w.silence()
		}
		if cause == nil && silent < silenceIsDeath && time.Since(since) < silenceIsDeath {
			continue
		}
		if cause == nil {
			cause = errSilent
		}
		delete(m.demoted, id)
		m.cluster.MarkDown(id, fmt.Errorf("replaced by %s as the writer: %w", m.writer, cause))
	}
}

func (m *monitor) logTopology(msg string, t *Topology) {
	writer, _ := t.Writer()
	m.cluster.log.Info(msg, "epoch", t.Epoch, "writer", writer.ID, "hosts", len(t.Hosts), "seen_from", t.SeenFrom, "verified", t.Verified)
}
