package main

import (
	"context"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openDB opens a database as the program does.
func openDB(t *testing.T, e cluster.Engine, c *lab.Cluster, params ...string) *bun.DB {
	t.Helper()
	db, err := open(cluster.Context(t), e.DSN(c, c.Endpoint(), params...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestReadingsGoOn(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		db := openDB(t, e, c)
		if err := migrateUp(ctx, db, migrations()); err != nil {
			t.Fatal(err)
		}
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			return record(ctx, db, Reading{Number: n, SensorID: 1 + n%sensors, TakenAt: time.Now()})
		})
		found := map[int64]int{}
		for _, r := range readings(t, db) {
			found[r.Number]++
		}
		outcome.ExactlyOnce(t, found)
		stored, counted, err := totals(ctx, db)
		if err != nil || stored != int64(len(found)) || counted != stored {
			t.Errorf("%d stored and %d counted, %v, after %d readings", stored, counted, err, len(found))
		}
		checkTypes(t, e, db)
		t.Run("cancelled request", func(t *testing.T) { checkCancelledRequest(t, e, c) })
	})
}

func readings(t *testing.T, db *bun.DB) (all []Reading) {
	t.Helper()
	if err := db.NewSelect().Model(&all).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	return all
}
