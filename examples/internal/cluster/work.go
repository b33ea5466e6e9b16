package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// Outcome is what became of numbered units of work.
type Outcome struct {
	Done     []int64 // certainly had their effect
	Doubtful []int64 // may have had it: their errors match core.ErrOutcomeUnknown
}

// FailOverDuring runs units of work, numbered from 1, in a few goroutines, kills the writer in their midst, promotes mydb-2,
// and goes on for a while. An error that leaves no doubt fails the test, so work has to repeat what is safe to repeat.
func FailOverDuring(t *testing.T, c *lab.Cluster, work func(ctx context.Context, n int64) error) Outcome {
	t.Helper()
	const workers, before, after = 3, 30, 60
	limit := Context(t)
	ctx, stop := context.WithCancel(limit)
	defer stop()
	var mu sync.Mutex // guards the rest
	var next int64
	var outcome Outcome
	take := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next
	}
	note := func(n int64, err error) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			outcome.Done = append(outcome.Done, n)
		case errors.Is(err, core.ErrOutcomeUnknown):
			outcome.Doubtful = append(outcome.Doubtful, n)
		default:
			t.Errorf("work %d: %v", n, err)
			return false
		}
		return true
	}
	done := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(outcome.Done)
	}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				// A unit of work that has begun is finished, so that its outcome is known.
				if n := take(); !note(n, work(limit, n)) {
					stop()
				}
			}
		})
	}
	enough := func(n int) {
		Await(t, "units of work", func() bool { return done() >= n || ctx.Err() != nil })
	}
	enough(before)
	FailOver(t, c, "mydb-2")
	enough(done() + after)
	stop()
	all.Wait()
	return outcome
}

// ExactlyOnce checks what the database has: how often the effect of each unit of work is there.
func (o Outcome) ExactlyOnce(t *testing.T, found map[int64]int) {
	t.Helper()
	known := map[int64]bool{}
	for _, n := range o.Done {
		known[n] = true
		if found[n] != 1 {
			t.Errorf("work %d is done and there %d times", n, found[n])
		}
	}
	for _, n := range o.Doubtful {
		known[n] = true
		if found[n] > 1 {
			t.Errorf("work %d is in doubt and there %d times", n, found[n])
		}
	}
	for n := range found {
		if !known[n] {
			t.Errorf("work %d has failed for certain, and is there", n)
		}
	}
}
