package credentials

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// latency is the time from client to instance. A new connection takes some ten round trips with
// TLS, and twice that where a login is refused first.
const (
	latency = time.Millisecond
	atOnce  = 100 * latency
)

// The users of the connections: the application's, the topology monitor's and the host
// monitor's, and another application's.
const (
	app   = "app"
	watch = "watch"
	beat  = "beat"
	other = "other"
)

// stage is what a test plays on: a cluster that logs users in as RDS does, and the AWS
// around it.
type stage struct {
	*lab.Cluster
	*evidence
	aws   *cloud.Cloud
	front frontend.Frontend
	sql   frontend.SQL
	codes frontend.Codes
}

// virtual runs a test in virtual time, for each front end.
func virtual(t *testing.T, o lab.Options, test func(t *testing.T, s *stage)) {
	t.Helper()
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		t.Parallel()
		virtually(t, f, o, test)
	})
}

// virtually is virtual for one front end.
func virtually(t *testing.T, f frontend.Frontend, o lab.Options, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newStage(t, f, o)) })
}

func newStage(t *testing.T, f frontend.Frontend, o lab.Options) *stage {
	t.Helper()
	o.Network, o.TLS = lab.Memory, lab.TLSRequired
	if o.Latency == 0 {
		o.Latency = latency
	}
	if o.Flavor == (lab.Options{}).Flavor {
		o.Flavor = f.Flavors().Aurora
	}
	if o.Cloud == nil {
		o.Cloud = cloud.New(cloud.Options{Region: o.Region})
	}
	if o.Auth == lab.IAM && o.IAMUsers == nil {
		o.IAMUsers = []string{app, watch, beat, other}
	}
	c, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{c, newEvidence(), o.Cloud, f, f.SQL(), f.Codes()}
	t.Cleanup(func() { // after the handles have been closed
		defer c.Close()
		for _, i := range c.Instances() {
			i.Heal()
		}
		time.Sleep(100 * time.Millisecond) // the servers' side of the connections
		for _, i := range c.Instances() {
			if n := i.Connections(); n != 0 {
				t.Errorf("%d connections to %s after Close", n, i.ID())
			}
		}
		if err := c.Err(); err != nil {
			t.Error(err)
		}
		s.check(t)
	})
	return s
}

// DSN is a connection string without a password, over TLS that verifies the server.
func (s *stage) DSN(host string, params ...string) string {
	login := frontend.Login{User: app, Host: host, Database: "app"}
	return s.front.DSN(login, append(s.front.Params().VerifiedTLS(s.CAFile()), params...)...)
}

// linked are the plugins that run by default, outermost first, for one handle.
func linked(t *testing.T) []core.Plugin {
	t.Helper()
	monitor, err := hostmonitor.New(hostmonitor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	follow, err := failover.New(failover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return []core.Plugin{monitor, follow}
}

// pool is a handle, and what is known of its logins.
type pool struct {
	*frontend.Handle
	*spy
	refused *refusals
	stage   *stage

	searches int // for the writer, until the last mustDial
}

// open opens a handle whose credentials are the plugin's.
func (s *stage) open(t *testing.T, host string, plugin core.Plugin, params ...string) *pool {
	t.Helper()
	return s.openDSN(t, s.DSN(host, params...), plugin)
}

func (s *stage) openDSN(t *testing.T, dsn string, plugin core.Plugin) *pool {
	t.Helper()
	return s.openWith(t, frontend.Options{DSN: dsn, Plugins: append(linked(t), plugin)})
}

// openPlain opens a handle that neither follows nor monitors the cluster.
func (s *stage) openPlain(t *testing.T, dsn string, plugin core.Plugin) *pool {
	t.Helper()
	return s.openWith(t, frontend.Options{DSN: dsn, Plugins: []core.Plugin{plugin}})
}

// openWith opens a handle with just the plugins that o has, and those that watch them.
func (s *stage) openWith(t *testing.T, o frontend.Options) *pool {
	t.Helper()
	p := &pool{spy: &spy{evidence: s.evidence}, refused: &refusals{evidence: s.evidence}, stage: s}
	plugins := o.Plugins
	o.Lab, o.Logger, o.Plugins = s.Cluster, slog.New(s), slices.Concat([]core.Plugin{p.refused}, plugins, []core.Plugin{p.spy})
	o.Params = map[string]string{"topology-monitoring-user": watch, "monitoring-user": beat}
	h, err := s.front.Open(o)
	if s.err(err) != nil {
		t.Fatal(err)
	}
	p.Handle = h
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		// Printing what is in use would be a race: reflection asks for no lock.
		for _, value := range []any{h.Connector, h.Connector.Host(), h.Cluster().Topology(), h.Connector.Settings(), plugins} {
			s.value(fmt.Sprintf("%T", value), value)
		}
	})
	return p
}

