package scenarios

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// B68, ask 7: after a failover DNS flaps between the old and the new writer for
// half a minute. Every connection is on the writer, and nobody dials more than
// he needs.
func TestB68_FlappingDNS(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		c.FlapDNS(c.Endpoint(), 700*time.Millisecond, 30*time.Second, "mydb-1", "mydb-2", "mydb-3")
		promote(t, c, "mydb-2")
		is(t, "the first write", p.insert(t.Context()), core.ErrFailoverSuccess)
		tried := dials(c)
		p.SetMaxIdleConns(0)
		for range 60 {
			p.lands(t, "mydb-2")
			time.Sleep(500 * time.Millisecond)
		}
		if got := dials(c) - tried; got > 62 {
			t.Errorf("%d dials for 60 connects", got)
		}
		// Somebody who has never seen the cluster.
		c.FlapDNS(c.Endpoint(), 10*time.Millisecond, time.Minute, "mydb-3", "mydb-1", "mydb-2")
		for range 10 {
			cold := open(t, c, c.Endpoint())
			cold.lands(t, "mydb-2")
			time.Sleep(3 * time.Millisecond)
		}
	})
}

// B68: DNS fails altogether. Open connections go on, no host is taken for dead,
// and new connections work again with DNS.
func TestB68_FailingDNS(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.fill(t, 5)
		sessions := p.sessions(t, 5)
		c.FailDNS(true)
		for range 120 {
			if err := p.insert(t.Context()); err != nil {
				t.Errorf("on an open connection: %v", err)
			}
			time.Sleep(time.Second)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		held := p.hold(t, 5)
		began := time.Now()
		if err := p.PingContext(ctx); err == nil {
			t.Error("a connection was opened without DNS")
		}
		within(t, "the connect", began, 2*time.Second)
		for _, conn := range held {
			_ = conn.Close()
		}
		c.FailDNS(false)
		for pid := range p.sessions(t, 5) {
			if !sessions[pid] {
				t.Errorf("session %d is new", pid)
			}
		}
		if err := p.cluster().Down("mydb-1"); err != nil {
			t.Errorf("the writer is taken for dead: %v", err)
		}
		p.SetMaxIdleConns(0)
		p.lands(t, "mydb-1")
	})
}

// B69: on the very first connect the cluster endpoint leads to a reader.
func TestB69_EndpointLeadsToAReader(t *testing.T) {
	for _, plugins := range []string{"failover", "initial_connection", "stale_dns"} {
		virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
			c.SetDNS(c.Endpoint(), "mydb-3")
			p := open(t, c, c.Endpoint(), "plugins="+plugins)
			began := time.Now()
			p.lands(t, "mydb-1")
			within(t, plugins+": the first connect", began, firstWriteLimit)
		})
	}
}

// onlyAddresses is a resolver that cannot tell what a name stands for.
type onlyAddresses struct{ lab *lab.Cluster }

func (r onlyAddresses) LookupHost(ctx context.Context, host string) ([]string, error) {
	return r.lab.LookupHost(ctx, host)
}

// B70, ask 8: a name that tells nothing about the instances' names, and no
// pattern: an error at once that says what to write, no pool drained.
func TestB70_AliasWithoutPattern(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		c.Alias("db.example.com", c.Endpoint())
		dsns := map[string]string{"alias": c.URL("db.example.com"), "address": c.URL(c.Writer().IP())}
		for name, dsn := range dsns {
			p := openURL(t, c, dsn, pgdriver.WithResolver(onlyAddresses{c}))
			p.SetMaxOpenConns(3)
			began := time.Now()
			for _, err := range together(20, func(int) error { return p.PingContext(t.Context()) }) {
				is(t, name, err, core.ErrConfig)
				if err == nil || !strings.Contains(err.Error(), "cluster_instance_host_pattern") {
					t.Errorf("%s: the error does not say what to write: %v", name, err)
				}
			}
			within(t, name, began, time.Second)
		}
		p := openURL(t, c, c.URL("db.example.com", "cluster_instance_host_pattern="+c.InstancePattern()), pgdriver.WithResolver(onlyAddresses{c}))
		p.lands(t, "mydb-1")
		promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: time.Minute, DropSessions: true})
		arrived(t, c, p, []string{"mydb-2"})
	})
}

