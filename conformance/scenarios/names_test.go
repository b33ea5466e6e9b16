package scenarios

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// B68, ask 7: after a failover DNS flaps between the old and the new writer for
// half a minute. Every connection is on the writer, and nobody dials more than
// he needs.
func TestB68_FlappingDNS(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		c.FlapDNS(c.Endpoint(), 700*time.Millisecond, 30*time.Second, "mydb-1", "mydb-2", "mydb-3")
		promote(t, c, "mydb-2")
		demand.Is(t, "the first write", p.insert(t.Context()), core.ErrFailoverSuccess)
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
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
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
		if err := p.Cluster().Down("mydb-1"); err != nil {
			t.Errorf("the writer is taken for dead: %v", err)
		}
		p.SetMaxIdleConns(0)
		p.lands(t, "mydb-1")
	})
}

// B69: on the very first connect the cluster endpoint leads to a reader.
func TestB69_EndpointLeadsToAReader(t *testing.T) {
	for _, plugins := range []string{"failover", "initial_connection", "stale_dns"} {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			c.SetDNS(c.Endpoint(), "mydb-3")
			p := open(t, c, c.Endpoint(), "plugins="+plugins)
			began := time.Now()
			p.lands(t, "mydb-1")
			within(t, plugins+": the first connect", began, firstWriteLimit)
		})
	}
}

// onlyAddresses is a resolver that cannot tell what a name stands for.
type onlyAddresses struct{ lab *cluster }

func (r onlyAddresses) LookupHost(ctx context.Context, host string) ([]string, error) {
	return r.lab.LookupHost(ctx, host)
}

// B70, ask 8: a name that tells nothing about the instances' names, and no
// pattern: an error at once that says what to write, no pool drained.
func TestB70_AliasWithoutPattern(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		c.Alias("db.example.com", c.Endpoint())
		dsns := map[string]string{"alias": c.DSN("db.example.com"), "address": c.DSN(c.Writer().IP())}
		for name, dsn := range dsns {
			p := openWith(t, c, frontend.Options{DSN: dsn, Resolver: onlyAddresses{c}})
			p.SetMaxOpenConns(3)
			began := time.Now()
			for _, err := range together(20, func(int) error { return p.PingContext(t.Context()) }) {
				demand.Is(t, name, err, core.ErrConfig)
				if err == nil || !strings.Contains(err.Error(), "cluster_instance_host_pattern") {
					t.Errorf("%s: the error does not say what to write: %v", name, err)
				}
			}
			within(t, name, began, time.Second)
		}
		dsn := c.DSN("db.example.com", "cluster_instance_host_pattern="+c.InstancePattern())
		p := openWith(t, c, frontend.Options{DSN: dsn, Resolver: onlyAddresses{c}})
		p.lands(t, "mydb-1")
		promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: time.Minute, DropSessions: true})
		arrived(t, c, p, []string{"mydb-2"})
	})
}

// A proxy endpoint fails over by itself: nothing of ours runs there.
func TestProxyIsLeftAlone(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		const proxy = "mine.proxy-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
		c.SetDNS(proxy, "mydb-1")
		p := open(t, c, proxy)
		p.lands(t, "mydb-1")
		time.Sleep(time.Minute)
		if got := receivedByAll(c, watch); len(got) != 0 {
			t.Errorf("the proxy was asked %q", got)
		}
		if got := receivedByAll(c, "app"); slices.ContainsFunc(got, c.front.Own) {
			t.Errorf("the proxy was asked %q", got)
		}
	})
}

// B67: two clusters in one process, with the same names of databases and users.
func TestB67_TwoClusters(t *testing.T) {
	virtual(t, lab.Options{Name: "orders"}, func(t *testing.T, orders *cluster) {
		stock := start(t, orders.front, lab.Options{Name: "stock", Network: lab.Memory, Latency: latency})
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
		for _, h := range b.Cluster().Topology().Hosts {
			if !strings.HasPrefix(h.ID, "stock-") {
				t.Errorf("%s is in the other cluster's topology", h.ID)
			}
		}
	})
}

// B06, B103: with verify-full every connection, whichever instance the plugin
// chose for it, checks the certificate of that instance: parallel connects do not
// mix up their hosts, and an instance under another's name is refused.
func TestB06_B103_CertificatesPerHost(t *testing.T) {
	virtual(t, lab.Options{TLS: lab.TLSRequired, Instances: 4, Latency: 100 * time.Microsecond}, func(t *testing.T, c *cluster) {
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
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		virtually(t, f, lab.Options{Flavor: f.Flavors().Community[0], Instances: 1}, func(t *testing.T, c *cluster) {
			var dialled atomic.Value
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialled.Store(addr)
				return c.DialContext(ctx, network, c.Writer().Addr())
			}
			login := application("2001:db8::7")
			login.Port = 5433
			for form, dsn := range f.DSNs(login, c.params.NoTLS) {
				p := openWith(t, c, frontend.Options{DSN: dsn, Dial: dial})
				if err := p.PingContext(t.Context()); err != nil {
					t.Errorf("%s: %v", form, err)
				}
				if got := dialled.Swap(""); got != "[2001:db8::7]:5433" {
					t.Errorf("%s: dialled %q", form, got)
				}
			}
		})
	})
}
