package core

import (
	"context"
	"errors"
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
	// lookGrace is the same when somebody merely waited for long, or what was lost is a
	// connection to a host that is known as a reader, such as the writer of before.
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
	reports chan *report
	kick    chan struct{} // capacity 1: state below has changed

	mu        sync.Mutex // guards what follows; never held over I/O
	running   bool
	hunting   bool  // searching, for others to read
	problem   error // why the writer could not be asked the last time
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
	unusable    bool // the last topology made no sense, and that was logged
}

// suspicion asks for a verification at since or later.
type suspicion struct {
	since    time.Time // when the latest doubt arose
	searchAt time.Time // when to ask everybody
}

// attempt is the search for the first topology, shared by all who wait for it.
type attempt struct {
	done chan struct{}
	err  error
}

func newMonitor(c *Cluster) *monitor {
	return &monitor{
		cluster:  c,
		reports:  make(chan *report),
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
	if t := m.cluster.Topology(); t.Verified {
		if h, known := t.Host(host); known && h.Role == RoleReader {
			grace = lookGrace
		}
	}
	m.cluster.log.Debug("the writer is in doubt", "reported_by", host, "cause", cause)
	now := time.Now()
	m.mu.Lock()
	if s := m.suspicion; s != nil {
		s.since = now
		if at := now.Add(grace); at.Before(s.searchAt) {
			s.searchAt = at
		}
	} else {
		m.suspicion = &suspicion{since: now, searchAt: now.Add(grace)}
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

// because joins the end of a wait with what it waited for in vain. If one of our own
// questions has run into its limit, no caller's context has ended.
func (m *monitor) because(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.problem == nil {
		return err
	}
	return errors.Join(err, notContext{m.problem})
}

func (m *monitor) setProblem(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.problem = err
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
