package core

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Cluster is what the connections to one database cluster share: the topology
// and the loop that refreshes it, the Links by host, and who is down. Every
// Connector has its own Cluster unless several give the same cluster_id; it
// ends with the last of them.
//
// Cluster.Go is the only place that starts goroutines.
type Cluster struct {
	log     *slog.Logger
	options clusterOptions
	share   shareKey // set when shared by cluster_id

	ctx    context.Context // ends with close; parent of all background work, never of a caller's
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	topology atomic.Pointer[Topology]
	dialect  atomic.Pointer[Dialect]
	monitor  *monitor

	mu         sync.Mutex // guards what follows; never held over I/O
	connectors []*Connector
	links      map[*Link]struct{}
	down       map[string]downMark
	inUse      int       // Links of applications
	idleSince  time.Time // when the last of them went
	shared     map[any]any
	closed     bool
}

// clusterOptions are the parameters that belong to the cluster rather than to
// one Connector. Sharers must agree on them.
type clusterOptions struct {
	refresh        time.Duration // topology_refresh_ms
	fastRefresh    time.Duration // cluster_topology_high_refresh_rate_ms
	connectTimeout time.Duration // of monitoring connections
	queryTimeout   time.Duration // of questions on monitoring connections
	verifyTimeout  time.Duration // auxiliary_query_timeout_sec, for questions on users' connections
	template       hostTemplate
	global         map[string]hostTemplate
	dialect        string // wrapper_dialect; "" is to be found out
	keepAlive      net.KeepAliveConfig
	userTimeout    time.Duration
}

type downMark struct {
	cause error
	until time.Time
	addrs map[string]bool // what was dialled for a host without an identifier; nil for others
}

// covers tells that the mark is meant for what is being dialled. A name may lead to
// several machines, or to another one by now.
func (m downMark) covers(addr string) bool { return m.addrs == nil || m.addrs[addr] }

// downExpiry bounds how long a host stays marked down when nobody watches it
// any more: dials fail at once meanwhile, instead of hanging one by one.
const downExpiry = 30 * time.Second

// unpublished is the Topology of a Cluster that has not seen any yet.
func unpublished() *Topology { return &Topology{changed: make(chan struct{})} }

func newCluster(options clusterOptions, log *slog.Logger) *Cluster {
	c := &Cluster{
		log:     log,
		options: options,
		links:   map[*Link]struct{}{},
		down:    map[string]downMark{},
		shared:  map[any]any{},
		// A handle that has never connected is as idle as one that has stopped.
		idleSince: time.Now(),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background()) //nolint:gosec // cancelled by close
	c.topology.Store(unpublished())
	c.monitor = newMonitor(c)
	return c
}

// Topology returns the newest picture. It is never nil; before the first
// publication it has no hosts and Epoch 0.
func (c *Cluster) Topology() *Topology { return c.topology.Load() }

// Dialect returns the kind of database, or nil while it is not known.
func (c *Cluster) Dialect() Dialect {
	if d := c.dialect.Load(); d != nil {
		return *d
	}
	return nil
}

