package scenarios

import (
	"context"
	"database/sql"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
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

// cluster is a cluster of the lab, and the front end that a scenario reaches it with.
type cluster struct {
	*lab.Cluster
	front  frontend.Frontend
	sql    frontend.SQL
	params frontend.Params
	codes  frontend.Codes
	unlike frontend.Unlike
	always []string // parameters of every connection string
}

// DSN is the lab's, with what the front end needs for the way to log in.
func (c *cluster) DSN(host string, params ...string) string {
	return c.Cluster.DSN(host, append(params, c.always...)...)
}

// application is how the tests' application logs in.
func application(host string) frontend.Login {
	return frontend.Login{User: "app", Password: "secret", Host: host, Database: "app"}
}

// virtual runs a scenario in virtual time, for each front end, and demands that
// nothing is left of it on any host. The flavor is Aurora, if none is given.
func virtual(t *testing.T, o lab.Options, scenario func(t *testing.T, c *cluster)) {
	t.Helper()
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) { virtually(t, f, o, scenario) })
}

// virtually is virtual for one front end.
func virtually(t *testing.T, f frontend.Frontend, o lab.Options, scenario func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o.Network = lab.Memory
		if o.Latency == 0 {
			o.Latency = latency
		}
		scenario(t, start(t, f, o))
	})
}

// loopback is virtual in real time, with sockets of the kernel.
func loopback(t *testing.T, o lab.Options, scenario func(t *testing.T, c *cluster)) {
	t.Helper()
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) { scenario(t, start(t, f, o)) })
}

// start starts a cluster for the duration of the test. Everybody may log in
// unless the options say otherwise: checking passwords costs real time. A password
// in the clear goes over TLS where there is no other way.
func start(t *testing.T, f frontend.Frontend, o lab.Options) *cluster {
	t.Helper()
	if o.Auth == lab.Password && o.Password == "" {
		o.Auth = lab.Trust
	}
	if o.Flavor == (lab.Options{}).Flavor {
		o.Flavor = f.Flavors().Aurora
	}
	var always []string
	if o.Auth == lab.Cleartext && f.Params().Cleartext != nil {
		o.TLS, always = lab.TLSRequired, f.Params().Cleartext
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
	return &cluster{c, f, f.SQL(), f.Params(), f.Codes(), f.Unlike(), always}
}

// pool is a handle with what tests want to look at.
type pool struct {
	*frontend.Handle
	*journal
	lab *cluster
}

// open opens a handle for an endpoint of the cluster. Its plugins are those that
// the parameters, or their absence, choose from the registry.
func open(t *testing.T, c *cluster, host string, params ...string) *pool {
	t.Helper()
	return openWith(t, c, frontend.Options{DSN: c.DSN(host, params...)})
}

// openWith opens a handle as the options say.
func openWith(t *testing.T, c *cluster, o frontend.Options) *pool {
	t.Helper()
	p, err := tryOpen(c, o)
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

func tryOpen(c *cluster, o frontend.Options) (*pool, error) {
	j := &journal{}
	o.Lab, o.Logger, o.Params = c.Cluster, slog.New(j), map[string]string{"topology-monitoring-user": watch, "monitoring-user": watch}
	h, err := c.front.Open(o)
	if err != nil {
		return nil, err
	}
	return &pool{Handle: h, journal: j, lab: c}, nil
}

// writable is open for the cluster endpoint, with a table t to write into.
func writable(t *testing.T, c *cluster, params ...string) *pool {
	t.Helper()
	p := open(t, c, c.Endpoint(), params...)
	mustExec(t, p, "create table if not exists t (id bigint)")
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
	err := p.QueryRowContext(ctx, p.lab.sql.InstanceID).Scan(&id)
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
	if !slices.Contains(instances, id) {
		t.Errorf("landed on %s, want %v", id, instances)
	}
}

func (p *pool) insert(ctx context.Context) error {
	_, err := p.ExecContext(ctx, "insert into t (id) values (1)")
	return err
}

// sleep is a call that takes so long on the server.
func (p *pool) sleep(ctx context.Context, d time.Duration) error {
	_, err := p.ExecContext(ctx, p.lab.sql.Sleep(d))
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

// link is the socket under a pinned connection.
func (p *pool) link(t *testing.T, c *sql.Conn) *core.Link {
	t.Helper()
	link, err := p.Link(c)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// connections counts what the instances see.
func connections(c *cluster) int {
	n := 0
	for _, i := range c.Instances() {
		n += i.Connections()
	}
	return n
}

func dials(c *cluster) int {
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

func receivedByAll(c *cluster, user string) []string {
	var texts []string
	for _, i := range c.Instances() {
		texts = append(texts, received(i, user)...)
	}
	return texts
}

func forget(c *cluster) {
	for _, i := range c.Instances() {
		i.ResetStatements()
	}
}

// within demands that something took at most that long.
func within(t *testing.T, what string, began time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(began); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// says demands that err holds a server's error of that code.
func (c *cluster) says(t *testing.T, what string, err error, code string) {
	t.Helper()
	if got := c.front.Code(err); got != code {
		t.Errorf("%s: server's error %q, want %q: %v", what, got, code, err)
	}
}

func promote(t *testing.T, c *cluster, id string, o ...lab.PromoteOptions) {
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
