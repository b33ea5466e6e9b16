package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// The flavors: each is recognised, and followed through one failover.
func TestFlavors(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		aurora, global, multiAZ := f.Flavors().Aurora, f.Flavors().GlobalAurora, f.Flavors().MultiAZ
		for _, v := range []struct {
			flavor lab.Flavor
			hosts  int
			params []string
		}{
			{aurora, 3, nil},
			{aurora, 3, []string{"wrapper_dialect=" + f.Dialect(aurora)}},
			{multiAZ, 3, nil},
			{multiAZ, 3, []string{f.Params().MultiAZAlias}},
			{global, 6, []string{"global_cluster_instance_host_patterns=?.c9xyz0abcdef.us-east-1.rds.amazonaws.com,?.c9xyz0abcdef.eu-west-1.rds.amazonaws.com"}},
		} {
			t.Run(fmt.Sprintf("%s %v", f.Dialect(v.flavor), v.params), func(t *testing.T) {
				t.Parallel()
				virtually(t, f, lab.Options{Flavor: v.flavor}, func(t *testing.T, c *cluster) {
					p := writable(t, c, v.params...)
					if got := p.Cluster().Dialect().Code(); got != f.Dialect(v.flavor) {
						t.Errorf("dialect %s, want %s", got, f.Dialect(v.flavor))
					}
					if got := len(p.Cluster().Topology().Hosts); got != v.hosts {
						t.Errorf("%d hosts, want %d", got, v.hosts)
					}
					failTwice(t, c, p)
				})
			})
		}
	})
}

// failTwice makes mydb-2 and then mydb-3 the writer, and demands that the pool
// follows.
func failTwice(t *testing.T, c *cluster, p *pool) {
	t.Helper()
	for n, l := range []loss{losses[0], losses[3]} {
		next := c.Instance(fmt.Sprintf("mydb-%d", n+2))
		call := async(func() error { return p.insert(context.Background()) })
		l.do(c.Writer())
		time.Sleep(3 * time.Second)
		promoted := time.Now()
		promote(t, c, next.ID(), lab.PromoteOptions{DNSLag: 20 * time.Second})
		e := <-call
		if took := e.at.Sub(promoted); took > firstWriteLimit {
			t.Errorf("%s: released %v after the promotion: %v", l.name, took, e.err)
		}
		for range 3 {
			if err := p.insert(t.Context()); err != nil && !errors.Is(err, core.ErrFailoverSuccess) {
				t.Errorf("%s: %v", l.name, err)
			}
		}
		conn := p.hold(t, 1)[0]
		if got := p.link(t, conn).Host(); got != next.ID() {
			t.Errorf("%s: connected to %s, want %s", l.name, got, next.ID())
		}
		_ = conn.Close()
		time.Sleep(10 * time.Second)
	}
}

// The writer of a global database moves to another region; its global endpoint
// and the cluster endpoint of its old region follow it.
func TestGlobalDatabaseMovesToAnotherRegion(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		virtually(t, f, lab.Options{Flavor: f.Flavors().GlobalAurora}, moveToAnotherRegion)
	})
}

func moveToAnotherRegion(t *testing.T, c *cluster) {
	const patterns = "global_cluster_instance_host_patterns=[us-east-1]?.c9xyz0abcdef.us-east-1.rds.amazonaws.com,[eu-west-1]?.c9xyz0abcdef.eu-west-1.rds.amazonaws.com"
	for _, host := range []string{c.GlobalEndpoint(), c.Endpoint()} {
		p := open(t, c, host, patterns)
		p.lands(t, c.Writer().ID())
		next := "mydb-eu-west-1-1"
		if c.Writer().ID() == next {
			next = "mydb-1"
		}
		c.Writer().Crash()
		call := async(func() error { _, err := p.where(context.Background()); return err })
		time.Sleep(5 * time.Second)
		promote(t, c, next, lab.PromoteOptions{DNSLag: 30 * time.Second})
		<-call
		arrived(t, c, p, []string{next})
		for _, i := range c.Instances() {
			i.Restart()
		}
		promote(t, c, "mydb-1")
		time.Sleep(10 * time.Second)
	}
}