// Go runs f on a goroutine that close awaits. f must return when ctx ends. After
// close it does nothing and reports false.
func (c *Cluster) Go(f func(ctx context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.wg.Go(func() { f(c.ctx) })
	return true
}

// Shared returns what the handles of the cluster have in common under key, which
// should be of a type of the caller's own. The first caller makes it; make must not
// call the Cluster.
func (c *Cluster) Shared(key any, make func() any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.shared[key]
	if !ok {
		v = make()
		c.shared[key] = v
	}
	return v
}

// Links yields the connections of applications (not our own), in no order.
func (c *Cluster) Links() iter.Seq[*Link] {
	c.mu.Lock()
	links := make([]*Link, 0, len(c.links))
	for l := range c.links {
		if l.owner != nil {
			links = append(links, l)
		}
	}
	c.mu.Unlock()
	return func(yield func(*Link) bool) {
		for _, l := range links {
			if !yield(l) {
				return
			}
		}
	}
}

// MarkDown declares a host dead: every connection to it is cut with cause, and
// dials to it fail at once until it answers a probe or some seconds have
// passed. A host that is known by its address only is down where its connections
// led: the name may have led, or lead, elsewhere. Only proof justifies it; for a
// suspicion there is Suspect.
func (c *Cluster) MarkDown(host string, cause error) {
	c.mu.Lock()
	already := c.downLocked(host) != nil
	mark := c.down[host]
	mark.cause, mark.until = cause, time.Now().Add(downExpiry)
	if isAddress(host) && mark.addrs == nil {
		mark.addrs = map[string]bool{}
	}
	var cut []*Link
	for l := range c.links {
		if l.owner != nil && l.Host() == host {
			cut = append(cut, l)
			if mark.addrs != nil {
				mark.addrs[l.addr] = true
			}
		}
	}
	c.down[host] = mark
	c.mu.Unlock()
	if !already {
		c.log.Info("host down", "host", host, "cause", cause)
	}
	for _, l := range cut {
		l.Condemn(cause) // all, before the first call returns and its caller takes another connection
	}
	for _, l := range cut {
		l.Abort(cause)
	}
}

// MarkUp takes a MarkDown back.
func (c *Cluster) MarkUp(host string) {
	c.mu.Lock()
	_, was := c.down[host]
	delete(c.down, host)
	c.mu.Unlock()
	if was {
		c.log.Info("host up", "host", host)
	}
}

// Down returns why a host is marked down, or nil.
func (c *Cluster) Down(host string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.downLocked(host)
}

func (c *Cluster) downLocked(host string) error {
	mark, ok := c.down[host]
	if !ok {
		return nil
	}
	if !time.Now().Before(mark.until) {
		delete(c.down, host)
		return nil
	}
	return mark.cause
}

// dialOptions are what is kept of a Target as long as the connection exists.
type dialOptions struct {
	id, target string     // of the host
	want       Role       // what the connection is for
	owner      *Connector // nil: the monitor
	side       bool       // a driver's cancel request for a connection that is open
	dial       DialFunc
	heard      func() // see OpenBeside
}

// dial opens one socket.
func (c *Cluster) dial(ctx context.Context, o dialOptions, network, addr string) (net.Conn, error) {
	if addr == o.target {
		addr = o.target // let the driver's copy go
	}
	l := &Link{cluster: c, owner: o.owner, side: o.side, target: o.target, network: network, addr: addr, heard: o.heard}
	l.opening.Store(!o.side)
	l.want.Store(uint32(o.want))
	name := o.id
	if name == "" {
		name = strings.ToLower(o.target)
	}
	l.host.Store(&name)
	ctx, l.cancel = context.WithCancelCause(ctx)
	if err := c.register(l); err != nil {
		l.cancel(err)
		return nil, err
	}
	l.readSince.Store(nanotime())
	conn, err := o.dial(ctx, network, addr)
	if err != nil {
		_ = l.Close() // nothing was opened
		if lost := l.Lost(); lost != nil {
			return nil, lost
		}
		return nil, err
	}
	c.keepAlive(conn)
	if !l.attach(conn) {
		_ = l.Close() // the socket is closed already
		if lost := l.Lost(); lost != nil {
			return nil, lost
		}
		return nil, net.ErrClosed
	}
	return l, nil
}

// keepAlive lets the kernel notice a peer that vanished without a word. Whether
// it can is not a condition for using the connection.
func (c *Cluster) keepAlive(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if err := tcp.SetKeepAliveConfig(c.options.keepAlive); err != nil {
		c.log.Debug("cannot set tcp keep-alive", "error", err)
	}
	if c.options.userTimeout > 0 {
		if err := setUserTimeout(tcp, c.options.userTimeout); err != nil {
			c.log.Debug("cannot set tcp user timeout", "error", err)
		}
	}
}

// register takes l into the books unless the handle is closed or the host down.
func (c *Cluster) register(l *Link) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || (l.owner != nil && !l.owner.admits(l.side)) {
		return ErrClosed
	}
	if l.owner != nil {
		if cause := c.downLocked(l.Host()); cause != nil && c.down[l.Host()].covers(l.addr) {
			return &LostError{Host: l.Host(), Aborted: true, Err: fmt.Errorf("host is down: %w", cause), link: l}
		}
		c.inUse++
	}
	c.links[l] = struct{}{}
	return nil
}

func (c *Cluster) unregister(l *Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.links, l)
	if l.owner != nil {
		c.inUse--
		c.idleSince = time.Now()
	}
}

// touch counts being asked for as use.
func (c *Cluster) touch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idleSince = time.Now()
}