// B71: what is no cluster works as with the bare driver, without a monitor and
// without noise.
func TestB71_PlainServers(t *testing.T) {
	for _, flavor := range []lab.Flavor{lab.PG, lab.RDSPG} {
		for _, plugins := range []string{"", "plugins=failover", "plugins=aurora_connection_tracker,stale_dns,initial_connection", "plugins=none"} {
			for _, name := range []string{"endpoint", "address", "alias"} {
				t.Run(fmt.Sprintf("%v/%s/%s", flavor, plugins, name), func(t *testing.T) {
					t.Parallel()
					virtual(t, lab.Options{Flavor: flavor, Instances: 1}, func(t *testing.T, c *lab.Cluster) { plain(t, c, name, plugins) })
				})
			}
		}
	}
}

func plain(t *testing.T, c *lab.Cluster, name, plugins string) {
	c.SetDNS("localhost", "mydb-1")
	host := map[string]string{"endpoint": c.Endpoint(), "address": c.Writer().IP(), "alias": "localhost"}[name]
	var params []string
	if plugins != "" {
		params = []string{plugins}
	}
	p := open(t, c, host, params...)
	mustExec(t, p, "create table t (id int8)")
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
	isNot(t, "the connect to a server that is down", err, core.ErrFailover)
	if err == nil {
		t.Error("it succeeded")
	}
}

// B71: an Aurora cluster of one instance is followed by its address as well.
func TestB71_OneInstanceByAddress(t *testing.T) {
	virtual(t, lab.Options{Instances: 1}, func(t *testing.T, c *lab.Cluster) {
		p := open(t, c, c.Writer().IP())
		p.lands(t, "mydb-1")
		c.Writer().Crash()
		time.Sleep(3 * time.Second)
		c.Writer().Restart()
		arrived(t, c, p, []string{"mydb-1"})
	})
}

// A proxy endpoint fails over by itself: nothing of ours runs there.
func TestProxyIsLeftAlone(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		const proxy = "mine.proxy-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
		c.SetDNS(proxy, "mydb-1")
		p := open(t, c, proxy)
		p.lands(t, "mydb-1")
		time.Sleep(time.Minute)
		if got := receivedByAll(c, watch); len(got) != 0 {
			t.Errorf("the proxy was asked %q", got)
		}
		if got := receivedByAll(c, "app"); slices.ContainsFunc(got, own) {
			t.Errorf("the proxy was asked %q", got)
		}
	})
}

// B67: two clusters in one process, with the same names of databases and users.
func TestB67_TwoClusters(t *testing.T) {
	virtual(t, lab.Options{Name: "orders"}, func(t *testing.T, orders *lab.Cluster) {
		stock := start(t, lab.Options{Name: "stock", Network: lab.Memory, Latency: latency})
		a, b := open(t, orders, orders.Endpoint()), open(t, stock, stock.Endpoint())
		a.lands(t, "orders-1")
		b.lands(t, "stock-1")
		b.fill(t, 3)
		time.Sleep(time.Second)
		forget(stock)
		sessions := b.sessions(t, 3)
		orders.Writer().Crash()
		call := async(func() error { _, err := a.ExecContext(context.Background(), "select 1"); return err })
		time.Sleep(3 * time.Second)
		promote(t, orders, "orders-2")
		<-call
		arrived(t, orders, a, []string{"orders-2"})
		b.lands(t, "stock-1")
		for pid := range b.sessions(t, 3) {
			if !sessions[pid] {
				t.Errorf("session %d of the other cluster is new", pid)
			}
		}
		if got := receivedByAll(stock, watch); len(got) != 0 {
			t.Errorf("the other cluster's monitor asked %q", got)
		}
		for _, h := range b.cluster().Topology().Hosts {
			if !strings.HasPrefix(h.ID, "stock-") {
				t.Errorf("%s is in the other cluster's topology", h.ID)
			}
		}
	})
}

// The flavors: each is recognised, and followed through one failover.
func TestFlavors(t *testing.T) {
	cases := []struct {
		flavor  lab.Flavor
		dialect string
		hosts   int
		params  []string
	}{
		{lab.AuroraPG, "aurora-pg", 3, nil},
		{lab.AuroraPG, "aurora-pg", 3, []string{"wrapper_dialect=aurora-pg"}},
		{lab.MultiAZPG, "rds-multi-az-pg-cluster", 3, nil},
		{lab.MultiAZPG, "rds-multi-az-pg-cluster", 3, []string{"databaseDialect=multi-az-pg"}},
		{lab.GlobalAuroraPG, "global-aurora-pg", 6, []string{"global_cluster_instance_host_patterns=?.c9xyz0abcdef.us-east-1.rds.amazonaws.com,?.c9xyz0abcdef.eu-west-1.rds.amazonaws.com"}},
	}
	for _, f := range cases {
		t.Run(fmt.Sprintf("%s %v", f.dialect, f.params), func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{Flavor: f.flavor}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c, f.params...)
				if got := p.cluster().Dialect().Code(); got != f.dialect {
					t.Errorf("dialect %s, want %s", got, f.dialect)
				}
				if got := len(p.cluster().Topology().Hosts); got != f.hosts {
					t.Errorf("%d hosts, want %d", got, f.hosts)
				}
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
					if got := coreConn(t, conn).Link().Host(); got != next.ID() {
						t.Errorf("%s: connected to %s, want %s", l.name, got, next.ID())
					}
					_ = conn.Close()
					time.Sleep(10 * time.Second)
				}
			})
		})
	}
}

