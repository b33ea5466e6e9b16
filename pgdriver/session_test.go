package pgdriver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// handoverPool is a pool over a cluster in memory. In a bubble all of it waits in virtual
// time.
func handoverPool(t *testing.T, o lab.Options, change func(*pgxpool.Config), opts ...Option) (*Pool, *lab.Cluster) {
	t.Helper()
	o.Network = lab.Memory
	cluster, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.ConnConfig.DialFunc = cluster.DialContext; change != nil {
		change(cfg)
	}
	p, err := NewPool(t.Context(), cfg, append(opts, WithResolver(cluster))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, cluster
}

func acquired(t *testing.T, p *Pool) Conn {
	t.Helper()
	c, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Release)
	return c
}

// The connection on top is told all that the login has learnt, TLS or not.
func TestHijackTellsAll(t *testing.T) {
	for name, mode := range map[string]lab.TLSMode{"plain": lab.TLSOff, "TLS": lab.TLSRequired} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := handoverPool(t, lab.Options{TLS: mode}, nil)
				c := acquired(t, p)
				pg := c.Conn().PgConn()
				if encrypted := c.session.tls != nil; encrypted != (mode == lab.TLSRequired) {
					t.Errorf("TLS: %t", encrypted)
				}
				if pg.PID() == 0 || len(pg.SecretKey()) == 0 {
					t.Errorf("pid %d and key %v", pg.PID(), pg.SecretKey())
				}
				for _, name := range []string{"server_version", "client_encoding", "standard_conforming_strings"} {
					if pg.ParameterStatus(name) == "" {
						t.Errorf("%s is not known", name)
					}
				}
				if got := linkUnder(pg.Conn()); got == nil || got != c.session.conn.Link() {
					t.Errorf("link %p, want %p", got, c.session.conn.Link())
				}
			})
		})
	}
}

// wire is what was sent on all sockets of a pool.
type wire struct {
	mu   sync.Mutex // guards sent
	sent []byte
}

func (w *wire) tap(cfg *pgx.ConnConfig) {
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tapped{c, w}, nil
	}
}

func (w *wire) has(b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.sent, b)
}

type tapped struct {
	net.Conn
	wire *wire
}

func (c tapped) Write(b []byte) (int, error) {
	c.wire.mu.Lock()
	c.wire.sent = append(c.wire.sent, b...)
	c.wire.mu.Unlock()
	return c.Conn.Write(b)
}

// A cancel request is dialled by the network that RemoteAddr gives, finds its session, and
// reaches the host that the session is on: without TLS, and within TLS.
func TestCancelRequestFindsItsSession(t *testing.T) {
	for name, mode := range map[string]lab.TLSMode{"plain": lab.TLSOff, "TLS": lab.TLSRequired} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent wire
				p, cluster := handoverPool(t, lab.Options{TLS: mode}, func(cfg *pgxpool.Config) { sent.tap(cfg.ConnConfig) })
				acquired(t, p) // a session beside it
				c := acquired(t, p)
				result := make(chan error)
				go func() { _, err := c.Conn().Exec(t.Context(), "select pg_sleep(100)"); result <- err }()
				time.Sleep(time.Second)
				dials, began := cluster.Writer().Dials(), time.Now()
				if err := c.Conn().PgConn().CancelRequest(t.Context()); err != nil {
					t.Error(err)
				}
				var refusal *pgconn.PgError
				if err := <-result; !errors.As(err, &refusal) || refusal.Code != "57014" || time.Since(began) > time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
				if n := cluster.Writer().Dials() - dials; n != 1 {
					t.Errorf("%d dials", n)
				}
				if legible := sent.has(c.Conn().PgConn().SecretKey()); legible != (mode == lab.TLSOff) {
					t.Errorf("the key went out in clear: %t", legible)
				}
			})
		})
	}
}

// The network of a session that is over, and one that was never, lead nowhere.
func TestNoSideOfASessionThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, cluster := handoverPool(t, lab.Options{}, nil)
		c := acquired(t, p)
		address := c.Conn().PgConn().Conn().RemoteAddr()
		dial := c.Conn().Config().DialFunc
		if err := c.Conn().Close(t.Context()); err != nil {
			t.Error(err)
		}
		dials := cluster.Writer().Dials()
		for _, network := range []string{address.Network(), sessionNetwork + "4711", sessionNetwork} {
			if conn, err := dial(t.Context(), network, address.String()); conn != nil || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v, %v", network, conn, err)
			}
		}
		if cluster.Writer().Dials() != dials {
			t.Error("something was dialled")
		}
	})
}

// connectTracer is an application's.
type connectTracer struct {
	tracer
	connects *[]string // the hosts of TraceConnectEnd
}

