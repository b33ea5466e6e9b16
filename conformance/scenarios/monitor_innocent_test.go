package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// trouble is what keeps the host monitor from asking, on a host that is well.
type trouble struct {
	name  string
	begin func(c *cluster, i *lab.Instance)
	end   func(c *cluster, i *lab.Instance)
}

func refuseLogins(code func(c *cluster) string) func(c *cluster, i *lab.Instance) {
	return func(c *cluster, i *lab.Instance) {
		i.OnLogin(func(user string) error {
			if user != prober {
				return nil
			}
			return &lab.LoginError{Code: code(c), Message: "no answer: connection refused"}
		})
	}
}

var troubles = []trouble{
	{"name server fails", func(c *cluster, _ *lab.Instance) { c.FailDNS(true) }, func(c *cluster, _ *lab.Instance) { c.FailDNS(false) }},
	{"too many connections", refuseLogins(func(c *cluster) string { return c.codes.TooManyConnections }), welcome},
	{"wrong password", refuseLogins(func(c *cluster) string { return c.codes.WrongPassword }), welcome},
	{"no permission to log in", refuseLogins(func(c *cluster) string { return c.codes.NoLogin }), welcome},
	{"no such database", refuseLogins(func(c *cluster) string { return c.codes.NoDatabase }), welcome},
	{"shutting down", refuseLogins(func(c *cluster) string { return c.codes.Shutdown }), welcome},
	{"inner error", refuseLogins(func(c *cluster) string { return c.codes.Internal }), welcome},
	{"questions refused", func(c *cluster, i *lab.Instance) {
		i.OnStatement(func(s lab.Statement) lab.Fate {
			if s.User == prober {
				return lab.Fail(c.codes.NotPermitted, "permission denied")
			}
			return lab.Run()
		})
	}, func(_ *cluster, i *lab.Instance) { i.OnStatement(nil) }},
	{"session ended with every question", func(c *cluster, i *lab.Instance) {
		i.OnStatement(func(s lab.Statement) lab.Fate {
			if s.User == prober {
				return lab.FailFatal(c.codes.Shutdown, "terminating connection due to administrator command")
			}
			return lab.Run()
		})
	}, func(_ *cluster, i *lab.Instance) { i.OnStatement(nil) }},
}

func welcome(_ *cluster, i *lab.Instance) { i.OnLogin(nil) }

// B39, B64, B68, B73: who does not get an answer to his question because something else
// is wrong has not proven anything: nobody is declared dead, and a host that dies later
// is noticed in time.
func TestB64_NotTheHostsFault(t *testing.T) {
	for _, tr := range troubles {
		for _, begun := range []string{"before", "while asked"} {
			t.Run(tr.name+"/"+begun, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
					p.lands(t, "mydb-1")
					if begun == "before" {
						tr.begin(c, c.Writer())
					}
					call := async(func() error { return p.sleep(context.Background(), time.Minute) })
					time.Sleep(10 * time.Second)
					tr.begin(c, c.Writer())
					if e := <-call; e.err != nil {
						t.Errorf("the call was ended: %v", e.err)
					}
					p.nobodyDown(t)
					tr.end(c, c.Writer())
					time.Sleep(quick.Interval) // the last question is answered
					c.Writer().Vanish(lab.LosingRequests)
					began := time.Now()
					cut(t, "the call to a dead host", p.sleep(context.Background(), time.Hour), "mydb-1")
					exactly(t, "the call to a dead host", time.Since(began), quick.bound())
				})
			})
		}
	}
}

// B68: the name server is out of order while the host dies: it is asked at the address
// that the connection has.
func TestB68_DeadHostWithoutDNS(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		p.lands(t, "mydb-1")
		c.FailDNS(true)
		c.Writer().Freeze()
		began := time.Now()
		err := p.sleep(context.Background(), time.Hour)
		cut(t, "the call", err, "mydb-1")
		exactly(t, "the call", time.Since(began), quick.bound())
	})
}

// B68: the name by which a connection was opened leads to another instance by now. The
// one that the connection leads to is judged, and no other.
func TestB68_NameLeadsElsewhere(t *testing.T) {
	for _, dead := range []string{"mydb-1", "mydb-2"} {
		for _, plugins := range []string{monitorAlone, withFailover} {
			t.Run(dead+"/"+plugins, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint(), quick.params(plugins)...)
					p.fill(t, 3)
					down := p.downs()
					c.SetDNS(c.Endpoint(), "mydb-2")
					call := async(func() error { return p.sleep(context.Background(), time.Minute) })
					time.Sleep(time.Second)
					c.Instance(dead).Freeze()
					if dead == "mydb-2" {
						if e := <-call; e.err != nil {
							t.Errorf("the call was ended: %v", e.err)
						}
						p.nobodyDown(t)
						return
					}
					began := time.Now()
					select {
					case at := <-down:
						exactly(t, "noticing it", at.Sub(began), quick.bound()-time.Second)
					case <-time.After(time.Minute):
						t.Error("a dead host was not noticed")
					}
					c.Instance(dead).Heal()
					<-call
				})
			})
		}
	}
}
