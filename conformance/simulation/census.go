package simulation

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// census sees from outside what one core.Cluster does to the hosts: the sockets of its
// applications and what they wait for, and the questions of the host monitor.
type census struct {
	run *run
	id  string // cluster_id

	mu       sync.Mutex // guards what follows
	cluster  *core.Cluster
	settings []hostmonitor.Options // of the handles that have a host monitor
	sockets  map[*socket]struct{}  // of applications, dials in flight included
	waits    []wait
	downs    []down
	probes   map[string]*probes // by what the host monitor calls the host
	asked    int
	vain     map[string]time.Time // the latest question of a host for which no reason was seen yet
	ended    map[string]time.Time // when somebody has last stopped to wait for a host after long
}

// join takes in a new handle of the cluster.
func (c *census) join(cluster *core.Cluster, monitor *hostmonitor.Options) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cluster = cluster
	if monitor != nil {
		c.settings = append(c.settings, *monitor)
	}
}

// wait is a time for which an application's socket had no answer.
type wait struct {
	pool *pool
	host string
	span
}

// down is a verdict of the host monitor.
type down struct {
	host string
	at   time.Time
}

// probes are the host monitor's connections to a host.
type probes struct {
	open           int
	opened, pinged time.Time // when the latest was
	doubted        int       // questions that a passed deadline may still lead to
}

func (c *census) condemned(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.downs = append(c.downs, down{host, time.Now()})
}

// observer is the plugin that gives a handle's sockets to the census. It sees every
// connect, the monitors' included, as those who supply credentials do.
type observer struct{ *pool }

func (observer) Code() string { return "observer" }

func (observer) LoginFailed(context.Context, core.Target, error) bool { return false }

// Authenticate implements core.Authenticator.
func (o observer) Authenticate(_ context.Context, t core.Target) (core.Target, error) {
	dial := t.Dial
	if dial == nil {
		dial = o.census.run.cluster.DialContext
	}
	switch t.Monitor {
	case "":
		t.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return o.census.dial(ctx, o.pool, t.Host, dial, network, addr)
		}
	case "monitoring-":
		host := strings.ToLower(t.Host.ID)
		if host == "" {
			host = strings.ToLower(t.Host.Addr)
		}
		o.census.question(host, true)
		t.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return o.census.probe(ctx, host, dial, network, addr)
		}
	}
	return t, nil
}

// socket is an application's.
type socket struct {
	net.Conn
	census *census
	pool   *pool
	names  []string // what the host monitor may call the host; the first is the instance's, if known

	// Guarded by the census's mu.
	since time.Time // when what it waits for began; zero: it does not wait
	wrote time.Time // when the latest request was sent that no Read has followed
}

func (c *census) dial(ctx context.Context, p *pool, h core.Host, dial core.DialFunc, network, addr string) (net.Conn, error) {
	s := &socket{census: c, pool: p, names: []string{strings.ToLower(h.ID), strings.ToLower(h.Addr)}}
	c.mu.Lock()
	c.sockets[s] = struct{}{}
	c.mu.Unlock()
	s.begin()
	conn, err := dial(ctx, network, addr)
	s.end(err)
	if err != nil {
		c.mu.Lock()
		delete(c.sockets, s)
		c.mu.Unlock()
		return nil, err
	}
	s.Conn = conn
	s.names[0] = c.run.instanceAt(conn.RemoteAddr())
	return s, nil
}

func (s *socket) begin() {
	c := s.census
	c.mu.Lock()
	defer c.mu.Unlock()
	s.since = time.Now()
	if !s.wrote.IsZero() {
		s.since, s.wrote = s.wrote, time.Time{}
	}
}

// worthNoting is what a wait must last to be looked at in the end.
const worthNoting = 100 * time.Millisecond

func (s *socket) end(err error) {
	c := s.census
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(s)
	c.leave(s)
	s.since = time.Time{}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		for _, name := range s.names {
			c.of(name).doubted = c.patience() + 1
			if c.vain[name].Equal(time.Now()) { // pgx knows of a deadline before it ends the Read
				delete(c.vain, name)
				c.of(name).doubted--
			}
		}
	}
}

// leave notes that somebody stops to wait for a host after long: a question at the same
// instant has its reason, whichever was first.
func (c *census) leave(s *socket) {
	now := time.Now()
	if !s.waitsLong(now) {
		return
	}
	for _, name := range s.names {
		c.ended[name] = now
		if c.vain[name].Equal(now) {
			delete(c.vain, name)
		}
	}
}

// keep notes what s has waited for so far.
func (c *census) keep(s *socket) {
	if !s.since.IsZero() && time.Since(s.since) > worthNoting {
		c.waits = append(c.waits, wait{s.pool, s.names[0], span{s.since, time.Now()}})
	}
}

// patience is how many questions without an answer there may be.
func (c *census) patience() int {
	most := 0
	for _, o := range c.settings {
		most = max(most, o.Count)
	}
	return most
}

func (c *census) of(host string) *probes {
	if c.probes[host] == nil {
		c.probes[host] = &probes{}
	}
	return c.probes[host]
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	s.begin()
	n, err := s.Conn.Read(p)
	s.end(err)
	return n, err
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	s.census.mu.Lock()
	s.wrote = time.Now()
	s.census.mu.Unlock()
	return s.Conn.Write(p)
}

