package pgxpool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// recorder is every hook of a configuration that an application could give.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, fmt.Sprintf(format, args...))
}

// take gives what was seen since, and forgets it.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// released is take once a connection has been given back, which pgxpool does in the
// background.
func (r *recorder) released() []string {
	for {
		r.mu.Lock()
		done := len(r.seen) > 0 && r.seen[len(r.seen)-1] == "after release"
		r.mu.Unlock()
		if done {
			return r.take()
		}
		time.Sleep(time.Millisecond)
	}
}

// hook sets all hooks of cfg, around those that are needed to get to the lab.
func (r *recorder) hook(cfg *pgxpool.Config) {
	c := cfg.ConnConfig
	c.Tracer = tracer{r}
	dial, lookup := c.DialFunc, c.LookupFunc
	// Our own connections are told apart by who calls BeforeConnect before.
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		r.note("dial")
		return dial(ctx, network, addr)
	}
	c.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		r.note("lookup %s", short(host))
		return lookup(ctx, host)
	}
	c.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		r.note("after net connect")
		return conn, nil
	}
	c.ValidateConnect = func(context.Context, *pgconn.PgConn) error { r.note("validate"); return nil }
	c.AfterConnect = func(context.Context, *pgconn.PgConn) error { r.note("pgconn after connect"); return nil }
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { r.note("notice %s", n.Code) }
	c.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { r.note("notification %s", n.Payload) }
	onError := c.OnPgError
	c.OnPgError = func(pg *pgconn.PgConn, e *pgconn.PgError) bool { r.note("pg error %s", e.Code); return onError(pg, e) }
	build := c.BuildContextWatcherHandler
	c.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler { r.note("build watcher"); return build(pg) }
	frontend := c.BuildFrontend
	c.BuildFrontend = func(rd io.Reader, w io.Writer) *pgproto3.Frontend { r.note("build frontend"); return frontend(rd, w) }

	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		r.note("before connect %s %s", c.User, short(c.Host))
		return nil
	}
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error { r.note("after connect"); return nil }
	cfg.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { r.note("prepare conn"); return true, nil }
	cfg.AfterRelease = func(*pgx.Conn) bool { r.note("after release"); return true }
	cfg.BeforeClose = func(*pgx.Conn) { r.note("before close") }
	cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { r.note("should ping"); return false }
}

func short(host string) string { name, _, _ := strings.Cut(host, "."); return name }

// tracer is every tracer of pgx in one, as otelpgx's is.
type tracer struct{ r *recorder }

var _ interface {
	pgx.ConnectTracer
	pgx.QueryTracer
	pgx.BatchTracer
	pgx.CopyFromTracer
	pgx.PrepareTracer
	pgxpool.AcquireTracer
	pgxpool.ReleaseTracer
} = tracer{}

func (t tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	t.r.note("trace connect")
	return ctx
}
func (t tracer) TraceConnectEnd(_ context.Context, d pgx.TraceConnectEndData) {
	t.r.note("traced connect %v", d.Err == nil && d.Conn != nil)
}
func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	t.r.note("trace query")
	return ctx
}
func (t tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {
	t.r.note("traced query")
}
func (t tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	t.r.note("trace batch")
	return ctx
}
func (t tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	t.r.note("trace batch query")
}
func (t tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {
	t.r.note("traced batch")
}
func (t tracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	t.r.note("trace copy")
	return ctx
}
func (t tracer) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {
	t.r.note("traced copy")
}
func (t tracer) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	t.r.note("trace prepare")
	return ctx
}
func (t tracer) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {
	t.r.note("traced prepare")
}
func (t tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	t.r.note("trace acquire")
	return ctx
}
func (t tracer) TraceAcquireEnd(_ context.Context, _ *pgxpool.Pool, d pgxpool.TraceAcquireEndData) {
	t.r.note("traced acquire %v", d.Err == nil)
}
func (t tracer) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) { t.r.note("trace release") }

