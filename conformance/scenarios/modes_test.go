package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// state is what has become of a cluster of mydb-1, the writer, mydb-2 and mydb-3.
type state struct {
	name      string
	instances int
	reach     func(t *testing.T, c *cluster)
}

var states = []state{
	{"healthy", 3, func(*testing.T, *cluster) {}},
	{"writer lost", 3, func(t *testing.T, c *cluster) {
		c.Instance("mydb-1").Crash()
		promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: 20 * time.Second, StatusLag: time.Second})
	}},
	{"writer vanished", 3, func(t *testing.T, c *cluster) {
		c.Instance("mydb-1").Vanish(lab.LosingRequests)
		promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: 20 * time.Second, StatusLag: time.Second})
	}},
	{"reader lost", 3, func(_ *testing.T, c *cluster) { c.Instance("mydb-3").Crash() }},
	{"readers down", 3, func(_ *testing.T, c *cluster) {
		c.Instance("mydb-2").Crash()
		c.Instance("mydb-3").Crash()
	}},
	{"no readers", 1, func(*testing.T, *cluster) {}},
}

// Where each mode leads in each state; none: an error.
var (
	toWriter = map[string][]string{
		"healthy": {"mydb-1"}, "writer lost": {"mydb-2"}, "writer vanished": {"mydb-2"},
		"reader lost": {"mydb-1"}, "readers down": {"mydb-1"}, "no readers": {"mydb-1"},
	}
	toReader = map[string][]string{
		"healthy": {"mydb-2", "mydb-3"}, "writer lost": {"mydb-3"}, "writer vanished": {"mydb-3"},
		"reader lost": {"mydb-2"}, "readers down": {}, "no readers": {},
	}
	toReaderOrWriter = map[string][]string{
		// A reader that has become the writer meanwhile will do as well.
		"healthy": {"mydb-2", "mydb-3"}, "writer lost": {"mydb-2", "mydb-3"}, "writer vanished": {"mydb-2", "mydb-3"},
		"reader lost": {"mydb-2"}, "readers down": {"mydb-1"}, "no readers": {"mydb-1"},
	}
	toNamed = map[string][]string{ // a name that led to mydb-3: the same, but another reader comes before the writer
		"healthy": {"mydb-3"}, "writer lost": {"mydb-3"}, "writer vanished": {"mydb-3"},
		"reader lost": {"mydb-2"}, "readers down": {"mydb-1"},
	}
	toThree = map[string][]string{ // as long as it can be reached, otherwise the writer
		"healthy": {"mydb-3"}, "writer lost": {"mydb-3"}, "writer vanished": {"mydb-3"},
		"reader lost": {"mydb-1"}, "readers down": {"mydb-1"},
	}
)

const customEndpoint = "mine.cluster-custom-c9xyz0abcdef.us-east-1.rds.amazonaws.com"

