package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The monitor keeps a Cluster's topology true. One goroutine owns all its state
// and decides; one watcher per watched host asks that host, on its own
// connection, and reports.
//
// Calm, only the writer is watched, every topology_refresh_ms. A doubt (somebody
// lost a connection, a deadline passed) makes the writer's watcher ask at once;
// if no answer dispels the doubt within a short grace, the monitor searches: all
// known hosts are asked at the fast pace until one of them is the writer by its
// own state and by its own row of the status table. A host is never believed
// dead because of one failure, only replaced because another proved to be the
// writer.
const (
	// lossGrace is how long the writer has to answer after a connection to it
	// was lost. A live one needs a round trip; waiting for it saves opening a
	// connection to every host whenever a single session is killed.
	lossGrace = 20 * time.Millisecond
	// lookGrace is the same when somebody merely waited for long.
	lookGrace = 200 * time.Millisecond
	// settleFor is how long the fast pace goes on after a search, because
	// several role changes may follow each other. All AWS wrappers use 30 s.
	settleFor = 30 * time.Second
	// stableAfter is how long all readers must agree on a writer that cannot be
	// reached from here until waiters are let go (spec 3.3; AWS wrappers: 15 s).
	stableAfter = 15 * time.Second
	// silenceIsDeath is how long a replaced writer may leave a question
	// unanswered until its connections are cut.
	silenceIsDeath = 500 * time.Millisecond
	// parkAfter is how long a cluster nobody uses is watched.
	parkAfter = 15 * time.Minute
)

var errSilent = errors.New("no answer")

type monitor struct {
	cluster *Cluster
	reports chan report
	kick    chan struct{} // capacity 1: state below has changed

	mu        sync.Mutex // guards what follows; never held over I/O
	running   bool
	hunting   bool // searching, for others to read
	suspicion *suspicion
	attempt   *attempt

	// The rest belongs to the run goroutine.
	watchers    map[string]*watcher
	writer      string // ID of the writer that was verified last; "" before the first
	searching   bool
	settleUntil time.Time
	demoted     map[string]time.Time // replaced writers not heard of since, and when they were replaced
	agreedOn    string               // the writer all answering readers name, while it cannot be reached
	agreedSince time.Time
}

// suspicion asks for a verification at since or later.
type suspicion struct {
	since    time.Time // when the latest doubt arose
	searchAt time.Time // when to ask everybody
	host     string
	cause    error
}

// attempt is the search for the first topology, shared by all who wait for it.
type attempt struct {
	done chan struct{}
	err  error
}

func newMonitor(c *Cluster) *monitor {
	return &monitor{
		cluster:  c,
		reports:  make(chan report),
		kick:     make(chan struct{}, 1),
		watchers: map[string]*watcher{},
		demoted:  map[string]time.Time{},
	}
}

// ready implements Cluster.Ready.
func (m *monitor) ready(ctx context.Context) error {
	c := m.cluster
	if c.Topology().Epoch > 0 {
		if c.followed() {
			m.ensureRunning()
		}
		return nil
	}
	m.mu.Lock()
	if m.attempt == nil {
		m.attempt = &attempt{done: make(chan struct{})}
	}
	a := m.attempt
	m.mu.Unlock()
	m.ensureRunning()
	m.poke()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.ctx.Done():
		return ErrClosed
	}
}

// doubt implements Suspect and Look.
func (m *monitor) doubt(host string, cause error, grace time.Duration) {
	if !m.cluster.followed() {
		return // nothing to look at
	}
	now := time.Now()
	m.mu.Lock()
	if s := m.suspicion; s != nil {
		s.since = now
		if at := now.Add(grace); at.Before(s.searchAt) {
			s.searchAt = at
		}
	} else {
		m.suspicion = &suspicion{since: now, searchAt: now.Add(grace), host: host, cause: cause}
	}
	m.mu.Unlock()
	m.ensureRunning()
	m.poke()
}

// busy tells that the truth about the writer is being looked for.
func (m *monitor) busy() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.suspicion != nil || m.hunting
}

// setSearching changes the state that both the loop and others read.
func (m *monitor) setSearching(on bool) {
	m.searching = on
	m.mu.Lock()
	m.hunting = on
	m.mu.Unlock()
}

func (m *monitor) poke() {
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// ensureRunning starts the loop unless it runs. It stops by itself when nobody
// has used the cluster for long.
func (m *monitor) ensureRunning() {
	m.mu.Lock()
	start := !m.running
	m.running = true
	m.mu.Unlock()
	if start {
		m.cluster.touch()
	}
	if start && !m.cluster.Go(m.run) {
		m.finishAttempt(ErrClosed)
	}
}

func (m *monitor) run(ctx context.Context) {
	if m.cluster.followed() {
		m.search(ctx, "the cluster is used again")
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			m.dropAll()
			m.finishAttempt(ErrClosed)
			return
		case r := <-m.reports:
			m.handle(ctx, r)
		case <-m.kick:
		case <-timer.C:
		}
		if m.bootstrapDue() {
			m.finishAttempt(m.bootstrap(ctx))
		}
		if m.parked() {
			return
		}
		m.examine(ctx)
		timer.Reset(m.nextLook())
	}
}

// dropAll stops all watchers and awaits them.
func (m *monitor) dropAll() {
	for _, w := range m.watchers {
		w.stop()
	}
	for _, w := range m.watchers {
		<-w.done
	}
	clear(m.watchers)
	clear(m.demoted)
	m.writer, m.settleUntil = "", time.Time{}
	m.setSearching(false)
}

