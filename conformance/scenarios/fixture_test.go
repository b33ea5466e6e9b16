package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// latency is the time from client to instance. A new connection that is verified
// takes some five round trips, so that "at once" below means a few of them.
const (
	latency   = time.Millisecond
	roundTrip = 2 * latency
	atOnce    = 20 * roundTrip
)

// watch is the user of the monitoring connections, so that tests can tell them
// from the application's.
const watch = "watch"

// virtual runs a scenario in virtual time, and demands that nothing is left of
// it on any host.
func virtual(t *testing.T, o lab.Options, scenario func(t *testing.T, c *lab.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Network = lab.Memory
		if o.Latency == 0 {
			o.Latency = latency
		}
		scenario(t, start(t, o))
	})
}

// start starts a cluster for the duration of the test. Everybody may log in
// unless the options say otherwise: SCRAM costs real time.
func start(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	if o.Auth == lab.SCRAM && o.Password == "" {
		o.Auth = lab.Trust
	}
	c, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	everyone := c.Instances()
	t.Cleanup(func() { // after the handles have been closed
		defer c.Close()
		for _, i := range c.Instances() {
			i.Heal() // so that the instance learns of the ends of its connections
		}
		time.Sleep(100 * time.Millisecond) // the servers' side of the connections
		for _, i := range everyone {
			if n := i.Connections(); n != 0 {
				t.Errorf("%d connections to %s after Close", n, i.ID())
			}
		}
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// pool is a handle with what tests want to look at.
type pool struct {
	*sql.DB
	*journal
	connector *core.Connector
	lab       *lab.Cluster
}

func (p *pool) cluster() *core.Cluster { return p.connector.Cluster() }

// open opens a handle for an endpoint of the cluster. Its plugins are those that
// the parameters, or their absence, choose from the registry.
func open(t *testing.T, c *lab.Cluster, host string, params ...string) *pool {
	t.Helper()
	return openURL(t, c, c.URL(host, params...))
}

func openURL(t *testing.T, c *lab.Cluster, dsn string, opts ...pgdriver.Option) *pool {
	t.Helper()
	p, err := tryOpen(c, dsn, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

func tryOpen(c *lab.Cluster, dsn string, opts ...pgdriver.Option) (*pool, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if cfg.RuntimeParams["topology-monitoring-user"] == "" && c.Instances() != nil {
		cfg.RuntimeParams["topology-monitoring-user"] = watch
	}
	j := &journal{}
	defaults := []pgdriver.Option{
		pgdriver.WithDialer(c.DialContext), pgdriver.WithResolver(c), pgdriver.WithLogger(slog.New(j)),
	}
	connector, err := pgdriver.NewConnector(cfg, append(defaults, opts...)...)
	if err != nil {
		return nil, err
	}
	return &pool{DB: sql.OpenDB(connector), journal: j, connector: connector.(*core.Connector), lab: c}, nil
}

// writable is open for the cluster endpoint, with a table t to write into.
func writable(t *testing.T, c *lab.Cluster, params ...string) *pool {
	t.Helper()
	p := open(t, c, c.Endpoint(), params...)
	mustExec(t, p, "create table if not exists t (id int8)")
	return p
}

func mustExec(t *testing.T, p *pool, query string, args ...any) {
	t.Helper()
	if _, err := p.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// where tells which instance a connection of the pool leads to.
func (p *pool) where(ctx context.Context) (string, error) {
	var id string
	err := p.QueryRowContext(ctx, "select aurora_db_instance_identifier()").Scan(&id)
	return id, err
}

// lands demands that the next call is served by one of the instances.
func (p *pool) lands(t *testing.T, instances ...string) {
	t.Helper()
	id, err := p.where(t.Context())
	if err != nil {
		t.Errorf("want to land on %v: %v", instances, err)
		return
	}
	for _, want := range instances {
		if id == want {
			return
		}
	}
	t.Errorf("landed on %s, want %v", id, instances)
}

func (p *pool) insert(ctx context.Context) error {
	_, err := p.ExecContext(ctx, "insert into t (id) values (1)")
	return err
}

// hold takes n connections out of the pool, each verified by use.
func (p *pool) hold(t *testing.T, n int) []*sql.Conn {
	t.Helper()
	var conns []*sql.Conn
	for range n {
		c, err := p.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	return conns
}

// fill leaves n connections idle in the pool.
func (p *pool) fill(t *testing.T, n int) {
	t.Helper()
	p.SetMaxIdleConns(n)
	for _, c := range p.hold(t, n) {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// coreConn is awsdb's connection under a pinned one.
func coreConn(t *testing.T, c *sql.Conn) *core.Conn {
	t.Helper()
	var conn *core.Conn
	if err := c.Raw(func(driverConn any) error { conn = driverConn.(*core.Conn); return nil }); err != nil {
		t.Fatal(err)
	}
	return conn
}

// connections counts what the instances see.
func connections(c *lab.Cluster) int {
	n := 0
	for _, i := range c.Instances() {
		n += i.Connections()
	}
	return n
}

func dials(c *lab.Cluster) int {
	n := 0
	for _, i := range c.Instances() {
		n += i.Dials()
	}
	return n
}

// received lists what an instance got from a user, in order.
func received(i *lab.Instance, user string) []string {
	var texts []string
	for _, s := range i.Statements() {
		if s.User == user {
			texts = append(texts, s.SQL)
		}
	}
	return texts
}

func receivedByAll(c *lab.Cluster, user string) []string {
	var texts []string
	for _, i := range c.Instances() {
		texts = append(texts, received(i, user)...)
	}
	return texts
}

func forget(c *lab.Cluster) {
	for _, i := range c.Instances() {
		i.ResetStatements()
	}
}

// own reports whether a statement is awsdb's: those are qualified or name no
// function at all, what tests send is not.
func own(text string) bool {
	return strings.Contains(text, "pg_catalog.") || strings.Contains(text, "rds_tools.") || text == "SHOW transaction_read_only"
}

// within demands that something took at most that long.
func within(t *testing.T, what string, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// is demands that err matches all of targets.
func is(t *testing.T, what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("%s: error does not match %q: %v", what, target, err)
		}
	}
}

// isNot demands that err matches none of targets.
func isNot(t *testing.T, what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if errors.Is(err, target) {
			t.Errorf("%s: error matches %q: %v", what, target, err)
		}
	}
}

func promote(t *testing.T, c *lab.Cluster, id string, o ...lab.PromoteOptions) {
	t.Helper()
	if err := c.Promote(id, append(o, lab.PromoteOptions{})[0]); err != nil {
		t.Fatal(err)
	}
}

// together runs f n times at once and gives the error of each.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errs
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

// journal keeps what is logged, as text.
type journal struct {
	mu      sync.Mutex
	records []string
	hook    func(slog.Record) // called for each record, if not nil
}

// Enabled implements slog.Handler: everything is of interest.
func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Level.String() + " " + r.Message)
	r.Attrs(func(a slog.Attr) bool { b.WriteString(" " + a.String()); return true })
	j.mu.Lock()
	j.records = append(j.records, b.String())
	hook := j.hook
	j.mu.Unlock()
	if hook != nil {
		hook(r)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }

// WithGroup implements slog.Handler.
func (j *journal) WithGroup(string) slog.Handler { return j }

// count is the number of records that contain text.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, r := range j.records {
		if strings.Contains(r, text) {
			n++
		}
	}
	return n
}

func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.records, "\n")
}

// searches is how often the monitor had to look for the writer.
func (j *journal) searches() int { return j.count("searching for the writer") }
