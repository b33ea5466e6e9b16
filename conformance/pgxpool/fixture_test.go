package pgxpool

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

const (
	latency   = time.Millisecond
	roundTrip = 2 * latency
	atOnce    = 20 * roundTrip // a new connection that is verified, and some more
)

// watch is the user of awsdb's own connections, so that tests can tell them from the
// application's.
const watch = "watch"

const whereAmI = "select aurora_db_instance_identifier()"

// quick makes the host monitor notice a silent host after 1.5 s, bound.
var quick = []string{"failure_detection_time_ms=500", "failure_detection_interval_ms=500", "failure_detection_count=2"}

const bound = 1500 * time.Millisecond

// virtual runs a scenario in virtual time, and demands that nothing is left of it on any
// host.
func virtual(t *testing.T, o lab.Options, scenario func(t *testing.T, c *lab.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Network, o.Latency = lab.Memory, latency
		if o.Auth == lab.Password && o.Password == "" {
			o.Auth = lab.Trust // checking passwords costs real time
		}
		c, err := lab.Start(o)
		if err != nil {
			t.Fatal(err)
		}
		everyone := c.Instances()
		t.Cleanup(func() { // after the pools have been closed
			defer c.Close()
			for _, i := range everyone {
				i.Heal() // so that it learns of the ends of its connections
			}
			time.Sleep(100 * time.Millisecond)
			for _, i := range everyone {
				if n := i.Connections(); n != 0 {
					t.Errorf("%d connections to %s after Close", n, i.ID())
				}
			}
			if err := c.Err(); err != nil {
				t.Error(err)
			}
		})
		scenario(t, c)
	})
}

// loopback runs a scenario in real time: pgx's CopyFrom waits for a mutex while the
// server is at work, which stops virtual time.
func loopback(t *testing.T, scenario func(t *testing.T, c *lab.Cluster)) {
	t.Helper()
	c, err := lab.Start(lab.Options{Auth: lab.Trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	scenario(t, c)
}

// config is a pool's configuration for a host of the cluster.
func config(t *testing.T, c *lab.Cluster, host string, params ...string) *pgxpool.Config {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(c.DSN(host, append([]string{"topology-monitoring-user=" + watch, "monitoring-user=" + watch}, params...)...))
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = c.DialContext, c.LookupHost
	return cfg
}

// pool is a pool with what tests want to look at.
type pool struct {
	*pgdriver.Pool
	*journal
	lab *lab.Cluster
}

// build makes a pool for the duration of the test.
func build(t *testing.T, c *lab.Cluster, cfg *pgxpool.Config, opts ...pgdriver.Option) *pool {
	t.Helper()
	j := &journal{}
	p, err := pgdriver.NewPool(t.Context(), cfg, append([]pgdriver.Option{pgdriver.WithLogger(slog.New(j))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &pool{p, j, c}
}

// open is build for a host of the cluster.
func open(t *testing.T, c *lab.Cluster, host string, params ...string) *pool {
	t.Helper()
	return build(t, c, config(t, c, host, params...))
}

// writable is open for the writer, with a table t.
func writable(t *testing.T, c *lab.Cluster, params ...string) *pool {
	t.Helper()
	p := open(t, c, c.Endpoint(), params...)
	must(t, p, "create table if not exists t (id bigint, name text)")
	return p
}

// bare is pgxpool without awsdb, on one instance.
func bare(t *testing.T, c *lab.Cluster, host string, params ...string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(c.DSN(host, params...))
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = c.DialContext, c.LookupHost
	p, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// querier is what pools, connections and transactions have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// where tells which instance a call is served by.
func where(ctx context.Context, q querier) (string, error) {
	var id string
	err := q.QueryRow(ctx, whereAmI).Scan(&id)
	return id, err
}

// lands demands that a call is served by one of the instances.
func lands(t *testing.T, q querier, instances ...string) {
	t.Helper()
	if id, err := where(t.Context(), q); err != nil || !slices.Contains(instances, id) {
		t.Errorf("landed on %q, want %v: %v", id, instances, err)
	}
}

func must(t *testing.T, p *pool, sql string, args ...any) {
	t.Helper()
	if _, err := p.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// fill leaves n connections idle in the pool.
func (p *pool) fill(t *testing.T, n int) {
	t.Helper()
	for _, c := range p.hold(t, n) {
		c.Release()
	}
}

// hold takes n connections out of the pool.
func (p *pool) hold(t *testing.T, n int) []pgdriver.Conn {
	t.Helper()
	var conns []pgdriver.Conn
	for range n {
		c, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	return conns
}

func promote(t *testing.T, c *lab.Cluster, id string) {
	t.Helper()
	if err := c.Promote(id, lab.PromoteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// crash lets the writer crash, whose connections have been idle, and promotes another one.
// awsdb looks at connections that have been idle for a second.
func crash(t *testing.T, c *lab.Cluster, id string) {
	t.Helper()
	time.Sleep(2 * time.Second)
	c.Writer().Crash()
	promote(t, c, id)
	time.Sleep(roundTrip) // the news is on its way
}

// within demands that something took at most that long.
func within(t *testing.T, what string, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// async runs f and gives its error and the time it ended.
func async(f func() error) <-chan ended {
	done := make(chan ended, 1)
	go func() {
		err := f()
		done <- ended{err, time.Now()}
	}()
	return done
}

type ended struct {
	err error
	at  time.Time
}

// received lists what the instances got from a user.
func received(c *lab.Cluster, user string) []string {
	var texts []string
	for _, i := range c.Instances() {
		for _, s := range i.Statements() {
			if s.User == user {
				texts = append(texts, s.SQL)
			}
		}
	}
	return texts
}

// delivered is how often a statement that contains text reached a host.
func delivered(c *lab.Cluster, text string) int {
	n := 0
	for _, sql := range received(c, "app") {
		if strings.Contains(sql, text) {
			n++
		}
	}
	return n
}

// journal keeps what is logged.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, text)
	return nil
}

func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }
func (j *journal) WithGroup(string) slog.Handler      { return j }

// log is all that was logged.
func (j *journal) log() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}
