package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ariga.io/atlas/sql/schema"
	"ariga.io/atlas/sql/sqlclient"
	gomysql "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// TestMain puts awsdb under Atlas's own scheme postgres as well, which opens whatever has that name.
func TestMain(m *testing.M) {
	sql.Register("postgres", pgdriver.Driver{})
	goleak.VerifyTestMain(m)
}

func TestAtlas(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db, err := sql.Open(e.Driver, c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		us := engineOf(c.DSN(c.Endpoint()))
		t.Run("several at a time", func(t *testing.T) { several(t, c) })
		t.Run("URL", func(t *testing.T) { fromURL(t, e, c) })
		t.Run("locked", func(t *testing.T) { locked(t, us, db) })
		t.Run("errors", func(t *testing.T) { errorsOfStatements(t, us, db) })
		t.Run("failover in mid-run", func(t *testing.T) { failover(t, us, e, c, db) })
		t.Run("failover anywhere", func(t *testing.T) { anywhere(t, us, c, db) })
	})
}

// several instances of the program, as a deployment starts them.
func several(t *testing.T, c *lab.Cluster) {
	ended := make(chan error)
	for range 3 {
		go func() { ended <- run(cluster.Context(t), c.DSN(c.Endpoint())) }()
	}
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if c.Rows("accounts") == nil {
		t.Error("the table is missing")
	}
}

func fromURL(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	databaseURL := c.DSN(c.Endpoint(), "failover_timeout_sec=60")
	urls := []string{"awspg" + strings.TrimPrefix(databaseURL, "postgres"), databaseURL + "&search_path=public"}
	if e == cluster.MySQL {
		urls = []string{"awsmysql://" + strings.NewReplacer("@tcp(", "@", ")/", "/").Replace(databaseURL)}
	}
	for _, databaseURL := range urls {
		client, err := sqlclient.Open(t.Context(), databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		use(t, client)
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		wrong := strings.Replace(databaseURL, "timeout_sec=60", "timeout_sec=soon", 1)
		if _, err := sqlclient.Open(t.Context(), wrong); !errors.Is(err, core.ErrConfig) {
			t.Errorf("a wrong URL: %v", err)
		}
	}
}

// use does with a client of a URL what needs the scheme's registration: HCL and transactions.
func use(t *testing.T, client *sqlclient.Client) {
	t.Helper()
	is, err := client.InspectSchema(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	accounts, ok := is.Table("accounts")
	if !ok {
		t.Fatal("the table is missing")
	}
	var columns []string
	for _, column := range accounts.Columns {
		columns = append(columns, column.Name)
	}
	if diff := cmp.Diff([]string{"id", "owner", "balance"}, columns); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	text, err := client.MarshalSpec(is)
	if err != nil || !strings.Contains(string(text), `table "accounts"`) {
		t.Errorf("HCL: %v\n%s", err, text)
	}
	tx, err := client.Tx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.InspectRealm(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}

func locked(t *testing.T, us engine, db *sql.DB) {
	d, err := us.open(db)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := d.Lock(t.Context(), "schema", waiting)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock(t.Context(), "schema", 0); !errors.Is(err, schema.ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// errorsOfStatements: Atlas hides the driver's error, and execute does not.
func errorsOfStatements(t *testing.T, us engine, db *sql.DB) {
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE doubled (id bigint NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO doubled VALUES (1), (1)"); err != nil {
		t.Fatal(err)
	}
	isDriverError := func(err error) bool {
		return errors.As(err, new(*pgconn.PgError)) || errors.As(err, new(*gomysql.MySQLError))
	}
	id := schema.NewIntColumn("id", "bigint")
	unique := schema.NewTable("doubled").AddColumns(id).AddIndexes(schema.NewUniqueIndex("once").AddColumns(id))
	if err := us.apply(t.Context(), db, unique); !isDriverError(err) || core.SafeToRepeat(err) {
		t.Errorf("apply: %v", err)
	}
	d, err := us.open(db)
	if err != nil {
		t.Fatal(err)
	}
	is, err := d.InspectSchema(t.Context(), "", &schema.InspectOptions{Tables: []string{"doubled"}})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := d.SchemaDiff(is, schema.New(is.Name).AddAttrs(is.Attrs...).AddTables(unique))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ApplyChanges(t.Context(), changes); err == nil || isDriverError(err) {
		t.Errorf("ApplyChanges does not hide the driver's error any more: %v", err)
	}
}

// table has the given columns.
func table(name string, columns ...string) *schema.Table {
	made := schema.NewTable(name)
	for _, column := range columns {
		made.AddColumns(schema.NewNullIntColumn(column, "bigint"))
	}
	return made
}

// failover: what a run without the recipe ends with, and what it leaves; the next run completes it.
func failover(t *testing.T, us engine, e cluster.Engine, c *lab.Cluster, db *sql.DB) {
	ctx := cluster.Context(t)
	if err := us.apply(ctx, db, table("part1", "a"), table("part2", "a"), table("part3", "a")); err != nil {
		t.Fatal(err)
	}
	wanted := func() []*schema.Table {
		return []*schema.Table{table("part1", "a", "b"), table("part2", "a", "b"), table("part3", "a", "b")}
	}
	reader, err := db.BeginTx(ctx, nil) // a table that is read cannot be altered
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Rollback() }()
	var n int
	if err := reader.QueryRowContext(ctx, "SELECT count(*) FROM part2").Scan(&n); err != nil {
		t.Fatal(err)
	}
	err = cluster.FailOverInMid(t, e, c, "part2", func() error { return us.applyOnce(ctx, db, wanted()) })
	t.Logf("the run that was cut off: %v", err)
	if !errors.Is(err, core.ErrFailover) {
		t.Errorf("the run that was cut off: %v", err)
	}
	first := "part1 a" // a transaction
	if e == cluster.MySQL {
		first = "part1 a b" // committed
	}
	if diff := cmp.Diff([]string{first, "part2 a", "part3 a"}, inspect(ctx, t, us, db)); diff != "" {
		t.Errorf("tables after the failover (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := us.applyOnce(ctx, db, wanted()); err != nil {
			t.Errorf("the run after it: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"part1 a b", "part2 a b", "part3 a b"}, inspect(ctx, t, us, db)); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// inspect returns the tables whose names begin with part, each with its columns.
func inspect(ctx context.Context, t *testing.T, us engine, db *sql.DB) (tables []string) {
	t.Helper()
	d, err := us.open(db)
	if err != nil {
		t.Fatal(err)
	}
	is, err := d.InspectSchema(ctx, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range is.Tables {
		if !strings.HasPrefix(found.Name, "part") {
			continue
		}
		line := found.Name
		for _, column := range found.Columns {
			line += " " + column.Name
		}
		tables = append(tables, line)
	}
	slices.Sort(tables)
	return tables
}

// anywhere: a failover finds the program at any of its steps.
func anywhere(t *testing.T, us engine, c *lab.Cluster, db *sql.DB) {
	ctx := cluster.Context(t)
	const last = 20
	ended := make(chan error, 1)
	go func() {
		for n := range last {
			if err := us.apply(ctx, db, table(fmt.Sprintf("many%d", n), "a")); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	cluster.Await(t, "five tables", func() bool { return c.Rows("many4") != nil })
	cluster.FailOver(t, c, "mydb-3")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for n := range last {
		if c.Rows(fmt.Sprintf("many%d", n)) == nil {
			t.Errorf("many%d is missing", n)
		}
	}
}
