package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// prober is the user of the host monitor's own connections.
const prober = "prober"

// The host monitor asks the instance that the call waits for, in the way the
// application would: whatever the DSN names, TLS or not, with the parameters that were
// given with its prefix. The call takes as long as it takes.
func TestProbesReachTheHost(t *testing.T) {
	for _, mode := range []lab.TLSMode{lab.TLSOff, lab.TLSRequired} {
		virtual(t, lab.Options{TLS: mode}, func(t *testing.T, c *cluster) {
			c.Alias("db.example.com", c.Endpoint())
			hosts := []string{c.Endpoint(), c.ReaderEndpoint(), c.Instance("mydb-2").Host()}
			if mode == lab.TLSOff { // no certificate is for these
				hosts = append(hosts, "db.example.com", c.Instance("mydb-3").IP())
			}
			for _, plugins := range []string{"failover,efm2", "efm"} {
				for _, host := range hosts {
					forget(c)
					p := open(t, c, host, "plugins="+plugins, "monitoring-user="+prober, "failure_detection_time=10000",
						"cluster_instance_host_pattern="+c.InstancePattern())
					conn := p.hold(t, 1)[0]
					var id string
					if err := conn.QueryRowContext(t.Context(), c.sql.InstanceID).Scan(&id); err != nil {
						t.Fatalf("%s: %v", host, err)
					}
					if _, err := conn.ExecContext(t.Context(), c.sql.Sleep(time.Minute)); err != nil {
						t.Errorf("%s: %v", host, err)
					}
					for _, i := range c.Instances() {
						asked := len(received(i, prober)) > 0
						if asked != (i.ID() == id) {
							t.Errorf("%s with %s: connected to %s, probes at %s: %t", host, plugins, id, i.ID(), asked)
						}
					}
					if n := p.count("nothing can be said") + p.count("does not answer"); n != 0 {
						t.Errorf("%s with %s: probes failed:\n%s", host, plugins, p.all())
					}
					_ = conn.Close()
					_ = p.Close()
				}
			}
		})
	}
}

// A login of the monitor that the server refuses is an answer.
func TestRefusedProbesAreAnswers(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		for name, code := range map[string]string{
			"no room": c.codes.TooManyConnections, "wrong password": c.codes.WrongPassword, "may not log in": c.codes.NoLogin,
			"no such database": c.codes.NoDatabase, "internal": c.codes.Internal,
		} {
			p := open(t, c, c.ReaderEndpoint(), "monitoring-user="+prober, "failure_detection_time=10000", "failure_detection_interval=1000")
			for _, i := range c.Instances() {
				i.OnLogin(func(user string) error {
					if user == prober {
						return &lab.LoginError{Code: code, Message: "not now"}
					}
					return nil
				})
			}
			if err := p.sleep(t.Context(), 10*time.Minute); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if p.count("does not answer") != 0 {
				t.Errorf("%s: taken for silence", name)
			}
			for _, i := range c.Instances() {
				i.OnLogin(nil)
			}
		}
	})
}

// The error of a call that was cut is of the connection, not of the monitor's question:
// no deadline that the caller did not set, no answer to a question he did not put. A
// transaction may be run again.
func TestErrorOfACutCall(t *testing.T) {
	for _, plugins := range []string{"host_monitoring_v2", "failover,host_monitoring_v2"} {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			p := open(t, c, c.Endpoint(), "plugins="+plugins, "failure_detection_time=10000", "failure_detection_interval=1000")
			tx, err := p.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			old := c.Writer()
			old.Vanish(lab.LosingRequests)
			if strings.HasPrefix(plugins, "failover") {
				time.AfterFunc(12*time.Second, func() { _ = c.Promote("mydb-2", lab.PromoteOptions{}) })
			}
			_, err = tx.ExecContext(t.Context(), c.sql.InstanceID)
			var e *core.Error
			if !errors.As(err, &e) || !errors.As(err, new(*core.LostError)) {
				t.Errorf("with %s: %v", plugins, err)
			}
			demand.IsNot(t, "with "+plugins, err, context.DeadlineExceeded, context.Canceled)
			if !core.SafeToRepeat(err) {
				t.Errorf("with %s: a lost transaction must not be repeated: %v", plugins, err)
			}
			if code := c.front.Code(err); code != "" {
				t.Errorf("with %s: the error holds the server's %s", plugins, code)
			}
			_ = tx.Rollback()
		})
	}
}

// What is wrong with a parameter for the monitor's connections is said when the handle
// is opened, without its secrets.
func TestWrongProbeParameters(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		for _, params := range [][]string{
			{"monitoring-host=elsewhere"}, {"monitoring-port=1"}, {"monitoring-connect_timeout=soon"}, {"monitoring-connect_timeout=-1"},
			{"failure_detection_count=0"}, {"failureDetectionTime=-1"}, {"failure_detection_intervall=3"},
		} {
			c := start(t, f, lab.Options{})
			params = append(params, "monitoring-password=pl4nted")
			_, err := tryOpen(c, frontend.Options{DSN: c.DSN(c.Endpoint(), params...)})
			demand.Is(t, params[0], err, core.ErrConfig)
			key, _, _ := strings.Cut(params[0], "=")
			if err != nil && (!strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "pl4nted")) {
				t.Errorf("%s: %v", params[0], err)
			}
		}
	})
}

// A connection string may name several hosts of a database that is no cluster. That
// the first is down does not keep anybody from the second.
func TestSecondHostOfAConnectionString(t *testing.T) {
	o := lab.Options{Flavor: frontend.PostgreSQL.Flavors().Community[0], Instances: 2}
	synctest.Test(t, func(t *testing.T) {
		o.Network, o.Latency = lab.Memory, latency
		c := start(t, frontend.PostgreSQL, o) // MySQL's connection strings name one
		first := c.Instance("mydb-1")
		dsn := strings.Replace(c.DSN(first.Host(), "connect_timeout=2", "failure_detection_time=10000", "failure_detection_interval=1000"),
			first.Host(), first.Host()+","+c.Instance("mydb-2").Host(), 1)
		p := openWith(t, c, frontend.Options{DSN: dsn})
		held := p.hold(t, 2)
		first.Vanish(lab.LosingRequests)
		if _, err := held[0].ExecContext(t.Context(), "select 1"); err == nil {
			t.Error("answered by a host that has vanished")
		}
		for range 120 {
			if err := p.PingContext(t.Context()); err != nil {
				t.Fatalf("the second host is not reached: %v", err)
			}
			time.Sleep(time.Second)
		}
		for _, conn := range held {
			_ = conn.Close() // cut
		}
	})
}
