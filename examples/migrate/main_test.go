package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-sql-driver/mysql"
	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	migratemysql "github.com/golang-migrate/migrate/v4/database/mysql"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	databasetesting "github.com/golang-migrate/migrate/v4/database/testing"
	_ "github.com/golang-migrate/migrate/v4/source/file"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/golangmigrate"
	"github.com/awsdb/awsdb/lab"
)

// TestMain ignores what golang-migrate leaves behind when a run fails: the goroutines that read migrations ahead.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/golang-migrate/migrate/v4.(*Migrate).readUp"),
		goleak.IgnoreAnyFunction("github.com/golang-migrate/migrate/v4.(*Migration).Buffer"))
}

func TestMigrate(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		t.Run("golang-migrate's own tests of drivers", func(t *testing.T) { ownTests(t, c) })
		t.Run("the program", func(t *testing.T) { program(t, c) })
		t.Run("interrupted", func(t *testing.T) { interrupted(t, c) })
		t.Run("URL with options", func(t *testing.T) { urlWithOptions(t, e, c) })
		t.Run("a database that cannot be used", func(t *testing.T) { unusable(t, e, c) })
		t.Run("a handle of one's own", func(t *testing.T) { instance(t, e, c) })
		t.Run("a statement that is wrong", func(t *testing.T) { wrongStatement(t, e, c) })
		t.Run("failover in mid-run", func(t *testing.T) { failover(t, e, c) })
		t.Run("failover anywhere", func(t *testing.T) { anywhere(t, e, c) })
	})
}

func ownTests(t *testing.T, c *lab.Cluster) {
	databaseURL := c.DSN(c.Endpoint(), "x-migrations-table=own_tests")
	d := opened(t, databaseURL)
	databasetesting.Test(t, d, []byte("CREATE TABLE own (id bigint)")) // ends by dropping all
	closed(t, d)
}

// program runs several times at once, as a deployment starts it, and finds nothing to do the second time.
func program(t *testing.T, c *lab.Cluster) {
	const instances = 3
	for range 2 {
		ended := make(chan error)
		for range instances {
			go func() { ended <- up(cluster.Context(t), c.DSN(c.Endpoint()), files) }()
		}
		for range instances {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if diff := gocmp.Diff([][]any{{int64(1), "the house", int64(1000)}}, c.Rows("accounts")); diff != "" {
			t.Errorf("accounts (-want +got):\n%s", diff)
		}
		wantVersion(t, c, "schema_migrations", 2, false)
	}
}

// interrupted: golang-migrate reports a run that was stopped as one that is done.
func interrupted(t *testing.T, c *lab.Cluster) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := up(ctx, c.DSN(c.Endpoint()), files); !errors.Is(err, context.Canceled) {
		t.Errorf("up: %v", err)
	}
}

