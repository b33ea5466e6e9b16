package scenarios

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// loss is a way for the writer to go.
type loss struct {
	name string
	do   func(i *lab.Instance)
}

var losses = []loss{
	{"crash", (*lab.Instance).Crash},
	{"shutdown", (*lab.Instance).Shutdown},
	{"refuse and reset", func(i *lab.Instance) { i.Refuse(); i.ResetConnections() }},
	{"freeze", (*lab.Instance).Freeze},
	{"vanish with requests", func(i *lab.Instance) { i.Vanish(lab.LosingRequests) }},
	{"vanish with answers", func(i *lab.Instance) { i.Vanish(lab.LosingAnswers) }},
	{"hang", func(i *lab.Instance) { i.HangAfter(0) }},
	{"hang in the middle of an answer", func(i *lab.Instance) { i.HangAfter(9) }},
	{"hang in the middle of a login", func(i *lab.Instance) { i.HangAfter(150) }},
}

// Limits of what a promotion may take to reach the application, beside the time
// the cluster itself takes. The monitor asks every 50 ms while it searches, and
// gives a replaced writer half a second to answer before it cuts its connections.
const (
	firstWriteLimit = 200 * time.Millisecond
	releaseLimit    = 700 * time.Millisecond
)

// B47, B49, B63, B77, asks 6 and 7: however the writer goes, it is all one to the
// application. Callers have no deadline. Some are in the middle of a call, some
// come later and dial, some find an idle connection; the status functions and DNS
// lag. Each is released soon after the promotion, and the next write works.
func TestB77_EveryWayToLoseTheWriter(t *testing.T) {
	for _, instances := range []int{2, 3} {
		for _, l := range losses {
			t.Run(fmt.Sprintf("%d instances/%s", instances, l.name), func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{Instances: instances}, func(t *testing.T, c *cluster) { loseWriter(t, c, l) })
			})
		}
	}
}

func loseWriter(t *testing.T, c *cluster, l loss) {
	p := writable(t, c)
	p.fill(t, 10)
	old := c.Writer()
	var calls []<-chan ended
	call := func(statement string) {
		calls = append(calls, async(func() error { _, err := p.ExecContext(context.Background(), statement); return err }))
	}
	for range 5 {
		call(c.sql.Sleep(time.Hour))
	}
	time.Sleep(3 * time.Second)
	l.do(old)
	for range 5 {
		call("insert into t (id) values (2)")
	}
	time.Sleep(2 * time.Second)
	for range 20 { // more than idle connections are left
		call("insert into t (id) values (3)")
	}
	time.Sleep(6 * time.Second)
	promoted := time.Now()
	promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: 25 * time.Second, StatusLag: 4 * time.Second})

	first := time.Duration(0)
	for try := 0; ; try++ { // another caller, who comes just now
		err := p.insert(context.Background())
		if err == nil {
			first = time.Since(promoted)
			break
		}
		if try == 5 {
			t.Fatalf("still no write after %v: %v", time.Since(promoted), err)
		}
	}
	if first > firstWriteLimit {
		t.Errorf("the first good write came %v after the promotion", first)
	}
	released := time.Duration(0)
	for n, call := range calls {
		e := <-call
		released = max(released, e.at.Sub(promoted))
		if e.err != nil {
			demand.Is(t, fmt.Sprintf("call %d", n), e.err, core.ErrFailoverSuccess)
		}
	}
	if released > releaseLimit {
		t.Errorf("the last caller was released %v after the promotion", released)
	}
	t.Logf("first write %v, last release %v after the promotion", first, released)
	p.lands(t, "mydb-2")
}

// B54: with nobody promoted, a call and a connect each take failover_timeout_sec
// and not more; the error says what the network or the server said last (B55).
func TestB54_B55_TheBudgetIsKept(t *testing.T) {
	const budget = 7 * time.Second
	last := map[string]func(c *cluster, err error) bool{
		"crash":            func(_ *cluster, err error) bool { return errors.Is(err, syscall.ECONNRESET) },
		"refuse and reset": func(_ *cluster, err error) bool { return errors.Is(err, syscall.ECONNRESET) },
		"shutdown":         func(c *cluster, err error) bool { return c.front.Code(err) == c.codes.Shutdown },
	}
	spellings := []string{"failover_timeout_sec=7", "failoverTimeoutMs=7000", "failover_timeout_sec=7s"}
	for n, l := range losses[:3] {
		spelling := spellings[n]
		t.Run(spelling+"/"+l.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c, spelling)
				busy := async(func() error { return p.sleep(context.Background(), time.Minute) })
				time.Sleep(time.Second)
				began := time.Now()
				l.do(c.Writer())
				e := <-busy
				if took := e.at.Sub(began); took < budget-time.Second || took > budget+atOnce {
					t.Errorf("the call took %v, want %v", took, budget)
				}
				demand.Is(t, "the call", e.err, core.ErrFailoverFailed, core.ErrFailover)
				if !last[l.name](c, e.err) {
					t.Errorf("the error hides what was said last: %v", e.err)
				}
				began = time.Now()
				err := p.insert(context.Background())
				if took := time.Since(began); took < budget-time.Second || took > budget+atOnce {
					t.Errorf("the connect took %v, want %v", took, budget)
				}
				demand.Is(t, "the connect", err, core.ErrFailoverFailed)
			})
		})
	}
}

