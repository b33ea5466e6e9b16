package sqlalchemy

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/federated/adfs"
	_ "github.com/awsdb/awsdb/federated/okta"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab"
	_ "github.com/awsdb/awsdb/secrets"
)

// engine is a kind of database.
type engine struct{ frontend.Frontend }

var engines = []engine{{frontend.PostgreSQL}, {frontend.MySQL}}

// plugins are those of the page's examples.
const plugins = "plugins=failover,host_monitoring_v2"

// stage is a cluster, and the ORM that it is used by.
type stage struct {
	*lab.Cluster
	engine
	orm orm
}

// each runs a test for each engine and each ORM.
func each(t *testing.T, test func(t *testing.T, e engine, o orm)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.Name(), func(t *testing.T) {
			for _, o := range orms {
				t.Run(o.name, func(t *testing.T) { test(t, e, o) })
			}
		})
	}
}

// virtual runs a test in virtual time, for each engine and each ORM.
func virtual(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	each(t, func(t *testing.T, e engine, o orm) { virtually(t, e, o, test) })
}

// virtually is virtual for one engine and one ORM.
func virtually(t *testing.T, e engine, o orm, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := start(t, e, lab.Options{Network: lab.Memory, Latency: time.Millisecond, Auth: lab.Trust})
		test(t, &stage{c, e, o})
	})
}

// published runs a test for each engine and each ORM on a cluster whose names work for the whole process, so that
// the URL is all that it takes to get there.
func published(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	each(t, func(t *testing.T, e engine, o orm) {
		test(t, &stage{publish(t, e, lab.Options{}), e, o})
	})
}

func publish(t *testing.T, e engine, o lab.Options) *lab.Cluster {
	t.Helper()
	c := start(t, e, o)
	if err := c.Publish(); err != nil {
		t.Fatal(err)
	}
	return c
}

// start starts a simulated cluster. When the test ends, no connection to it may be left.
func start(t *testing.T, e engine, o lab.Options) *lab.Cluster {
	t.Helper()
	o.Flavor = e.Flavors().Aurora
	c, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the handles have been closed
		defer c.Close()
		none(t, c)
		if err := c.Err(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// none demands that the cluster has no clients any more, or will have none as soon as it has noticed.
func none(t *testing.T, c *lab.Cluster) {
	t.Helper()
	left := func(i *lab.Instance) bool { return i.Connections() > 0 }
	for _, i := range c.Instances() {
		i.Heal()
	}
	for range 1200 { // a minute, which only a test that fails takes
		if !slices.ContainsFunc(c.Instances(), left) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, i := range c.Instances() {
		if n := i.Connections(); n > 0 {
			t.Errorf("%d connections to %s after Close", n, i.ID())
		}
	}
}

// login is that of the cluster's user.
func login(host string) frontend.Login {
	return frontend.Login{User: "app", Password: "secret", Host: host, Database: "app"}
}

// url is a connection string for the cluster, in the form that both engines have: scheme://user:password@host/database?….
func (s *stage) url(params ...string) string {
	return s.DSNs(login(s.Endpoint()), append(s.noTLS(), params...)...)["URL"]
}

// native is a connection string in the form of the driver underneath.
func (s *stage) native(params ...string) string {
	return s.engine.DSN(login(s.Endpoint()), append(s.noTLS(), params...)...)
}

// noTLS is what PostgreSQL's client needs where the server has none.
func (s *stage) noTLS() []string {
	if s.Name() == "mysql" {
		return nil
	}
	return []string{s.Params().NoTLS}
}

// create opens a handle in the form with a creator, into the cluster's own network. The table accounts is there.
func (s *stage) create(t *testing.T, params ...string) session {
	t.Helper()
	session, err := s.tryCreate(t, params...)
	if err != nil {
		t.Fatal(err)
	}
	s.table(t, session)
	return session
}

func (s *stage) tryCreate(t *testing.T, params ...string) (session, error) {
	t.Helper()
	h, err := s.Open(frontend.Options{Lab: s.Cluster, DSN: s.native(params...)})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s.orm.wrap(s.engine, h.DB)
}

// open opens a handle by a URL alone.
func (s *stage) open(t *testing.T, url string) session {
	t.Helper()
	session, err := s.orm.open(s.engine, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := session.DB().Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return session
}

func (s *stage) table(t *testing.T, h session) {
	t.Helper()
	if err := h.Exec(t.Context(), createAccounts); err != nil {
		t.Fatal(err)
	}
}

// works demands that the handle reads and writes.
func (s *stage) works(t *testing.T, h session) {
	t.Helper()
	ctx := t.Context()
	if err := h.Create(ctx, &account{ID: 1, Owner: "Ann"}); err != nil {
		t.Error(err)
	}
	if err := h.Transaction(ctx, func(tx session) error { return tx.Create(ctx, &account{ID: 2, Owner: "Bob"}) }); err != nil {
		t.Error(err)
	}
	err := h.Transaction(ctx, func(tx session) error {
		return errors.Join(tx.Create(ctx, &account{ID: 3, Owner: "nobody"}), errPlanned)
	})
	if !errors.Is(err, errPlanned) {
		t.Errorf("a transaction that gives up: %v", err)
	}
	all, err := h.All(ctx)
	if err != nil || len(all) != 2 || all[0].Owner != "Ann" || all[1].Owner != "Bob" {
		t.Errorf("found %v, %v", all, err)
	}
}

// where is the instance that answers.
func (s *stage) where(ctx context.Context, h session) (id string, err error) {
	err = h.Row(ctx, s.SQL().InstanceID, &id)
	return id, err
}

// lands demands that the next call is served by that instance.
func (s *stage) lands(t *testing.T, h session, want string) {
	t.Helper()
	if id, err := s.where(t.Context(), h); err != nil || id != want {
		t.Errorf("landed on %q, %v, want %s", id, err, want)
	}
}

// failOver kills the writer and makes mydb-2 the next.
func (s *stage) failOver(t *testing.T) {
	t.Helper()
	s.Writer().Crash()
	s.promote(t)
}

func (s *stage) promote(t *testing.T) {
	t.Helper()
	if err := s.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// arrives demands that the handle goes on at mydb-2. A call that had been sent before the loss was noticed ends in an
// error, once for each connection at most.
func (s *stage) arrives(t *testing.T, h session) {
	t.Helper()
	for range h.DB().Stats().OpenConnections {
		if id, err := s.where(t.Context(), h); err == nil && id == "mydb-2" {
			return
		} else if !errors.Is(err, core.ErrFailoverSuccess) {
			t.Fatalf("on %q: %v", id, err)
		}
	}
	s.lands(t, h, "mydb-2")
}

// settings are what awsdb makes of a connection string.
func (e engine) settings(t *testing.T, url string) core.Settings {
	t.Helper()
	k, err := e.connector(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	return k.Settings()
}
