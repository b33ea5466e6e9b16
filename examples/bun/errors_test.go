package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// errorLog is a hook that keeps what statements have ended with.
type errorLog struct{ errs []error }

// BeforeQuery implements bun.QueryHook.
func (*errorLog) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

// AfterQuery implements bun.QueryHook.
func (l *errorLog) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	l.errs = append(l.errs, event.Err)
}

// What comes out of bun for each statement that may be lost. The page docs/bun.md shows it as a table.
func TestErrors(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		bare := openDB(t, e, c)
		if err := migrateUp(ctx, bare, migrations()); err != nil {
			t.Fatal(err)
		}
		var seen errorLog
		db := bare.WithQueryHook(&seen)
		begin := map[cluster.Engine]string{cluster.PostgreSQL: "begin", cluster.MySQL: "start transaction"}[e]
		insert := func(db bun.IDB) error {
			_, err := db.NewInsert().Model(&Reading{Number: time.Now().UnixNano(), TakenAt: time.Now()}).Exec(ctx)
			return err
		}
		query := func(db bun.IDB) error {
			var all []Sensor
			return db.NewSelect().Model(&all).Scan(ctx)
		}
		inTx := func(work func(bun.IDB) error) error {
			return db.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return work(tx) })
		}
		nested := func(work func(bun.IDB) error) error {
			return inTx(func(db bun.IDB) error {
				return db.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return work(tx) })
			})
		}
		for _, test := range []struct {
			name, lost string
			fate       lab.Fate
			work       func() error
			received   int // how often the statement that was lost has reached the server
			kind       error
			unknown    bool
		}{
			{"insert", "insert", lab.CutAfter(), func() error { return insert(db) }, 1, core.ErrFailoverSuccess, true},
			{"begin", begin, lab.CutAfter(), func() error { return inTx(insert) }, 2, nil, false},
			{"insert in a transaction", "insert", lab.CutAfter(), func() error { return inTx(insert) }, 1, core.ErrTransactionResolutionUnknown, false},
			{"insert after a savepoint", "insert", lab.CutAfter(), func() error { return nested(insert) }, 1, core.ErrTransactionResolutionUnknown, false},
			{"release of a savepoint", "release", lab.CutAfter(), func() error { return nested(insert) }, 1, core.ErrTransactionResolutionUnknown, false},
			{"commit", "commit", lab.CutAfter(), func() error { return inTx(insert) }, 1, core.ErrTransactionResolutionUnknown, true},
			{"query", "sensors", lab.CutAfter(), func() error { return query(db) }, 1, core.ErrFailoverSuccess, true},
			{"half of the rows", "sensors", lab.CutAfterRows(2), func() error { return query(db) }, 1, core.ErrFailoverSuccess, true},
			{"half of the rows in a transaction", "sensors", lab.CutAfterRows(2), func() error { return inTx(query) }, 1, core.ErrTransactionResolutionUnknown, false},
		} {
			t.Run(test.name, func(t *testing.T) {
				seen.errs = nil
				received := cluster.Strike(c, test.lost, test.fate)
				err := test.work()
				if n := received(); n != test.received {
					t.Errorf("%q was received %d times, want %d", test.lost, n, test.received)
				}
				c.Writer().OnStatement(nil)
				if !errors.Is(err, test.kind) || errors.Is(err, core.ErrOutcomeUnknown) != test.unknown {
					t.Errorf("got %v, want %v, outcome unknown: %v", err, test.kind, test.unknown)
				}
				if !slices.Contains(seen.errs, err) {
					t.Errorf("the hook was not told of %v, but of %v", err, seen.errs)
				}
			})
		}
		t.Run("deadline", func(t *testing.T) {
			if err := query(db); err != nil { // so that there is a connection
				t.Fatal(err)
			}
			cluster.Strike(c, "sensors", lab.HangBefore())
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			_, err := db.NewSelect().Model((*Sensor)(nil)).Count(short)
			c.Writer().OnStatement(nil)
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrFailover) || core.SafeToRepeat(err) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("no writer", func(t *testing.T) {
			impatient := openDB(t, e, c, "failover_timeout_sec=1")
			cluster.Await(t, "a connection", func() bool { return query(impatient) == nil }) // on a slow machine it takes longer than that
			c.Writer().Crash()
			if err := query(impatient); !errors.Is(err, core.ErrFailoverFailed) || core.SafeToRepeat(err) {
				t.Errorf("got %v", err)
			}
		})
	})
}
