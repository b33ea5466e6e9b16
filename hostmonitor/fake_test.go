package hostmonitor

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/core"
)

// A network of database servers for tests of this module alone: in-memory sockets, and
// a protocol of one byte per request and reply. What the drivers do is tested in
// conformance.

const dsnAddr = "db.example.com:5432"

type fakeNet struct {
	mu      sync.Mutex
	names   map[string]string // what a name leads to: the address of a server
	servers map[string]*fakeServer
	sockets sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

type fakeServer struct {
	number  byte // what it answers to a login
	id      string
	vanish  bool          // dials never end, nothing is answered
	refuse  bool          // connections
	panics  bool          // in the dialer
	deaf    bool          // dials do not even end with their context, but after deafFor
	latency time.Duration // of each answer
	busy    byte          // the one request that is not answered
	login   error         // what logins end with

	dials, pings int
	conns        map[net.Conn]bool
	lost         map[net.Conn]bool
}

const deafFor = 127 * time.Second

func newFakeNet() *fakeNet {
	f := &fakeNet{names: map[string]string{}, servers: map[string]*fakeServer{}}
	f.life, f.end = context.WithCancel(context.Background())
	return f
}

// serve adds a server; id is "" for a database that has no identifiers.
func (f *fakeNet) serve(addr, id string) {
	f.servers[addr] = &fakeServer{number: byte(len(f.servers)), id: id, busy: 'q', conns: map[net.Conn]bool{}, lost: map[net.Conn]bool{}}
}

func (f *fakeNet) lead(name, addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names[name] = addr
}

func (f *fakeNet) with(addr string, change func(s *fakeServer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.servers[addr])
}

func dialsTo(f *fakeNet, addr string) (n int) {
	f.with(addr, func(s *fakeServer) { n = s.dials })
	return n
}

func (f *fakeNet) lookUp(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names[name]
}

func (f *fakeNet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.servers[addr]
	if s == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EHOSTUNREACH}
	}
	s.dials++
	deaf, vanished, panics := s.deaf, s.vanish, s.panics
	f.mu.Unlock()
	switch {
	case panics:
		f.mu.Lock() // for defer
		panic("a dialer of the application")
	case deaf:
		time.Sleep(deafFor)
	case vanished:
		f.hold(ctx, s)
	}
	f.mu.Lock()
	switch {
	case deaf:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ETIMEDOUT}
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.refuse:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	s.conns[server] = true
	f.sockets.Go(func() { f.answer(s, server) })
	return client, nil
}

