package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// verdict is what code can find out about an error.
type verdict struct {
	Success, InTransaction, Unknown, Failed bool // core's sentinels
	Deadline, Ended, Duplicate              bool // context.DeadlineExceeded, sql.ErrTxDone, gorm.ErrDuplicatedKey
	Safe                                    bool // core.SafeToRepeat
}

func judge(err error) verdict {
	return verdict{
		Success: errors.Is(err, core.ErrFailoverSuccess), InTransaction: errors.Is(err, core.ErrTransactionResolutionUnknown),
		Unknown: errors.Is(err, core.ErrOutcomeUnknown), Failed: errors.Is(err, core.ErrFailoverFailed),
		Deadline: errors.Is(err, context.DeadlineExceeded), Ended: errors.Is(err, sql.ErrTxDone),
		Duplicate: errors.Is(err, gorm.ErrDuplicatedKey), Safe: err != nil && core.SafeToRepeat(err),
	}
}

var errMine = errors.New("the application's own")

func create(db *gorm.DB, n int64) error { return db.Create(&Order{Number: n}).Error }

func inClosure(db *gorm.DB, n int64) error {
	return db.Transaction(func(tx *gorm.DB) error { return create(tx, n) })
}

// limited ends do by a deadline.
func limited(do func(*gorm.DB, int64) error) func(*gorm.DB, int64) error {
	return func(db *gorm.DB, n int64) error {
		ctx, cancel := context.WithTimeout(db.Statement.Context, 100*time.Millisecond)
		defer cancel()
		return do(db.WithContext(ctx), n)
	}
}

// TestErrors: what comes out of GORM, and what became of the order.
func TestErrors(t *testing.T) {
	lostInTx := verdict{InTransaction: true, Safe: true}
	lostAlone := verdict{Success: true, Unknown: true}
	alone := func(db *gorm.DB) *gorm.DB { return db.Session(&gorm.Session{SkipDefaultTransaction: true}) }
	all := func(db *gorm.DB, _ int64) error { return db.Find(new([]Order)).Error }
	tests := map[string]struct {
		statement string
		fate      lab.Fate
		do        func(db *gorm.DB, n int64) error
		want      verdict
		err       error // where it must be this very error
		orders    int   // there are afterwards
	}{
		"Create":                {"orders", lab.CutAfter(), create, lostInTx, nil, 0},
		"Create, hook":          {"events", lab.CutAfter(), create, lostInTx, nil, 0},
		"Create, begin":         {"begin", lab.CutAfter(), create, verdict{}, nil, 1},
		"Create, commit":        {"commit", lab.CutAfter(), create, verdict{InTransaction: true, Unknown: true}, nil, 1},
		"Create, commit unsent": {"commit", lab.CutBefore(), create, verdict{InTransaction: true, Unknown: true}, nil, 0},
		"Create, no default transaction": {
			"orders", lab.CutAfter(), func(db *gorm.DB, n int64) error { return create(alone(db), n) }, lostAlone, nil, 1,
		},
		"Transaction, deadline":         {"orders", lab.HangBefore(), limited(inClosure), verdict{Deadline: true}, nil, 0},
		"Transaction":                   {"orders", lab.CutAfter(), inClosure, lostInTx, nil, 0},
		"Transaction, commit":           {"commit", lab.CutAfter(), inClosure, verdict{InTransaction: true, Unknown: true}, nil, 1},
		"Transaction, prepared, commit": {"commit", lab.CutAfter(), func(db *gorm.DB, n int64) error { return inClosure(db.Session(&gorm.Session{PrepareStmt: true}), n) }, verdict{InTransaction: true, Unknown: true}, nil, 1},
		"Transaction, rollback": {"rollback", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			return db.Transaction(func(tx *gorm.DB) error { return errors.Join(create(tx, n), errMine) })
		}, verdict{}, errMine, 0},
		"nested, savepoint": {"savepoint", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			return db.Transaction(func(tx *gorm.DB) error { return inClosure(tx, n) })
		}, lostInTx, nil, 0},
		"nested, loss ignored": {"orders", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			return db.Transaction(func(tx *gorm.DB) error { _ = inClosure(tx, n); return nil })
		}, lostInTx, nil, 0},
		"manual, error ignored": {"orders", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			tx := db.Begin()
			_ = create(tx, n)
			return tx.Commit().Error
		}, lostInTx, nil, 0},
		"manual, Rollback": {"orders", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			tx := db.Begin()
			return errors.Join(create(tx, n), tx.Rollback().Error)
		}, lostInTx, nil, 0},
		"generics": {"orders", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			return gorm.G[Order](db).Create(db.Statement.Context, &Order{Number: n})
		}, lostInTx, nil, 0},
		"Find":            {"orders", lab.CutAfter(), all, lostAlone, nil, 0},
		"Find, in a row":  {"orders", lab.CutAfterRows(1), all, lostAlone, nil, 0},
		"First, in a row": {"orders", lab.CutAfterRows(0), func(db *gorm.DB, _ int64) error { return db.First(&Order{}).Error }, lostAlone, nil, 0},
		"Find, in a transaction": {"orders", lab.CutAfter(), func(db *gorm.DB, n int64) error {
			return db.Transaction(func(tx *gorm.DB) error { return all(tx, n) }, &sql.TxOptions{ReadOnly: true})
		}, lostInTx, nil, 0},
		"serialization, deadlock": {"orders", lab.Run(), inClosure, verdict{Safe: true}, nil, 0},
	}
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db := connect(t, e.DSN(c, c.Endpoint()))
		if err := prepare(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		number := int64(1000)
		if err := create(db, number); err != nil {
			t.Fatal(err)
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				number++
				fate := test.fate
				if name == "serialization, deadlock" {
					fate = lab.Fail(map[cluster.Engine]string{cluster.PostgreSQL: "40001", cluster.MySQL: "1213"}[e], "try again")
				}
				statement := test.statement
				if statement == "begin" && e == cluster.MySQL {
					statement = "start transaction"
				}
				received := cluster.Strike(c, statement, fate)
				err := test.do(db.WithContext(t.Context()), number)
				for received() == 0 && errors.Is(err, context.DeadlineExceeded) { // a slow machine: nothing was sent before the deadline
					err = test.do(db.WithContext(t.Context()), number)
				}
				c.Writer().OnStatement(nil)
				if received() == 0 {
					t.Fatal("nothing was struck")
				}
				if diff := cmp.Diff(test.want, judge(err)); diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				if test.err != nil && !errors.Is(err, test.err) {
					t.Errorf("%v, want %v", err, test.err)
				}
				if got := count(c, "orders", 1)[number]; got != test.orders {
					t.Errorf("%d orders, want %d", got, test.orders)
				}
			})
		}
	})
}

