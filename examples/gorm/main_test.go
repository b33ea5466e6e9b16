package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The cache of prepared statements, in PrepareStmt mode and in dbresolver: GORM has nothing that ends it.
		goleak.IgnoreTopFunction("gorm.io/gorm/internal/lru.NewLRU[...].func1"))
}

// connect opens GORM on a pool of awsdb's, which is closed with the test.
func connect(t *testing.T, dsn string, change ...func(*gorm.Config)) *gorm.DB {
	t.Helper()
	pool, dialector, err := openPool(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return gormOn(t, dialector, change...)
}

func gormOn(t *testing.T, d gorm.Dialector, change ...func(*gorm.Config)) *gorm.DB {
	t.Helper()
	cfg := config(slog.New(slog.DiscardHandler))
	for _, f := range change {
		f(cfg)
	}
	db, err := gorm.Open(d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// byName is the form in which GORM opens the pool, by the driver's name, and its owner closes it.
func byName(t *testing.T, e cluster.Engine, dsn string) *gorm.DB {
	t.Helper()
	d := postgres.New(postgres.Config{DriverName: e.Driver, DSN: dsn})
	if e == cluster.MySQL {
		d = mysql.New(mysql.Config{DriverName: e.Driver, DSN: dsn})
	}
	db := gormOn(t, d)
	t.Cleanup(func() {
		if pool, err := db.DB(); err != nil || pool.Close() != nil {
			t.Error("the pool cannot be closed:", err)
		}
	})
	return db
}

func prepared(cfg *gorm.Config) { cfg.PrepareStmt = true }

// forms are the ways to give GORM a pool of awsdb's, and its modes.
func forms(t *testing.T, e cluster.Engine, dsn string) []*gorm.DB {
	return []*gorm.DB{
		byName(t, e, dsn),
		connect(t, dsn),
		connect(t, dsn, prepared),
		connect(t, dsn, func(cfg *gorm.Config) { cfg.SkipDefaultTransaction = true }),
	}
}

// TestNoOrderIsLostOrBookedTwice runs the shop through a failover, each form of GORM being used in turn.
func TestNoOrderIsLostOrBookedTwice(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		shops := forms(t, e, e.DSN(c, c.Endpoint()))
		if err := prepare(t.Context(), shops[0]); err != nil {
			t.Fatal(err)
		}
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			return place(ctx, shops[n%int64(len(shops))], n, map[int64]int64{1: 1, 2: 2})
		})
		if len(outcome.Doubtful) > 0 {
			t.Errorf("in doubt: %v", outcome.Doubtful)
		}
		outcome.ExactlyOnce(t, count(c, "orders", 1))
		outcome.ExactlyOnce(t, count(c, "events", 1))
		placed := int64(len(outcome.Done))
		if got := int64(len(c.Rows("lines"))); got != 2*placed {
			t.Errorf("%d lines of %d orders", got, placed)
		}
		want := []Product{{ID: 1, Name: "apple", Stock: capital - placed}, {ID: 2, Name: "pear", Stock: capital - 2*placed}}
		for _, shop := range shops {
			got, err := shelves(t.Context(), shop)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("shelves (-want +got):\n%s", diff)
			}
		}
	})
}

// TestMigrations makes tables through a failover. None of them is half made.
func TestMigrations(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db := connect(t, e.DSN(c, c.Endpoint()))
		table := func(n int64) string { return fmt.Sprint("products_", n) }
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			return repeat(ctx, db, func(db *gorm.DB) error { return db.Table(table(n)).AutoMigrate(&Product{}) })
		})
		for _, n := range outcome.Done {
			m := db.Table(table(n)).Migrator()
			if !m.HasColumn(&Product{}, "stock") || !m.HasIndex(&Product{}, "Name") {
				t.Errorf("%s is not there, or not as a whole", table(n))
			}
		}
	})
}

// TestRandomLosses loses statements and answers of the shop at random.
func TestRandomLosses(t *testing.T) {
	const orders, oneIn = 300, 25
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		shops := forms(t, e, e.DSN(c, c.Endpoint()))
		if err := prepare(ctx, shops[0]); err != nil {
			t.Fatal(err)
		}
		var lost atomic.Int64
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if !s.InTx || rand.N(oneIn) > 0 {
				return lab.Run()
			}
			lost.Add(1)
			return []lab.Fate{lab.CutBefore(), lab.CutAfter()}[rand.N(2)]
		})
		var all sync.WaitGroup
		for worker := range workers {
			all.Go(func() {
				for n := worker; n < orders; n += workers {
					if err := place(ctx, shops[worker%len(shops)], int64(n), map[int64]int64{1: 1}); err != nil {
						t.Errorf("order %d: %v", n, err)
					}
				}
			})
		}
		all.Wait()
		c.Writer().OnStatement(nil)
		outcome := cluster.Outcome{}
		for n := range int64(orders) {
			outcome.Done = append(outcome.Done, n)
		}
		outcome.ExactlyOnce(t, count(c, "orders", 1))
		outcome.ExactlyOnce(t, count(c, "events", 1))
		if lost.Load() == 0 {
			t.Error("nothing was lost")
		}
		if left := count(c, "products", 2); left[capital-orders] != 1 {
			t.Errorf("stock: %v, want %d of the first", left, capital-orders)
		}
	})
}

// TestLog: what GORM writes to slog has the statement and the error, and no values of ours.
func TestLog(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, _ cluster.Engine, c *lab.Cluster) {
		pool, dialector, err := openPool(c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		var log bytes.Buffer
		db, err := gorm.Open(dialector, config(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Create(&Product{Name: "durian"}).Error; err == nil {
			t.Error("there is a table")
		}
		if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "INSERT INTO") || strings.Contains(text, "durian") {
			t.Error(text)
		}
	})
}

// count tells how often each value is in a column.
func count(c *lab.Cluster, table string, column int) map[int64]int {
	found := map[int64]int{}
	for _, row := range c.Rows(table) {
		found[row[column].(int64)]++
	}
	return found
}
