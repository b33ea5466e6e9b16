package scenarios

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// A name whose host has died leads to another one a minute later, as with a Multi-AZ
// instance of RDS, or a cluster endpoint without the plugin failover: that is used as
// soon as a dial could reach it, and not kept from callers because the old one is silent.
func TestB69_NameThatMovesAwayFromADeadHost(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, flavor := range []lab.Flavor{f.Flavors().RDS, f.Flavors().Community[0], f.Flavors().Aurora} {
			for _, l := range mutes {
				t.Run(f.Dialect(flavor)+"/"+l.name, func(t *testing.T) {
					t.Parallel()
					virtually(t, f, lab.Options{Flavor: flavor, Instances: 2}, func(t *testing.T, c *cluster) {
						p := open(t, c, c.Endpoint(), quick.params(monitorAlone)...)
						p.SetMaxIdleConns(0)
						if err := p.PingContext(t.Context()); err != nil {
							t.Fatal(err)
						}
						old := c.Writer()
						l.do(old)
						for range 2 { // a call, and a connect
							if err := p.sleep(context.Background(), time.Hour); err == nil {
								t.Error("a dead host answered")
							}
						}
						time.Sleep(time.Minute)
						moved := time.Now()
						promote(t, c, "mydb-2")
						for {
							err := p.PingContext(context.Background())
							if err == nil {
								break
							}
							demand.Is(t, "a connect", err, core.ErrConnect)
							if !errors.As(err, new(*core.LostError)) {
								t.Errorf("a connect: %v", err)
							}
							if time.Since(moved) > 15*time.Minute {
								t.Fatal("the new host is still not used")
							}
							time.Sleep(100 * time.Millisecond)
						}
						within(t, "using the new host", moved, 2*(time.Second+quick.Interval)+100*time.Millisecond+atOnce)
					})
				})
			}
		}
	})
}

// The name has moved while calls still wait at the old address. What was opened since
// leads to the new host, and is not cut together with them.
func TestB69_NameThatMovedBeforeTheOldHostIsGivenUp(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, flavor := range []lab.Flavor{f.Flavors().RDS, f.Flavors().Aurora} {
			t.Run(f.Dialect(flavor), func(t *testing.T) {
				virtually(t, f, lab.Options{Flavor: flavor, Instances: 2}, func(t *testing.T, c *cluster) {
					d := detection{time.Minute, time.Second, 3}
					p := open(t, c, c.Endpoint(), d.params(monitorAlone)...)
					if err := p.PingContext(t.Context()); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					c.Writer().Freeze()
					old := async(func() error { return p.sleep(context.Background(), time.Hour) })
					time.Sleep(10 * time.Second)
					promote(t, c, "mydb-2")
					fresh := async(func() error { return p.sleep(context.Background(), 5*time.Minute) })
					e := <-old
					exactly(t, "the old call", e.at.Sub(began), d.bound())
					if err := p.PingContext(context.Background()); err != nil {
						t.Errorf("a connect to the new host: %v", err)
					}
					if e := <-fresh; e.err != nil {
						t.Errorf("a call on the new host: %v", e.err)
					}
				})
			})
		}
	})
}