// refusals counts logins that the servers refused, whoever logged in. It stands before the
// plugin that brings credentials.
type refusals struct {
	*evidence
	mu    sync.Mutex
	count int
	most  int // of one connect
}

func (*refusals) Code() string { return "refusals" }

func (*refusals) Authenticate(_ context.Context, t core.Target) (core.Target, error) { return t, nil }

func (r *refusals) LoginFailed(_ context.Context, t core.Target, err error) bool {
	_ = r.err(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	r.most = max(r.most, t.Refused)
	return false
}

// take returns the number since it was last called.
func (r *refusals) take() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.count
	r.count, r.most = 0, 0
	return n
}

// takeMost returns the greatest number for one connect since take or takeMost were called.
func (r *refusals) takeMost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.most
	r.count, r.most = 0, 0
	return n
}

// dial opens a physical connection and closes it.
func (p *pool) dial(ctx context.Context) error { return p.err(p.Dial(ctx)) }

// mustDial is dial for which there is no reason to fail.
func (p *pool) mustDial(t *testing.T) {
	t.Helper()
	if err := p.dial(t.Context()); err != nil {
		t.Fatalf("at %s: %v", elapsed(), err)
	}
	p.searches = p.searched()
}

// searched is how often the topology monitor had to look for the writer.
func (p *pool) searched() int { return p.logged("searching for the writer") }

// ping uses the pool.
func (p *pool) ping(ctx context.Context) error { return p.err(p.PingContext(ctx)) }

func (p *pool) exec(ctx context.Context, query string) error {
	_, err := p.ExecContext(ctx, query)
	return p.err(err)
}

// beginning is when all virtual time begins.
var beginning = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// elapsed is the time of the bubble.
func elapsed() time.Duration { return time.Since(beginning) }

// until waits for a time of the bubble.
func until(at time.Duration) { time.Sleep(at - elapsed()) }

// together runs f n times at once and gives the error of each.
func together(n int, f func() error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errs
}

// within demands that something took at most that long.
func within(t *testing.T, what string, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// isNoFailover demands that a refused login was taken for nothing else.
func (p *pool) isNoFailover(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, core.ErrFailover) {
		t.Errorf("a refused login became a failover: %v", err)
	}
	if n := p.searched() - p.searches; n > 0 {
		t.Errorf("%d searches for the writer because of a refused login", n)
	}
	for _, i := range p.stage.Instances() {
		if down := p.Cluster().Down(i.ID()); down != nil {
			t.Errorf("%s is taken for dead: %v", i.ID(), down)
		}
	}
}

// users are those who logged in, in order of their names.
func users(logins []login) []string {
	var names []string
	for _, l := range logins {
		names = append(names, l.User)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// portOf is the port that a login dialled.
func portOf(l login) string { return strconv.Itoa(int(l.Login.Port)) }

// where is the instance that answers.
func (p *pool) where(t *testing.T) string {
	t.Helper()
	var id string
	if err := p.QueryRowContext(t.Context(), p.stage.sql.InstanceID).Scan(&id); p.err(err) != nil {
		t.Errorf("at %v: %v", elapsed(), err)
	}
	return id
}

// user is a connection string with another user.
func (s *stage) user(name, dsn string) string { return strings.Replace(dsn, app+":", name+":", 1) }

// refusal is the code with which the servers refuse a token.
func (s *stage) refusal() string {
	if s.front.Driver() == frontend.MySQL.Driver() {
		return "1045"
	}
	return "28000" // PAM authentication failed
}

// tokensOf are the different tokens of logins, by the user and address that each is for.
func tokensOf(t *testing.T, logins []login) map[string][]token {
	t.Helper()
	seen, tokens := map[string]bool{}, map[string][]token{}
	for _, l := range logins {
		if seen[l.password] {
			continue
		}
		seen[l.password] = true
		made, err := parseToken(l.password)
		if err != nil {
			t.Fatalf("login to %s as %s: %v", l.Host.Addr, l.User, err)
		}
		who := made.user + "@" + made.address
		tokens[who] = append(tokens[who], made)
	}
	return tokens
}
