package demo

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/awsdb/awsdb/core"
)

// tally counts what the workload does.
type tally struct {
	acknowledged, repeatedSafely, unknown, foundDone, repeatedAfterLook atomic.Int64
	reads, unfinished                                                   atomic.Int64
	writing, reading                                                    atomic.Int64 // calls in flight

	mu     sync.Mutex // guards errors
	errors map[string]int64
}

// failed counts an error by its class.
func (t *tally) failed(err error) {
	class := classOf(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.errors == nil {
		t.errors = map[string]int64{}
	}
	t.errors[class]++
}

func (t *tally) counters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	failures := maps.Clone(t.errors)
	if failures == nil {
		failures = map[string]int64{}
	}
	return Counters{
		Acknowledged: t.acknowledged.Load(), RepeatedSafely: t.repeatedSafely.Load(),
		Unknown: t.unknown.Load(), FoundDone: t.foundDone.Load(), RepeatedAfterLook: t.repeatedAfterLook.Load(),
		Unfinished: t.unfinished.Load(), Reads: t.reads.Load(), Errors: failures,
	}
}

// classOf names what an error says, in the words of package core where it is one
// of its sentinels.
func classOf(err error) string {
	for _, class := range []struct {
		sentinel error
		name     string
	}{
		{core.ErrTransactionResolutionUnknown, "ErrTransactionResolutionUnknown"},
		{core.ErrFailoverSuccess, "ErrFailoverSuccess"},
		{core.ErrFailoverFailed, "ErrFailoverFailed"},
		{context.DeadlineExceeded, "deadline exceeded"},
		{core.ErrConnect, "ErrConnect"},
		{core.ErrClosed, "ErrClosed"},
	} {
		if errors.Is(err, class.sentinel) {
			return class.name
		}
	}
	for _, e := range engines {
		if said := e.serverError(err); said != "" {
			return said
		}
	}
	if errors.As(err, new(*core.Error)) {
		return "connection lost"
	}
	return "other"
}