// The writer of a global database moves to another region; its global endpoint
// and the cluster endpoint of its old region follow it.
func TestGlobalDatabaseMovesToAnotherRegion(t *testing.T) {
	const patterns = "global_cluster_instance_host_patterns=[us-east-1]?.c9xyz0abcdef.us-east-1.rds.amazonaws.com,[eu-west-1]?.c9xyz0abcdef.eu-west-1.rds.amazonaws.com"
	virtual(t, lab.Options{Flavor: lab.GlobalAuroraPG}, func(t *testing.T, c *lab.Cluster) {
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
	})
}

// B72: a Multi-AZ cluster that does not let the user ask: one clear warning, and
// then a plain connection.
func TestB72_NoPermissionToAsk(t *testing.T) {
	virtual(t, lab.Options{Flavor: lab.MultiAZPG}, func(t *testing.T, c *lab.Cluster) {
		for _, i := range c.Instances() {
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if strings.Contains(s.SQL, "rds_tools.") {
					return lab.Fail("42501", "permission denied for schema rds_tools")
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
	})
}

// A dialect that does not exist is an error that lists those that do.
func TestUnknownDialect(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		_, err := tryOpen(c, c.URL(c.Endpoint(), "wrapper_dialect=oracle"))
		is(t, "wrapper_dialect=oracle", err, core.ErrConfig)
		if err == nil || !strings.Contains(err.Error(), "aurora-pg") {
			t.Errorf("the error does not say what to write: %v", err)
		}
	})
}

// B06, B103: with verify-full every connection, whichever instance the plugin
// chose for it, checks the certificate of that instance: parallel connects do not
// mix up their hosts, and an instance under another's name is refused.
func TestB06_B103_CertificatesPerHost(t *testing.T) {
	virtual(t, lab.Options{TLS: lab.TLSRequired, Instances: 4, Latency: 100 * time.Microsecond}, func(t *testing.T, c *lab.Cluster) {
		p := open(t, c, c.ReaderEndpoint(), "failover_reader_host_selector_strategy=round_robin", "failover_timeout_sec=2")
		for _, host := range together60(t, p) {
			if host == "mydb-1" {
				t.Error("landed on the writer")
			}
		}
		promote(t, c, "mydb-2", lab.PromoteOptions{DropSessions: true})
		w := open(t, c, c.Endpoint())
		w.lands(t, "mydb-2")

		c.SetDNS(c.Instance("mydb-3").Host(), "mydb-4")
		wrong := open(t, c, c.Instance("mydb-3").Host(), "failover_timeout_sec=2")
		err := wrong.PingContext(t.Context())
		if !errors.As(err, new(x509.HostnameError)) {
			t.Errorf("an instance under another's name was accepted: %v", err)
		}
	})
}

// B106: literal IPv6 addresses.
func TestB106_IPv6(t *testing.T) {
	virtual(t, lab.Options{Flavor: lab.PG, Instances: 1}, func(t *testing.T, c *lab.Cluster) {
		var dialled atomic.Value
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled.Store(addr)
			return c.DialContext(ctx, network, c.Writer().Addr())
		}
		for _, dsn := range []string{
			"postgres://app:secret@[2001:db8::7]:5433/app?sslmode=disable",
			"host=2001:db8::7 port=5433 user=app password=secret dbname=app sslmode=disable",
		} {
			p := openURL(t, c, dsn, pgdriver.WithDialer(dial))
			if err := p.PingContext(t.Context()); err != nil {
				t.Errorf("%s: %v", dsn[:8], err)
			}
			if got := dialled.Load(); got != "[2001:db8::7]:5433" {
				t.Errorf("dialled %q", got)
			}
		}
	})
}
