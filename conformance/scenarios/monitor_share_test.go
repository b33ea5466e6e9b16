package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// patient are settings for long work, beside those of a handle in a hurry.
var patient = detection{time.Minute, 5 * time.Second, 3}

// Two handles of one cluster with settings of their own: whoever wants to know first has
// the host asked, on one connection, and what is found out is true for both.
func TestMonitorSharedByHandles(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		hasty, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone, "cluster_id=shared")...)
		slow, w2 := monitored(t, c, c.ReaderEndpoint(), detection{quick.Time, 5 * time.Second, 3}.params(monitorAlone, "cluster_id=shared")...)
		c.SetDNS(c.ReaderEndpoint(), "mydb-1")
		hasty.lands(t, "mydb-1")
		slow.lands(t, "mydb-1")
		a := async(func() error { return hasty.sleep(context.Background(), 2*time.Minute) })
		b := async(func() error { return slow.sleep(context.Background(), 3*time.Minute) })
		for _, call := range []<-chan ended{a, b} {
			if e := <-call; e.err != nil {
				t.Errorf("on a healthy host: %v", e.err)
			}
		}
		if n := w.probers() + w2.probers(); n != 1 {
			t.Errorf("%d connections of the host monitor", n)
		}

		began := time.Now()
		c.Writer().Freeze()
		b = async(func() error { return slow.sleep(context.Background(), time.Hour) })
		a = async(func() error { return hasty.sleep(context.Background(), time.Hour) })
		for _, call := range []<-chan ended{a, b} {
			e := <-call
			exactly(t, "a call", e.at.Sub(began), quick.bound())
			cut(t, "a call", e.err, "mydb-1")
		}
	})
}

// Each call has the detection time of its own handle: that of a handle in a hurry is not
// for the calls of others.
func TestMonitorSettingsAreTheHandles(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		host := c.Instance("mydb-2").Host()
		hasty := open(t, c, host, quick.params(monitorAlone, "cluster_id=own")...)
		slow := open(t, c, host, patient.params(monitorAlone, "cluster_id=own")...)
		off := open(t, c, host, withFailover, "failure_detection_enabled=false", "cluster_id=own")
		for _, p := range []*pool{hasty, slow, off} {
			p.lands(t, "mydb-2")
		}
		began := time.Now()
		c.Instance("mydb-2").Freeze()
		unwatched := async(func() error { return off.sleep(context.Background(), time.Hour) })
		cut(t, "the patient call", slow.sleep(context.Background(), time.Hour), "mydb-2")
		exactly(t, "the patient call", time.Since(began), patient.bound())
		e := <-unwatched // a dead host is dead for all who know that they are connected to it
		exactly(t, "the call that nobody watches", e.at.Sub(began), patient.bound())
	})
}

// failure_detection_enabled=false: nothing is watched.
func TestMonitorTurnedOff(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone, "failure_detection_enabled=false")...)
		p.lands(t, "mydb-1")
		c.Writer().Freeze()
		call := async(func() error { return p.sleep(context.Background(), time.Hour) })
		time.Sleep(30 * time.Minute)
		if n := w.probers(); n != 0 || c.Writer().Dials() != 1 {
			t.Errorf("%d connections of the host monitor, %d dials", n, c.Writer().Dials())
		}
		p.nobodyDown(t)
		c.Writer().Heal()
		if e := <-call; e.err != nil {
			t.Errorf("the call: %v", e.err)
		}
	})
}

// The handle that did the watching is closed: the others are watched on, and with the
// last of them everything goes.
func TestMonitorOutlivesTheFirstHandle(t *testing.T) {
	for _, asked := range []bool{false, true} {
		virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
			params := quick.params(monitorAlone, "cluster_id=lives")
			var pools []*pool
			for range 3 {
				p := open(t, c, c.Endpoint(), params...)
				p.lands(t, "mydb-1")
				pools = append(pools, p)
			}
			last := pools[2]
			began := time.Now()
			if asked { // the handles are closed while the host is asked on their account
				c.Writer().Freeze()
			}
			call := async(func() error { return last.sleep(context.Background(), time.Hour) })
			for _, p := range pools[:2] {
				time.Sleep(quick.Time / 4)
				if err := p.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			if !asked {
				time.Sleep(time.Minute)
				last.nobodyDown(t)
				began = time.Now()
				c.Writer().Freeze()
			}
			e := <-call
			cut(t, "the call", e.err, "mydb-1")
			if asked {
				exactly(t, "the call", e.at.Sub(began), quick.bound())
			} else {
				within(t, "the call", began, quick.Interval+quick.patience()+tolerance)
			}
			c.Writer().Heal()
			if err := last.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			time.Sleep(roundTrip)
			if n := connections(c); n != 0 {
				t.Errorf("%d connections after the last Close", n)
			}
		})
	}
}

// The connection that the host monitor asks on belongs to a handle that is closed: it is
// replaced by one of another handle's, without harm to the host.
func TestMonitorsConnectionOutlivesItsHandle(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		first := open(t, c, c.Endpoint(), quick.params(monitorAlone, "cluster_id=replaced")...)
		second := open(t, c, c.Endpoint(), quick.params(monitorAlone, "cluster_id=replaced")...)
		second.lands(t, "mydb-1")
		if err := first.sleep(t.Context(), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := first.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := second.sleep(t.Context(), time.Minute); err != nil {
			t.Errorf("on a healthy host: %v", err)
		}
		first.nobodyDown(t)
		c.Writer().Freeze()
		began := time.Now()
		cut(t, "the call", second.sleep(context.Background(), time.Hour), "mydb-1")
		exactly(t, "the call", time.Since(began), quick.bound())
	})
}