// B72: a Multi-AZ cluster that does not let the user ask: one clear warning, and
// then a plain connection.
func TestB72_NoPermissionToAsk(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		virtually(t, f, lab.Options{Flavor: f.Flavors().MultiAZ}, noPermissionToAsk)
	})
}

func noPermissionToAsk(t *testing.T, c *cluster) {
	for _, i := range c.Instances() {
		i.OnStatement(func(s lab.Statement) lab.Fate {
			if strings.Contains(s.SQL, c.sql.MultiAZTopology) {
				return lab.Fail(c.codes.NotPermitted, "permission denied")
			}
			return lab.Run()
		})
	}
	p := writable(t, c)
	for range 100 {
		if err := p.insert(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		p.SetMaxIdleConns(0)
	}
	if got := p.count("WARN"); got != 1 {
		t.Errorf("%d warnings, want 1:\n%s", got, p.all())
	}
	if got := p.count("GRANT"); got != 1 {
		t.Errorf("%d records say what to grant, want 1:\n%s", got, p.all())
	}
}

// A dialect that does not exist is an error that lists those that do.
func TestUnknownDialect(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		_, err := tryOpen(c, frontend.Options{DSN: c.DSN(c.Endpoint(), "wrapper_dialect=oracle")})
		demand.Is(t, "wrapper_dialect=oracle", err, core.ErrConfig)
		if err == nil || !strings.Contains(err.Error(), c.front.Dialect(c.front.Flavors().Aurora)) {
			t.Errorf("the error does not say what to write: %v", err)
		}
	})
}

// B71: what is no cluster works as with the bare driver, without a monitor and
// without noise.
func TestB71_PlainServers(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, flavor := range append(f.Flavors().Community, f.Flavors().RDS) {
			for _, plugins := range []string{"", "plugins=failover", "plugins=aurora_connection_tracker,stale_dns,initial_connection", "plugins=none"} {
				for _, name := range []string{"endpoint", "address", "alias"} {
					t.Run(fmt.Sprintf("%s/%s/%s", f.Dialect(flavor), plugins, name), func(t *testing.T) {
						t.Parallel()
						virtually(t, f, lab.Options{Flavor: flavor, Instances: 1}, func(t *testing.T, c *cluster) { plain(t, c, name, plugins) })
					})
				}
			}
		}
	})
}

func plain(t *testing.T, c *cluster, name, plugins string) {
	c.SetDNS("localhost", "mydb-1")
	host := map[string]string{"endpoint": c.Endpoint(), "address": c.Writer().IP(), "alias": "localhost"}[name]
	var params []string
	if plugins != "" {
		params = []string{plugins}
	}
	p := open(t, c, host, params...)
	mustExec(t, p, "create table t (id bigint)")
	for range 10 {
		if err := p.insert(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Minute)
	if got := connections(c); got != 1 {
		t.Errorf("%d connections, want the application's", got)
	}
	for _, level := range []string{"WARN", "ERROR"} {
		if n := p.count(level); n > 0 {
			t.Errorf("%d records of level %s:\n%s", n, level, p.all())
		}
	}
	c.Writer().ResetConnections()
	time.Sleep(2 * time.Second)
	if err := p.insert(t.Context()); err != nil {
		t.Errorf("after the connection was reset while idle: %v", err)
	}
	c.Writer().Refuse()
	c.Writer().ResetConnections()
	time.Sleep(2 * time.Second)
	began := time.Now()
	err := p.insert(t.Context())
	within(t, "the connect to a server that is down", began, atOnce)
	demand.IsNot(t, "the connect to a server that is down", err, core.ErrFailover)
	if err == nil {
		t.Error("it succeeded")
	}
}

// B71: an Aurora cluster of one instance is followed by its address as well.
func TestB71_OneInstanceByAddress(t *testing.T) {
	virtual(t, lab.Options{Instances: 1}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Writer().IP())
		p.lands(t, "mydb-1")
		c.Writer().Crash()
		time.Sleep(3 * time.Second)
		c.Writer().Restart()
		arrived(t, c, p, []string{"mydb-1"})
	})
}