// urlWithOptions is what needs nothing but two URLs, and imports.
func urlWithOptions(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "7_two.up.sql"), []byte("CREATE TABLE url1 (id bigint); CREATE TABLE url2 (id bigint);"), 0o600); err != nil {
		t.Fatal(err)
	}
	databaseURL := c.DSN(c.Endpoint(), "x-migrations-table=versions", "x-statement-timeout=60000", "failover_timeout_sec=60")
	if e == cluster.PostgreSQL {
		databaseURL = e.Driver + strings.TrimPrefix(databaseURL, "postgres") + "&x-multi-statement=true"
	} else {
		databaseURL = e.Driver + "://" + databaseURL
	}
	m, err := migrate.New((&url.URL{Scheme: "file", Path: folder}).String(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Up(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(m.Close()); err != nil {
		t.Error(err)
	}
	wantVersion(t, c, "versions", 7, false)
	if c.Rows("url1") == nil || c.Rows("url2") == nil {
		t.Error("a table is missing")
	}
}

// unusable: no session is left of a database in which there can be no version table.
func unusable(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	// The collector would close sockets that nobody has closed.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	wrong := map[cluster.Engine]string{
		cluster.PostgreSQL: "search_path=pg_catalog", // where nobody may make a table
		cluster.MySQL:      "x-migrations-table=" + strings.Repeat("x", 65),
	}[e]
	connections := c.Writer().Connections
	before := connections()
	if d, err := open(c.DSN(c.Endpoint(), wrong)); d != nil || !isDriverError(e, err) {
		t.Errorf("opened: %v", err)
	}
	cluster.Await(t, "the end of the sessions", func() bool { return connections() <= before })
}

// instance opens a handle the program's way, and finds the driver's errors under golang-migrate's.
func instance(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	db, err := sql.Open(e.Driver, c.DSN(c.Endpoint(), map[cluster.Engine]string{
		cluster.PostgreSQL: "application_name=migrate", cluster.MySQL: "multiStatements=true",
	}[e]))
	if err != nil {
		t.Fatal(err)
	}
	var d database.Driver
	if e == cluster.PostgreSQL {
		d, err = migratepgx.WithInstance(db, &migratepgx.Config{MigrationsTable: "instance_versions"})
	} else {
		d, err = migratemysql.WithInstance(db, &migratemysql.Config{MigrationsTable: "instance_versions"})
	}
	if err != nil {
		t.Fatal(errors.Join(err, db.Close()))
	}
	const wrong = "CREATE TABLE instance (id bigint); SELEKT 1"
	if err := d.Run(strings.NewReader(wrong)); err == nil || isDriverError(e, err) {
		t.Errorf("golang-migrate does not hide the driver's error any more: %v", err)
	}
	if err := golangmigrate.Wrap(d).Run(strings.NewReader(wrong)); !isDriverError(e, err) {
		t.Errorf("the driver's error is hidden: %v", err)
	}
	closed(t, d)
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("Close has left the handle open")
	}
}

func isDriverError(e cluster.Engine, err error) bool {
	if e == cluster.PostgreSQL {
		return errors.As(err, new(*pgconn.PgError))
	}
	return errors.As(err, new(*mysql.MySQLError))
}

// wrongStatement: a mark stays, which a run by hand refuses and the program goes over, once the migration is right.
func wrongStatement(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	broken := with("3_broken.up.sql", "CREATE TABLE broken (id bigint); SELEKT 1;")
	databaseURL := c.DSN(c.Endpoint())
	if err := up(t.Context(), databaseURL, broken); !isDriverError(e, err) || errors.Is(err, core.ErrFailover) {
		t.Errorf("up: %v", err)
	}
	wantVersion(t, c, "schema_migrations", 3, true)
	if undone := c.Rows("broken") == nil; undone != (e == cluster.PostgreSQL) {
		t.Errorf("the first statement is undone: %t", undone)
	}
	if err := upByHand(t, databaseURL, broken); !errors.As(err, new(migrate.ErrDirty)) {
		t.Errorf("Up of a dirty database: %v", err)
	}
	repaired := "CREATE TABLE IF NOT EXISTS broken (id bigint);"
	if e == cluster.PostgreSQL {
		repaired += "UPDATE schema_migrations SET dirty = false"
	}
	if err := up(t.Context(), databaseURL, with("3_broken.up.sql", repaired)); err != nil {
		t.Error(err)
	}
	wantVersion(t, c, "schema_migrations", 3, false)
}

// failover: what a run by hand ends with, and what it leaves; then the program completes it.
func failover(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	exists, end := "", "; UPDATE schema_migrations SET dirty = false"
	if e == cluster.MySQL {
		exists, end = "IF NOT EXISTS ", ""
	}
	later := with(
		"3_broken.up.sql", "SELECT 1",
		"4_before.up.sql", "CREATE TABLE before_it (id bigint)"+end,
		"5_during.up.sql", "CREATE TABLE "+exists+"during1 (id bigint); "+e.Stall()+"; CREATE TABLE "+exists+"during2 (id bigint)"+end,
		"6_after.up.sql", "CREATE TABLE after_it (id bigint)"+end)
	databaseURL := c.DSN(c.Endpoint())
	m := byHand(t, databaseURL, later)
	err := cluster.FailOverInMid(t, e, c, cluster.Stalling, m.Up)
	t.Logf("the run that was cut off: %v", err)
	if !errors.Is(err, core.ErrFailoverSuccess) {
		t.Errorf("the run that was cut off: %v", err)
	}
	if err := m.Up(); !errors.Is(err, migrate.ErrLocked) {
		t.Errorf("the same Migrate again: %v", err)
	}
	m.Close()
	wantVersion(t, c, "schema_migrations", 5, true)
	if undone := c.Rows("during1") == nil; undone != (e == cluster.PostgreSQL) {
		t.Errorf("the first statement is undone: %t", undone)
	}
	if c.Rows("during2") != nil || c.Rows("after_it") != nil {
		t.Error("what comes after the failover is there")
	}
	if err := upByHand(t, databaseURL, later); !errors.As(err, new(migrate.ErrDirty)) {
		t.Errorf("Up of a dirty database: %v", err)
	}
	if err := up(t.Context(), databaseURL, later); err != nil {
		t.Errorf("the run after it: %v", err)
	}
	wantVersion(t, c, "schema_migrations", 6, false)
	for _, table := range []string{"before_it", "during1", "during2", "after_it"} {
		if c.Rows(table) == nil {
			t.Errorf("%s is missing", table)
		}
	}
}

