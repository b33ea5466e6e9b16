package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/plugin/dbresolver"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// whoami asks the instance for its name.
func whoami(t *testing.T, e cluster.Engine, db *gorm.DB) (id string) {
	t.Helper()
	query := "SELECT aurora_db_instance_identifier()"
	if e == cluster.MySQL {
		query = "SELECT @@aurora_server_id"
	}
	if err := db.Raw(query).Scan(&id).Error; err != nil {
		t.Fatal(err)
	}
	return id
}

// TestReaders runs the shop with dbresolver: two pools of one cluster_id.
func TestReaders(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		db := connect(t, e.DSN(c, c.Endpoint(), "cluster_id=shop"), prepared).WithContext(ctx)
		if err := prepare(ctx, db); err != nil {
			t.Fatal(err)
		}
		readers, dialector, err := openPool(e.DSN(c, c.ReaderEndpoint(), "cluster_id=shop"))
		if err != nil {
			t.Fatal(err)
		}
		defer readers.Close()
		if err := readFrom(db, dialector); err != nil {
			t.Fatal(err)
		}
		for _, reader := range c.Readers() {
			awaitShelves(t, e.DSN(c, reader.Host(), "plugins=none"))
		}
		goes := func(kind string, db *gorm.DB, want ...string) {
			t.Helper()
			if got := whoami(t, e, db); !slices.Contains(want, got) {
				t.Errorf("%s goes to %s, want %v", kind, got, want)
			}
		}
		goes("a query", db, "mydb-2", "mydb-3")
		goes("a query that is said to be a write", db.Clauses(dbresolver.Write), "mydb-1")
		if e == cluster.PostgreSQL {
			err := db.Raw("SELECT nextval('orders_id_seq')").Scan(new(int64)).Error
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "25006" || judge(err) != (verdict{}) {
				t.Errorf("a query that writes, on a reader: %v, %+v", err, judge(err))
			}
		}

		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			if _, err := shelves(ctx, db); err != nil {
				return err
			}
			return place(ctx, db, n, map[int64]int64{1: 1})
		})
		outcome.ExactlyOnce(t, count(c, "orders", 1))
		goes("a query after the failover", db, "mydb-2", "mydb-3") // what is connected to mydb-2 stays there
		readers.SetMaxIdleConns(0)
		goes("a query on a new connection", db, "mydb-3")
		goes("a write after the failover", db.Clauses(dbresolver.Write), "mydb-2")
		err = transact(ctx, db, func(tx *gorm.DB) error {
			goes("a query in a transaction", tx, "mydb-2")
			return tx.Create(&Order{Number: 1_000_000}).Error
		})
		if err != nil {
			t.Error(err)
		}
		cluster.Await(t, "the order to be seen on the reader", func() bool {
			var n int64
			err := db.Model(&Order{}).Where("number = 1000000").Count(&n).Error
			return err == nil && n == 1
		})

		c.Instance("mydb-3").Crash()
		if _, err := shelves(ctx, db); err != nil {
			t.Errorf("the only reader is lost: %v", err)
		}
		goes("a query without readers", db, "mydb-2")
	})
}

// awaitShelves waits until a reader, which replays what the writer has committed, has come to the end of prepare.
func awaitShelves(t *testing.T, dsn string) {
	t.Helper()
	pool, _, err := openPool(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	cluster.Await(t, "the products on a reader", func() bool {
		var n int
		err := pool.QueryRowContext(t.Context(), "SELECT count(*) FROM products").Scan(&n)
		return err == nil && n > 0
	})
}

// TestReaderLost: the query that a reader was answering ends with an error, and goes elsewhere when it is repeated.
func TestReaderLost(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db := connect(t, e.DSN(c, c.Endpoint(), "cluster_id=shop")).WithContext(cluster.Context(t))
		if err := prepare(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		readers, dialector, err := openPool(e.DSN(c, c.ReaderEndpoint(), "cluster_id=shop"))
		if err != nil {
			t.Fatal(err)
		}
		defer readers.Close()
		if err := readFrom(db, dialector); err != nil {
			t.Fatal(err)
		}
		for _, reader := range c.Readers() {
			reader.OnStatement(func(s lab.Statement) lab.Fate {
				if strings.Contains(s.SQL, "products") {
					return lab.CutAfter()
				}
				return lab.Run()
			})
		}
		if got := judge(db.Find(new([]Product)).Error); got != (verdict{Success: true, Unknown: true}) {
			t.Errorf("query on a reader: %+v", got)
		}
		for name, err := range map[string]error{
			"a locking query":          db.Clauses(clause.Locking{Strength: "UPDATE"}).Find(new([]Product)).Error,
			"a query in a transaction": db.Transaction(func(tx *gorm.DB) error { return tx.Find(new([]Product)).Error }),
			"a write":                  db.Model(&Product{ID: 1}).Update("stock", 1).Error,
		} {
			if err != nil {
				t.Errorf("%s has not gone to the writer: %v", name, err)
			}
		}
		for _, reader := range c.Readers() {
			reader.OnStatement(nil)
		}
		if products, err := shelves(t.Context(), db); err != nil || len(products) != 2 {
			t.Errorf("repeated: %v, %v", products, err)
		}
	})
}
