package scenarios

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
)

// tolerance is how late the host monitor may be.
const tolerance = 50 * time.Millisecond

// The plugins that run in a scenario.
const (
	monitorAlone = "plugins=host_monitoring_v2"
	withFailover = "plugins=failover,host_monitoring_v2"
)

// detection are the host monitor's settings.
type detection frontend.Detection

// byDefault are those of a connection string that says nothing; quick suit most tests.
var (
	byDefault = detection{30 * time.Second, 5 * time.Second, 3}
	quick     = detection{3 * time.Second, 500 * time.Millisecond, 3}
)

func (d detection) String() string {
	return fmt.Sprintf("%v+%v x %d", d.Time, d.Interval, d.Count)
}

// bound is when a call to a host that says nothing ends.
func (d detection) bound() time.Duration { return frontend.Detection(d).Total() }

// patience is how long a host that is asked may say nothing.
func (d detection) patience() time.Duration { return d.Interval * time.Duration(d.Count) }

// params are the parameters of a connection string with these settings.
func (d detection) params(more ...string) []string {
	params := append([]string{"monitoring-user=" + prober}, more...)
	if d == byDefault {
		return params
	}
	return frontend.Detection(d).Params(params...)
}

// silences are the ways to go of a host that does not say so. The last leaves some
// answers to connections that are open.
var (
	silences = losses[3:]
	mutes    = losses[3:8]
)

// exactly demands that something took so long, or a bit more. A Link knows the time to
// two nanoseconds.
func exactly(t *testing.T, what string, took, want time.Duration) {
	t.Helper()
	if took < want-1 || took > want+tolerance {
		t.Errorf("%s took %v, want %v", what, took, want)
	}
}

// cut demands that err says that the host monitor gave up the host.
func cut(t *testing.T, what string, err error, host string) {
	t.Helper()
	var lost *core.LostError
	if !errors.As(err, &lost) || !lost.Aborted || lost.Host != host || !strings.Contains(err.Error(), "no answer to the host monitor") {
		t.Errorf("%s: the error does not say who gave up %s, and why: %v", what, host, err)
	}
	if class := core.ClassOf(err); class != core.ClassOperational {
		t.Errorf("%s: error of class %v: %v", what, class, err)
	}
	demand.IsNot(t, what, err, driver.ErrBadConn)
}

// downs are the times at which hosts were declared dead, as they come.
func (p *pool) downs() <-chan time.Time {
	at := make(chan time.Time, 100)
	p.journal.mu.Lock()
	defer p.journal.mu.Unlock()
	p.hook = func(r slog.Record) {
		if r.Message == "host down" {
			at <- time.Now()
		}
	}
	return at
}

// nobodyDown demands that no host was ever declared dead.
func (p *pool) nobodyDown(t *testing.T) {
	t.Helper()
	if p.count("host down") > 0 {
		t.Errorf("a host was declared dead:\n%s", p.all())
	}
}

// wire is the network as a handle uses it: it sees what the host monitor sends, and can
// stop taking in what is written.
type wire struct {
	lab *cluster

	mu      sync.Mutex // guards what follows, in the sockets too
	sockets []*socket
}

// monitored opens a handle for a host, on a wire of its own.
func monitored(t *testing.T, c *cluster, host string, params ...string) (*pool, *wire) {
	t.Helper()
	w := &wire{lab: c}
	return openWith(t, c, frontend.Options{DSN: c.DSN(host, params...), Dial: w.dial}), w
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := w.lab.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// A server of MySQL speaks first: what is written would not tell in time.
	monitors := bytes.Contains(debug.Stack(), []byte("hostmonitor.(*prober)"))
	s := &socket{Conn: conn, wire: w, monitors: monitors, closed: make(chan struct{}), room: math.MaxInt}
	w.sockets = append(w.sockets, s)
	return s, nil
}

// fill leaves room for so many bytes on each connection that is open.
func (w *wire) fill(room int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets {
		s.room = room
	}
}

// lose lets what is written on the host monitor's open connections get lost, as by a
// firewall that has forgotten them.
func (w *wire) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets {
		s.lost = s.monitors
	}
}

// probers is how many connections the host monitor has opened.
func (w *wire) probers() int {
	n := 0
	for _, s := range w.all() {
		if s.monitors {
			n++
		}
	}
	return n
}

// others is how many connections all others have opened.
func (w *wire) others() int { return len(w.all()) - w.probers() }

// questions are the times at which the host monitor has sent something since then.
func (w *wire) questions(since time.Time) []time.Time {
	var all []time.Time
	for _, s := range w.all() {
		if !s.monitors {
			continue
		}
		w.mu.Lock()
		for _, at := range s.writes {
			if !at.Before(since) {
				all = append(all, at)
			}
		}
		w.mu.Unlock()
	}
	return all
}

func (w *wire) all() []*socket {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*socket(nil), w.sockets...)
}

// socket is one connection of a wire.
type socket struct {
	net.Conn
	wire     *wire
	monitors bool // it is the host monitor's
	lost     bool // what is written gets lost
	once     sync.Once
	closed   chan struct{}
	writes   []time.Time
	room     int // bytes that are still taken in
}

func (s *socket) Write(p []byte) (int, error) {
	w := s.wire
	w.mu.Lock()
	s.writes = append(s.writes, time.Now())
	n, lost := min(len(p), s.room), s.lost
	s.room -= n
	w.mu.Unlock()
	if lost {
		return len(p), nil
	}
	if n == len(p) {
		return s.Conn.Write(p)
	}
	if n > 0 {
		if n, err := s.Conn.Write(p[:n]); err != nil {
			return n, err
		}
	}
	<-s.closed
	return n, net.ErrClosed
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}
