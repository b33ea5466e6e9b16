package core

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// maxTxRetries bounds how often RunTx starts over: a unit of work that failed ten
// times for reasons that were each gone at once has another problem.
const maxTxRetries = 9

// RunTx runs fn inside a transaction and commits it, starting over when that is
// safe: the connection was lost before the commit was sent, the server chose the
// transaction as the victim of a deadlock or a serialization conflict (SQLSTATE
// 40001, 40P01; MySQL's 1213 and 1205), or nothing was sent at all. fn must have no effects of its own
// outside the transaction, or bear their repetition; it must return the errors it
// gets from tx, wrapped or not.
//
// RunTx does not start over when the outcome of the commit is unknown: the error
// then matches ErrOutcomeUnknown, and whether the work was done must be found out
// by looking, or the work bears repetition: [RetryIdempotent]. It ends with ctx, and after
// ten attempts.
func RunTx(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(tx *sql.Tx) error) error {
	return Retry(ctx, func() error { return runTxOnce(ctx, db, opts, fn) })
}

// Retry runs a unit of work, and again while it ends in an error for which
// [SafeToRepeat] holds, with growing pauses of up to a second between. It ends with ctx,
// whose error it returns if that comes in a pause, and after ten attempts. It is RunTx for
// other ways to run a transaction.
func Retry(ctx context.Context, work func() error) error { return retry(ctx, work, SafeToRepeat) }

// RetryIdempotent is Retry for work that may be done twice: reads, and writes that find out by
// a key of their own that they are there already. It also starts over when the outcome of an attempt is
// unknown. If another error ends it after that, the one returned matches ErrOutcomeUnknown all the
// same, since the earlier attempt may have taken effect.
func RetryIdempotent(ctx context.Context, work func() error) error {
	var doubt error
	err := retry(ctx, work, func(err error) bool {
		if errors.Is(err, ErrOutcomeUnknown) {
			doubt = err
			return !errors.Is(err, ErrFailoverFailed)
		}
		return SafeToRepeat(err)
	})
	if err != nil && doubt != nil && !errors.Is(err, ErrOutcomeUnknown) {
		return fmt.Errorf("%w; an attempt before that: %w", err, doubt)
	}
	return err
}

func retry(ctx context.Context, work func() error, again func(err error) bool) error {
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(10*time.Millisecond),
		backoff.WithMaxInterval(time.Second),
		backoff.WithMaxElapsedTime(0),
	)
	return backoff.Retry(func() error {
		err := work()
		if err != nil && !again(err) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(backoff.WithMaxRetries(pause, maxTxRetries), ctx))
}

func runTxOnce(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(tx *sql.Tx) error) (err error) {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			_ = tx.Rollback() // also when fn panics; the error that led here matters
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	committed = true
	return tx.Commit()
}

// SafeToRepeat tells that err is temporary and that the unit of work it ended
// certainly had no effect, so that running all of it again is right. For a single
// statement outside a transaction the statement is the unit of work.
func SafeToRepeat(err error) bool {
	if errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrFailoverFailed) {
		return false
	}
	if errors.Is(err, ErrFailover) || errors.Is(err, driver.ErrBadConn) {
		return true
	}
	var e *Error
	if errors.As(err, &e) && e.Op != OpConnect && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return e.Outcome != OutcomeUnknown
	}
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState() == "40001" || state.SQLState() == "40P01"
	}
	return conflicts.match(err)
}

// RegisterConflict is for driver modules whose server errors have no method
// SQLState: is tells that the server ended the transaction, or the statement, in
// favour of another one, and that repeating all of it is the remedy. It is called
// from init.
func RegisterConflict(is func(err error) bool) { conflicts.add(is) }

// conflicts grows while packages are initialised, one after the other.
var conflicts conflictChecks

type conflictChecks []func(error) bool

func (c *conflictChecks) add(is func(error) bool) { *c = append(*c, is) }

func (c conflictChecks) match(err error) bool {
	return slices.ContainsFunc(c, func(is func(error) bool) bool { return is(err) })
}
