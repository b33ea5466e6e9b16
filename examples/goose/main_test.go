package main

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/go-sql-driver/mysql"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGoose(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db, err := sql.Open(e.Driver, c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		t.Run("an empty version table", func(t *testing.T) { emptyVersionTable(t, c, db) })
		t.Run("several at a time", func(t *testing.T) { several(t, c) })
		t.Run("a statement that is wrong", func(t *testing.T) { wrongStatement(t, c, db) })
		t.Run("failover in mid-run", func(t *testing.T) { failover(t, e, c, db) })
		t.Run("failover anywhere", func(t *testing.T) { anywhere(t, c, db) })
	})
}

// emptyVersionTable is what a failover may leave on MySQL when goose makes the table.
func emptyVersionTable(t *testing.T, c *lab.Cluster, db *sql.DB) {
	e := engineOf(c.DSN(c.Endpoint()))
	store, err := database.NewStore(e.dialect, goose.DefaultTablename)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateVersionTable(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(e.dialect, db, fstest.MapFS{"1_one.sql": {Data: []byte("-- +goose Up\nSELECT 1;")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Up(t.Context()); err == nil {
		t.Error("goose puts up with an empty version table now: makeVersionTable can go")
	}
	locker, err := e.locker()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.makeVersionTable(t.Context(), db, locker); err != nil {
			t.Fatal(err)
		}
		wantVersions(t, c, 0)
	}
	if _, err := db.ExecContext(t.Context(), "DROP TABLE "+goose.DefaultTablename); err != nil {
		t.Fatal(err)
	}
}

// several instances of the program, as a deployment starts them.
func several(t *testing.T, c *lab.Cluster) {
	ended := make(chan error)
	for range 2 {
		go func() { ended <- run(cluster.Context(t), c.DSN(c.Endpoint())) }()
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	want := [][]any{{int64(1), "The House", "TH"}, {int64(2), "Émilie du Châtelet", "ÉdC"}}
	if diff := gocmp.Diff(want, sorted(c, "accounts")); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	wantVersions(t, c, 0, 1, 2)
}

func wrongStatement(t *testing.T, c *lab.Cluster, db *sql.DB) {
	e := engineOf(c.DSN(c.Endpoint()))
	err := e.up(t.Context(), db, with("00003_broken.sql", "CREATE TABLE broken (id bigint);\nSELEKT 1;"))
	var partial *goose.PartialError
	if !errors.As(err, &partial) || partial.Failed.Source.Version != 3 || core.SafeToRepeat(err) {
		t.Errorf("up: %v", err)
	}
	if !errors.As(err, new(*pgconn.PgError)) && !errors.As(err, new(*mysql.MySQLError)) {
		t.Errorf("goose hides the driver's error: %v", err)
	}
	if undone := c.Rows("broken") == nil; undone != (e.driver == postgreSQL.driver) {
		t.Errorf("the first statement is undone: %t", undone)
	}
	wantVersions(t, c, 0, 1, 2)
}

// failover: what a run without the recipe ends with, and what it leaves; the next run completes it.
func failover(t *testing.T, e cluster.Engine, c *lab.Cluster, db *sql.DB) {
	exists := map[cluster.Engine]string{cluster.MySQL: "IF NOT EXISTS "}[e]
	more := with(
		"00003_before.sql", "CREATE TABLE before_it (id bigint);",
		"00004_during.sql", "CREATE TABLE "+exists+"during1 (id bigint);\n"+e.Stall()+";\nCREATE TABLE "+exists+"during2 (id bigint);",
		"00005_after.sql", "CREATE TABLE after_it (id bigint);")
	us := engineOf(c.DSN(c.Endpoint()))
	err := cluster.FailOverInMid(t, e, c, cluster.Stalling, func() error { return us.upOnce(cluster.Context(t), db, more) })
	t.Logf("the run that was cut off: %v", err)
	var partial *goose.PartialError
	if !errors.As(err, &partial) || len(partial.Applied) != 1 || partial.Failed.Source.Version != 4 {
		t.Errorf("the run that was cut off: %v", err)
	}
	// MySQL has committed the table, so that not all is rolled back.
	if !errors.Is(err, core.ErrTransactionResolutionUnknown) || errors.Is(err, core.ErrOutcomeUnknown) != (e == cluster.MySQL) {
		t.Errorf("the run that was cut off: %v", err)
	}
	wantVersions(t, c, 0, 1, 2, 3)
	if undone := c.Rows("during1") == nil; undone != (e == cluster.PostgreSQL) {
		t.Errorf("the first statement is undone: %t", undone)
	}
	if c.Rows("during2") != nil || c.Rows("after_it") != nil {
		t.Error("what comes after the failover is there")
	}
	if err := us.upOnce(cluster.Context(t), db, more); err != nil {
		t.Errorf("the run after it: %v", err)
	}
	wantVersions(t, c, 0, 1, 2, 3, 4, 5)
	for _, table := range []string{"before_it", "during1", "during2", "after_it"} {
		if c.Rows(table) == nil {
			t.Errorf("%s is missing", table)
		}
	}
}

// anywhere: a failover finds the program at any of its steps, and each migration has its effect once.
func anywhere(t *testing.T, c *lab.Cluster, db *sql.DB) {
	const first, last = 1000, 1100
	more := []string{"00003_before.sql", "", "00004_during.sql", "", "00005_after.sql", "", "00999_work.sql", "CREATE TABLE work (n bigint);"}
	want := [][]any{}
	for n := first; n <= last; n++ {
		more = append(more, fmt.Sprintf("%05d_row.sql", n), fmt.Sprintf("INSERT INTO work VALUES (%d);", n))
		want = append(want, []any{int64(n)})
	}
	ended := make(chan error, 1)
	go func() { ended <- engineOf(c.DSN(c.Endpoint())).up(cluster.Context(t), db, with(more...)) }()
	cluster.Await(t, "20 migrations", func() bool { return len(c.Rows("work")) >= 20 })
	cluster.FailOver(t, c, "mydb-3")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if diff := gocmp.Diff(want, sorted(c, "work")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// sorted are the rows of a table, in the order of their first column.
func sorted(c *lab.Cluster, table string) [][]any {
	rows := c.Rows(table)
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(a[0].(int64), b[0].(int64)) })
	return rows
}

// with adds migrations to those of the program: file names and their statements.
func with(namesAndStatements ...string) fs.FS {
	all := fstest.MapFS{}
	for _, e := range []engine{postgreSQL, mySQL} {
		name := e.folder + "/00001_accounts.sql"
		text, _ := files.ReadFile(name)
		all[name] = &fstest.MapFile{Data: text}
		for i := 0; i < len(namesAndStatements); i += 2 {
			all[e.folder+"/"+namesAndStatements[i]] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + namesAndStatements[i+1])}
		}
	}
	return all
}

func wantVersions(t *testing.T, c *lab.Cluster, want ...int64) {
	t.Helper()
	var got []int64
	for _, row := range c.Rows(goose.DefaultTablename) {
		got = append(got, row[1].(int64))
	}
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}
