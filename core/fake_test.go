package core

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A database cluster for tests of core alone: in-memory sockets, and a protocol
// of one byte per request and reply. What the wire protocols do is tested in the
// driver modules.

const (
	fakeDomain  = "c9xyz.us-east-1.rds.amazonaws.com"
	fakeAddress = "db.cluster-" + fakeDomain + ":5432"
)

type fakeCluster struct {
	mu        sync.Mutex
	hosts     map[string]*fakeHost // by ID
	aliases   map[string]string    // address -> ID
	rows      []Instance           // what every host's status table says unless it has its own
	plain     bool                 // no topology
	passwords map[string]string    // by user; nil: anything goes
	detects   int                  // how often the kind of database was asked for
	requests  int                  // cancel requests that were sent after a refused login
	onDial    func()               // runs before every dial: a user's callback
	sockets   sync.WaitGroup
	cleanup   sync.Once
}

type fakeHost struct {
	id    string
	role  Role // by its own state
	rows  []Instance
	fails map[byte]error // what it answers instead of success

	refuses bool // connections
	hangs   bool // dials never end
	frozen  bool // accepts, and answers nothing
	ignores byte // the one request it does not answer, being busy with it

	suspends []time.Duration // for so long this process is suspended when it asks next, and then

	dials, probes, calls int
	inTx                 int // open transactions
	conns                map[net.Conn]bool
}

func newFakeCluster(writer string, readers ...string) *fakeCluster {
	f := &fakeCluster{hosts: map[string]*fakeHost{}, aliases: map[string]string{}}
	for _, id := range append([]string{writer}, readers...) {
		f.hosts[id] = &fakeHost{id: id, role: RoleReader, fails: map[byte]error{}, conns: map[net.Conn]bool{}}
		f.aliases[id+"."+fakeDomain+":5432"] = id
	}
	f.promote(writer)
	return f
}

// with changes the state of one host.
func (f *fakeCluster) with(id string, change func(h *fakeHost)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.hosts[id])
}

func read[T any](f *fakeCluster, id string, field func(h *fakeHost) T) (v T) {
	f.with(id, func(h *fakeHost) { v = field(h) })
	return v
}

func probesOf(h *fakeHost) int { return h.probes }
func dialsOf(h *fakeHost) int  { return h.dials }

// promote makes a host the writer by all signs: state, status tables, DNS.
func (f *fakeCluster) promote(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = nil
	for _, name := range slices.Sorted(maps.Keys(f.hosts)) {
		f.hosts[name].role = RoleReader
		f.rows = append(f.rows, Instance{ID: name, Writer: name == id, UpdatedAt: time.Now()})
	}
	f.hosts[id].role = RoleWriter
	f.aliases[fakeAddress] = id
}

// kill makes a host refuse connections and resets those it has.
func (f *fakeCluster) kill(id string) {
	f.with(id, func(h *fakeHost) {
		h.refuses = true
		for c := range h.conns {
			_ = c.Close()
		}
	})
}