// TestSwallowed: what GORM keeps to itself.
func TestSwallowed(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db := connect(t, e.DSN(c, c.Endpoint())).WithContext(t.Context())
		if err := prepare(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		t.Run("deadline of a default transaction", func(t *testing.T) {
			// database/sql rolls back when the context ends. If it is faster than GORM, that appends the error of its own
			// rollback, and keeps nothing but the text of the first.
			cluster.Strike(c, "orders", lab.HangBefore())
			got := judge(limited(create)(db, 1))
			if want := (verdict{Deadline: !got.Ended, Ended: got.Ended}); got != want {
				t.Errorf("%+v, want either of Deadline and Ended", got)
			}
		})
		t.Run("HasTable", func(t *testing.T) {
			received := cluster.Strike(c, "information_schema.tables", lab.CutAfter())
			if db.Migrator().HasTable(&Order{}) || received() != 1 {
				t.Errorf("HasTable tells of a loss; the query was received %d times", received())
			}
			if !db.Migrator().HasTable(&Order{}) {
				t.Error("there is no table")
			}
		})
		t.Run("id of an order that was rolled back", func(t *testing.T) {
			cluster.Strike(c, "commit", lab.CutBefore())
			order := Order{Number: 2}
			if err := db.Create(&order).Error; err == nil {
				t.Fatal("the commit was not lost")
			}
			if order.ID == 0 || count(c, "orders", 1)[2] != 0 {
				t.Errorf("order %+v, %d are there", order, count(c, "orders", 1)[2])
			}
		})
		t.Run("hook of an order that was there", func(t *testing.T) {
			number := int64(3)
			do := clause.OnConflict{Columns: []clause.Column{{Name: "number"}}, DoNothing: true}
			if err := errors.Join(create(db, number), create(db.Clauses(do), number)); err != nil {
				t.Fatal(err)
			}
			if orders, events := count(c, "orders", 1)[number], count(c, "events", 1)[number]; orders != 1 || events != 2 {
				t.Errorf("%d orders and %d events, want 1 and 2", orders, events)
			}
		})
		t.Run("batches without a transaction", func(t *testing.T) {
			var inserts atomic.Int64
			c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
				if strings.HasPrefix(s.SQL, "INSERT INTO") && strings.Contains(s.SQL, "products") && inserts.Add(1) == 2 {
					return lab.Fail(map[cluster.Engine]string{cluster.PostgreSQL: "40001", cluster.MySQL: "1213"}[e], "try again")
				}
				return lab.Run()
			})
			err := db.Session(&gorm.Session{SkipDefaultTransaction: true}).CreateInBatches([]Product{{Name: "fig"}, {Name: "plum"}}, 1).Error
			if got := judge(err); !got.Safe {
				t.Errorf("%v: %+v", err, got)
			}
			if got := len(c.Rows("products")); got != 3 {
				t.Errorf("%d products, want apple, pear, and the fig of the first batch", got)
			}
		})
		c.Writer().OnStatement(nil)
	})
}

// TestDriversErrors: a duplicate is the driver's own error, unless GORM has been told to translate it.
func TestDriversErrors(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		if err := prepare(t.Context(), connect(t, e.DSN(c, c.Endpoint()))); err != nil {
			t.Fatal(err)
		}
		type found struct{ translated, pg, mysql bool }
		for name, test := range map[string]struct {
			translate bool
			want      map[cluster.Engine]found
		}{
			"as it is":   {false, map[cluster.Engine]found{cluster.PostgreSQL: {pg: true}, cluster.MySQL: {mysql: true}}},
			"translated": {true, map[cluster.Engine]found{cluster.PostgreSQL: {translated: true, pg: true}, cluster.MySQL: {translated: true}}},
		} {
			t.Run(name, func(t *testing.T) {
				db := connect(t, e.DSN(c, c.Endpoint()), func(cfg *gorm.Config) { cfg.TranslateError = test.translate })
				err := db.Create(&Product{Name: "apple"}).Error
				var pg *pgconn.PgError
				var my *mysql.MySQLError
				got := found{errors.Is(err, gorm.ErrDuplicatedKey), errors.As(err, &pg) && pg.Code == "23505", errors.As(err, &my) && my.Number == 1062}
				if got != test.want[e] {
					t.Errorf("%v: %+v, want %+v", err, got, test.want[e])
				}
			})
		}
	})
}
