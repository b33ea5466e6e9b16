package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// B41: a wrong password ends a connect at once, in any mode, however it is checked,
// and is no failover.
func TestB41_WrongPassword(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, auth := range f.Params().Auths {
			for _, mode := range []string{"strict-writer", "strict-reader", "reader-or-writer"} {
				virtually(t, f, lab.Options{Auth: auth, Password: "right"}, func(t *testing.T, c *cluster) { wrongPassword(t, c, mode) })
			}
		}
	})
}

func wrongPassword(t *testing.T, c *cluster, mode string) {
	good := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint(), "failover_mode="+mode, "topology-monitoring-user=app")})
	if err := good.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	dsn := c.DSN(c.Endpoint(), "failover_mode="+mode, "topology-monitoring-user=app", "topology-monitoring-password=right")
	p := openWith(t, c, frontend.Options{DSN: strings.Replace(dsn, "app:right@", "app:wrong@", 1)})
	for range 3 {
		began := time.Now()
		err := p.PingContext(t.Context())
		within(t, "the connect", began, atOnce)
		demand.Is(t, "the connect", err, core.ErrConnect)
		demand.IsNot(t, "the connect", err, core.ErrFailover)
		c.says(t, "the connect", err, c.codes.WrongPassword)
	}
	if got := p.searches(); got != 0 {
		t.Errorf("%d searches because of a wrong password", got)
	}
	// Also when the monitor's login is the one that fails.
	dsn = c.DSN(c.Endpoint(), "topology-monitoring-user=app")
	p = openWith(t, c, frontend.Options{DSN: strings.Replace(dsn, "app:right@", "app:wrong@", 1)})
	began := time.Now()
	err := p.PingContext(t.Context())
	within(t, "the connect", began, atOnce)
	c.says(t, "the connect", err, c.codes.WrongPassword)
}

// B39, B73: "too many connections" means busy, not dead, for the application and
// for the monitor, which comes back later.
func TestB73_TooManyConnections(t *testing.T) {
	full := func(c *cluster, only string) func(user string) error {
		return func(user string) error {
			if only == "" || user == only {
				return &lab.LoginError{Code: c.codes.TooManyConnections, Message: "too many connections"}
			}
			return nil
		}
	}
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxIdleConns(0)
		unmoved(t, p, func() {
			c.Writer().OnLogin(full(c, ""))
			began := time.Now()
			err := p.PingContext(t.Context())
			within(t, "the connect", began, atOnce)
			c.says(t, "the connect", err, c.codes.TooManyConnections)
			demand.IsNot(t, "the connect", err, core.ErrFailover)
			c.Writer().OnLogin(nil)
			if err := p.insert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.fill(t, 3)
		for _, i := range c.Instances() {
			i.OnLogin(full(c, watch))
		}
		// The monitor loses its connection and gets no other for two minutes.
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if s.User == watch {
				return lab.CutBefore()
			}
			return lab.Run()
		})
		time.Sleep(35 * time.Second)
		tried := dials(c)
		for range 120 {
			if err := p.insert(t.Context()); err != nil {
				t.Errorf("while the monitor is locked out: %v", err)
			}
			time.Sleep(time.Second)
		}
		if got := dials(c) - tried; got > 120*3*22 {
			t.Errorf("%d dials in two minutes", got)
		}
		if err := p.Cluster().Down("mydb-1"); err != nil {
			t.Errorf("the writer is taken for dead: %v", err)
		}
		for _, i := range c.Instances() {
			i.OnLogin(nil)
			i.OnStatement(nil)
		}
		time.Sleep(20 * time.Second)
		promote(t, c, "mydb-2")
		time.Sleep(31 * time.Second)
		p.lands(t, "mydb-2")
	})
}

// B45, B64: the monitor's questions fail or its user is revoked: that says nothing
// about the host. The pool goes on, also with new connections, and the monitor
// recovers when it can.
func TestB45_B64_MonitorLockedOut(t *testing.T) {
	cases := map[string]func(c *cluster, i *lab.Instance){
		"questions fail": func(c *cluster, i *lab.Instance) {
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if s.User == watch {
					return lab.Fail(c.codes.NotPermitted, "permission denied")
				}
				return lab.Run()
			})
		},
		"user revoked": func(c *cluster, i *lab.Instance) {
			i.OnLogin(func(user string) error {
				if user == watch {
					return &lab.LoginError{Code: c.codes.NoLogin, Message: "role is not permitted to log in"}
				}
				return nil
			})
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if s.User == watch {
					return lab.FailFatal(c.codes.Shutdown, "terminating connection")
				}
				return lab.Run()
			})
		},
		"database dropped": func(c *cluster, i *lab.Instance) {
			i.OnLogin(func(user string) error {
				if user == watch {
					return &lab.LoginError{Code: c.codes.NoDatabase, Message: "database does not exist"}
				}
				return nil
			})
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if s.User == watch {
					return lab.CutBefore()
				}
				return lab.Run()
			})
		},
	}
	for name, lockOut := range cases {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c, "failover_timeout_sec=5")
				p.fill(t, 3)
				for _, i := range c.Instances() {
					lockOut(c, i)
				}
				for range 100 {
					if err := p.insert(t.Context()); err != nil {
						t.Errorf("while the monitor is locked out: %v", err)
					}
					time.Sleep(time.Second)
				}
				for _, i := range c.Instances() {
					if err := p.Cluster().Down(i.ID()); err != nil {
						t.Errorf("%s is taken for dead: %v", i.ID(), err)
					}
					i.OnLogin(nil)
					i.OnStatement(nil)
				}
				time.Sleep(20 * time.Second)
				promote(t, c, "mydb-2")
				time.Sleep(31 * time.Second)
				arrived(t, c, p, []string{"mydb-2"})
			})
		})
	}
}
