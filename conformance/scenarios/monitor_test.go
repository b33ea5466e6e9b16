package scenarios

import (
	"errors"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// B77: a host that vanishes while calls wait for its answer is noticed within the
// detection time and the intervals, to the millisecond, with no deadline of a caller.
func TestVanishedHostIsNoticed(t *testing.T) {
	for name, loss := range map[string]lab.Loss{"before the request arrived": lab.LosingRequests, "after it was executed": lab.LosingAnswers} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{Instances: 3}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.ReaderEndpoint(), "failure_detection_time_ms=10000", "failure_detection_interval_ms=1000", "failure_detection_count=3")
				id, err := p.where(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				reader := c.Instance(id)
				reader.Vanish(loss)
				start := time.Now()
				_, err = p.where(t.Context())
				if took := time.Since(start); took < 13*time.Second || took > 13*time.Second+50*time.Millisecond {
					t.Errorf("noticed after %s, want 13 s", took)
				}
				if !errors.Is(err, core.ErrFailoverSuccess) {
					t.Errorf("%v, want %v", err, core.ErrFailoverSuccess)
				}
				t.Log(err)
			})
		})
	}
}