// The budget also bounds a connect to a host that does not answer at all.
func TestB54_TheBudgetIsKeptByAConnectThatHangs(t *testing.T) {
	for _, l := range losses[3:] {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c, "failover_timeout_sec=7")
				p.SetMaxIdleConns(0)
				l.do(c.Writer())
				began := time.Now()
				err := p.insert(context.Background())
				within(t, "the connect", began, 7*time.Second+atOnce)
				demand.Is(t, "the connect", err, core.ErrFailoverFailed)
			})
		})
	}
}

// enable_connect_failover=false: a connect to a host that cannot be reached fails
// at once, a lost call still waits.
func TestConnectFailoverOff(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "enable_connect_failover=false")
		busy := async(func() error { return p.sleep(context.Background(), time.Minute) })
		time.Sleep(time.Second)
		c.Writer().Crash()
		time.Sleep(time.Second)
		promote(t, c, "mydb-2")
		demand.Is(t, "the lost call", (<-busy).err, core.ErrFailoverSuccess)
		if err := p.insert(t.Context()); err != nil {
			t.Errorf("after the failover: %v", err)
		}
	})
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "enable_connect_failover=false")
		p.SetMaxIdleConns(0)
		c.Writer().Refuse()
		began := time.Now()
		err := p.insert(context.Background())
		within(t, "the connect", began, atOnce)
		demand.IsNot(t, "the connect", err, core.ErrFailover)
		demand.Is(t, "the connect", err, syscall.ECONNREFUSED)
	})
}

// B50: the connections break but the writer stays the writer.
func TestB50_LostConnectionWithoutFailover(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		busy := async(func() error { return p.sleep(context.Background(), time.Minute) })
		time.Sleep(time.Second)
		c.Writer().ResetConnections()
		e := <-busy
		demand.Is(t, "the lost call", e.err, core.ErrFailoverSuccess)
		p.lands(t, "mydb-1")

		// A crash, and a restart as the writer.
		busy = async(func() error { return p.sleep(context.Background(), time.Minute) })
		time.Sleep(time.Second)
		c.Writer().Crash()
		time.Sleep(10 * time.Second)
		c.Writer().Restart()
		restarted := time.Now()
		e = <-busy
		demand.Is(t, "the lost call", e.err, core.ErrFailoverSuccess)
		within(t, "its release", restarted, firstWriteLimit)
		if err := p.insert(t.Context()); err != nil {
			t.Error(err)
		}
		p.lands(t, "mydb-1")
	})
}

// The writer cannot be reached from here, and stays the writer: the readers
// agree, and the waiting ends before failover_timeout_sec does.
func TestB50_UnreachableWriterThatIsNotReplaced(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		busy := async(func() error { return p.sleep(context.Background(), 10*time.Minute) })
		time.Sleep(time.Second)
		began := time.Now()
		w := c.Writer()
		w.Refuse()
		w.ResetConnections()
		e := <-busy
		if took := e.at.Sub(began); took > 20*time.Second {
			t.Errorf("the call waited %v although all readers agree", took)
		}
		w.Heal()
		time.Sleep(time.Second)
		arrived(t, c, p, []string{"mydb-1"})
	})
}

// B57: a host that was taken for dead and is promoted again is used at once.
func TestB57_DownIsForgotten(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.fill(t, 2)
		first := c.Instance("mydb-1")
		first.Freeze()
		promote(t, c, "mydb-2")
		_ = p.insert(t.Context())
		time.Sleep(time.Second)
		if p.Cluster().Down("mydb-1") == nil {
			t.Error("a frozen, replaced writer is not taken for dead")
		}
		first.Restart()
		time.Sleep(time.Second)
		if err := p.Cluster().Down("mydb-1"); err != nil {
			t.Errorf("it answers and is still taken for dead: %v", err)
		}
		promote(t, c, "mydb-1", lab.PromoteOptions{DropSessions: true})
		arrived(t, c, p, []string{"mydb-1"})
	})
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.Cluster().MarkDown("mydb-1", errors.New("a mistake"))
		time.Sleep(31 * time.Second)
		if err := p.Cluster().Down("mydb-1"); err != nil {
			t.Errorf("the mark has not expired: %v", err)
		}
		arrived(t, c, p, []string{"mydb-1"})
	})
}