// anywhere: a failover finds the program at any of its steps, and each migration has its effect once.
func anywhere(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	const first, last = 1000, 1100
	insert, end := "INSERT INTO work VALUES (%d)", "; UPDATE schema_migrations SET dirty = false"
	if e == cluster.MySQL {
		insert, end = "INSERT IGNORE INTO work VALUES (%d)", ""
	}
	key := map[cluster.Engine]string{cluster.MySQL: " PRIMARY KEY"}[e] // PostgreSQL needs none to keep a row from coming twice
	more := []string{"3_broken.up.sql", "SELECT 1", "6_after.up.sql", "SELECT 1", "999_work.up.sql", "CREATE TABLE work (n bigint" + key + ")" + end}
	want := [][]any{}
	for n := first; n <= last; n++ {
		more = append(more, fmt.Sprintf("%d_row.up.sql", n), fmt.Sprintf(insert, n)+end)
		want = append(want, []any{int64(n)})
	}
	ended := make(chan error, 1)
	go func() { ended <- up(cluster.Context(t), c.DSN(c.Endpoint()), with(more...)) }()
	cluster.Await(t, "20 migrations", func() bool { return len(c.Rows("work")) >= 20 })
	cluster.FailOver(t, c, "mydb-3")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	rows := c.Rows("work")
	slices.SortFunc(rows, func(a, b []any) int { return cmp.Compare(a[0].(int64), b[0].(int64)) })
	if diff := gocmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	wantVersion(t, c, "schema_migrations", last, false)
}

// byHand is a Migrate without the recipe.
func byHand(t *testing.T, databaseURL string, files fs.FS) *migrate.Migrate {
	t.Helper()
	folder := "mysql"
	if isPostgreSQL(databaseURL) {
		folder = "postgresql"
	}
	migrations, err := iofs.New(files, folder)
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrate.NewWithInstance("files", migrations, "database", opened(t, databaseURL))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func upByHand(t *testing.T, databaseURL string, files fs.FS) error {
	t.Helper()
	m := byHand(t, databaseURL, files)
	defer m.Close()
	return m.Up()
}

// with adds migrations to those of the program: file names and their texts.
func with(namesAndTexts ...string) fs.FS {
	all := fstest.MapFS{}
	_ = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			text, _ := files.ReadFile(path)
			all[path] = &fstest.MapFile{Data: text}
		}
		return err
	})
	for i := 0; i < len(namesAndTexts); i += 2 {
		for _, folder := range []string{"postgresql", "mysql"} {
			all[folder+"/"+namesAndTexts[i]] = &fstest.MapFile{Data: []byte(namesAndTexts[i+1])}
		}
	}
	return all
}

func opened(t *testing.T, databaseURL string) database.Driver {
	t.Helper()
	d, err := open(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func closed(t *testing.T, d database.Driver) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func wantVersion(t *testing.T, c *lab.Cluster, table string, version int64, dirty bool) {
	t.Helper()
	var is any = dirty
	if _, mysql := c.Rows(table)[0][1].(int64); mysql {
		is = map[bool]int64{true: 1}[dirty]
	}
	if diff := gocmp.Diff([][]any{{version, is}}, c.Rows(table)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", table, diff)
	}
}
