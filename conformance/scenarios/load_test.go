package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// loginsAtOnce counts how many logins of the application an instance works on at
// the same time.
type loginsAtOnce struct {
	mu        sync.Mutex
	now, most int
	total     int
}

func (l *loginsAtOnce) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now += n
	l.most = max(l.most, l.now)
	if n > 0 {
		l.total++
	}
}

// B119, ask 30: two hundred callers wait for the new writer, each hanging in a dial
// or a login to the old one. The new one gets at most 16 logins at a time, and
// everybody is served.
func TestB119_NoStampede(t *testing.T) {
	for _, l := range []loss{losses[3], losses[4], losses[6]} {
		t.Run(l.name, func(t *testing.T) { t.Parallel(); stampede(t, l) })
	}
}

func stampede(t *testing.T, l loss) {
	virtual(t, lab.Options{Latency: 5 * time.Millisecond}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		l.do(c.Writer())
		time.Sleep(3 * time.Second)
		var count loginsAtOnce
		c.Instance("mydb-2").OnLogin(func(user string) error {
			if user == "app" {
				count.add(1)
				time.Sleep(10 * time.Millisecond) // what a login costs the server
				count.add(-1)
			}
			return nil
		})
		calls := make([]<-chan ended, 200)
		for n := range calls {
			calls[n] = async(func() error {
				conn, err := p.Conn(context.Background())
				if err != nil {
					return err
				}
				_, err = conn.ExecContext(context.Background(), "insert into t (id) values (1)")
				time.Sleep(time.Second) // so that everybody needs a connection
				return errors.Join(err, conn.Close())
			})
		}
		time.Sleep(5 * time.Second)
		promote(t, c, "mydb-2")
		for n, call := range calls {
			if e := <-call; e.err != nil && !errors.Is(e.err, core.ErrFailoverSuccess) {
				t.Errorf("call %d: %v", n, e.err)
			}
		}
		if count.most > 16 {
			t.Errorf("%d logins at a time, want at most 16", count.most)
		}
		if count.most < 2 || count.total < 190 {
			t.Errorf("%d logins, %d at a time: nothing was tested", count.total, count.most)
		}
	})
}

// B119: the callers wait because the writer is known to be in doubt, without
// having dialled. The new writer gets at most 16 logins at a time from them, too.
func TestB119_NoStampedeOfThoseWhoWaited(t *testing.T) {
	for _, l := range losses[:3] {
		t.Run(l.name, func(t *testing.T) { t.Parallel(); stampede(t, l) })
	}
}

// B25, B76: idle connections that awsdb itself has cut are no error of Close.
func TestB76_CloseAfterConnectionsWereCut(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.fill(t, 5)
		c.Writer().Freeze()
		promote(t, c, "mydb-2")
		time.Sleep(time.Minute) // the monitor finds out, and cuts the idle connections
		if p.Cluster().Down("mydb-1") == nil && p.count("host down") == 0 {
			t.Fatal("the frozen writer was not taken for dead")
		}
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// B76: a pool of five hundred connections to a host that has vanished. The
// failover is as fast as ever, and so is Close.
func TestB76_ManyConnectionsToADeadHost(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.fill(t, 400)
		busy := p.hold(t, 100)
		c.Writer().Vanish(lab.LosingRequests)
		call := async(func() error { return p.insert(context.Background()) })
		time.Sleep(5 * time.Second)
		promoted := time.Now()
		promote(t, c, "mydb-2")
		e := <-call
		if took := e.at.Sub(promoted); took > firstWriteLimit {
			t.Errorf("released %v after the promotion", took)
		}
		began := time.Now()
		if err := p.insert(t.Context()); err != nil {
			t.Error(err)
		}
		within(t, "the next write", began, atOnce)
		for _, conn := range busy {
			_ = conn.Close()
		}
		began = time.Now()
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		within(t, "Close", began, time.Second)
	})
}

// B11: what an application gives us to call calls back into the library.
func TestB11_CallbacksCallBack(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		var p *pool
		ask := func() {
			if p == nil {
				return
			}
			cl := p.Cluster()
			cl.Topology().Writer()
			_ = cl.Down("mydb-1")
			cl.Searching()
			for range cl.Links() {
			}
			_ = p.Stats()
		}
		back := func() {
			if p == nil {
				return
			}
			ask()
			p.Cluster().Look("mydb-1")
			p.Cluster().MarkUp("mydb-9")
		}
		hook := func(context.Context, frontend.Query) error { back(); return nil }
		p = openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint()), OnConnect: hook, Resolver: callingResolver{c, back}})
		p.journal.hook = func(slog.Record) { ask() } // what logs by itself would come here again
		mustExec(t, p, "create table t (id bigint)")
		p.fill(t, 5)
		for _, id := range []string{"mydb-2", "mydb-3", "mydb-1"} {
			c.Writer().Crash()
			promote(t, c, id)
			arrived(t, c, p, []string{id})
			for _, i := range c.Instances() {
				if i.ID() != id {
					i.Restart()
				}
			}
			time.Sleep(time.Second)
		}
	})
}

type callingResolver struct {
	lab  *cluster
	back func()
}

func (r callingResolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	r.back()
	return r.lab.LookupHost(ctx, host)
}

func (r callingResolver) LookupCNAME(ctx context.Context, host string) (string, error) {
	r.back()
	return r.lab.LookupCNAME(ctx, host)
}

// Loopback, in real time: crash and promotion under load, with sockets of the
// kernel.
func TestLoopbackFailover(t *testing.T) {
	t.Parallel()
	loopback(t, lab.Options{}, failoversUnderLoad)
}

func failoversUnderLoad(t *testing.T, c *cluster) {
	p := writable(t, c)
	p.fill(t, 8)
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := core.RunTx(context.Background(), p.DB, nil, func(tx *sql.Tx) error {
					_, err := tx.Exec("insert into t (id) values (1)")
					return err
				})
				if err != nil && !errors.Is(err, core.ErrOutcomeUnknown) {
					t.Error(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for n, l := range losses[:5] {
		time.Sleep(50 * time.Millisecond)
		old, next := c.Writer(), c.Readers()[n%2]
		l.do(old)
		time.Sleep(50 * time.Millisecond)
		promote(t, c, next.ID())
		if _, err := p.settled(t.Context()); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		old.Restart()
	}
	close(stop)
	workers.Wait()
}

// B79: the socket under the connection can be reached for its options.
func TestB79_SyscallConn(t *testing.T) {
	loopback(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint())
		conn := p.hold(t, 1)[0]
		defer conn.Close() //nolint:errcheck // not what is tested
		raw, err := p.link(t, conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(uintptr) {}); err != nil {
			t.Error(err)
		}
	})
}