// B62: instances come, go, restart and change their names during a failover.
func TestB62_InstancesChangeDuringFailover(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.fill(t, 3)
		gone := c.Instance("mydb-3")
		c.Writer().Crash()
		call := async(func() error { return p.insert(context.Background()) })
		time.Sleep(time.Second)
		c.RemoveInstance("mydb-3")
		for _, id := range []string{"new-1", "new-2"} {
			if _, err := c.AddReader(id); err != nil {
				t.Fatal(err)
			}
		}
		c.Instance("mydb-2").Restart()
		time.Sleep(time.Second)
		c.RemoveInstance("mydb-1") // renamed: it comes back under another name
		if _, err := c.AddReader("renamed"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		promoted := time.Now()
		promote(t, c, "new-2")
		if e := <-call; e.at.Sub(promoted) > firstWriteLimit {
			t.Errorf("the call was released %v after the promotion: %v", e.at.Sub(promoted), e.err)
		}
		arrived(t, c, p, []string{"new-2"})
		time.Sleep(time.Minute)
		var ids []string
		for _, h := range p.Cluster().Topology().Hosts {
			ids = append(ids, h.ID)
		}
		if got, want := fmt.Sprint(ids), "[mydb-2 new-1 new-2 renamed]"; got != want {
			t.Errorf("the monitor knows %s, want %s", got, want)
		}
		tried := gone.Dials()
		time.Sleep(10 * time.Minute)
		if got := gone.Dials(); got != tried {
			t.Errorf("%d dials to an instance that is gone", got-tried)
		}
	})
}

// B63: the first host is dead, only a reader can be reached, all are gone and one
// comes back: it converges without a restart.
func TestB63_BadStarts(t *testing.T) {
	t.Run("first host dead", func(t *testing.T) {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			c.Writer().Crash()
			p := open(t, c, c.Endpoint())
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := p.PingContext(ctx); err == nil {
				t.Error("a dead host was reached")
			}
			promote(t, c, "mydb-2")
			arrived(t, c, p, []string{"mydb-2"})
		})
	})
	t.Run("only a reader reachable", func(t *testing.T) {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			c.Writer().Vanish(lab.LosingRequests)
			c.Instance("mydb-2").Refuse()
			c.SetDNS(c.ReaderEndpoint(), "mydb-3")
			p := open(t, c, c.ReaderEndpoint())
			arrived(t, c, p, []string{"mydb-3"})
		})
	})
	t.Run("all gone, one back", func(t *testing.T) {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			p := writable(t, c)
			for _, i := range c.Instances() {
				i.Vanish(lab.LosingRequests)
			}
			call := async(func() error { return p.insert(context.Background()) })
			time.Sleep(2 * time.Minute)
			promote(t, c, "mydb-2")
			c.Instance("mydb-2").Restart()
			promoted := time.Now()
			e := <-call
			t.Logf("released %v after the promotion: %v", e.at.Sub(promoted), e.err)
			if took := e.at.Sub(promoted); took > 16*time.Second {
				t.Errorf("the call was released %v after the promotion", took)
			}
			arrived(t, c, p, []string{"mydb-2"})
		})
	})
}

// B48: for a while the cluster has no writer at all.
func TestB48_NoWriter(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		known := len(p.Cluster().Topology().Hosts)
		c.RemoveInstance("mydb-1")
		call := async(func() error { return p.insert(context.Background()) })
		time.Sleep(20 * time.Second)
		if got := len(p.Cluster().Topology().Hosts); got != known {
			t.Errorf("%d hosts are known, %d before", got, known)
		}
		promoted := time.Now()
		promote(t, c, "mydb-3")
		if e := <-call; e.at.Sub(promoted) > firstWriteLimit {
			t.Errorf("the call was released %v after the promotion: %v", e.at.Sub(promoted), e.err)
		}
		arrived(t, c, p, []string{"mydb-3"})
	})
}

// B19: reader-or-writer that lands on the writer keeps the connection.
func TestB19_LandingOnTheWriterKeepsTheConnection(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		for _, r := range c.Readers() {
			r.Crash()
		}
		p := open(t, c, c.Endpoint(), "failover_mode=reader-or-writer")
		conn := p.hold(t, 1)[0]
		time.Sleep(5 * time.Minute)
		if err := conn.PingContext(t.Context()); err != nil {
			t.Errorf("the connection was closed: %v", err)
		}
		_ = conn.Close()
	})
}

// The last words of a server are the error that the application finds.
func TestB99_DriverErrorsSurvive(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		_, err := p.ExecContext(t.Context(), "select * from nowhere")
		c.says(t, "the query", err, c.codes.UndefinedTable)
		busy := async(func() error { return p.sleep(context.Background(), time.Minute) })
		time.Sleep(time.Second)
		c.Writer().Shutdown()
		promote(t, c, "mydb-2")
		e := <-busy
		demand.Is(t, "the call", e.err, core.ErrFailoverSuccess)
		c.says(t, "the call", e.err, c.codes.Shutdown)
		synctest.Wait()
	})
}

// B55: a connect that waits for a new writer until failover_timeout_sec has
// passed says ErrFailoverFailed, and why the old writer cannot be reached.
func TestB55_ConnectThatWaitedInVain(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "failover_timeout_sec=7")
		c.Writer().Crash()
		_ = p.insert(context.Background())
		err := p.insert(context.Background())
		demand.Is(t, "the connect", err, core.ErrFailoverFailed, syscall.ECONNREFUSED)
	})
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "failover_timeout_sec=7")
		p.SetMaxIdleConns(0)
		c.Writer().Freeze()
		demand.Is(t, "the connect to a frozen host", p.insert(context.Background()), core.ErrFailoverFailed)
	})
}
