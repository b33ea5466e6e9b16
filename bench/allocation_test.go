package bench

import (
	"database/sql"
	"math"
	"runtime"
	"testing"

	"github.com/awsdb/awsdb/bench/internal/database"
)

// A call through awsdb must allocate exactly what it allocates without.

func TestNoExtraAllocations(t *testing.T) {
	contests := map[string]contest{
		"fake":          newFakeContest(fakeDriver{}),
		"skipping fake": newFakeContest(fakeDriver{skips: true}),
		"PostgreSQL":    startSimulation(t, database.PostgreSQL),
		"MySQL":         startSimulation(t, database.MySQL),
	}
	for name, c := range contests {
		t.Run(name, func(t *testing.T) {
			for _, o := range operations {
				t.Run(o.name, func(t *testing.T) {
					bare, awsdb := allocations(t, c, 0, o), allocations(t, c, 1, o)
					if awsdb > bare+noise(bare) {
						t.Errorf("%v allocations per call, want the bare driver's %v", awsdb, bare)
					}
				})
			}
		})
	}
}

// noise is what the simulated server's allocations vary by, which are among those
// measured: how many reads a long answer takes is up to the network. One allocation
// more for each row would be twenty times as much, and calls with short answers have no
// noise.
func noise(bare float64) float64 { return math.Floor(bare / 500) }

// A COMMIT of go-sql-driver does not end with its transaction's context. Ours
// does, by being a call of Exec, which returns a result: the one allocation that
// a healthy call costs more.
func TestCancellableCommit(t *testing.T) {
	for d, allowed := range map[*database.Database]float64{&database.PostgreSQL: 0, &database.MySQL: 1} {
		t.Run(d.Name, func(t *testing.T) {
			c := startSimulation(t, *d)
			bare, awsdb := allocations(t, c, 0, cancellableCommit), allocations(t, c, 1, cancellableCommit)
			if awsdb > bare+allowed {
				t.Errorf("%v allocations per call, want the bare driver's %v and at most %v", awsdb, bare, allowed)
			}
		})
	}
}

// TestNoExtraBytes is about the fake driver only: what a real one allocates is
// not of the same size in every call.
func TestNoExtraBytes(t *testing.T) {
	for name, d := range map[string]fakeDriver{"fake": {}, "skipping fake": {skips: true}} {
		t.Run(name, func(t *testing.T) {
			c := newFakeContest(d)
			for _, o := range operations {
				t.Run(o.name, func(t *testing.T) {
					bare, awsdb := bytes(t, c, 0, o), bytes(t, c, 1, o)
					if awsdb >= bare+smallest {
						t.Errorf("%d bytes per call, want the bare driver's %d", awsdb, bare)
					}
				})
			}
		})
	}
}

// Background work of the runtime, the server and the topology monitor allocates
// as well, now and then. It can only add to a measurement, so the least of some
// is right.
const (
	attempts = 10
	calls    = 500
	// smallest is the size of the smallest allocation that a call could make.
	// Less is a share: database/sql starts a goroutine for each transaction, and
	// the runtime allocates one when it has none left to use again.
	smallest = 8
)

func allocations(t *testing.T, c contest, n int, o operation) float64 {
	t.Helper()
	run := start(t, c, n, o)
	least := math.Inf(1)
	for range attempts {
		least = min(least, testing.AllocsPerRun(calls, run))
	}
	return least
}

func bytes(t *testing.T, c contest, n int, o operation) uint64 {
	t.Helper()
	run := start(t, c, n, o)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var least uint64 = math.MaxUint64
	for range attempts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			run()
		}
		runtime.ReadMemStats(&after)
		least = min(least, (after.TotalAlloc-before.TotalAlloc)/calls)
	}
	return least
}

// start opens a pool of one connection that is closed when the test ends.
func start(t *testing.T, c contest, n int, o operation) func() {
	t.Helper()
	db := sql.OpenDB(c.contestants[n].connector(t))
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	run := o.start(t, db, c.statements)
	return func() {
		if err := run(); err != nil {
			t.Error(err)
		}
	}
}