// Close implements net.Conn.
func (s *socket) Close() error {
	s.census.mu.Lock()
	s.census.leave(s) // the Read in flight ends later
	delete(s.census.sockets, s)
	s.census.mu.Unlock()
	return s.Conn.Close()
}

// Alive is what the lab's connections tell of the peer.
func (s *socket) Alive() bool { return s.Conn.(interface{ Alive() bool }).Alive() }

// question takes in that the host monitor asks a host, by a new connection or by one
// that it has.
func (c *census) question(host string, connects bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.run.instanceNamed(host)
	down := c.cluster.Down(host) != nil || c.cluster.Down(id) != nil
	if id == "" { // a name that leads to several: whether it leads to one that is down is asked
		down = down || slices.ContainsFunc(c.run.cluster.Instances(), func(i *lab.Instance) bool { return c.cluster.Down(i.ID()) != nil })
	}
	c.asked++
	p, now := c.of(host), time.Now()
	began := now
	again := connects && p.pinged.After(p.opened) && now.Sub(p.pinged) < c.longest() // its connection broke at that ping
	if again {
		began = p.pinged
	}
	last := &p.pinged
	if connects {
		last = &p.opened
	}
	if pause := c.pause(); id == host && !last.IsZero() && began.Sub(*last) < pause {
		c.run.problem("host monitor asks %s again after %v, less than %v", host, began.Sub(*last), pause)
	}
	*last = began
	switch {
	case again || down || c.longed(now, host, id):
	case p.doubted > 0:
		p.doubted--
	default:
		c.judge(host)
		c.vain[host] = now
	}
}

// judge decides that there was no reason for a question.
func (c *census) judge(host string) {
	if at, ok := c.vain[host]; ok {
		c.run.problem("host monitor asked %s at %.4fs, on which nobody waited", host, c.run.at(at))
	}
}

// longest is what a ping may take.
func (c *census) longest() time.Duration {
	var most time.Duration
	for _, o := range c.settings {
		most = max(most, o.Interval)
	}
	return most
}

// pause is the time between two questions at least. One that takes longer than it should,
// because the host has begun to answer, is followed by the next at once; and a call that
// began after one is reason for another when its time has come.
func (c *census) pause() time.Duration {
	least := time.Second
	for _, o := range c.settings {
		least = min(least, o.Interval, o.DetectionTime)
	}
	return least/2 - time.Millisecond
}

// longed tells that an application has waited for long for the host of these names.
func (c *census) longed(now time.Time, names ...string) bool {
	for _, name := range names {
		if at, ok := c.ended[name]; ok && now.Sub(at) <= 2*c.run.latency {
			return true // the host has begun to speak, which has not reached who asks
		}
	}
	for s := range c.sockets {
		if !s.waitsLong(now) {
			continue
		}
		if slices.Contains(names, s.names[0]) || slices.Contains(names, s.names[1]) {
			return true
		}
	}
	return false
}

// waitsLong tells that what s waits for is a reason to ask the host.
func (s *socket) waitsLong(now time.Time) bool {
	return s.pool.monitor != nil && !s.since.IsZero() && now.Sub(s.since) >= s.pool.monitor.DetectionTime-time.Millisecond
}

// probe opens a connection of the host monitor.
func (c *census) probe(ctx context.Context, host string, dial core.DialFunc, network, addr string) (net.Conn, error) {
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.of(host)
	if p.open++; p.open > 1 && c.run.instanceNamed(host) == host { // there may be several places of one address
		c.run.problem("host monitor has %d connections to %s", p.open, host)
	}
	return &probe{Conn: conn, census: c, host: host, heard: time.Now()}, nil
}

// probe is a connection of the host monitor.
type probe struct {
	net.Conn
	census *census
	host   string

	// Guarded by the census's mu.
	heard  time.Time // when the host has last said something
	closed bool
}

// Read implements net.Conn.
func (p *probe) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.census.mu.Lock()
	p.heard = time.Now()
	p.census.mu.Unlock()
	return n, err
}

// Write implements net.Conn. What is sent while nothing is awaited is a ping, unless
// it is a farewell.
func (p *probe) Write(b []byte) (int, error) {
	p.census.mu.Lock()
	idle := time.Since(p.heard) > time.Millisecond
	p.census.mu.Unlock()
	if idle && len(b) > 0 && !farewell(b) {
		p.census.question(p.host, false)
	}
	return p.Conn.Write(b)
}

// farewell tells PostgreSQL's Terminate and MySQL's COM_QUIT.
func farewell(b []byte) bool { return b[0] == 'X' || b[len(b)-1] == 1 }

// Close implements net.Conn.
func (p *probe) Close() error {
	p.census.mu.Lock()
	if !p.closed {
		p.closed = true
		p.census.of(p.host).open--
	}
	p.census.mu.Unlock()
	return p.Conn.Close()
}

// Alive is what the lab's connections tell of the peer.
func (p *probe) Alive() bool { return p.Conn.(interface{ Alive() bool }).Alive() }
