package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/Masterminds/squirrel"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFailover: everything works as with the bare driver, also what was prepared before the writer has changed, and
// each visit is counted once.
func TestFailover(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		s := opened(t, e, c)
		for range 2 { // as the next run of the program does
			if err := s.prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("values", func(t *testing.T) { checkValues(t, s) })
		if e == cluster.PostgreSQL {
			t.Run("PostgreSQL only", func(t *testing.T) { checkPostgreSQL(t, s) })
		}
		t.Run("visits", func(t *testing.T) { checkVisits(t, c, s) })
		t.Run("errors", func(t *testing.T) {
			cluster.CheckErrors(t, e, c, func(params ...string) cluster.Calls { return calls(opened(t, e, c, params...)) })
		})
	})
}

func checkVisits(t *testing.T, c *lab.Cluster, s *statistics) {
	ctx := cluster.Context(t)
	page, err := s.page(ctx, "/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.page(ctx, "/index.html"); err != nil || again != page {
		t.Errorf("the page is %d (%v), and was %d", again, err, page)
	}
	visits(t, s) // prepares the statement
	outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
		return s.count(ctx, visit{ID: strconv.FormatInt(n, 10), Page: page, At: time.Now(), Headers: []byte("{}")})
	})
	found := map[int64]int{}
	for _, row := range c.Rows("visits") {
		if n, err := strconv.ParseInt(fmt.Sprint(row[0]), 10, 64); err == nil {
			found[n]++
		}
	}
	outcome.ExactlyOnce(t, found)
	if got := visits(t, s); got != int64(len(found)) {
		t.Errorf("%d visits were counted, want %d", got, len(found))
	}
}

func visits(t *testing.T, s *statistics) int64 {
	t.Helper()
	found, err := s.visits(t.Context(), "/index.html")
	if err != nil {
		t.Fatal(err)
	}
	return found["/index.html"]
}

// checkValues stores visits of what drivers treat differently with one statement, and reads them.
func checkValues(t *testing.T, s *statistics) {
	page, err := s.page(t.Context(), "/?a=1")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 8, 1, 59, 59, 123456000, time.FixedZone("", -5*60*60))
	want := []visit{
		{ID: "a", Page: page, At: at, Headers: []byte(`{"accept": ["*/*", null]}`)},
		{ID: "b", Page: page, At: at.Add(time.Hour), Referer: sql.NullString{String: "Ångström's ?", Valid: true}, Headers: []byte("[]")},
	}
	for range 2 { // the second time changes nothing
		if err := s.count(t.Context(), want...); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := s.build.Select("*").From("visits").OrderBy("id").RunWith(s.db).QueryContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []visit
	for rows.Next() {
		var v visit
		if err := rows.Scan(&v.ID, &v.Page, &v.At, &v.Referer, &v.Headers); err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("visits (-want +got):\n%s", diff)
	}
	if found, err := s.visits(t.Context(), "/?a=1"); err != nil || found["/?a=1"] != 2 {
		t.Errorf("visits %v (%v), want 2", found, err)
	}
	none := s.build.Select("id").From("pages").Where(squirrel.Eq{"path": "none"}).RunWith(s.prepared).QueryRowContext(t.Context())
	if err := none.Scan(new(int64)); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no page: %v", err)
	}
}

// checkPostgreSQL: an array is one argument, and ?? writes the operator ?.
func checkPostgreSQL(t *testing.T, s *statistics) {
	query := s.build.Select("count(*)").From("visits").Where("id = ANY(?)", []string{"a", "b", "c"}).Where("headers ?? 'accept'")
	var n int
	if err := query.RunWith(s.db).QueryRowContext(t.Context()).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d visits (%v), want 1", n, err)
	}
}

// TestCommitInDoubt: when the answer to the COMMIT is lost, or to the INSERT that is all of a unit of work, the visit or
// page is found and not counted or added again.
func TestCommitInDoubt(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		s := opened(t, e, c)
		ctx := cluster.Context(t)
		if err := s.prepare(ctx); err != nil {
			t.Fatal(err)
		}
		received := cluster.Strike(c, "insert into pages", lab.CutAfter())
		page, err := s.page(ctx, "/index.html")
		if err != nil || received() != 2 || len(c.Rows("pages")) != 1 {
			t.Fatalf("%v; the INSERT was received %d times, pages %v", err, received(), c.Rows("pages"))
		}
		lost := cluster.LoseCommit(c)
		if err := s.count(ctx, visit{ID: "a", Page: page, At: time.Now(), Headers: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		if got := visits(t, s); got != 1 || !lost() {
			t.Errorf("%d visits were counted, want 1; a COMMIT was lost: %v", got, lost())
		}
	})
}

func TestProgram(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		cluster.Program(t, c, e.DSN(c, c.Endpoint()), "visits", run)
	})
}

func opened(t *testing.T, e cluster.Engine, c *lab.Cluster, params ...string) *statistics {
	t.Helper()
	s, err := open(e.DSN(c, c.Endpoint(), params...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// calls prepare each statement, but in a transaction.
func calls(s *statistics) cluster.Calls {
	return cluster.Calls{
		Exec: func(ctx context.Context, statement string) error {
			_, err := squirrel.ExecContextWith(ctx, s.prepared, squirrel.Expr(statement))
			return err
		},
		InTx: func(ctx context.Context, work func(func(string) error) error) error {
			tx, err := s.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			err = work(func(statement string) error {
				_, err := squirrel.ExecContextWith(ctx, squirrel.WrapStdSqlCtx(tx), squirrel.Expr(statement))
				return err
			})
			if err != nil {
				return err
			}
			return tx.Commit()
		},
	}
}