// idleFor is how long no application has had a connection.
func (c *Cluster) idleFor() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inUse > 0 {
		return 0
	}
	return time.Since(c.idleSince)
}

// publish makes t the newest picture, wakes the waiters and condemns the
// connections whose host no longer has the role they were opened for.
// Only the monitor's loop calls it.
func (c *Cluster) publish(t Topology) *Topology {
	old := c.Topology()
	t.Epoch = old.Epoch + 1
	t.changed = make(chan struct{})
	c.topology.Store(&t)
	if t.Verified && !(old.Verified && old.sameHosts(t.Hosts)) {
		c.condemn(&t)
	}
	close(old.changed) // last: who wakes must not find a connection that ought to be condemned
	return &t
}

// condemn marks every connection that t has made useless for its purpose. A
// connection that is being opened is marked as well: its opener will notice.
func (c *Cluster) condemn(t *Topology) {
	for l := range c.Links() {
		want := l.Want()
		if want == RoleUnknown {
			continue
		}
		h, known := t.Host(l.Host())
		switch {
		case !known && isAddress(l.Host()):
			// still dialling by a name that is not an instance's
		case !known:
			l.Condemn(fmt.Errorf("instance %s is no longer part of the cluster", l.Host()))
		case h.Role != want:
			l.Condemn(fmt.Errorf("instance %s is a %s now", h.ID, h.Role))
		}
	}
}

// isAddress tells that a host's name is not an instance's ID but the address that a
// connection was dialled by.
func isAddress(host string) bool { return strings.ContainsAny(host, ".:/") }

// waitVerified waits until a writer was confirmed to be one at since or later,
// and returns that topology. It ends with ctx or with the Cluster.
func (c *Cluster) waitVerified(ctx context.Context, since time.Time) (*Topology, error) {
	for {
		t := c.Topology()
		if (t.Verified || t.Stable) && !t.SeenAt.Before(since) {
			return t, nil
		}
		select {
		case <-t.changed:
		case <-ctx.Done():
			return t, c.monitor.because(context.Cause(ctx))
		case <-c.ctx.Done():
			return t, ErrClosed
		}
	}
}

// Ready waits until it is known what the cluster looks like: at least one
// topology was published since the Cluster was made (for a database without
// topology: its one host). The first caller starts the search, the others share
// it, and a search that fails is forgotten: the next caller starts another.
func (c *Cluster) Ready(ctx context.Context) error { return c.monitor.ready(ctx) }

// Suspect reports that a host seems to be gone or to have lost its role. It
// does not block and marks nobody down: the monitor looks, once however many
// report. Reverify also waits until it has seen the truth.
func (c *Cluster) Suspect(host string, cause error) { c.monitor.doubt(host, cause, lossGrace) }

// Reverify reports a host as Suspect does, and waits until the truth about the
// writer is known that holds after the report.
func (c *Cluster) Reverify(ctx context.Context, host string, cause error) (*Topology, error) {
	since := time.Now()
	c.Suspect(host, cause)
	return c.waitVerified(ctx, since)
}

// WaitSettled waits while the writer is in doubt.
func (c *Cluster) WaitSettled(ctx context.Context) (*Topology, error) {
	for {
		t := c.Topology()
		if !c.Searching() || t.Stable {
			return t, nil
		}
		select {
		case <-t.changed:
		case <-ctx.Done():
			return t, c.monitor.because(context.Cause(ctx))
		case <-c.ctx.Done():
			return t, ErrClosed
		}
	}
}

// Searching tells that the writer is in doubt at this moment: WaitSettled is
// better than dialling it.
func (c *Cluster) Searching() bool { return c.monitor.busy() }

// Look asks the monitor to check on the writer without having seen it fail: a
// caller's deadline passed, or a connection has been waiting for long.
func (c *Cluster) Look(host string) { c.monitor.doubt(host, nil, lookGrace) }

// close ends everything: background work is awaited, monitoring connections are
// closed. Connections of applications are theirs to close.
func (c *Cluster) close() {
	c.mu.Lock()
	already := c.closed
	c.closed = true
	links := make([]*Link, 0, len(c.links))
	for l := range c.links {
		links = append(links, l)
	}
	c.mu.Unlock()
	if already {
		return
	}
	c.cancel(ErrClosed)
	for _, l := range links {
		if l.owner == nil {
			l.Abort(ErrClosed)
		}
	}
	c.wg.Wait()
}
