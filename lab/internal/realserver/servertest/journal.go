package servertest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A Cluster is what a Journal writes to.
type Cluster interface{ Primary() string }

// An Inserter is one session that inserts numbers into a table of the cluster's.
type Inserter interface {
	Insert(ctx context.Context, id int64) error
	Close()
}

// A Journal inserts numbers through whoever is the primary and remembers those that were acknowledged.
type Journal struct {
	cluster Cluster
	open    func(ctx context.Context, instance string) (Inserter, error)
	next    atomic.Int64
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu           sync.Mutex // guards the rest
	acknowledged []int64
}

// StartJournal starts the given number of sessions, which open opens. They end with the test, or by End.
func StartJournal(t *testing.T, c Cluster, sessions int, open func(ctx context.Context, instance string) (Inserter, error)) *Journal {
	ctx, stop := context.WithCancel(t.Context())
	j := &Journal{cluster: c, open: open, stop: stop}
	for range sessions {
		j.done.Go(func() {
			for ctx.Err() == nil {
				j.session(ctx)
			}
		})
	}
	t.Cleanup(j.End)
	return j
}

// session writes through one connection until that fails.
func (j *Journal) session(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := j.cluster.Primary()
	s, err := j.open(ctx, name)
	if err != nil {
		_ = realserver.Pause(ctx, 5*time.Millisecond)
		return
	}
	defer s.Close()
	// A session to a replaced primary that hangs is left as soon as there is another primary.
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		_ = realserver.Poll(ctx, func() (bool, error) { return j.cluster.Primary() != name, nil })
		cancel()
	})
	for {
		id := j.next.Add(1)
		if err := s.Insert(ctx, id); err != nil {
			return
		}
		j.mu.Lock()
		j.acknowledged = append(j.acknowledged, id)
		j.mu.Unlock()
		_ = realserver.Pause(ctx, time.Millisecond) // the control plane needs the processor too
	}
}

func (j *Journal) count() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.acknowledged)
}

// AwaitProgress waits until more writes have been acknowledged.
func (j *Journal) AwaitProgress(t *testing.T, more int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	goal := j.count() + more
	if err := realserver.Poll(ctx, func() (bool, error) { return j.count() >= goal, nil }); err != nil {
		t.Fatalf("%d writes acknowledged, %d wanted: %v", j.count(), goal, err)
	}
}

// End ends the sessions and waits for them.
func (j *Journal) End() {
	j.stop()
	j.done.Wait()
}

// Check fails the test for every acknowledged write that is not among those present on the primary.
func (j *Journal) Check(t *testing.T, ids []int64) {
	t.Helper()
	present := make(map[int64]bool, len(ids))
	for _, id := range ids {
		present[id] = true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	lost := 0
	for _, id := range j.acknowledged {
		if !present[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged writes are lost on %s", lost, len(j.acknowledged), j.cluster.Primary())
	}
	t.Logf("%d writes acknowledged, %d present", len(j.acknowledged), len(ids))
}
