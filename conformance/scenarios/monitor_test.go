package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// B77: however a host falls silent, before the request has arrived or when it has been
// executed, it is noticed after the detection time and all intervals, to the instant,
// with no deadline of a caller.
func TestB77_SilenceIsNoticedInTime(t *testing.T) {
	settings := []detection{
		byDefault, quick,
		{5 * time.Second, 2 * time.Second, 1},
		{time.Second, 10 * time.Second, 2},
		{time.Millisecond, 50 * time.Millisecond, 2},
		{20 * time.Millisecond, 5 * time.Millisecond, 3},
	}
	for _, d := range settings {
		ways := silences
		if d.Time < roundTrip {
			ways = mutes // the connect was a reason to ask, and there is a connection for it
		}
		for _, l := range ways {
			t.Run(fmt.Sprintf("%v/%s", d, l.name), func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint(), d.params(monitorAlone)...)
					if err := p.PingContext(t.Context()); err != nil {
						t.Fatal(err)
					}
					time.Sleep(7 * time.Second / 2)
					began := time.Now()
					l.do(c.Writer())
					err := p.sleep(context.Background(), 2*time.Hour)
					exactly(t, "the call", time.Since(began), d.bound())
					cut(t, "the call", err, "mydb-1")
					demand.Is(t, "the call", err, core.ErrOutcomeUnknown)
				})
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) { // of a reader
					p := open(t, c, c.ReaderEndpoint(), d.params(withFailover)...)
					id, err := p.where(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(7 * time.Second / 2)
					began := time.Now()
					l.do(c.Instance(id))
					err = p.sleep(context.Background(), 2*time.Hour)
					exactly(t, "the call", time.Since(began), d.bound())
					cut(t, "the call", err, id)
					demand.Is(t, "the call", err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
					if other, err := p.where(t.Context()); err != nil || other == id {
						t.Errorf("the next call went to %s: %v", other, err)
					}
				})
			})
		}
	}
}

// B77: a host that falls silent while it is asked already, since a call takes long, is
// given all intervals from the first question that it does not answer.
func TestB77_SilenceOfAHostThatIsAsked(t *testing.T) {
	for _, d := range []detection{byDefault, quick, {time.Second, time.Second, 1}} {
		for _, l := range mutes {
			t.Run(fmt.Sprintf("%v/%s", d, l.name), func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p, w := monitored(t, c, c.Endpoint(), d.params(monitorAlone)...)
					call := async(func() error { return p.sleep(context.Background(), 2*time.Hour) })
					time.Sleep(time.Minute + 300*time.Millisecond)
					asked := w.questions(time.Now().Add(-d.Interval))
					if len(asked) != 1 {
						t.Fatalf("%d questions in the last interval", len(asked))
					}
					l.do(c.Writer())
					e := <-call
					exactly(t, "the call", e.at.Sub(asked[0]), d.Interval+d.patience())
					cut(t, "the call", e.err, "mydb-1")
				})
			})
		}
	}
}

// The connection of the last time is used again, and says as much as a new one.
func TestB77_SilenceOnAKeptConnection(t *testing.T) {
	for _, d := range []detection{byDefault, quick, {time.Second, time.Second, 1}} {
		for _, l := range mutes {
			t.Run(fmt.Sprintf("%v/%s", d, l.name), func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p, w := monitored(t, c, c.Endpoint(), d.params(monitorAlone)...)
					for range 3 {
						if err := p.sleep(t.Context(), 2*d.Time); err != nil {
							t.Fatal(err)
						}
						time.Sleep(time.Minute)
					}
					if n := w.probers(); n != 1 {
						t.Errorf("%d connections of the host monitor", n)
					}
					began := time.Now()
					l.do(c.Writer())
					err := p.sleep(context.Background(), 2*time.Hour)
					exactly(t, "the call", time.Since(began), d.bound())
					cut(t, "the call", err, "mydb-1")
				})
			})
		}
	}
}

// B79: the connection of the last time has ended meanwhile, by a firewall or an
// administrator. That is not the host's fault.
func TestB46_KeptConnectionThatIsGone(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), detection{10 * time.Second, time.Second, 1}.params(monitorAlone)...)
		for range 3 {
			if err := p.sleep(t.Context(), 15*time.Second); err != nil {
				t.Fatal(err)
			}
			c.Writer().ResetConnections()
			time.Sleep(time.Minute)
		}
		p.nobodyDown(t)
		if n := w.probers(); n != 3 {
			t.Errorf("%d connections of the host monitor", n)
		}
	})
}

// B79: a firewall has forgotten the connection of the last time, and says nothing. One
// interval is lost; a new connection tells that the host is well.
func TestB46_KeptConnectionThatIsForgotten(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		for n := range 3 {
			if err := p.sleep(t.Context(), 15*time.Second); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
			w.lose()
			time.Sleep(time.Minute)
		}
		p.nobodyDown(t)
		if n := w.probers(); n != 3 {
			t.Errorf("%d connections of the host monitor", n)
		}
	})
}

// What a host left unanswered for a call that has ended meanwhile does not count against
// it when the next call waits. (pgx goes on waiting when its caller has gone.)
func TestB77_SilenceDoesNotAddUpOverCalls(t *testing.T) {
	d := detection{500 * time.Millisecond, time.Second, 3}
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), d.params(monitorAlone)...)
		p.fill(t, 2)
		c.Writer().Freeze()
		c.Writer().Refuse()
		ctx, cancel := context.WithCancel(t.Context())
		call := async(func() error { return p.sleep(ctx, time.Hour) })
		time.Sleep(d.Time + d.Interval*3/2) // it has refused twice
		cancel()
		demand.Is(t, "the call", (<-call).err, context.Canceled)
		time.Sleep(d.Interval)
		p.nobodyDown(t)
		began := time.Now()
		cut(t, "the next call", p.sleep(context.Background(), time.Hour), "mydb-1")
		exactly(t, "the next call", time.Since(began), d.bound()-d.Interval)
	})
}

// Who refuses to be asked answers no call either: each refusal counts as an interval at
// its beginning.
func TestB77_RefusedConnections(t *testing.T) {
	for _, d := range []detection{byDefault, quick, {time.Second, time.Second, 1}} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.Endpoint(), d.params(monitorAlone)...)
				if err := p.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				c.Writer().Freeze()
				c.Writer().Refuse()
				err := p.sleep(context.Background(), 2*time.Hour)
				exactly(t, "the call", time.Since(began), d.bound()-d.Interval)
				cut(t, "the call", err, "mydb-1")
			})
		})
	}
}

// B77: what hangs is the dial, or the login. There is no connection yet, and the limits
// of the driver and the kernel are far away.
func TestB77_ConnectThatHangs(t *testing.T) {
	for _, l := range mutes {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.Instance("mydb-2").Host(), quick.params(monitorAlone)...)
				p.SetMaxIdleConns(0)
				p.lands(t, "mydb-2")
				l.do(c.Instance("mydb-2"))
				began := time.Now()
				err := p.PingContext(context.Background())
				took := time.Since(began)
				if took < quick.bound()-1 || took > quick.bound()+tolerance+atOnce {
					t.Errorf("the connect took %v, want %v", took, quick.bound())
				}
				demand.Is(t, "the connect", err, core.ErrConnect)
				began = time.Now()
				demand.Is(t, "the next connect", p.PingContext(context.Background()), core.ErrConnect)
				within(t, "the next connect", began, atOnce)
			})
		})
	}
}