// parked ends the loop when there is nothing to watch: the database has no
// topology, or nobody has used it for long. The next connection starts it again.
func (m *monitor) parked() bool {
	c := m.cluster
	if c.Topology().Epoch == 0 || (c.followed() && c.idleFor() < parkAfter) {
		return false
	}
	m.dropAll()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attempt != nil {
		return false
	}
	m.running, m.suspicion = false, nil
	return true
}

func (m *monitor) bootstrapDue() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.attempt != nil
}

func (m *monitor) finishAttempt(err error) {
	m.mu.Lock()
	a := m.attempt
	m.attempt = nil
	m.mu.Unlock()
	if a != nil {
		a.err = err
		close(a.done)
	}
}

// bootstrap makes the first picture from an address that an application gave.
func (m *monitor) bootstrap(ctx context.Context) error {
	if m.cluster.Topology().Epoch > 0 {
		return nil
	}
	var err error
	for _, k := range m.cluster.sources() {
		if err = m.firstLook(ctx, k); err == nil {
			break
		}
	}
	return err
}

func (m *monitor) firstLook(ctx context.Context, k *Connector) error {
	c := m.cluster
	w := newWatcher(c, k.host)
	w.source = k
	defer func() {
		if w.cancel == nil { // nobody has taken it over
			w.disconnect()
		}
	}()
	start := time.Now()
	o, err := w.safeProbe(ctx, true)
	if err != nil {
		return err
	}
	if !w.dialect.Clustered() {
		c.log.Info("database has no cluster topology; failover is inactive", "dialect", w.dialect.Code(), "host", k.host.Addr)
		c.publish(Topology{
			Hosts:  []Host{{ID: k.host.Addr, Addr: k.host.Addr, Role: o.self.Role}},
			SeenAt: start, SeenFrom: k.host.Addr, Verified: true,
		})
		return nil
	}
	k.resolveAlias(ctx)
	hosts, err := c.hostsOf(o.instances, k)
	if err != nil {
		return err
	}
	verified := o.writes()
	t := c.publish(Topology{Hosts: hosts, SeenAt: start, SeenFrom: o.self.ID, Verified: verified})
	m.logTopology("topology known", t)
	if verified {
		w.host, _ = t.Host(o.self.ID)
		m.writer = w.host.ID
		m.start(ctx, w)
		return nil
	}
	m.search(ctx, "the first host reached is not the writer")
	return nil
}

// nextLook is how long the loop may sleep when nothing is reported.
func (m *monitor) nextLook() time.Duration {
	next := time.Minute
	m.mu.Lock()
	if m.suspicion != nil && !m.searching {
		next = min(next, time.Until(m.suspicion.searchAt))
	}
	m.mu.Unlock()
	if len(m.demoted) > 0 || m.searching {
		next = min(next, 100*time.Millisecond)
	}
	if !m.settleUntil.IsZero() {
		next = min(next, time.Until(m.settleUntil))
	}
	return max(next, time.Millisecond)
}

// examine acts on what has become due: doubts, replaced writers that stay
// silent, the end of the fast pace.
func (m *monitor) examine(ctx context.Context) {
	m.mu.Lock()
	s := m.suspicion
	var overdue bool
	if s != nil {
		overdue = !time.Now().Before(s.searchAt)
	}
	m.mu.Unlock()
	switch w := m.watchers[m.writer]; {
	case s == nil || m.searching:
	case overdue || w == nil:
		m.search(ctx, "doubt about the writer")
	default:
		w.ask()
	}
	m.judgeDemoted()
	if !m.settleUntil.IsZero() && !time.Now().Before(m.settleUntil) {
		m.settleUntil = time.Time{}
		m.forget(m.cluster.Topology())
		m.setPace()
	}
}

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
	o := m.cluster.options
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
func (m *monitor) handle(ctx context.Context, r report) {
	if m.watchers[r.host.ID] != r.from {
		return // stopped meanwhile
	}
	if r.err != nil {
		m.cluster.log.Debug("probe failed", "host", r.host.ID, "error", r.err)
		if r.host.ID == m.writer && !m.searching {
			m.search(ctx, "the writer does not answer")
		}
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

// confirmed takes a host as the writer: it says so by both checks.
func (m *monitor) confirmed(ctx context.Context, r report) {
	c := m.cluster
	old := c.Topology()
	if !r.start.After(old.SeenAt) && old.Verified && m.writer != r.host.ID && !m.searching {
		return // an older answer than the one we believe
	}
	hosts, err := c.hostsOf(r.instances, r.source)
	if err != nil {
		c.log.Warn("topology is unusable", "host", r.host.ID, "error", err)
		return
	}
	previous := m.writer
	replaced := previous != "" && previous != r.host.ID
	if replaced {
		m.settleUntil = time.Now().Add(settleFor)
	}
	m.writer, m.agreedOn = r.host.ID, ""
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
	for id := range m.demoted {
		if _, known := t.Host(id); !known {
			delete(m.demoted, id)
		}
	}
}

// hint wakes the watcher of the host that a reader takes for the writer: readers
// often know first.
func (m *monitor) hint(r report) {
	if id := writerOf(r.instances); id != "" && id != r.host.ID {
		if w := m.watchers[id]; w != nil {
			w.ask()
		}
	}
}

// learn starts watching hosts that only the reporting host knew.
func (m *monitor) learn(ctx context.Context, r report) {
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
func (m *monitor) checkStable(r report) {
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
	hosts, err := m.cluster.hostsOf(r.instances, r.source)
	if err != nil {
		return
	}
	if !m.cluster.Topology().Stable {
		m.cluster.log.Warn("the writer cannot be reached, but the readers agree on it", "writer", named)
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