// hold waits until what was sent while the server was away has arrived after all.
func (f *fakeNet) hold(ctx context.Context, s *fakeServer) {
	for away := true; away && ctx.Err() == nil; {
		f.mu.Lock()
		away = s.vanish
		f.mu.Unlock()
		if away {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (f *fakeNet) answer(s *fakeServer, c net.Conn) {
	defer func() {
		_ = c.Close()
		f.mu.Lock()
		delete(s.conns, c)
		f.mu.Unlock()
	}()
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		f.mu.Lock()
		if b[0] == 'P' {
			s.pings++
		}
		silent := s.lost[c] || s.busy == b[0]
		latency := s.latency
		f.mu.Unlock()
		if silent {
			continue
		}
		f.hold(f.life, s)
		time.Sleep(latency)
		if b[0] == 'l' {
			b[0] = s.number
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// loseConnections makes those that there are lead nowhere: the state of a firewall is
// gone, say. The host is well.
func (f *fakeNet) loseConnections(addr string) {
	f.with(addr, func(s *fakeServer) { maps.Copy(s.lost, s.conns) })
}

// connections is how many there are now.
func (f *fakeNet) connections(addr string) (n int) {
	synctest.Wait()
	f.with(addr, func(s *fakeServer) { n = len(s.conns) })
	return n
}

// hangUp ends the servers' side.
func (f *fakeNet) hangUp() {
	f.end()
	f.mu.Lock()
	for _, s := range f.servers {
		for c := range s.conns {
			_ = c.Close()
		}
	}
	f.mu.Unlock()
	f.sockets.Wait()
}

// engine looks names up itself, as pgx does.
type engine struct{ net *fakeNet }

func (e engine) Open(ctx context.Context, t core.Target) (core.Native, *core.Link, error) {
	addr := t.Host.Addr
	if !t.Located {
		if addr = e.net.lookUp(addr); addr == "" {
			return nil, nil, &net.DNSError{Err: "no such host", Name: t.Host.Addr, IsNotFound: true}
		}
	}
	c, err := t.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("fake: connect: %w", err)
	}
	n := &native{link: c.(*core.Link)}
	number, err := n.exchange(ctx, 'l')
	if err != nil {
		return nil, nil, err
	}
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	for _, s := range e.net.servers {
		if s.number == number {
			n.server = s
		}
	}
	if n.server.login != nil {
		_ = n.link.Close()
		return nil, nil, n.server.login
	}
	return n, n.link, nil
}

func (e engine) Detect(context.Context, core.Native, core.Endpoint) (core.Dialect, error) {
	return dialect{}, nil
}

var errBusy = errors.New("fake: too many connections")

func (e engine) Classify(err error, _ core.Dialect) core.Fault {
	switch {
	case errors.As(err, new(*core.LostError)), errors.Is(err, io.EOF), errors.As(err, new(*net.OpError)):
		return core.FaultLink
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.FaultCanceled
	case errors.Is(err, errBusy):
		return core.FaultBusy
	}
	return core.FaultNone
}

type dialect struct{}

func (dialect) Code() string    { return "fake" }
func (dialect) Clustered() bool { return false }

func (dialect) Identify(ctx context.Context, c core.Native) (core.Identity, error) {
	n := c.(*native)
	if _, err := n.exchange(ctx, 'i'); err != nil {
		return core.Identity{}, err
	}
	return core.Identity{ID: n.server.id, Role: core.RoleWriter}, nil
}

func (dialect) Topology(context.Context, core.Native) ([]core.Instance, error) { return nil, nil }

// native is the fake driver's connection.
type native struct {
	core.Native // what is missing must not be called
	link        *core.Link
	server      *fakeServer
}

func (n *native) exchange(ctx context.Context, op byte) (reply byte, err error) {
	stop := context.AfterFunc(ctx, func() { _ = n.link.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := []byte{op}
	_, err = n.link.Write(b)
	if err == nil {
		_, err = n.link.Read(b)
	}
	if err != nil {
		_ = n.link.Close()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("fake: %w", err)
	}
	return b[0], nil
}

func (n *native) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	_, err := n.exchange(ctx, 'q')
	return nil, err
}

func (n *native) Ping(ctx context.Context) error {
	_, err := n.exchange(ctx, 'P')
	return err
}

func (n *native) Close() error { return n.link.Close() }

// handle opens a handle that runs the plugins, and is closed when the test ends.
func (f *fakeNet) handle(t *testing.T, params map[string]string, plugins ...core.Plugin) *core.Connector {
	t.Helper()
	t.Cleanup(f.hangUp) // after all handles have closed
	settings, err := core.TakeSettings(maps.Clone(params))
	if err != nil {
		t.Fatal(err)
	}
	k, err := core.NewConnector(core.Config{
		Engine: engine{f}, Family: "fake", Addr: dsnAddr, Settings: settings, Plugins: plugins, Dial: f.dial,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // never fails
	return k
}

func open(t *testing.T, k *core.Connector) *core.Conn {
	t.Helper()
	c, err := k.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // perhaps closed already
	return c
}

// begin puts a query that is never answered, and tells how it ended.
func begin(t *testing.T, c *core.Conn) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := c.QueryContext(context.WithoutCancel(t.Context()), "wait", nil)
		done <- err
	}()
	return done
}

// abandon ends a query that is never answered, unless it has been cut.
func abandon(t *testing.T, c *core.Conn, done <-chan error) {
	t.Helper()
	_ = c.Close() // perhaps cut already
	if err := <-done; err == nil {
		t.Error("a query was answered that never is")
	}
}

func mustNew(t *testing.T, o Options) core.Plugin {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
