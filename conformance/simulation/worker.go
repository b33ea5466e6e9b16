package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/awsdb/awsdb/conformance/attempt"
	"github.com/awsdb/awsdb/core"
)

// worker is one goroutine of the application.
type worker struct {
	*run
	db      *pool
	id      int
	rng     *rand.Rand
	n       int
	patient bool          // its calls have no deadline
	extra   time.Duration // what it has idled away in the call at hand
}

func (r *run) newWorker(db *pool, id int) *worker {
	rng := rand.New(rand.NewPCG(r.rng.Uint64(), uint64(id)))
	return &worker{run: r, db: db, id: id, rng: rng, patient: db.monitor != nil && rng.IntN(2) == 0}
}

func (w *worker) loop(ctx context.Context) {
	ways := w.db.ways()
	for ctx.Err() == nil {
		time.Sleep(time.Duration(1+w.rng.IntN(1_500_000)) * time.Microsecond)
		switch w.rng.IntN(6) {
		case 0:
			w.read(ctx)
		case 5:
			w.ponder(ctx)
		default:
			w.write(ctx, ways[w.rng.IntN(len(ways))])
		}
	}
}

// bounded gives a call its deadline, and afterwards checks that it was kept.
// database/sql itself may take a moment to notice, hence the tolerance. The calls of
// those who are patient have none; what the servers need for them is own.
func (w *worker) bounded(ctx context.Context, what string, own time.Duration, f func(ctx context.Context) error) error {
	began := time.Now()
	w.extra = 0
	if w.patient {
		err := f(context.WithoutCancel(ctx))
		if w.db == w.pool {
			w.mu.Lock()
			w.calls = append(w.calls, call{span{began, time.Now()}, what, own + w.extra, err})
			w.mu.Unlock()
		}
		return err
	}
	limit := []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second, 10 * time.Minute}[w.rng.IntN(5)]
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	err := f(ctx)
	if took := time.Since(began); took > limit+50*time.Millisecond {
		w.problem("%s with a limit of %v took %v: %v", what, limit, took, err)
	}
	return err
}

// write makes one write happen as an application would: repeat what is safe,
// look when the outcome is unknown.
func (w *worker) write(ctx context.Context, how way) {
	w.n++
	id := fmt.Sprintf("w%d-%d", w.id, w.n)
	for try := range 4 {
		tag := fmt.Sprintf("%s%s-%d", attempt.Prefix, id, try)
		err := w.bounded(ctx, "write", 0, func(ctx context.Context) error { return how(ctx, w, id, tag) })
		w.note("%s: %v", tag, err)
		done, again := w.account(id, err)
		if done || !again || ctx.Err() != nil {
			return
		}
	}
}

// account records what a write was told. A write stays "denied" as long as each
// attempt is known to have had no effect.
func (w *worker) account(id string, err error) (done, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var e *core.Error
	switch {
	case err == nil:
		w.acked[id] = true
		delete(w.denied, id)
		w.result.Acked++
		return true, false
	case core.SafeToRepeat(err):
		w.denied[id] = true
		w.result.Repeated++
		return false, true
	case errors.Is(err, core.ErrOutcomeUnknown):
		delete(w.denied, id)
		w.result.Unknown++
	case errors.As(err, &e) && e.Op != core.OpConnect && e.Outcome != core.OutcomeUnknown:
		w.denied[id] = true
		w.result.Failed++
	default:
		delete(w.denied, id)
		w.result.Failed++
	}
	return false, false
}

// readLoop only reads, on a pool of readers.
func (w *worker) readLoop(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(1+w.rng.IntN(1_500_000)) * time.Microsecond)
		if w.rng.IntN(5) == 0 {
			w.ponder(ctx)
			continue
		}
		w.read(ctx)
	}
}

func (w *worker) read(ctx context.Context) {
	err := w.bounded(ctx, "read", 0, func(ctx context.Context) error {
		var n int64
		err := w.db.numbers(ctx, w.front.SQL().Series(20), func(i int64) {
			if n++; i != n {
				w.problem("row %d is %d", n, i)
			}
		})
		if err == nil && n != 20 {
			w.problem("%d rows instead of 20, and no error", n)
		}
		return err
	})
	w.note("read: %v", err)
}

// ponder is a query that takes long, though nothing is wrong.
func (w *worker) ponder(ctx context.Context) {
	own := time.Duration(w.rng.Int64N(int64(20 * time.Second)))
	err := w.bounded(ctx, "long query", own, func(ctx context.Context) error {
		began := time.Now()
		err := w.db.exec(ctx, w.front.SQL().Sleep(own))
		if took := time.Since(began); err == nil && took < own {
			w.problem("a query that takes %v was over after %v", own, took)
		}
		return err
	})
	w.note("long query: %v", err)
}
