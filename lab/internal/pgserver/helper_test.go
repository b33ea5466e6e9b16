package pgserver

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a Host under the test's control.
type host struct {
	id       string
	writable atomic.Bool
	flavor   sqlengine.Flavor
	status   []sqlengine.InstanceStatus
}

func newHost(id string, writable bool) *host {
	h := &host{id: id}
	h.writable.Store(writable)
	return h
}

func (h *host) ID() string                         { return h.id }
func (h *host) Writable() bool                     { return h.writable.Load() }
func (h *host) Status() []sqlengine.InstanceStatus { return h.status }
func (h *host) Flavor() sqlengine.Flavor           { return h.flavor }

// instance is a server with in-memory connections.
type instance struct {
	*Server
	serving sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

// start serves config; store and host are filled in when missing. Everything ends with the test.
func start(t testing.TB, config Config) *instance {
	t.Helper()
	if config.Store == nil {
		config.Store = sqlengine.NewStore()
	}
	if config.Host == nil {
		config.Host = newHost("mydb-1", true)
	}
	in := &instance{Server: New(config)}
	t.Cleanup(func() {
		in.mu.Lock()
		in.closed = true
		in.mu.Unlock()
		in.serving.Wait()
	})
	return in
}

// accounts are users with passwords that are checked in one way.
func accounts(auth Auth, passwords map[string]string) func(string) Account {
	return func(user string) Account {
		password, ok := passwords[user]
		return Account{Auth: auth, Password: password, Unknown: !ok}
	}
}

// verified is everybody, whose passwords f checks.
func verified(auth Auth, f func(password string) bool) func(string) Account {
	return func(string) Account { return Account{Auth: auth, Verify: f} }
}

func (in *instance) dial(context.Context, string, string) (net.Conn, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed { // pgx may come back with a cancel request
		return nil, errors.New("connection refused")
	}
	client, server := pipe()
	in.serving.Add(1)
	go func() {
		defer in.serving.Done()
		in.ServeConn(server)
	}()
	return client, nil
}

// configFor makes a client configuration; parameters are appended to the connection string.
func (in *instance) configFor(t testing.TB, parameters string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig("host=mydb-1 user=app password=secret database=app sslmode=disable " + parameters)
	if err != nil {
		t.Fatal(err)
	}
	config.DialFunc = in.dial
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"10.0.0.1"}, nil }
	return config
}

func (in *instance) connect(t testing.TB, parameters string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), in.configFor(t, parameters))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx)
		<-conn.PgConn().CleanupDone()
	})
	return conn
}

func mustExec(t testing.TB, conn *pgx.Conn, sql string, args ...any) string {
	t.Helper()
	tag, err := conn.Exec(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return tag.String()
}

// extended runs a statement by the extended protocol; Exec does not if there are no arguments.
func extended(t testing.TB, conn *pgx.Conn, sql string) error {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeDescribeExec)
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

// rowsOf collects the rows of a query.
func rowsOf(t testing.TB, conn *pgx.Conn, sql string, args ...any) [][]any {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

// code is the SQLSTATE of an error, "" for nil, and "none" for other errors.
func code(err error) string {
	var failure *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &failure):
		return failure.Code
	}
	return "none"
}

// pipe makes a connection in memory. Unlike net.Pipe, writing does not wait for the reader.
func pipe() (client, server *end) {
	a, b := newFlow(), newFlow()
	return &end{in: a, out: b}, &end{in: b, out: a}
}

// flow is one direction of a pipe.
type flow struct {
	mu      sync.Mutex
	data    []byte
	err     error
	changed chan struct{} // closed and replaced on every change
}

func newFlow() *flow { return &flow{changed: make(chan struct{})} }

func (f *flow) change(apply func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	apply()
	close(f.changed)
	f.changed = make(chan struct{})
}

type end struct {
	in, out *flow
	reset   atomic.Bool

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{}
}

var errReset = errors.New("connection reset by peer")

func (e *end) Read(p []byte) (int, error) {
	for {
		e.in.mu.Lock()
		n, err, changed := copy(p, e.in.data), e.in.err, e.in.changed
		e.in.data = e.in.data[n:]
		e.in.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		if err := e.wait(changed); err != nil {
			return 0, err
		}
	}
}

func (e *end) wait(changed chan struct{}) error {
	e.mu.Lock()
	deadline := e.deadline
	if e.moved == nil {
		e.moved = make(chan struct{})
	}
	moved := e.moved
	e.mu.Unlock()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-changed:
	case <-moved:
	case <-expired:
		return errDeadline{}
	}
	return nil
}

type errDeadline struct{}

func (errDeadline) Error() string   { return "i/o timeout" }
func (errDeadline) Timeout() bool   { return true }
func (errDeadline) Temporary() bool { return true }

func (e *end) Write(p []byte) (int, error) {
	e.out.mu.Lock()
	err := e.out.err
	e.out.mu.Unlock()
	if err != nil {
		return 0, io.ErrClosedPipe
	}
	e.out.change(func() { e.out.data = append(e.out.data, p...) })
	return len(p), nil
}

func (e *end) finish(err error) {
	e.out.change(func() {
		if e.out.err == nil {
			e.out.err = err
		}
	})
	e.in.change(func() {
		if e.in.err == nil {
			e.in.err = net.ErrClosed
		}
	})
}

func (e *end) Close() error { e.finish(io.EOF); return nil }

// Reset drops what is unread, too.
func (e *end) Reset() {
	e.reset.Store(true)
	e.finish(errReset)
}

func (e *end) SetDeadline(t time.Time) error { return e.SetReadDeadline(t) }

func (e *end) SetReadDeadline(t time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.deadline = t
	if e.moved != nil {
		close(e.moved)
		e.moved = nil
	}
	return nil
}

func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5432} }
func (e *end) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5432} }
