package pgxpool

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// What the first message of a connection asks for.
const (
	cancelRequest = 80877102
	sslRequest    = 80877103
)

// wire is the network as a pool uses it.
type wire struct {
	dial pgconn.DialFunc

	mu      sync.Mutex
	sockets []*socket
}

type socket struct {
	net.Conn
	wire *wire
	addr string
	code uint32 // of the first message; 0: nothing was sent
}

func (s *socket) Write(b []byte) (int, error) {
	s.wire.mu.Lock()
	if s.code == 0 && len(b) >= 8 {
		s.code = binary.BigEndian.Uint32(b[4:])
	}
	s.wire.mu.Unlock()
	return s.Conn.Write(b)
}

// on makes cfg use the wire, and pgx cancel calls by a request, not by closing the
// connection.
func (w *wire) on(cfg *pgxpool.Config) {
	w.dial = cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		s := &socket{wire: w, addr: addr}
		w.mu.Lock()
		w.sockets = append(w.sockets, s)
		w.mu.Unlock()
		var err error
		s.Conn, err = w.dial(ctx, network, addr)
		return s, err
	}
	cfg.ConnConfig.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: 5 * time.Second}
	}
}

// dialled are the addresses since, and what was asked for.
func (w *wire) dialled(since int) (addrs []string, codes []uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.sockets[since:] {
		addrs, codes = append(addrs, s.addr), append(codes, s.code)
	}
	return addrs, codes
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sockets)
}

// Who cancels a call sends a cancel request to the host that runs it, encrypted if the
// connection is; the connection goes on.
func TestCancelRequests(t *testing.T) {
	for _, test := range []struct {
		server  lab.TLSMode
		sslmode string
		want    uint32
		byIP    bool
	}{
		{lab.TLSOff, "disable", cancelRequest, false},
		{lab.TLSOff, "prefer", cancelRequest, false},
		{lab.TLSOff, "disable", cancelRequest, true},
		{lab.TLSOptional, "disable", cancelRequest, false},
		{lab.TLSOptional, "allow", cancelRequest, false},
		{lab.TLSOptional, "prefer", sslRequest, false},
		{lab.TLSOptional, "require", sslRequest, true},
		{lab.TLSRequired, "prefer", sslRequest, false},
		{lab.TLSRequired, "require", sslRequest, false},
		{lab.TLSRequired, "verify-ca", sslRequest, false},
		{lab.TLSRequired, "verify-full", sslRequest, false},
	} {
		name := test.sslmode + map[lab.TLSMode]string{lab.TLSOff: ", no TLS", lab.TLSOptional: ", TLS", lab.TLSRequired: ", only TLS"}[test.server]
		if test.byIP {
			name += ", by address"
		}
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{TLS: test.server}, func(t *testing.T, c *lab.Cluster) {
				host := c.Endpoint()
				params := []string{"sslmode=" + test.sslmode, "pool_max_conns=1"}
				if test.byIP {
					host = c.Writer().IP()
					params = append(params, "cluster_instance_host_pattern="+c.InstancePattern())
					if test.sslmode != "disable" {
						params = append(params, "sslrootcert=")
					}
				}
				cfg := config(t, c, host, params...)
				w := &wire{}
				w.on(cfg)
				p := build(t, c, cfg)
				for _, writer := range []string{"mydb-1", "mydb-2"} {
					if writer != "mydb-1" {
						crash(t, c, writer)
						c.Instance("mydb-1").Restart()
					}
					lands(t, p, writer)
					session := p.hold(t, 1)[0]
					pid := session.Conn().PgConn().PID()
					time.Sleep(time.Minute) // what awsdb itself dials is over
					before := w.count()
					ctx, cancel := context.WithCancel(t.Context())
					call := async(func() error { _, err := session.Exec(ctx, slow); return err })
					time.Sleep(100 * time.Millisecond)
					cancel()
					began := time.Now()
					e := <-call
					if pgCode(e.err) != "57014" { // pgx gives the server's answer
						t.Errorf("the call: %v", e.err)
					}
					demand.IsNot(t, "the call", e.err, core.ErrFailover)
					if took := e.at.Sub(began); took > 200*time.Millisecond { // pgx itself waits for 100
						t.Errorf("the call ended %v after it was canceled", took)
					}
					addrs, codes := w.dialled(before)
					if !slices.Equal(addrs, []string{c.Instance(writer).IP() + ":5432"}) || !slices.Equal(codes, []uint32{test.want}) {
						t.Errorf("dialled %v with first messages %v", addrs, codes)
					}
					if session.Conn().IsClosed() {
						t.Error("the connection is closed")
					}
					lands(t, session, writer)
					if got := session.Conn().PgConn().PID(); got != pid {
						t.Errorf("another session %d", got)
					}
					if err := session.Conn().PgConn().CancelRequest(t.Context()); err != nil { // nothing to cancel
						t.Error(err)
					}
					session.Release()
				}
			})
		})
	}
}

// A connection that was cut, as its host is dead, gets no cancel request, nor does a login
// that failed.
func TestNoCancelRequests(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		cfg := config(t, c, c.Endpoint(), quick...)
		w := &wire{}
		w.on(cfg)
		p := build(t, c, cfg)
		lands(t, p, "mydb-1")
		call := async(func() error { _, err := p.Pool.Pool.Exec(context.Background(), slow); return err })
		time.Sleep(5 * time.Second)
		c.Writer().Freeze()
		time.AfterFunc(bound+time.Second, func() { promote(t, c, "mydb-2") })
		if e := <-call; e.err == nil {
			t.Error("the call succeeded")
		}
		time.Sleep(20 * time.Second)
		lands(t, p, "mydb-2")
		c.Writer().OnLogin(func(user string) error {
			if user == "app" {
				return &lab.LoginError{Code: "53300", Message: "too many"}
			}
			return nil
		})
		for range 3 {
			conn, err := pgx.ConnectConfig(t.Context(), p.Config().ConnConfig)
			if err == nil {
				t.Error("a login that was refused succeeded", conn.Close(t.Context()))
			}
			if pgCode(err) != "53300" {
				t.Errorf("the server's answer is lost: %v", err)
			}
		}
		time.Sleep(20 * time.Second)
		if _, codes := w.dialled(0); slices.Contains(codes, cancelRequest) {
			t.Errorf("first messages %v", codes)
		}
	})
}

// A context that ends while a connection is being opened or waited for is the caller's
// own affair: what is being opened goes to the pool.
func TestCancelWhileOpening(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := open(t, c, c.Endpoint(), "pool_max_conns=2")
		for n := range 30 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*latency/2)
			err := p.Ping(ctx)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %d half latencies: %v", n, err)
			}
		}
		time.Sleep(time.Second)
		lands(t, p, "mydb-1")
		if n := p.Stat().AcquiredConns(); n != 0 {
			t.Errorf("%d connections are still acquired", n)
		}
		if strings.Contains(p.log(), "host down") {
			t.Error(p.log())
		}
	})
}
