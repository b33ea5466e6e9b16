package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jmoiron/sqlx"
	"github.com/jmoiron/sqlx/types"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFailover: everything works as with the bare driver, also what was prepared before the writer has changed, and
// each order is taken once.
func TestFailover(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		w := opened(t, e, c)
		for range 2 { // as the next run of the program does
			if err := w.prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("values", func(t *testing.T) { checkValues(t, w) })
		t.Run("upsert", func(t *testing.T) { checkUpsert(t, w) })
		t.Run("sold out", func(t *testing.T) { checkSoldOut(t, w) })
		if e == cluster.PostgreSQL {
			t.Run("arrays", func(t *testing.T) { checkArrays(t, w) })
		}
		t.Run("orders", func(t *testing.T) { checkOrders(t, c, w) })
		t.Run("errors", func(t *testing.T) {
			cluster.CheckErrors(t, e, c, func(params ...string) cluster.Calls { return calls(opened(t, e, c, params...)) })
		})
	})
}

func checkOrders(t *testing.T, c *lab.Cluster, w *warehouse) {
	const stock = 1_000_000
	ctx := cluster.Context(t)
	id, err := w.deliver(ctx, article{Name: "screw", Price: "0.01", Properties: types.JSONText("{}"), Stock: stock})
	if err != nil {
		t.Fatal(err)
	}
	inStock, err := w.db.PreparexContext(ctx, w.db.Rebind("SELECT stock FROM articles WHERE id = ?"))
	if err != nil {
		t.Fatal(err)
	}
	defer inStock.Close()
	named, err := w.db.PrepareNamedContext(ctx, "SELECT name FROM articles WHERE id = :id")
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
		return w.take(ctx, order{ID: strconv.FormatInt(n, 10), Article: id, Amount: 2})
	})
	found := map[int64]int{}
	for _, row := range c.Rows("orders") {
		n, err := strconv.ParseInt(fmt.Sprint(row[0]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		found[n]++
	}
	outcome.ExactlyOnce(t, found)
	var left int64
	if err := inStock.GetContext(ctx, &left, id); err != nil || left != stock-2*int64(len(found)) {
		t.Errorf("%d pieces are left (%v), want %d", left, err, stock-2*len(found))
	}
	var name string
	if err := named.GetContext(ctx, &name, article{ID: id}); err != nil || name != "screw" {
		t.Errorf("the article's name is %q (%v)", name, err)
	}
}

// checkValues stores what drivers treat differently, and reads it.
func checkValues(t *testing.T, w *warehouse) {
	retired := time.Date(2026, 3, 8, 1, 59, 59, 123456000, time.FixedZone("", -5*60*60))
	want := []article{
		{Name: "Ångström 'ruler'", Price: "12345678901234567890.0123456789", Properties: types.JSONText(`{"parts": [1, {"two": null}]}`), Stock: 1<<63 - 1},
		{Name: "?:name", Price: "-0.0000000001", Properties: types.JSONText(`[]`), Retired: &retired},
	}
	if err := w.stockUp(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var ids []int64
	if err := w.db.SelectContext(t.Context(), &ids, "SELECT id FROM articles ORDER BY id"); err != nil {
		t.Fatal(err)
	}
	got, err := w.articles(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(article{}, "ID"), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("articles (-want +got):\n%s", diff)
	}
}

func checkUpsert(t *testing.T, w *warehouse) {
	nail := article{Name: "nail", Price: "0.02", Properties: types.JSONText("{}"), Stock: 3}
	first, err := w.deliver(t.Context(), nail)
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.deliver(t.Context(), nail)
	if err != nil || again != first {
		t.Errorf("delivered again it is %d (%v), want %d", again, err, first)
	}
	found, err := w.articles(t.Context(), []int64{first})
	if err != nil || len(found) != 1 || found[0].Stock != 6 {
		t.Errorf("%+v (%v), want one with 6 in stock", found, err)
	}
}

// checkSoldOut: an error of the application's own ends the transaction and is not repeated.
func checkSoldOut(t *testing.T, w *warehouse) {
	id, err := w.deliver(t.Context(), article{Name: "rare", Price: "1", Properties: types.JSONText("{}"), Stock: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.take(t.Context(), order{ID: "0", Article: id, Amount: 2}); !errors.Is(err, errSoldOut) {
		t.Errorf("error %v, want %q", err, errSoldOut)
	}
	var n int
	if err := w.db.GetContext(t.Context(), &n, "SELECT count(*) FROM orders"); err != nil || n != 0 {
		t.Errorf("%d orders (%v), want 0", n, err)
	}
	var none article
	if err := w.db.GetContext(t.Context(), &none, "SELECT * FROM articles WHERE name = 'none'"); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no article: %v", err)
	}
}

// checkArrays: PostgreSQL's arrays are arguments as they are, and are read by pgx's scanner.
func checkArrays(t *testing.T, w *warehouse) {
	var ids []int64
	names := []string{"rare", "nail"}
	if err := w.db.SelectContext(t.Context(), &ids, "SELECT id FROM articles WHERE name = ANY($1) ORDER BY id", names); err != nil {
		t.Fatal(err)
	}
	var got []int64
	row := w.db.QueryRowxContext(t.Context(), "SELECT array_agg(id ORDER BY id) FROM articles WHERE name = ANY($1)", names)
	if err := row.Scan(pgtype.NewMap().SQLScanner(&got)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, got); diff != "" || len(ids) != 2 {
		t.Errorf("ids %v (-one by one +as an array):\n%s", ids, diff)
	}
}

// TestCommitInDoubt: when the answer to the COMMIT is lost, the order is found and not taken again.
func TestCommitInDoubt(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		w := opened(t, e, c)
		ctx := cluster.Context(t)
		if err := w.prepare(ctx); err != nil {
			t.Fatal(err)
		}
		id, err := w.deliver(ctx, article{Name: "screw", Price: "0.01", Properties: types.JSONText("{}"), Stock: 3})
		if err != nil {
			t.Fatal(err)
		}
		lost := cluster.LoseCommit(c)
		if err := w.take(ctx, order{ID: "1", Article: id, Amount: 1}); err != nil {
			t.Fatal(err)
		}
		found, err := w.articles(ctx, []int64{id})
		if err != nil {
			t.Fatal(err)
		}
		if found[0].Stock != 2 || !lost() {
			t.Errorf("%d are in stock, want 2; a COMMIT was lost: %v", found[0].Stock, lost())
		}
	})
}

// TestLossWhileReading: Select leaves what it had read in the slice, and says so by its error only.
func TestLossWhileReading(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		w := opened(t, e, c)
		ctx := cluster.Context(t)
		for _, statement := range []string{"CREATE TABLE numbers (n bigint)", "INSERT INTO numbers VALUES (1), (2), (3)"} {
			if _, err := w.db.ExecContext(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
		cluster.Strike(c, "SELECT n FROM numbers", lab.CutAfterRows(2))
		var numbers []int64
		err := w.db.SelectContext(ctx, &numbers, "SELECT n FROM numbers")
		if !errors.Is(err, core.ErrFailoverSuccess) || len(numbers) != 2 {
			t.Errorf("numbers %v, error %v, want two and %q", numbers, err, core.ErrFailoverSuccess)
		}
	})
}

// TestTxWithoutName: an sqlx.Tx around the Tx of core.RunTx does not know which placeholders to write, the DB does.
func TestTxWithoutName(t *testing.T) {
	w, err := open("postgres://localhost")
	if err != nil {
		t.Fatal(err)
	}
	defer w.db.Close()
	around := &sqlx.Tx{Mapper: w.db.Mapper}
	if got := around.Rebind("?"); got != "?" {
		t.Errorf("the Tx writes %s: inTx and the page are too careful", got)
	}
	if query, args, err := w.db.BindNamed("id = :id", order{ID: "1"}); query != "id = $1" || len(args) != 1 || err != nil {
		t.Errorf("the DB writes %q with %v (%v)", query, args, err)
	}
}

func TestProgram(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		cluster.Program(t, c, e.DSN(c, c.Endpoint()), "orders", run)
	})
}

func opened(t *testing.T, e cluster.Engine, c *lab.Cluster, params ...string) *warehouse {
	t.Helper()
	w, err := open(e.DSN(c, c.Endpoint(), params...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func calls(w *warehouse) cluster.Calls {
	return cluster.Calls{
		Exec: func(ctx context.Context, statement string) error {
			_, err := w.db.NamedExecContext(ctx, statement, struct{}{})
			return err
		},
		InTx: func(ctx context.Context, work func(func(string) error) error) error {
			tx, err := w.db.BeginTxx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			err = work(func(statement string) error {
				_, err := tx.NamedExecContext(ctx, statement, struct{}{})
				return err
			})
			if err != nil {
				return err
			}
			return tx.Commit()
		},
	}
}
