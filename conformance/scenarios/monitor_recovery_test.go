package scenarios

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// back are the ways in which a host that was silent comes back.
var back = map[string]func(i *lab.Instance){
	"heal":    (*lab.Instance).Heal,
	"restart": (*lab.Instance).Restart,
}

// B57: a host that is down is not dialled by anybody but the host monitor, and used
// again as soon as it answers.
func TestB57_HostThatComesBack(t *testing.T) {
	for _, l := range mutes {
		for way, heal := range back {
			t.Run(l.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
					p.SetMaxIdleConns(0)
					p.lands(t, "mydb-1")
					l.do(c.Writer())
					if err := p.sleep(context.Background(), time.Hour); err == nil {
						t.Error("a dead host answered")
					}
					before := w.others()
					for range 100 {
						began := time.Now()
						demand.Is(t, "a connect to a host that is down", p.PingContext(context.Background()), core.ErrConnect)
						within(t, "it", began, 0)
						time.Sleep(700 * time.Millisecond)
					}
					if n := w.others() - before; n != 0 {
						t.Errorf("%d connections to a host that is down", n)
					}
					healed := time.Now()
					heal(c.Writer())
					for p.PingContext(context.Background()) != nil {
						if time.Since(healed) > time.Minute {
							t.Fatal("a minute later it is still not used")
						}
						time.Sleep(time.Millisecond)
					}
					within(t, "using it again", healed, time.Second+atOnce)
					p.lands(t, "mydb-1")
					c.Writer().Freeze()
					began := time.Now()
					p.SetMaxIdleConns(1)
					if err := p.sleep(context.Background(), time.Hour); err == nil {
						t.Error("a dead host answered")
					}
					within(t, "noticing it the next time", began, quick.bound()+tolerance+atOnce)
				})
			})
		}
	}
}

// B57: a host that refuses connections is asked again every second, whatever the interval.
func TestB57_HostThatIsBackIsNoticed(t *testing.T) {
	d := detection{3 * time.Second, 10 * time.Second, 2}
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), d.params(monitorAlone)...)
		p.lands(t, "mydb-1")
		c.Writer().Freeze()
		c.Writer().Refuse()
		cut(t, "the call", p.sleep(context.Background(), time.Hour), "mydb-1")
		time.Sleep(time.Minute + 300*time.Millisecond)
		if p.Cluster().Down("mydb-1") == nil {
			t.Error("it is not known any more that the host is down")
		}
		restarted := time.Now()
		c.Writer().Restart()
		for p.Cluster().Down("mydb-1") != nil {
			time.Sleep(time.Millisecond)
		}
		within(t, "noticing that it is back", restarted, time.Second+atOnce)
	})
}

// B14: a host is down for hours, and somebody calls now and then. It is dialled once per
// interval while the call is remembered, and each call ends when it is noticed again.
func TestB14_DownForHours(t *testing.T) {
	for _, l := range []loss{losses[0], losses[3], losses[4]} {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.Endpoint(), quick.params(monitorAlone, "monitor_disposal_time_ms=60000")...)
				p.lands(t, "mydb-1")
				l.do(c.Writer())
				before, began := c.Writer().Dials(), time.Now()
				for time.Since(began) < 3*time.Hour {
					called := time.Now()
					if err := p.insert(context.Background()); err == nil {
						t.Fatal("a dead host answered")
					}
					within(t, "a call", called, quick.bound()+tolerance+atOnce)
					time.Sleep(5 * time.Minute)
				}
				// For each call some until it is noticed and while the host is watched.
				if n, most := c.Writer().Dials()-before, 3*12*(3+int(time.Minute/quick.Interval)+3); n > most {
					t.Errorf("%d dials, want at most %d", n, most)
				}
				c.Writer().Restart()
				time.Sleep(31 * time.Second)
				p.lands(t, "mydb-1")
			})
		})
	}
}

// Nobody calls a host that is down: nobody watches it either, after a while.
func TestB14_NobodyCares(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), quick.params(monitorAlone, "monitor_disposal_time_ms=60000")...)
		p.lands(t, "mydb-1")
		c.Writer().Freeze()
		if err := p.insert(context.Background()); err == nil {
			t.Fatal("a dead host answered")
		}
		time.Sleep(2 * time.Minute)
		before := c.Writer().Dials()
		time.Sleep(6 * time.Hour)
		if n := c.Writer().Dials() - before; n != 0 {
			t.Errorf("%d dials that nobody has asked for", n)
		}
	})
}

