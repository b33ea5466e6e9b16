package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// B46, B52, B70: by whatever name a host was reached, it is watched, and known as what
// it says that it is.
func TestB52_MonitoredByAnyName(t *testing.T) {
	names := map[string]func(c *cluster) string{
		"writer endpoint": (*cluster).writerEndpoint,
		"reader endpoint": (*cluster).readerEndpoint,
		"instance":        func(c *cluster) string { return c.Instance("mydb-2").Host() },
		"alias of the writer endpoint": func(c *cluster) string {
			c.Alias("db.example.com", c.Endpoint())
			return "db.example.com"
		},
		"alias of an instance": func(c *cluster) string {
			c.Alias("db.example.com", c.Instance("mydb-3").Host())
			return "db.example.com"
		},
		"address": func(c *cluster) string { return c.Instance("mydb-3").IP() },
	}
	for name, host := range names {
		for _, plugins := range []string{monitorAlone, withFailover} {
			t.Run(plugins+"/"+name, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, host(c), quick.params(plugins, "cluster_instance_host_pattern="+c.InstancePattern())...)
					id, err := p.where(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					down := p.downs()
					began := time.Now()
					c.Instance(id).Freeze()
					call := async(func() error { return p.sleep(context.Background(), time.Hour) })
					exactly(t, "noticing it", (<-down).Sub(began), quick.bound())
					if p.Cluster().Down(id) == nil {
						t.Errorf("%s is not known as such", id)
					}
					if plugins == withFailover && id == "mydb-1" {
						promote(t, c, "mydb-2")
					}
					e := <-call
					cut(t, "the call", e.err, id)
					within(t, "its end", began, quick.bound()+releaseLimit)
				})
			})
		}
	}
}

func (c *cluster) writerEndpoint() string { return c.Endpoint() }
func (c *cluster) readerEndpoint() string { return c.ReaderEndpoint() }

// A database that is no cluster is watched as well, with failover, which has nothing to
// do there, and without.
func TestB71_PlainServersAreMonitored(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, flavor := range append(f.Flavors().Community, f.Flavors().RDS) {
			for _, plugins := range []string{monitorAlone, withFailover} {
				for _, name := range []string{"endpoint", "address", "alias"} {
					t.Run(fmt.Sprintf("%s/%s/%s", f.Dialect(flavor), plugins, name), func(t *testing.T) {
						t.Parallel()
						virtually(t, f, lab.Options{Flavor: flavor, Instances: 1}, func(t *testing.T, c *cluster) { monitoredPlain(t, c, name, plugins) })
					})
				}
			}
		}
	})
}

func monitoredPlain(t *testing.T, c *cluster, name, plugins string) {
	c.SetDNS("localhost", "mydb-1")
	host := map[string]string{"endpoint": c.Endpoint(), "address": c.Writer().IP(), "alias": "localhost"}[name]
	p := open(t, c, host, quick.params(plugins)...)
	if err := p.sleep(t.Context(), time.Minute); err != nil {
		t.Errorf("on a healthy server: %v", err)
	}
	p.nobodyDown(t)
	c.Writer().Freeze()
	began := time.Now()
	err := p.sleep(context.Background(), time.Hour)
	exactly(t, "the call", time.Since(began), quick.bound())
	demand.Is(t, "the call", err, core.ErrOutcomeUnknown)
	demand.IsNot(t, "the call", err, core.ErrFailover)
	began = time.Now()
	if err := p.PingContext(context.Background()); err == nil {
		t.Error("a dead server was reached")
	}
	within(t, "the next call", began, 0)
	c.Writer().Heal()
	time.Sleep(time.Second + atOnce)
	if err := p.PingContext(context.Background()); err != nil {
		t.Errorf("the server is back: %v", err)
	}
}

// The other flavors of a cluster.
func TestFlavorsAreMonitored(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, flavor := range []lab.Flavor{f.Flavors().GlobalAurora, f.Flavors().MultiAZ} {
			for _, plugins := range []string{monitorAlone, withFailover} {
				t.Run(f.Dialect(flavor)+"/"+plugins, func(t *testing.T) {
					t.Parallel()
					virtually(t, f, lab.Options{Flavor: flavor}, func(t *testing.T, c *cluster) {
						p := open(t, c, c.Instance("mydb-2").Host(), quick.params(plugins)...)
						if err := p.sleep(t.Context(), time.Minute); err != nil {
							t.Errorf("on a healthy host: %v", err)
						}
						p.nobodyDown(t)
						c.Instance("mydb-2").Freeze()
						began := time.Now()
						cut(t, "the call", p.sleep(context.Background(), time.Hour), "mydb-2")
						exactly(t, "the call", time.Since(began), quick.bound())
					})
				})
			}
		}
	})
}

// Behind a proxy no connection leads to the same instance twice: nothing of ours runs.
func TestProxyIsNotMonitored(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		const proxy = "mine.proxy-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
		c.SetDNS(proxy, "mydb-1")
		p, w := monitored(t, c, proxy, quick.params(monitorAlone)...)
		c.Writer().OnStatement(func(lab.Statement) lab.Fate { return lab.Delay(time.Minute) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		if _, err := p.where(ctx); err != nil {
			t.Errorf("a long call: %v", err)
		}
		c.Writer().OnStatement(nil)
		if n := w.probers(); n != 0 {
			t.Errorf("%d connections of the host monitor", n)
		}
		for _, text := range receivedByAll(c, "app") {
			if c.front.Own(text) {
				t.Errorf("the proxy was asked %q", text)
			}
		}
	})
}

// B06: a probe checks the certificate of the host like any other connection. What it has
// to say about certificates is not that the host is dead.
func TestB06_MonitoredWithTLS(t *testing.T) {
	virtual(t, lab.Options{TLS: lab.TLSRequired}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		if err := p.sleep(t.Context(), time.Minute); err != nil {
			t.Errorf("on a healthy host: %v", err)
		}
		p.nobodyDown(t)
		if p.count("nothing can be said") > 0 {
			t.Errorf("the host could not be asked:\n%s", p.all())
		}
		c.Writer().Freeze()
		began := time.Now()
		cut(t, "the call", p.sleep(context.Background(), time.Hour), "mydb-1")
		exactly(t, "the call", time.Since(began), quick.bound())
	})
}