// B59, B60 and ask 19: each kind of name with each mode lands where it should,
// whatever the cluster suffers; with a handle that knew the cluster before, and
// with one that meets it like that.
func TestB59_B60_Modes(t *testing.T) {
	pattern := "cluster_instance_host_pattern=?.c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	handles := []struct {
		name  string
		host  func(c *cluster) string
		param []string
		want  map[string][]string
	}{
		{"writer endpoint", (*cluster).Endpoint, nil, toWriter},
		{"writer endpoint, strict-writer", (*cluster).Endpoint, []string{"failover_mode=strict-writer"}, toWriter},
		{"writer endpoint, strict-reader", (*cluster).Endpoint, []string{"failover_mode=strict_reader"}, toReader},
		{"writer endpoint, reader-or-writer", (*cluster).Endpoint, []string{"failoverMode=READER_OR_WRITER"}, toReaderOrWriter},
		{"reader endpoint", (*cluster).ReaderEndpoint, nil, toReaderOrWriter},
		{"reader endpoint, strict-reader", (*cluster).ReaderEndpoint, []string{"failover-mode=StrictReader"}, toReader},
		{"reader endpoint, strict-writer", (*cluster).ReaderEndpoint, []string{"FailoverMode=Strict_Writer"}, toWriter},
		{"instance that is the writer", func(c *cluster) string { return c.Instance("mydb-1").Host() }, nil, toWriter},
		{"instance that is the writer, strict-reader", func(c *cluster) string { return c.Instance("mydb-1").Host() }, []string{"failover_mode=strict-reader"}, toReader},
		{"instance that is a reader", func(c *cluster) string { return instanceHost(c, "mydb-3") }, nil, toThree},
		{"instance that is a reader, strict-writer", func(c *cluster) string { return instanceHost(c, "mydb-3") }, []string{"failover_mode=strictwriter"}, toWriter},
		{"custom endpoint of the writer", func(c *cluster) string { c.SetDNS(customEndpoint, "mydb-1"); return customEndpoint }, nil, toWriter},
		{"custom endpoint of a reader", func(c *cluster) string { c.SetDNS(customEndpoint, "mydb-3"); return customEndpoint }, nil, toNamed},
		{"alias of the writer endpoint", func(c *cluster) string {
			c.Alias("db.example.com", c.Endpoint())
			return "db.example.com"
		}, nil, toWriter},
		{"alias of the reader endpoint, reader-or-writer", func(c *cluster) string {
			c.Alias("ro.example.com", c.ReaderEndpoint())
			return "ro.example.com"
		}, []string{"failover_mode=reader-or-writer"}, toReaderOrWriter},
		{"address of the writer", func(c *cluster) string { return c.Instance("mydb-1").IP() }, []string{pattern}, toWriter},
		{"address of a reader", func(*cluster) string { return "10.20.0.13" }, []string{pattern}, toNamed},
	}
	for _, h := range handles {
		for _, s := range states {
			want, defined := h.want[s.name]
			if !defined || s.instances == 1 && strings.Contains(h.name, "is a reader") {
				continue
			}
			t.Run(h.name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{Instances: s.instances}, func(t *testing.T, c *cluster) {
					p := open(t, c, h.host(c), append(h.param, "failover_timeout_sec=5")...)
					_, healthy := p.settled(t.Context())
					if s.instances > 1 && healthy != nil {
						t.Fatalf("while all is well: %v", healthy)
					}
					forget(c)
					s.reach(t, c)
					if slices.Contains(want, "mydb-3") {
						time.Sleep(45 * time.Second) // an application that only reads does not notice; the monitor does
					}
					arrived(t, c, p, want)
				})
			})
			if s.name == "healthy" || s.name == "no readers" {
				continue
			}
			// A name that leads to a dead host cannot be followed by who has never
			// seen the cluster: the endpoints do after DNS has caught up.
			if h.name == "writer endpoint, strict-reader" || len(want) == 0 || !namesLiving(h.name, s.name) {
				continue
			}
			t.Run(h.name+"/"+s.name+", cold", func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{Instances: s.instances}, func(t *testing.T, c *cluster) {
					host := h.host(c)
					s.reach(t, c)
					time.Sleep(21 * time.Second)
					forget(c)
					arrived(t, c, open(t, c, host, append(h.param, "failover_timeout_sec=5")...), want)
				})
			})
		}
	}
}

// namesLiving tells that the name still leads to a host that lives.
func namesLiving(handle, state string) bool {
	switch state {
	case "writer lost", "writer vanished":
		return slices.Contains([]string{"writer endpoint", "writer endpoint, strict-writer", "alias of the writer endpoint",
			"instance that is a reader", "instance that is a reader, strict-writer", "custom endpoint of a reader", "address of a reader"}, handle)
	case "reader lost", "readers down":
		return slices.Contains([]string{"writer endpoint", "writer endpoint, strict-writer", "writer endpoint, reader-or-writer",
			"instance that is the writer", "custom endpoint of the writer", "alias of the writer endpoint", "address of the writer"}, handle)
	}
	return true
}

