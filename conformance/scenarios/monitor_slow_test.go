package scenarios

import (
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// A host that is slow is not dead: each of its answers comes within the interval, or half
// of it where the first silence counts, though a login, which is several answers, takes
// longer than all intervals together.
func TestSlowHostIsNotDown(t *testing.T) {
	tests := map[string]struct {
		count string
		slow  time.Duration
	}{
		"the first silence counts": {"1", 450 * time.Millisecond},
		"the second one counts":    {"2", 900 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{Instances: 2}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.ReaderEndpoint(), "failure_detection_time_ms=1000", "failure_detection_interval_ms=1000", "failure_detection_count="+test.count)
				p.lands(t, "mydb-2")
				c.Instance("mydb-2").Slow(test.slow)
				if err := p.sleep(t.Context(), 20*time.Second); err != nil {
					t.Errorf("a long query: %v", err)
				}
				if err := p.Cluster().Down("mydb-2"); err != nil {
					t.Errorf("the host is down: %v", err)
				}
				if len(received(c.Instance("mydb-2"), watch)) == 0 {
					t.Error("the host was never asked")
				}
			})
		})
	}
}

// What a slow host answered before a login broke was no silence.
func TestBrokenLoginOfSlowHost(t *testing.T) {
	virtual(t, lab.Options{Instances: 2}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.ReaderEndpoint(), "failure_detection_time_ms=1000", "failure_detection_interval_ms=1000", "failure_detection_count=3")
		p.lands(t, "mydb-2")
		reader := c.Instance("mydb-2")
		reader.Slow(900 * time.Millisecond)
		call := async(func() error { return p.sleep(t.Context(), 20*time.Second) })
		time.Sleep(1000*time.Millisecond + 2500*time.Millisecond) // asked, and answering for the third time
		reader.ResetConnections()
		demand.Is(t, "the call", (<-call).err, core.ErrFailoverSuccess)
		if err := p.Cluster().Down("mydb-2"); err != nil {
			t.Errorf("the host is down: %v", err)
		}
	})
}