func (t connectTracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

func (t connectTracer) TraceConnectEnd(_ context.Context, data pgx.TraceConnectEndData) {
	*t.connects = append(*t.connects, data.Conn.Config().Host)
}

// What BeforeConnect has changed for the login holds for the connection on top, whose
// tracer is the application's.
func TestBeforeConnectReachesTheTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var hosts, connects []string
		p, cluster := handoverPool(t, lab.Options{Auth: lab.Trust}, func(cfg *pgxpool.Config) {
			cfg.ConnConfig.Tracer = connectTracer{connects: &connects}
			cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
				mu.Lock()
				defer mu.Unlock()
				hosts = append(hosts, c.Host)
				c.User, c.Password = "other", "token"
				c.DefaultQueryExecMode = pgx.QueryExecModeExec
				c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
				return nil
			}
		})
		c := acquired(t, p)
		type top struct {
			Host, User, Password   string
			Mode                   pgx.QueryExecMode
			Statements, Descripted int
		}
		cfg := c.Conn().Config()
		got := top{cfg.Host, cfg.User, cfg.Password, cfg.DefaultQueryExecMode, cfg.StatementCacheCapacity, cfg.DescriptionCacheCapacity}
		if diff := cmp.Diff(top{cluster.Writer().Host(), "other", "token", pgx.QueryExecModeExec, 0, 0}, got); diff != "" {
			t.Error(diff)
		}
		if _, ok := cfg.Tracer.(connectTracer); !ok || !slices.Equal(connects, []string{cluster.Writer().Host()}) {
			t.Errorf("%T traced connects to %q", cfg.Tracer, connects)
		}
		var user string
		if err := c.QueryRow(t.Context(), "select current_user").Scan(&user); err != nil || user != "other" {
			t.Errorf("logged in as %q, %v", user, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(hosts, cluster.Writer().Host()) {
			t.Errorf("BeforeConnect saw %q, not %s", hosts, cluster.Writer().Host())
		}
	})
}

// pgxpool and pgx leave the socket of ours to themselves: the hijacked connection, and one
// that is opened by the pool's configuration alone, are sessions too.
func TestEveryWayLeadsToASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := handoverPool(t, lab.Options{}, nil)
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hijacked := c.Hijack()
		alone, err := pgx.ConnectConfig(t.Context(), p.Config().ConnConfig)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*pgx.Conn{hijacked, alone} {
			if sessionOf(c) == nil {
				t.Errorf("the socket is a %T", c.PgConn().Conn())
			}
			if err := c.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// A caller's deadline is a deadline of the socket, whoever handles contexts.
func TestDeadlinesReachTheSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, cluster := handoverPool(t, lab.Options{}, nil)
		c := acquired(t, p)
		cluster.Writer().Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := c.Conn().Exec(ctx, "select 1")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
		cluster.Writer().Heal()
	})
}

// The pass for a timeout is good for one look, before pgx has closed the connection.
func TestReadable(t *testing.T) {
	lost := &core.LostError{Host: "mydb-1", Err: io.EOF}
	var first net.Error
	s := &session{Conn: &scripted{}, failed: asItIs, all: &sessions{}}
	if err := s.readable(lost); !errors.As(err, &first) || !first.Timeout() || first.Timeout() || !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
	for _, err := range []error{io.EOF, os.ErrDeadlineExceeded, net.ErrClosed} {
		if s.readable(err) != err { //nolint:errorlint // untouched
			t.Errorf("%v was changed", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.readable(lost); !errors.As(err, &first) || first.Timeout() {
		t.Errorf("%v of a session that is closed", err)
	}
}

// pgxpool asks PrepareConn for every connection, also the last one, and opens another for
// each that is refused, without an error of its own.
func TestRefusedConnectionsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := handoverPool(t, lab.Options{}, func(cfg *pgxpool.Config) { cfg.MaxConns = 3 })
		var idle []Conn
		var old []*core.Link
		for range 3 {
			c := acquired(t, p)
			idle, old = append(idle, c), append(old, c.session.conn.Link())
		}
		for n, c := range idle {
			c.Release()
			old[n].Condemn(errors.New("this test"))
		}
		for range 3 {
			if link := acquired(t, p).session.conn.Link(); slices.Contains(old, link) {
				t.Error("a condemned connection was handed out")
			}
		}
	})
}

// pgxpool would ping what has been idle for a second; a look at the socket does instead.
func TestIdleConnectionsAreNotPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := handoverPool(t, lab.Options{}, nil)
		c := acquired(t, p)
		link := c.session.conn.Link()
		c.Release()
		written := link.Written()
		time.Sleep(10 * time.Second)
		if c := acquired(t, p); c.session.conn.Link() != link || link.Written() != written {
			t.Errorf("%d bytes were sent", link.Written()-written)
		}
	})
}
