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

// B77: a writer hangs and a healthy one takes over, sooner or later: with the defaults and
// with settings for the impatient, callers without any deadline are released within the
// detection time and a second, and mostly much sooner, and the next write works.
func TestB77_HungWriterWithAHealthySuccessor(t *testing.T) {
	for _, d := range []detection{byDefault, quick} {
		for _, after := range []time.Duration{0, time.Second, 20 * time.Second, d.bound() + time.Second} {
			for _, l := range mutes[:4] {
				t.Run(fmt.Sprintf("%v/promoted after %v/%s", d, after, l.name), func(t *testing.T) {
					t.Parallel()
					virtual(t, lab.Options{Instances: 2}, func(t *testing.T, c *cluster) {
						p := writable(t, c, d.params(withFailover)...)
						p.fill(t, 5)
						time.Sleep(time.Second)
						began := time.Now()
						l.do(c.Writer())
						var calls []<-chan ended
						for n := range 8 { // five find a connection
							calls = append(calls, async(func() error {
								time.Sleep(time.Duration(n) * 10 * time.Millisecond)
								return p.insert(context.Background())
							}))
						}
						time.Sleep(after)
						promoted := time.Now()
						promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: 25 * time.Second})
						for n, call := range calls {
							e := <-call
							switch {
							case e.err != nil && e.at.Before(promoted): // the readers had long agreed on a writer that is dead
								demand.Is(t, fmt.Sprintf("call %d", n), e.err, core.ErrFailoverFailed)
							case e.err != nil:
								demand.Is(t, fmt.Sprintf("call %d", n), e.err, core.ErrFailoverSuccess)
							}
							released := e.at.Sub(promoted)
							if after < time.Second {
								released -= time.Second // until failover has a first look at a call that waits
							}
							if released > releaseLimit {
								t.Errorf("call %d was released %v after the promotion: %v", n, e.at.Sub(promoted), e.err)
							}
							if e.at.Sub(began) > max(after+releaseLimit, d.bound()+time.Second) {
								t.Errorf("call %d was released after %v", n, e.at.Sub(began))
							}
						}
						if err := p.insert(t.Context()); err != nil {
							t.Errorf("the next write: %v", err)
						}
						p.lands(t, "mydb-2")
					})
				})
			}
		}
	}
}

// A writer hangs, nobody takes over, and it comes back: calls end when it is given up or
// comes back, and it is used again.
func TestB50_HungWriterThatComesBack(t *testing.T) {
	for hung, ways := range map[time.Duration][]loss{10 * time.Second: mutes, 40 * time.Second: mutes[:2], 2 * time.Minute: mutes[:1]} {
		for _, l := range ways {
			t.Run(fmt.Sprintf("after %v/%s", hung, l.name), func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := writable(t, c, detection{5 * time.Second, 5 * time.Second, 3}.params(withFailover)...)
					p.fill(t, 3)
					time.Sleep(time.Second)
					l.do(c.Writer())
					calls := make([]<-chan ended, 6)
					for n := range calls {
						calls[n] = async(func() error { return p.insert(context.Background()) })
					}
					time.Sleep(hung)
					back := time.Now()
					c.Writer().Heal()
					for n, call := range calls {
						e := <-call
						if e.err != nil {
							demand.Is(t, fmt.Sprintf("call %d", n), e.err, core.ErrFailover)
						}
						if late := e.at.Sub(back); late > 2*time.Second {
							t.Errorf("call %d ended %v after the writer was back: %v", n, late, e.err)
						}
					}
					for try := 0; ; try++ {
						err := p.insert(context.Background())
						if err == nil {
							break
						}
						if try == 5 {
							t.Fatalf("still no write after %v: %v", time.Since(back), err)
						}
					}
					within(t, "the first good write", back, 2*time.Second)
					p.lands(t, "mydb-1")
				})
			})
		}
	}
}

// A reader hangs: its callers go to another one, and nobody goes there until it is back.
func TestB77_HungReader(t *testing.T) {
	for _, l := range mutes {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{Instances: 4}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.ReaderEndpoint(), quick.params(withFailover, "failover_reader_host_selector_strategy=round_robin")...)
				writers := writable(t, c, quick.params(withFailover)...)
				p.fill(t, 12)
				before := writers.sessions(t, 1)
				l.do(c.Instance("mydb-3"))
				errs := together(12, func(int) error { return p.sleep(context.Background(), 10*time.Second) })
				lost := 0
				for _, err := range errs {
					if err != nil {
						lost++
						cut(t, "a call", err, "mydb-3")
						demand.Is(t, "a call", err, core.ErrFailoverSuccess)
					}
				}
				if lost == 0 || lost == len(errs) {
					t.Errorf("%d of %d calls ended with the reader", lost, len(errs))
				}
				p.SetMaxIdleConns(0)
				for range 20 {
					began := time.Now()
					p.lands(t, "mydb-2", "mydb-4")
					within(t, "a call", began, atOnce)
				}
				c.Instance("mydb-3").Heal()
				time.Sleep(31 * time.Second) // readers that were lost are avoided for a while
				landed := map[string]bool{}
				for range 20 {
					id, err := p.where(t.Context())
					if err != nil {
						t.Error(err)
					}
					landed[id] = true
				}
				if !landed["mydb-3"] {
					t.Errorf("the reader is back, and not used: %v", landed)
				}
				for pid := range writers.sessions(t, 1) {
					if !before[pid] {
						t.Error("the connection to the writer was replaced")
					}
				}
			})
		})
	}
}