func instanceHost(c *cluster, id string) string {
	if i := c.Instance(id); i != nil {
		return i.Host()
	}
	return id + ".c9xyz0abcdef.us-east-1.rds.amazonaws.com"
}

// settled asks where the pool leads, past the news of a failover.
func (p *pool) settled(ctx context.Context) (string, error) {
	for range 20 {
		id, err := p.where(ctx)
		if err == nil || !errors.Is(err, core.ErrFailover) || errors.Is(err, core.ErrFailoverFailed) {
			return id, err
		}
	}
	return "", errors.New("twenty failovers in a row")
}

// arrived demands that ten calls in a row are served by one of the instances, or
// fail for a reason that says so.
func arrived(t *testing.T, c *cluster, p *pool, want []string) {
	t.Helper()
	began := time.Now()
	if len(want) == 0 {
		_, err := p.settled(t.Context())
		if err == nil {
			t.Error("landed although there is nowhere to land")
		}
		if core.ClassOf(err) != core.ClassOperational {
			t.Errorf("error of class %v: %v", core.ClassOf(err), err)
		}
		within(t, "failing", began, 5*time.Second+atOnce)
		if got := received(c.Writer(), "app"); len(got) > 0 && slices.ContainsFunc(got, func(s string) bool { return !c.front.Own(s) }) {
			t.Errorf("the writer served a handle for readers: %q", got)
		}
		return
	}
	for n := range 10 {
		id, err := p.settled(t.Context())
		if err != nil {
			t.Fatalf("call %d after %v: %v", n, time.Since(began), err)
		}
		if !slices.Contains(want, id) {
			t.Errorf("call %d: landed on %s, want %v", n, id, want)
		}
		p.SetMaxIdleConns(n % 2) // every other call needs a new connection
	}
	within(t, "ten calls", began, 5*time.Second)
}

// A mistake in the mode is an error that lists what can be written.
func TestB59_UnknownMode(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		_, err := tryOpen(c, frontend.Options{DSN: c.DSN(c.Endpoint(), "failover_mode=writer")})
		demand.Is(t, "failover_mode=writer", err, core.ErrConfig)
	})
}

// B58: the same host under any spelling of its name is the same.
func TestB58_SpellingsOfNames(t *testing.T) {
	for _, host := range []string{
		"MyDB.Cluster-C9XYZ0ABCDEF.us-east-1.RDS.amazonaws.com",
		"mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com.",
		"MYDB-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com.",
	} {
		t.Run(host, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := open(t, c, host)
				conn := p.hold(t, 1)[0]
				if got := p.link(t, conn).Host(); got != "mydb-1" {
					t.Errorf("the connection is known under %q", got)
				}
				_ = conn.Close()
				promote(t, c, "mydb-2", lab.PromoteOptions{DropSessions: true, DNSLag: 20 * time.Second})
				arrived(t, c, p, []string{"mydb-2"})
			})
		})
	}
}

// B69 and ask 19: sixty cold dials through the reader endpoint spread.
func TestB69_BurstOfReaderDialsSpreads(t *testing.T) {
	virtual(t, lab.Options{Instances: 4}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.ReaderEndpoint(), "failover_reader_host_selector_strategy=roundRobin")
		counts := map[string]int{}
		for _, conn := range together60(t, p) {
			counts[conn]++
		}
		for _, i := range c.Readers() {
			if n := counts[i.ID()]; n < 16 || n > 24 {
				t.Errorf("%d of 60 connections on %s", n, i.ID())
			}
		}
		if counts["mydb-1"] > 0 {
			t.Errorf("%d connections on the writer", counts["mydb-1"])
		}
	})
}

