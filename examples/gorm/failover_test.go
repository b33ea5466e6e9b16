package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// testPreparedStatements: GORM keeps statements in PrepareStmt mode. Those of lost connections are prepared anew, and nobody
// hears of a statement that does not exist.
func testPreparedStatements(t *testing.T, c *lab.Cluster, db *gorm.DB) {
	ctx := cluster.Context(t)
	if err := prepare(ctx, db); err != nil {
		t.Fatal(err)
	}
	use := func(n int64) {
		t.Helper()
		if err := place(ctx, db, n, map[int64]int64{1: 1}); err != nil {
			t.Fatal(err)
		}
		products, err := shelves(ctx, db)
		if want := []Product{{1, "apple", capital - n}, {2, "pear", capital}}; err != nil || !cmp.Equal(want, products) {
			t.Fatalf("after %d orders: %v, %v", n, products, err)
		}
	}
	use(1)
	use(2)
	kept := db.ConnPool.(*gorm.PreparedStmtDB).Stmts.Keys()
	old := db.WithContext(ctx).Begin()
	if err := create(old, 100); err != nil {
		t.Fatal(err)
	}
	cluster.FailOver(t, c, "mydb-2")
	if got := judge(create(old, 101)); got != (verdict{InTransaction: true, Safe: true}) {
		t.Errorf("in a transaction of the lost writer: %+v", got)
	}
	if err := old.Rollback().Error; err != nil {
		t.Errorf("rollback of it: %v", err)
	}
	for n := int64(3); n < 13; n++ {
		use(n)
	}
	// Not through the recipes, which would repeat a statement that fails: there is nothing left to be repeated.
	for range 10 {
		if err := db.WithContext(ctx).Find(new([]Product)).Error; err != nil {
			t.Error(err)
		}
		if err := db.WithContext(ctx).Model(&Product{ID: 2}).Update("stock", capital).Error; err != nil {
			t.Error(err)
		}
	}
	if now := db.ConnPool.(*gorm.PreparedStmtDB).Stmts.Keys(); len(kept) < 4 || len(now) > len(kept)+2 {
		t.Errorf("statements kept before and after:\n%s\n\n%s", strings.Join(kept, "\n"), strings.Join(now, "\n"))
	}
}

// TestSwitchover: another writer is promoted while the old one lives on, and refuses to write.
func TestSwitchover(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		db := connect(t, e.DSN(c, c.Endpoint()))
		if err := prepare(ctx, db); err != nil {
			t.Fatal(err)
		}
		attempts := 0
		var refusal error
		err := transact(ctx, db, func(tx *gorm.DB) error {
			if err := create(tx, 1); err != nil {
				return err
			}
			if attempts++; attempts == 1 {
				if err := c.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			err := create(tx, 2)
			refusal = errors.Join(refusal, err)
			return err
		})
		if err != nil || attempts != 2 {
			t.Errorf("%v after %d attempts", err, attempts)
		}
		if got := judge(refusal); got != (verdict{InTransaction: true, Safe: true}) || !readOnly(refusal) {
			t.Errorf("refused by %v: %+v", refusal, got)
		}
		if diff := cmp.Diff(map[int64]int{1: 1, 2: 1}, count(c, "orders", 1)); diff != "" {
			t.Errorf("orders (-want +got):\n%s", diff)
		}
	})
}

// readOnly finds the server's own words in GORM's error.
func readOnly(err error) bool {
	var pg *pgconn.PgError
	var my *driver.MySQLError
	return errors.As(err, &pg) && pg.Code == "25006" || errors.As(err, &my) && (my.Number == 1290 || my.Number == 1836)
}

// TestNoWriter: nobody is promoted.
func TestNoWriter(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		dsn := e.DSN(c, c.Endpoint(), "failover_timeout_sec=1")
		pool, dialector, err := openPool(dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		cluster.Await(t, "a connection", func() bool { return pool.PingContext(t.Context()) == nil }) // on a slow machine it takes longer than that
		db := gormOn(t, dialector)
		if err := prepare(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		err = db.Transaction(func(tx *gorm.DB) error {
			c.Writer().Crash()
			return create(tx, 1)
		})
		if got := judge(err); got != (verdict{Failed: true}) {
			t.Errorf("%v: %+v", err, got)
		}
		pool, dialector, err = openPool(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gorm.Open(dialector, config(slog.New(slog.DiscardHandler))); !errors.Is(err, core.ErrConnect) {
			t.Errorf("gorm.Open: %v", err)
		}
		if err := pool.PingContext(t.Context()); err == nil || errors.Is(err, core.ErrConnect) {
			t.Errorf("GORM closes the pool when it fails, but: %v", err)
		}
	})
}

// TestBadDSN: the error is that of awsdb, which names what is wrong, and GORM leaves nothing open.
func TestBadDSN(t *testing.T) {
	const bad = "?failover_timeout_sec=soon"
	for name, d := range map[string]gorm.Dialector{
		"postgresql": postgres.New(postgres.Config{DriverName: "awspg", DSN: "postgres://app:secret@db.example.com/app" + bad}),
		"mysql":      mysql.New(mysql.Config{DriverName: "awsmysql", DSN: "app:secret@tcp(db.example.com)/app" + bad}),
		"mysql, url": mysql.New(mysql.Config{DriverName: "awsmysql", DSN: "mysql://app:secret@db.example.com/app" + bad}),
	} {
		_, err := gorm.Open(d, config(slog.New(slog.DiscardHandler)))
		if !errors.Is(err, core.ErrConfig) || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConnection: what is done in a db.Connection is over when its connection is.
func TestConnection(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db := connect(t, e.DSN(c, c.Endpoint()))
		if err := prepare(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		pinned := func(ctx context.Context, do func(db *gorm.DB)) {
			t.Helper()
			err := db.WithContext(ctx).Connection(func(db *gorm.DB) error {
				do(db.Session(&gorm.Session{})) // GORM goes on with the whole pool after a transaction otherwise
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		pinned(t.Context(), func(db *gorm.DB) {
			cluster.Strike(c, "orders", lab.CutAfter())
			if got := judge(create(db, 1)); got != (verdict{InTransaction: true, Safe: true}) {
				t.Errorf("lost: %+v", got)
			}
			if err := create(db, 2); err == nil {
				t.Error("the connection works again")
			}
		})
		pinned(t.Context(), func(db *gorm.DB) {
			if err := create(db, 3); err != nil {
				t.Error(err)
			}
		})
		if diff := cmp.Diff(map[int64]int{3: 1}, count(c, "orders", 1)); diff != "" {
			t.Errorf("orders (-want +got):\n%s", diff)
		}
	})
}
