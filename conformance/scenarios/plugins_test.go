package scenarios

import (
	"context"
	"database/sql"
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

// What each plugin does by itself and in company, spec 9.2 to 9.4: whether the
// wrong host behind a writer endpoint is left, whether connections to a replaced
// writer leave the pool, and whether a lost call waits for the new writer.
func TestPluginsAlone(t *testing.T) {
	cases := []struct {
		plugins string
		leaves  bool // a writer endpoint that leads to a reader
		drops   bool // idle connections to a replaced writer
		waits   bool // for the new writer, and says ErrFailoverSuccess
	}{
		{"none", false, false, false},
		{"aurora_connection_tracker", false, true, false},
		{"stale_dns", true, false, false},
		{"initial_connection", true, true, false},
		{"stale_dns,aurora_connection_tracker", true, true, false},
		{"initial_connection,aurora_connection_tracker", true, true, false},
		{"failover", true, true, true},
		{"failover,aurora_connection_tracker", true, true, true},
		{"failover,stale_dns", true, true, true},
		{"failover,initial_connection", true, true, true},
		{"failover_v2,stale_dns,initial_connection,aurora_connection_tracker", true, true, true},
		{"initial_connection,aurora_connection_tracker,stale_dns,failover2", true, true, true},
	}
	for _, p := range cases {
		t.Run(p.plugins, func(t *testing.T) {
			t.Run("wrong host", func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					c.SetDNS(c.Endpoint(), "mydb-3")
					h := open(t, c, c.Endpoint(), "plugins="+p.plugins)
					h.lands(t, map[bool]string{true: "mydb-1", false: "mydb-3"}[p.leaves])
				})
			})
			t.Run("replaced writer", func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					h := writable(t, c, "plugins="+p.plugins)
					h.fill(t, 5)
					promote(t, c, "mydb-2")
					time.Sleep(31 * time.Second)
					var wrong int
					for range 10 {
						if err := h.insert(t.Context()); c.front.Code(err) == c.codes.ReadOnly {
							wrong++
						} else if err != nil {
							t.Error(err)
						}
					}
					if (wrong == 0) != p.drops {
						t.Errorf("%d of 10 writes met the replaced writer", wrong)
					}
				})
			})
			t.Run("lost call", func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					h := writable(t, c, "plugins="+p.plugins)
					call := async(func() error { return h.sleep(context.Background(), time.Minute) })
					time.Sleep(time.Second)
					lost := time.Now()
					c.Writer().Crash()
					time.Sleep(5 * time.Second)
					promote(t, c, "mydb-2")
					e := <-call
					demand.Is(t, "the lost call", e.err, core.ErrOutcomeUnknown)
					if got := errors.Is(e.err, core.ErrFailoverSuccess); got != p.waits {
						t.Errorf("failover success: %t, want %t: %v", got, p.waits, e.err)
					}
					if waited := e.at.Sub(lost) >= 5*time.Second; waited != p.waits {
						t.Errorf("the call ended after %v", e.at.Sub(lost))
					}
					if err := h.insert(t.Context()); err != nil {
						t.Errorf("the next call: %v", err)
					}
				})
			})
		})
	}
}

// plugins=none, and each plugin turned off by a parameter: no monitor, no question of ours.
func TestPluginsOff(t *testing.T) {
	for _, off := range []string{"plugins=none", "plugins=", "wrapper_plugins=none", "enable_failover=false", "enableClusterAwareFailover=false"} {
		t.Run(off, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c, off, "failure_detection_enabled=false")
				time.Sleep(time.Minute)
				if got := connections(c); got != 1 {
					t.Errorf("%d connections, want the application's", got)
				}
				if got := receivedByAll(c, "app"); slices.ContainsFunc(got, c.front.Own) {
					t.Errorf("the server was asked %q", got)
				}
				promote(t, c, "mydb-2")
				err := p.insert(t.Context())
				demand.IsNot(t, "a write on the replaced writer", err, core.ErrFailover)
				c.says(t, "a write on the replaced writer", err, c.codes.ReadOnly)
			})
		})
	}
}

// initial_connection: what verify_initial_connection_type insists on, and what
// happens when there is nobody of that role.
func TestInitialConnection(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		for _, v := range []struct {
			host, role string
			want       []string
		}{
			{c.Endpoint(), "writer", []string{"mydb-1"}},
			{c.Endpoint(), "reader", []string{"mydb-2", "mydb-3"}},
			{c.ReaderEndpoint(), "", []string{"mydb-2", "mydb-3"}},
			{c.ReaderEndpoint(), "reader", []string{"mydb-2", "mydb-3"}},
			{c.Instance("mydb-3").Host(), "", []string{"mydb-3"}},
			{c.Instance("mydb-3").Host(), "writer", []string{"mydb-1"}},
			{c.Instance("mydb-3").Host(), "none", []string{"mydb-3"}},
		} {
			params := []string{"plugins=initial_connection"}
			if v.role != "" {
				params = append(params, "verifyInitialConnectionType="+v.role)
			}
			open(t, c, v.host, params...).lands(t, v.want...)
		}
	})
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Endpoint(), "plugins=initial_connection", "verify_opened_connection_type=reader", "open_connection_retry_timeout_ms=3000")
		p.lands(t, "mydb-2", "mydb-3")
		for _, r := range c.Readers() {
			r.Crash()
		}
		time.Sleep(2 * time.Second)
		began := time.Now()
		p.lands(t, "mydb-1") // as the endpoint has it, when time is up
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("it took %v, want 3s", took)
		}
	})
}

// A plugin that does not exist or is not linked in is an error with a remedy.
func TestUnknownPlugins(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		for plugins, remedy := range map[string]string{"failovr": "failover", "iam": `import _ "github.com/awsdb/awsdb/iamauth"`} {
			_, err := tryOpen(c, frontend.Options{DSN: c.DSN(c.Endpoint(), "plugins="+plugins)})
			demand.Is(t, plugins, err, core.ErrConfig)
			if err == nil || !strings.Contains(err.Error(), remedy) {
				t.Errorf("%s: the error does not say %q: %v", plugins, remedy, err)
			}
		}
	})
}

// B10: handles are made by many goroutines at once; the driver's name is taken.
func TestB10_ConcurrentRegistration(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, err := range together(50, func(n int) error {
			host := fmt.Sprintf("mydb-%d.c9xyz0abcdef.us-east-1.rds.amazonaws.com", n)
			db, err := f.OpenDSN(f.DSN(application(host), "plugins=failover", fmt.Sprintf("cluster_id=b10-%d", n%5)))
			if err != nil {
				return err
			}
			return db.Close()
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if f.Driver() != "" && !slices.Contains(sql.Drivers(), f.Driver()) {
			t.Errorf("drivers: %v", sql.Drivers())
		}
	})
}