// B101: every hook runs as often as it does with a bare pool, and in the order that
// ConfigurePool documents; none but BeforeConnect and what makes the way to the server
// runs for awsdb's own connections.
func TestB101_HooksInOrder(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		r := &recorder{}
		first := open(t, c, c.Endpoint(), "cluster_id=one") // the topology is known from now on
		lands(t, first, "mydb-1")
		cfg := config(t, c, c.Endpoint(), "cluster_id=one")
		r.hook(cfg)
		p := build(t, c, cfg, pgdriver.WithOnConnect(func(context.Context, *pgx.Conn) error { r.note("on connect"); return nil }))
		conn, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"trace acquire",
			"trace connect",
			"before connect app mydb-1", "lookup mydb-1", "dial", "after net connect", "build frontend", "validate",
			"build frontend", "build watcher", "pgconn after connect", "traced connect true", "on connect", "after connect",
			"should ping", "prepare conn",
			"traced acquire true",
		}
		if diff := cmp.Diff(want, r.take()); diff != "" {
			t.Error("opening", diff)
		}
		conn.Release()
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"trace release", "after release"}, r.take()); diff != "" {
			t.Error("giving back", diff)
		}
		if conn, err = p.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"trace acquire", "should ping", "prepare conn", "traced acquire true"}, r.take()); diff != "" {
			t.Error("taking", diff)
		}
		conn.Release()
		time.Sleep(time.Second)
		r.take()
		time.Sleep(10 * time.Minute) // awsdb asks for the topology, and the pool for its connections' health
		if diff := cmp.Diff([]string(nil), r.take()); diff != "" {
			t.Error("idling", diff)
		}
		p.Close()
		if diff := cmp.Diff([]string{"before close"}, r.take()); diff != "" {
			t.Error("closing", diff)
		}
	})
}

// B101: the calls of an application make the same hooks run as with a bare pool.
func TestB101_HooksOfCalls(t *testing.T) {
	loopback(t, func(t *testing.T, c *lab.Cluster) {
		ours, theirs := &recorder{}, &recorder{}
		cfg := config(t, c, c.Endpoint())
		ours.hook(cfg)
		p := build(t, c, cfg)
		// The bare pool has no use for awsdb's parameters.
		plain, err := pgxpool.ParseConfig(c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		plain.ConnConfig.DialFunc, plain.ConnConfig.LookupFunc = c.DialContext, c.LookupHost
		theirs.hook(plain)
		b, err := pgxpool.NewWithConfig(t.Context(), plain)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		must(t, p, "create table t (id bigint, name text)")
		if _, err := b.Exec(t.Context(), "select 1"); err != nil {
			t.Fatal(err)
		}
		theirs.released()
		ours.released()
		for _, s := range steps() {
			errOurs, errTheirs := s.do(t.Context(), p), s.do(t.Context(), bareDB{b})
			if diff := cmp.Diff(theirs.released(), ours.released()); diff != "" {
				t.Errorf("%s: hooks of the bare pool (-) and of ours (+):\n%s", s.name, diff)
			}
			if diff := cmp.Diff(fmt.Sprint(errTheirs), fmt.Sprint(errOurs)); diff != "" {
				t.Errorf("%s: errors of the bare pool (-) and of ours (+):\n%s", s.name, diff)
			}
		}
	})
}

// B101: what BeforeConnect and the others see of awsdb's own connections.
func TestB101_NoHooksForOwnConnections(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		r := &recorder{}
		cfg := config(t, c, c.Endpoint())
		r.hook(cfg)
		p := build(t, c, cfg)
		lands(t, p, "mydb-1")
		crash(t, c, "mydb-2")
		lands(t, p, "mydb-2")
		time.Sleep(time.Minute)
		count := map[string]int{}
		for _, s := range r.take() {
			name, _, _ := strings.Cut(s, " mydb")
			count[name]++
		}
		if count["before connect "+watch] == 0 {
			t.Error("BeforeConnect was not asked for credentials of awsdb's own connections")
		}
		opened := count["after connect"]
		for _, hook := range []string{"validate", "build watcher", "pgconn after connect", "traced connect true"} {
			if count[hook] != opened || opened == 0 {
				t.Errorf("%s ran %d times for %d connections", hook, count[hook], opened)
			}
		}
		for name := range count {
			if strings.HasPrefix(name, "notice") || strings.HasPrefix(name, "notification") {
				t.Errorf("%s, which awsdb's own connections must have got", name)
			}
		}
	})
}

// BeforeConnect is told the instance that is dialled next; that cannot be changed.
func TestBeforeConnectSeesTheInstance(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		r := &recorder{}
		cfg := config(t, c, c.Endpoint())
		r.hook(cfg)
		p := build(t, c, cfg)
		lands(t, p, "mydb-1")
		crash(t, c, "mydb-3")
		lands(t, p, "mydb-3")
		var told string
		logins := map[string]bool{}
		for _, s := range r.take() {
			if host, ok := strings.CutPrefix(s, "before connect app "); ok {
				told = host
				logins[host] = true
			}
		}
		if !logins["mydb-1"] || told != "mydb-3" {
			t.Errorf("the application's logins were at %v, the last at %s", logins, told)
		}
	})
	for name, change := range map[string]func(*pgx.ConnConfig){
		"Host": func(c *pgx.ConnConfig) { c.Host = "elsewhere" },
		"Port": func(c *pgx.ConnConfig) { c.Port = 1234 },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				cfg := config(t, c, c.Endpoint())
				cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { change(c); return nil }
				p := build(t, c, cfg)
				err := p.Ping(t.Context())
				demand.Is(t, "Ping", err, core.ErrConfig)
				if err == nil || !strings.Contains(err.Error(), "leave Host and Port as they are") {
					t.Errorf("the error does not say what to do: %v", err)
				}
			})
		})
	}
}