func together60(t *testing.T, p *pool) []string {
	t.Helper()
	hosts := make([]string, 60)
	release := make(chan struct{})
	arrivedAll := make(chan struct{}, len(hosts))
	errs := make(chan []error, 1)
	go func() {
		errs <- together(len(hosts), func(n int) error {
			conn, err := p.Conn(t.Context())
			if err != nil {
				arrivedAll <- struct{}{}
				return err
			}
			hosts[n] = p.link(t, conn).Host()
			arrivedAll <- struct{}{}
			<-release
			return conn.Close()
		})
	}()
	for range hosts {
		<-arrivedAll
	}
	close(release)
	if err := errors.Join(<-errs...); err != nil {
		t.Fatal(err)
	}
	return hosts
}

// B60: strict-reader with all readers down never touches the writer, ends within
// its limit, and works again when a reader is back.
func TestB60_StrictReaderNeverReachesTheWriter(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.ReaderEndpoint(), "failover_mode=strict-reader", "failover_timeout_sec=3")
		p.lands(t, "mydb-2", "mydb-3")
		for _, r := range c.Readers() {
			r.Vanish(lab.LosingRequests)
		}
		time.Sleep(time.Second)
		p.SetMaxIdleConns(0)
		before := received(c.Writer(), "app")
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			began := time.Now()
			if id, err := p.where(ctx); err == nil {
				t.Errorf("landed on %s", id)
			}
			within(t, "failing", began, 10*time.Second)
			cancel()
		}
		if after := received(c.Writer(), "app"); len(after) != len(before) {
			t.Errorf("the writer got %q", after)
		}
		for _, r := range c.Readers() {
			r.Heal()
		}
		arrived(t, c, p, []string{"mydb-2", "mydb-3"})
	})
}

// B42: one reader refuses the login. That ends the connect at once: neither are
// all readers tried with a wrong password, nor is one of them taken for dead.
func TestB42_LoginFailureOnOneReader(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.ReaderEndpoint(), "failover_reader_host_selector_strategy=round_robin")
		p.lands(t, "mydb-2")
		p.SetMaxIdleConns(0)
		c.Instance("mydb-3").OnLogin(func(user string) error { return &lab.LoginError{Code: c.codes.WrongPassword, Message: "no"} })
		failed, searches := 0, p.searches()
		for n := range 10 {
			tried := dials(c)
			began := time.Now()
			_, err := p.where(t.Context())
			within(t, fmt.Sprintf("call %d", n), began, atOnce)
			if got := dials(c) - tried; got != 1 {
				t.Errorf("call %d: %d dials, want 1", n, got)
			}
			if err != nil {
				failed++
				demand.IsNot(t, "the refused login", err, core.ErrFailover)
				c.says(t, "the refused login", err, c.codes.WrongPassword)
			}
		}
		if failed != 5 {
			t.Errorf("%d of 10 calls were refused, want every other one", failed)
		}
		if err := p.Cluster().Down("mydb-3"); err != nil {
			t.Errorf("mydb-3 is taken for dead: %v", err)
		}
		if got := p.searches() - searches; got != 0 {
			t.Errorf("%d searches because of a refused login", got)
		}
	})
}

// B59, ask 8: the first connect through a company's own name for the cluster
// endpoint falls into the time in which DNS still shows the old writer. When DNS
// has caught up, the handle writes.
func TestB59_AliasFirstUsedWhileDNSIsStale(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		writable(t, c)
		c.Alias("db.example.com", c.Endpoint())
		promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: 20 * time.Second})
		p := open(t, c, "db.example.com")
		_ = p.insert(t.Context()) // may meet the old writer
		time.Sleep(time.Minute)
		p.SetMaxIdleConns(0)
		if err := p.insert(t.Context()); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		p.lands(t, "mydb-2")
	})
}

// B59: an alias of the reader endpoint is a reader endpoint: the death of one
// reader leads to another reader.
func TestB59_AliasOfTheReaderEndpoint(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		c.Alias("ro.example.com", c.ReaderEndpoint())
		p := open(t, c, "ro.example.com")
		first, err := p.where(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Instance(first).Crash()
		time.Sleep(5 * time.Second)
		for range 10 {
			id, err := p.settled(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if id == "mydb-1" {
				t.Fatalf("landed on the writer although a reader lives")
			}
		}
	})
}
