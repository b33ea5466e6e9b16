package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/lab"
)

// B14: a host that never comes back, and that nobody waits for any more, is not asked
// for ever. It was doubted because of a deadline; that it is down is the answer.
func TestB14_DeadHostIsForgotten(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.ReaderEndpoint(), "monitor_disposal_time_ms=60000")
		id, err := p.where(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		gone := c.Instance(id)
		gone.Freeze()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.where(ctx)
		demand.Is(t, "the call", err, context.DeadlineExceeded)
		time.Sleep(30 * time.Second) // three intervals of 5 s, and some
		if got := p.count("host down"); got != 1 {
			t.Errorf("the host was found dead %d times, want once", got)
		}
		asked := gone.Dials()
		time.Sleep(time.Minute)
		if gone.Dials() == asked {
			t.Error("nobody looked whether the host is back")
		}
		time.Sleep(time.Minute)
		asked = gone.Dials()
		time.Sleep(time.Hour)
		if more := gone.Dials() - asked; more != 0 {
			t.Errorf("asked %d times after monitor_disposal_time_ms", more)
		}
	})
}
