package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// A writer that hangs and is not replaced, though the readers go on naming it: its
// callers are not told that a host is ready, and once it answers all is well.
func TestHungWriterThatNobodyReplaces(t *testing.T) {
	virtual(t, lab.Options{Instances: 3}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		c.Writer().Freeze()
		start := time.Now()
		err := p.insert(t.Context())
		demand.Is(t, "the call that hung", err, core.ErrFailoverFailed)
		demand.Is(t, "the call that hung", err, core.ErrOutcomeUnknown)
		demand.IsNot(t, "the call that hung", err, core.ErrFailoverSuccess)
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		next := async(func() error { return p.insert(context.Background()) })
		time.Sleep(30 * time.Second)
		c.Writer().Heal()
		if e := <-next; e.err != nil {
			t.Errorf("the call that waited for a connection: %v", e.err)
		}
		p.lands(t, "mydb-1")
	})
}