// B15: what was needed to ask a host goes when there was nothing to ask for the disposal
// time; a call that waits then is watched like the first.
func TestB15_Disposal(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), quick.params(monitorAlone, "monitor_disposal_time_ms=60000")...)
		for range 3 {
			if err := p.sleep(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute - time.Second)
			if n := connections(c); n != 2 || running("hostmonitor.(*prober).run") != 1 {
				t.Errorf("%d connections, %d goroutines before the disposal time is over", n, running("hostmonitor.(*prober).run"))
			}
			time.Sleep(2 * time.Second)
			if n := connections(c); n != 1 || running("hostmonitor.(*prober).run") != 0 {
				t.Errorf("%d connections, %d goroutines after the disposal time", n, running("hostmonitor.(*prober).run"))
			}
		}
		c.Writer().Vanish(lab.LosingRequests)
		began := time.Now()
		cut(t, "the call", p.sleep(context.Background(), time.Hour), "mydb-1")
		exactly(t, "the call", time.Since(began), quick.bound())
	})
}

// running counts goroutines that are in a function.
func running(function string) int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), function+"(")
}

// loose is a plugin that supplies credentials, or does not.
type loose struct {
	act atomic.Pointer[func(ctx context.Context) error]
}

func (*loose) Code() string { return "loose" }

func (p *loose) Authenticate(ctx context.Context, t core.Target) (core.Target, error) {
	t.User, t.Password = "app", "secret"
	if t.Monitor == "" {
		return t, nil
	}
	t.User = prober
	if act := p.act.Load(); act != nil {
		return t, (*act)(ctx)
	}
	return t, nil
}

func (*loose) LoginFailed(context.Context, core.Target, error) bool { return false }

// B13, B84: what an application supplies panics, fails or hangs when the host monitor
// calls it. That is logged, says nothing of the host, and ends.
func TestB13_CallbacksFail(t *testing.T) {
	acts := map[string]func(ctx context.Context) error{
		"panics": func(context.Context) error { panic("a mistake") },
		"fails":  func(context.Context) error { return errors.New("no credentials today") },
		"fails with what looks like a dead host": func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
		},
		"is out of sockets": func(context.Context) error {
			return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		},
		"hangs": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	}
	for name, act := range acts {
		for _, what := range []string{"credentials", "dialer"} {
			if (what == "dialer") != (name == "is out of sockets") && name != "panics" {
				continue // what a dialer says is what the network says, but for what is of this machine
			}
			t.Run(what+"/"+name, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					monitor, err := hostmonitor.New(hostmonitor.Options{DetectionTime: quick.Time, Interval: quick.Interval, Count: quick.Count})
					if err != nil {
						t.Fatal(err)
					}
					credentials := &loose{}
					var broken atomic.Bool
					dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
						if broken.Load() {
							return nil, act(ctx)
						}
						return c.DialContext(ctx, network, addr)
					}
					p := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint()), Plugins: []core.Plugin{monitor, credentials}, Dial: dial})
					p.lands(t, "mydb-1")
					if what == "dialer" {
						broken.Store(true)
					} else {
						credentials.act.Store(&act)
					}
					if err := p.sleep(context.Background(), time.Minute); err != nil {
						t.Errorf("the call was ended: %v", err)
					}
					p.nobodyDown(t)
					if name == "panics" && p.count("host monitor panicked") == 0 {
						t.Error("the panic was not logged")
					}
					if n := p.count("nothing can be said about the host"); n < 50/int(quick.patience()/time.Second+1) {
						t.Errorf("the host was asked %d times in a minute", n)
					}
					broken.Store(false)
					credentials.act.Store(nil)
					c.Writer().Freeze()
					began := time.Now()
					cut(t, "the call to a dead host", p.sleep(context.Background(), time.Hour), "mydb-1")
					exactly(t, "the call to a dead host", time.Since(began), quick.bound())
				})
			})
		}
	}
}