// A password that changes while the pool lives: BeforeConnect knows the new one, before
// and after a failover, for awsdb's own connections too.
func TestB84_PasswordRotation(t *testing.T) {
	var mu sync.Mutex
	valid := "first"
	check := func(_, password string) bool {
		mu.Lock()
		defer mu.Unlock()
		return password == valid
	}
	virtual(t, lab.Options{Auth: lab.Cleartext, TLS: lab.TLSRequired, VerifyPassword: check}, func(t *testing.T, c *lab.Cluster) {
		mu.Lock()
		valid = "first"
		mu.Unlock()
		current := func() string {
			mu.Lock()
			defer mu.Unlock()
			return valid
		}
		cfg := config(t, c, c.Endpoint())
		cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { c.Password = current(); return nil }
		p := build(t, c, cfg)
		frozen := build(t, c, config(t, c, c.Endpoint(), "connect_timeout=5"))
		lands(t, p, "mydb-1")
		if err := frozen.Ping(t.Context()); pgCode(err) != "28P01" {
			t.Errorf("a wrong password: %v", err)
		}
		mu.Lock()
		valid = "second"
		mu.Unlock()
		crash(t, c, "mydb-2")
		lands(t, p, "mydb-2")
		held := p.hold(t, 3)
		if got := held[2].Conn().Config().Password; got != "second" {
			t.Errorf("the connection's configuration has the password %q", got)
		}
		for _, c := range held {
			c.Release()
		}
	})
}

// Errors and refusals of hooks arrive as with a bare pool.
func TestB101_HooksThatRefuse(t *testing.T) {
	mine := errors.New("mine")
	for name, set := range map[string]func(*pgxpool.Config){
		"BeforeConnect": func(c *pgxpool.Config) {
			c.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return mine }
		},
		"AfterConnect": func(c *pgxpool.Config) { c.AfterConnect = func(context.Context, *pgx.Conn) error { return mine } },
		"ValidateConnect": func(c *pgxpool.Config) {
			c.ConnConfig.ValidateConnect = func(context.Context, *pgconn.PgConn) error { return mine }
		},
		"pgconn.AfterConnect": func(c *pgxpool.Config) {
			c.ConnConfig.AfterConnect = func(context.Context, *pgconn.PgConn) error { return mine }
		},
		"PrepareConn keeps": func(c *pgxpool.Config) {
			c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return true, mine }
		},
		"PrepareConn drops": func(c *pgxpool.Config) {
			c.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return false, mine }
		},
		"DialFunc": func(c *pgxpool.Config) {
			c.ConnConfig.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nil, mine }
		},
		"LookupFunc": func(c *pgxpool.Config) {
			c.ConnConfig.LookupFunc = func(context.Context, string) ([]string, error) { return nil, mine }
		},
		"AfterNetConnect": func(c *pgxpool.Config) {
			c.ConnConfig.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
				return conn, mine
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				cfg := config(t, c, c.Endpoint(), "failover_timeout_sec=20")
				set(cfg)
				p := build(t, c, cfg)
				_, err := p.Exec(t.Context(), "select 1")
				demand.Is(t, "Exec", err, mine)
				time.Sleep(time.Second)
				if n := p.Stat().AcquiredConns(); n != 0 {
					t.Errorf("%d connections are still acquired", n)
				}
			})
		})
	}
	t.Run("BeforeAcquire", func(t *testing.T) {
		virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
			cfg := config(t, c, c.Endpoint())
			refused := map[uint32]bool{}
			cfg.BeforeAcquire = func(_ context.Context, c *pgx.Conn) bool { //nolint:staticcheck // deprecated, and still used
				pid := c.PgConn().PID()
				again := refused[pid]
				refused[pid] = true
				return len(refused) > 1 || again
			}
			p := build(t, c, cfg)
			lands(t, p, "mydb-1")
			if len(refused) != 2 {
				t.Errorf("%d connections were shown to BeforeAcquire, want 2", len(refused))
			}
		})
	})
}
