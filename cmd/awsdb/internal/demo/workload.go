package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/awsdb/awsdb/core"
)

// accounts is how many rows the readers have to choose from.
const accounts = 20

// workload is an application: it writes payments and reads accounts, and deals
// with errors as the documentation of core says.
type workload struct {
	db         *sql.DB
	statements statements
	schedule   Schedule
	journal    *journal
	tally      *tally
	recorder   *recorder // may be nil

	stop chan struct{} // closed: finish what is in hand
	wg   sync.WaitGroup

	mu     sync.Mutex // guards ledger
	ledger ledger
}

// ledger is what the application believes about its payments.
type ledger struct {
	done       []string // acknowledged, or found done
	unfinished []string // in hand when stopped early; nobody knows
}

// start begins the load. ctx ends calls in flight; end waits for them.
func (w *workload) start(ctx context.Context) {
	w.stop = make(chan struct{})
	for n := range w.schedule.Writers {
		w.wg.Go(func() { w.writer(ctx, n+1) })
	}
	for range w.schedule.Readers {
		w.wg.Go(func() { w.reader(ctx) })
	}
}

// end lets every goroutine finish what it has in hand, and awaits them.
func (w *workload) end() ledger {
	close(w.stop)
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ledger
}

// rest waits between two calls; false when there shall be no other.
func (w *workload) rest(ctx context.Context) bool {
	p := w.schedule.Pause
	timer := time.NewTimer(p.From + rand.N(max(p.To-p.From, 1)))
	defer timer.Stop()
	select {
	case <-w.stop:
		return false
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (w *workload) writer(ctx context.Context, number int) {
	for n := 1; w.rest(ctx); n++ {
		p := &payment{id: fmt.Sprintf("w%d-%06d", number, n), inTx: n%2 == 0}
		done := w.write(ctx, p)
		w.mu.Lock()
		if done {
			w.ledger.done = append(w.ledger.done, p.id)
		} else {
			w.ledger.unfinished = append(w.ledger.unfinished, p.id)
			w.tally.unfinished.Add(1)
		}
		w.mu.Unlock()
	}
}

// payment is one unit of work: a row that must end up in the table once.
type payment struct {
	id       string
	attempts int  // so far; each has a number of its own in the row
	inTx     bool // through core.RunTx, otherwise a statement of its own
}

func (p *payment) args() []any {
	p.attempts++
	return []any{p.id, fmt.Sprintf("%s/%d", p.id, p.attempts), p.attempts}
}

// write does a payment; false when ctx ended before that.
func (w *workload) write(ctx context.Context, p *payment) bool {
	w.tally.writing.Add(1)
	defer w.tally.writing.Add(-1)
	for {
		err := w.send(ctx, p)
		if err == nil {
			w.tally.acknowledged.Add(1)
			w.journal.wrote()
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		w.failed(err)
		if core.SafeToRepeat(err) { // it certainly had no effect
			w.tally.repeatedSafely.Add(1)
			continue
		}
		if errors.Is(err, core.ErrOutcomeUnknown) {
			w.tally.unknown.Add(1)
		}
		// Also after errors that say nothing about the outcome, such as a deadline
		// that passed: look before repeating.
		stored, err := w.look(ctx, p)
		switch {
		case err != nil:
			return false
		case stored:
			w.tally.foundDone.Add(1)
			return true
		}
		w.tally.repeatedAfterLook.Add(1)
	}
}

// send makes one attempt, or several if core.RunTx thinks that right.
func (w *workload) send(ctx context.Context, p *payment) (err error) {
	begin := w.journal.elapsed()
	defer func() { w.recorder.call(begin, err) }()
	ctx, cancel := context.WithTimeout(ctx, w.schedule.CallTimeout)
	defer cancel()
	if !p.inTx {
		_, err := w.db.ExecContext(ctx, w.statements.insertPayment, p.args()...)
		return err
	}
	tries := 0
	return core.RunTx(ctx, w.db, nil, func(tx *sql.Tx) error {
		if tries++; tries > 1 {
			w.tally.repeatedSafely.Add(1)
		}
		_, err := tx.ExecContext(ctx, w.statements.insertPayment, p.args()...)
		if err != nil && core.SafeToRepeat(err) {
			w.failed(err) // RunTx deals with it, and write will not see it
		}
		return err
	})
}

// look tells whether a payment is in the table. It goes on until it knows or ctx
// ends.
func (w *workload) look(ctx context.Context, p *payment) (bool, error) {
	for {
		var n int
		err := w.query(ctx, &n, w.statements.selectPayment, p.id)
		if err == nil {
			return n > 0, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		w.failed(err)
		if !w.breathe(ctx) {
			return false, ctx.Err()
		}
	}
}

// breathe keeps a question that fails at once from being asked in a tight loop.
func (w *workload) breathe(ctx context.Context) bool {
	timer := time.NewTimer(w.schedule.Pause.To)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (w *workload) reader(ctx context.Context) {
	for w.rest(ctx) {
		var owner string
		w.tally.reading.Add(1)
		err := w.query(ctx, &owner, w.statements.selectAccount, 1+rand.IntN(accounts))
		w.tally.reading.Add(-1)
		switch {
		case err == nil:
			w.tally.reads.Add(1)
		case ctx.Err() == nil:
			w.failed(err)
		}
	}
}

func (w *workload) query(ctx context.Context, result any, statement string, args ...any) error {
	begin := w.journal.elapsed()
	ctx, cancel := context.WithTimeout(ctx, w.schedule.CallTimeout)
	defer cancel()
	err := w.db.QueryRowContext(ctx, statement, args...).Scan(result)
	w.recorder.call(begin, err)
	return err
}

func (w *workload) failed(err error) {
	w.journal.noticed()
	w.tally.failed(err)
}