func (f *fakeCluster) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	f.mu.Lock()
	hook := f.onDial
	f.mu.Unlock()
	if hook != nil {
		hook()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[f.aliases[addr]]
	if h == nil {
		return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
	}
	h.dials++
	switch {
	case h.hangs:
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return nil, context.Cause(ctx)
	case h.refuses:
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	h.conns[server] = true
	f.sockets.Go(func() { f.serve(h, server) })
	return client, nil
}

func (f *fakeCluster) serve(h *fakeHost, c net.Conn) {
	inTx := 0
	defer func() {
		_ = c.Close()
		f.mu.Lock()
		delete(h.conns, c)
		h.inTx -= inTx
		f.mu.Unlock()
	}()
	b := make([]byte, 1)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		f.mu.Lock()
		change := map[byte]int{'B': 1, 'C': -1, 'R': -1}[b[0]]
		h.inTx += change
		inTx += change
		if b[0] == 'i' || b[0] == 't' {
			h.probes++
		} else if b[0] != 'l' {
			h.calls++
		}
		frozen := h.frozen || h.ignores == b[0]
		f.mu.Unlock()
		if frozen {
			continue
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// Errors of the fake driver, by kind.
var (
	errFakeLogin    = errors.New("fake: password refused")
	errFakeReadOnly = errors.New("fake: read-only transaction")
	errFakeShutdown = errors.New("fake: shutting down")
	errFakeClosed   = errors.New("fake: conn closed")
	errFakeBusy     = errors.New("fake: too many connections")
)

// stateError is a server's error with an SQLSTATE.
type stateError string

func (e stateError) Error() string    { return "fake: SQLSTATE " + string(e) }
func (e stateError) SQLState() string { return string(e) }

type fakeEngine struct {
	cluster        *fakeCluster
	user, password string
	multiAZ        bool // a refused login looks like a reboot
}

func (e *fakeEngine) Open(ctx context.Context, t Target) (Native, *Link, error) {
	c, err := t.Dial(ctx, "tcp", t.Host.Addr)
	if err != nil {
		return nil, nil, fmt.Errorf("fake: %w", err)
	}
	link := c.(*Link)
	f := e.cluster
	f.mu.Lock()
	n := &fakeNative{cluster: f, link: link, host: f.hosts[f.aliases[t.Host.Addr]]}
	n.wrapped.native = n
	user, password := e.user, e.password
	if t.User != "" {
		user, password = t.User, string(t.Password)
	}
	refused := f.passwords != nil && f.passwords[user] != password
	f.mu.Unlock()
	if err := n.exchange(ctx, 'l'); err != nil {
		_ = link.Close()
		return nil, nil, err
	}
	if refused {
		// As pgx does from a goroutine of its own, which may be late or early.
		if side, err := t.Dial(context.Background(), "tcp", t.Host.Addr); err == nil {
			_ = side.Close()
			f.mu.Lock()
			f.requests++
			f.mu.Unlock()
		}
		_ = link.Close()
		return nil, nil, fmt.Errorf("fake: cannot log in: %w", errFakeLogin)
	}
	return n, link, nil
}

func (e *fakeEngine) Detect(ctx context.Context, c Native, _ Endpoint) (Dialect, error) {
	e.cluster.mu.Lock()
	e.cluster.detects++
	e.cluster.mu.Unlock()
	if err := c.(*fakeNative).exchange(ctx, 'i'); err != nil {
		return nil, err
	}
	return fakeDialect{e.cluster}, nil
}

func (e *fakeEngine) Classify(err error, d Dialect) Fault {
	switch {
	case e.multiAZ && d != nil && errors.Is(err, errFakeLogin):
		return FaultShutdown
	case err == nil:
		return FaultNone
	case errors.As(err, new(*LostError)):
		return FaultLink
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return FaultCanceled
	case errors.Is(err, errFakeLogin):
		return FaultLogin
	case errors.Is(err, errFakeReadOnly):
		return FaultReadOnly
	case errors.Is(err, errFakeShutdown):
		return FaultShutdown
	case errors.Is(err, errFakeClosed):
		return FaultClosed
	case errors.Is(err, errFakeBusy):
		return FaultBusy
	case errors.As(err, new(*net.OpError)), errors.As(err, new(*net.DNSError)), errors.Is(err, io.EOF):
		return FaultLink
	}
	return FaultNone
}

type fakeDialect struct{ cluster *fakeCluster }

func (d fakeDialect) Code() string    { return "fake" }
func (d fakeDialect) Clustered() bool { return !d.cluster.plain }

func (f *fakeCluster) suspend(h *fakeHost) {
	var d time.Duration
	f.mu.Lock()
	if len(h.suspends) > 0 {
		d, h.suspends = h.suspends[0], h.suspends[1:]
	}
	f.mu.Unlock()
	time.Sleep(d)
}

func (d fakeDialect) Identify(ctx context.Context, c Native) (Identity, error) {
	n := c.(*fakeNative)
	d.cluster.suspend(n.host)
	if err := n.exchange(ctx, 'i'); err != nil {
		return Identity{}, err
	}
	d.cluster.mu.Lock()
	defer d.cluster.mu.Unlock()
	if d.cluster.plain {
		return Identity{Role: n.host.role}, nil
	}
	return Identity{ID: n.host.id, Role: n.host.role}, nil
}

func (d fakeDialect) Topology(ctx context.Context, c Native) ([]Instance, error) {
	n := c.(*fakeNative)
	if err := n.exchange(ctx, 't'); err != nil {
		return nil, err
	}
	d.cluster.mu.Lock()
	defer d.cluster.mu.Unlock()
	if n.host.rows != nil {
		return slices.Clone(n.host.rows), nil
	}
	return slices.Clone(d.cluster.rows), nil
}

// fakeNative is the fake driver's connection. Like pgx it closes itself when a
// call's context ends, and tells no more than "conn closed" from then on.
type fakeNative struct {
	closedStatements int
	cluster          *fakeCluster
	host             *fakeHost
	link             *Link
	silent           bool // calls do nothing at all: for counting allocations
	broken           bool
	ignoresContext   bool
	resets           error // what ResetSession returns
	wrapped          fakeRows
}

func (n *fakeNative) exchange(ctx context.Context, op byte) error {
	if n.silent {
		return nil
	}
	if n.broken {
		return errFakeClosed
	}
	if n.ignoresContext {
		ctx = context.Background()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = n.link.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := []byte{op}
	_, err := n.link.Write(b)
	if err == nil {
		_, err = n.link.Read(b)
	}
	if err != nil {
		n.broken = true
		_ = n.link.Close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("fake: %w", err)
	}
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	return n.host.fails[op]
}

func (n *fakeNative) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := n.exchange(ctx, 'q'); err != nil {
		return nil, err
	}
	return theFakeRows, nil
}

func (n *fakeNative) ExecContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Result, error) {
	if err := n.exchange(ctx, 'e'); err != nil {
		return nil, err
	}
	return driver.RowsAffected(1), nil
}

func (n *fakeNative) PrepareContext(ctx context.Context, _ string) (driver.Stmt, error) {
	if err := n.exchange(ctx, 'p'); err != nil {
		return nil, err
	}
	return (*fakeStmt)(n), nil
}

func (n *fakeNative) Prepare(query string) (driver.Stmt, error) {
	return n.PrepareContext(context.Background(), query)
}

func (n *fakeNative) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if err := n.exchange(ctx, 'B'); err != nil {
		return nil, err
	}
	return (*fakeTx)(n), nil
}

func (n *fakeNative) Begin() (driver.Tx, error) {
	return n.BeginTx(context.Background(), driver.TxOptions{})
}

func (n *fakeNative) Ping(ctx context.Context) error           { return n.exchange(ctx, 'P') }
func (n *fakeNative) ResetSession(context.Context) error       { return n.resets }
func (n *fakeNative) CheckNamedValue(*driver.NamedValue) error { return nil }
func (n *fakeNative) IsValid() bool                            { return !n.broken }

func (n *fakeNative) Close() error {
	n.broken = true
	return n.link.Close()
}

func (n *fakeNative) WrapRows(ctx context.Context, _ driver.Rows, failed func(context.Context, error) error) driver.Rows {
	n.wrapped.ctx, n.wrapped.failed = ctx, failed
	return &n.wrapped
}

type fakeTx fakeNative

func (t *fakeTx) Commit() error   { return (*fakeNative)(t).exchange(context.Background(), 'C') }
func (t *fakeTx) Rollback() error { return (*fakeNative)(t).exchange(context.Background(), 'R') }

// CommitsImplicitly makes "ddl" a statement that commits.
func (n *fakeNative) CommitsImplicitly(query string) bool { return query == "ddl" }

// CommitsInParts makes "several" a text of several statements.
func (n *fakeNative) CommitsInParts(query string) bool { return query == "several" }

type fakeStmt fakeNative

func (s *fakeStmt) Close() error                               { s.closedStatements++; return nil }
func (s *fakeStmt) NumInput() int                              { return -1 }
func (s *fakeStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s *fakeStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

func (s *fakeStmt) ExecContext(ctx context.Context, a []driver.NamedValue) (driver.Result, error) {
	return (*fakeNative)(s).ExecContext(ctx, "", a)
}

func (s *fakeStmt) QueryContext(ctx context.Context, a []driver.NamedValue) (driver.Rows, error) {
	return (*fakeNative)(s).QueryContext(ctx, "", a)
}

var theFakeRows = &fakeRows{}

type fakeRows struct {
	native *fakeNative
	ctx    context.Context
	failed func(context.Context, error) error
}

func (r *fakeRows) Columns() []string { return nil }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next([]driver.Value) error {
	if err := r.native.exchange(r.ctx, 'n'); err != nil {
		return r.failed(r.ctx, err)
	}
	return io.EOF
}

// settingsFrom makes Settings as a DSN would; no plugin is linked in.
func settingsFrom(t *testing.T, params map[string]string) Settings {
	t.Helper()
	s, err := (&registry{}).take(maps.Clone(params))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// handle makes a Connector to the cluster that runs exactly the given plugins,
// and is closed when the test ends.
func (f *fakeCluster) handle(t *testing.T, params map[string]string, running ...Plugin) *Connector {
	t.Helper()
	f.cleanup.Do(func() { t.Cleanup(f.hangUp) }) // after all handles have closed
	k, err := NewConnector(Config{
		Engine: &fakeEngine{cluster: f}, Family: "fake", Addr: fakeAddress, Settings: settingsFrom(t, params),
		Plugins: append([]Plugin{}, running...), Dial: f.dial, Resolver: cnames(noAlias), Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // never fails
	return k
}

// hangUp ends the servers' side.
func (f *fakeCluster) hangUp() {
	f.mu.Lock()
	for _, h := range f.hosts {
		for c := range h.conns {
			_ = c.Close()
		}
	}
	f.mu.Unlock()
	f.sockets.Wait()
}

func noAlias(context.Context, string) (string, error) { return "", errors.New("no alias") }

// cnames is a resolver that only knows aliases.
type cnames func(ctx context.Context, host string) (string, error)

func (f cnames) LookupCNAME(ctx context.Context, host string) (string, error) { return f(ctx, host) }

func (f cnames) LookupHost(context.Context, string) ([]string, error) {
	return nil, errors.New("no addresses")
}

// testLog shows the log of a failing test.
func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// open opens one connection.
func open(t *testing.T, k *Connector) *Conn {
	t.Helper()
	c, err := k.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // perhaps closed already
	return c
}

// onRole is a plugin that connects to a host of the role, as failover does in
// its own, better way.
type onRole Role

func (p onRole) Code() string { return "on_role" }

func (p onRole) WrapConnect(k *Connector, next ConnectFunc) ConnectFunc {
	return func(ctx context.Context, t Target) (*Conn, error) {
		if err := k.Cluster().Ready(ctx); err != nil {
			return nil, err
		}
		hosts := k.Cluster().Topology().Hosts
		if i := slices.IndexFunc(hosts, func(h Host) bool { return h.Role == Role(p) }); i >= 0 {
			t.Host, t.Want = hosts[i], Role(p)
		}
		c, err := next(ctx, t)
		if err != nil {
			return nil, err
		}
		if _, err := c.Identify(ctx); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Expect(Role(p))
		return c, nil
	}
}
