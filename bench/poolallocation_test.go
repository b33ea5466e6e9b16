package bench

import (
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/pgdriver"
)

// A call of a *pgdriver.Pool must allocate exactly what one of a *pgxpool.Pool does. What a COPY
// allocates is left to chance by the race detector, so that ci/test runs this without it, too.
func TestNoExtraAllocationsInPool(t *testing.T) {
	for _, o := range poolOperations {
		if raceDetector && o.name == "copy-100" {
			continue
		}
		t.Run(o.name, func(t *testing.T) {
			bare, awsdb := weighPool(t, poolContestants[0], o.run), weighPool(t, poolContestants[1], o.run)
			if awsdb.allocations > bare.allocations {
				t.Errorf("%v allocations per call, want pgxpool's %v", awsdb.allocations, bare.allocations)
			}
			if awsdb.bytes >= bare.bytes+smallest {
				t.Errorf("%d bytes per call, want pgxpool's %d", awsdb.bytes, bare.bytes)
			}
		})
	}
}

type weight struct {
	allocations float64
	bytes       uint64
}

// poolCalls is a multiple of what pgxpool and pgdriver allocate results for at once.
const poolCalls = 512

// weighPool returns the least of some attempts, as allocations and bytes do.
func weighPool(t *testing.T, c poolContestant, operation func(pool, borrower) error) weight {
	t.Helper()
	p := c.open(t, toFake, 1)
	defer p.Close()
	run := func() {
		if err := operation(p, c.borrow); err != nil {
			t.Error(err)
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	least := weight{math.Inf(1), math.MaxUint64}
	for range attempts {
		least.allocations = min(least.allocations, testing.AllocsPerRun(poolCalls, run))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range poolCalls {
			run()
		}
		runtime.ReadMemStats(&after)
		least.bytes = min(least.bytes, (after.TotalAlloc-before.TotalAlloc)/poolCalls)
	}
	return least
}

// What a call needs while it is open is used again by the next one. What the application
// holds of it is not, and must not disturb whoever has got the connection since.
func TestClosedResultsStayClosed(t *testing.T) {
	p := poolContestants[1].open(t, toFake, 1).(*pgdriver.Pool)
	defer p.Close()
	stale := oneRow(t, p)
	for stale.Next() {
	}
	var n int64
	staleRow := p.QueryRow(ctx, "select 1")
	if err := staleRow.Scan(&n); err != nil {
		t.Fatal(err)
	}
	rows, err := p.Query(ctx, hundredRows)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for rows.Next() {
		stale.Close()
		if err := staleRow.Scan(&n); !errors.Is(err, pgx.ErrNoRows) {
			t.Fatalf("a row was read twice: %v", err)
		}
		if used := p.Stat().AcquiredConns(); used != 1 {
			t.Fatalf("%d connections in use, want one", used)
		}
		count++
	}
	if err := rows.Err(); err != nil || count != 100 || stale.Err() != nil {
		t.Errorf("%d rows, %v, %v", count, err, stale.Err())
	}
}

func oneRow(t *testing.T, p pool) pgx.Rows {
	t.Helper()
	rows, err := p.Query(ctx, "select 1")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestEndedTransactionsStayEnded(t *testing.T) {
	p := poolContestants[1].open(t, toFake, 1).(*pgdriver.Pool)
	defer p.Close()
	begin := func() (tx, savepoint pgx.Tx) {
		t.Helper()
		tx, err := p.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		savepoint, err = tx.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return tx, savepoint
	}
	tx, savepoint := begin()
	if err := errors.Join(savepoint.Commit(ctx), tx.Commit(ctx)); err != nil {
		t.Fatal(err)
	}
	forgotten, open := begin()
	if err := forgotten.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	last, err := p.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, stale := range map[string]pgx.Tx{"transaction": tx, "savepoint": savepoint, "open savepoint": open} {
		_, err := stale.Exec(ctx, "select 1")
		_, beginErr := stale.Begin(ctx)
		for _, err := range []error{err, beginErr, stale.Commit(ctx), stale.Rollback(ctx)} {
			if !errors.Is(err, pgx.ErrTxClosed) {
				t.Errorf("%s: %v, want pgx.ErrTxClosed", name, err)
			}
		}
	}
	if used := p.Stat().AcquiredConns(); used != 1 {
		t.Errorf("%d connections in use, want one", used)
	}
	if err := last.Commit(ctx); err != nil {
		t.Error(err)
	}
}
