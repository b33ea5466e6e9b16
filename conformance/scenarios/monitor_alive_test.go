package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// B46: a call on a healthy host is left alone, whatever it takes: it is asked once per
// interval, from the detection time on, on one connection, and nobody else notices.
func TestB46_LongCall(t *testing.T) {
	for _, s := range []struct {
		detection
		takes time.Duration
	}{
		{byDefault, 10 * time.Minute},
		{quick, 10 * time.Minute},
		{detection{30 * time.Second, time.Minute, 3}, 24 * time.Hour},
	} {
		t.Run(fmt.Sprintf("%v of %v", s.takes, s.detection), func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p, w := monitored(t, c, c.Endpoint(), s.params(monitorAlone)...)
				if err := p.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if err := p.sleep(context.Background(), s.takes); err != nil {
					t.Errorf("the call was ended: %v", err)
				}
				p.nobodyDown(t)
				if n := w.probers(); n != 1 {
					t.Errorf("%d connections of the host monitor", n)
				}
				asked := w.questions(began)
				if first := asked[0].Sub(began); first < s.Time {
					t.Errorf("asked after %v", first)
				}
				pings := 0
				for n, at := range asked[1:] {
					if at.Sub(asked[n]) > s.Interval/2 { // not part of the login
						pings++
						exactly(t, "the time between two questions", at.Sub(asked[n]).Round(50*time.Millisecond), s.Interval)
					}
				}
				if want := int((s.takes - s.Time) / s.Interval); pings < want-1 || pings > want {
					t.Errorf("asked %d times, want %d", pings, want)
				}
			})
		})
	}
}

// B46: the host stops for a moment, less than what is configured, again and again.
func TestB46_Blips(t *testing.T) {
	blips := map[string]func(i *lab.Instance){
		"freeze": (*lab.Instance).Freeze,
		"vanish": func(i *lab.Instance) { i.Vanish(lab.LosingAnswers) },
		"refuse": (*lab.Instance).Refuse,
	}
	for name, blip := range blips {
		for _, plugins := range []string{monitorAlone, withFailover} {
			t.Run(plugins+"/"+name, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Instance("mydb-2").Host(), quick.params(plugins)...)
					p.fill(t, 3)
					before := p.sessions(t, 3)
					call := async(func() error { return p.sleep(context.Background(), 2*time.Minute) })
					for n := range 20 {
						time.Sleep(5*time.Second + time.Duration(n)*53*time.Millisecond)
						blip(c.Instance("mydb-2"))
						time.Sleep(quick.patience() - quick.Interval - tolerance)
						c.Instance("mydb-2").Heal()
					}
					if e := <-call; e.err != nil {
						t.Errorf("the call was ended: %v", e.err)
					}
					p.nobodyDown(t)
					for pid := range p.sessions(t, 3) {
						if !before[pid] {
							t.Errorf("session %d is new", pid)
						}
					}
				})
			})
		}
	}
}

// B46: a host that is slow, but answers within what is configured.
func TestB46_SlowHost(t *testing.T) {
	for _, slow := range []time.Duration{100 * time.Millisecond, quick.Interval / 2, quick.Interval - 20*time.Millisecond} {
		t.Run(slow.String(), func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
				if err := p.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				call := async(func() error { return p.sleep(context.Background(), 2*time.Minute) })
				time.Sleep(10 * time.Second) // opening a connection takes several answers
				c.Writer().Slow(slow)
				if e := <-call; e.err != nil {
					t.Errorf("the call was ended: %v", e.err)
				}
				p.nobodyDown(t)
			})
		})
	}
}

// B46: a login on a slow host takes longer than an interval, but not than all.
func TestB46_SlowLogin(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		if err := p.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Writer().Slow(quick.patience() / 5)
		if err := p.sleep(context.Background(), 2*time.Minute); err != nil {
			t.Errorf("the call was ended: %v", err)
		}
		p.nobodyDown(t)
	})
}

// B16, B30: however many wait, a host is asked on one connection, as often as for one.
func TestB16_ManyWait(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		p.fill(t, 500)
		began := time.Now()
		for _, err := range together(500, func(n int) error {
			time.Sleep(time.Duration(n) * 7 * time.Millisecond)
			return p.sleep(context.Background(), time.Minute)
		}) {
			if err != nil {
				t.Errorf("a call was ended: %v", err)
			}
		}
		p.nobodyDown(t)
		if n := w.probers(); n != 1 {
			t.Errorf("%d connections of the host monitor", n)
		}
		if n, most := len(w.questions(began)), int(time.Minute/quick.Interval)+20; n > most {
			t.Errorf("%d requests of the host monitor, want at most %d", n, most)
		}
	})
}

// B16: short calls are no business of the host monitor's, however many there are.
func TestB16_ShortCalls(t *testing.T) {
	d := detection{200 * time.Millisecond, 100 * time.Millisecond, 2}
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), d.params(monitorAlone)...)
		began := time.Now()
		for _, err := range together(4, func(int) error {
			var errs []error
			for range 1000 {
				_, err := p.ExecContext(context.Background(), "select 1")
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took < 5*d.Time {
			t.Fatalf("the calls took %v: too short to mean anything", took)
		}
		if n := w.probers(); n != 0 {
			t.Errorf("%d connections of the host monitor", n)
		}
	})
}

// A connection that nobody uses waits for nothing.
func TestB16_IdleConnections(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		p.fill(t, 10)
		tx, err := p.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Hour)
		if err := tx.Commit(); err != nil {
			t.Errorf("a transaction in which nothing was done for long: %v", err)
		}
		if n := w.probers(); n != 0 {
			t.Errorf("%d connections of the host monitor", n)
		}
	})
}
