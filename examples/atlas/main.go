// Command atlas makes the tables of a database what the program wants them to be, with Atlas's Go SDK, and goes on through
// failovers.
//
// Nothing is recorded: what has to change is found by comparing with what is there. So starting over is right after whatever a
// failover has ended.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"ariga.io/atlas/sql/migrate"
	"ariga.io/atlas/sql/mysql"
	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

const (
	patience = 10 * time.Minute       // for all of it
	pause    = 200 * time.Millisecond // before it starts over
	waiting  = 5 * time.Minute        // for another process that is at it
)

func main() {
	if os.Getenv("DATABASE_URL") == "" {
		log.Fatal("DATABASE_URL is not set: examples/README.md says to what")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, patience)
	err := run(ctx, os.Getenv("DATABASE_URL"))
	cancel()
	stop()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the schema is up to date")
}

func run(ctx context.Context, databaseURL string) error {
	e := engineOf(databaseURL)
	db, err := sql.Open(e.driver, databaseURL)
	if err != nil {
		return err
	}
	defer db.Close()
	return e.apply(ctx, db, tables()...)
}

// tables are what the program wants.
func tables() []*schema.Table {
	key := schema.NewPrimaryKey(schema.NewIntColumn("id", "bigint")) // adds the column, too
	return []*schema.Table{
		schema.NewTable("accounts").SetPrimaryKey(key).AddColumns(
			schema.NewStringColumn("owner", "text"),
			schema.NewIntColumn("balance", "bigint").SetDefault(&schema.Literal{V: "0"})),
	}
}

// engine is what differs between the databases.
type engine struct {
	driver string
	open   func(schema.ExecQuerier) (migrate.Driver, error)
}

var (
	postgreSQL = engine{pgdriver.Name, postgres.Open}
	mySQL      = engine{mysqldriver.Name, mysql.Open}
)

func engineOf(databaseURL string) engine {
	if strings.HasPrefix(databaseURL, "postgres") {
		return postgreSQL
	}
	return mySQL
}

// apply makes tables what they should be, and leaves others alone. It starts over after failovers until ctx ends.
func (e engine) apply(ctx context.Context, db *sql.DB, tables ...*schema.Table) error {
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for {
		err := e.applyOnce(ctx, db, tables)
		if !errors.Is(err, core.ErrFailover) && !core.SafeToRepeat(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-pace.C:
			log.Printf("starting over: %v", err)
		}
	}
}

// applyOnce does everything on one connection: if the lock is lost, nothing goes on without it.
func (e engine) applyOnce(ctx context.Context, db *sql.DB, tables []*schema.Table) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	d, err := e.open(conn)
	if err != nil {
		return err
	}
	unlock, err := d.Lock(ctx, "schema", waiting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	plan, err := plan(ctx, d, tables)
	if err != nil {
		return err
	}
	return execute(ctx, conn, plan)
}

// plan compares what is there with what is wanted.
func plan(ctx context.Context, d migrate.Driver, tables []*schema.Table) (*migrate.Plan, error) {
	names := make([]string, len(tables))
	for i, table := range tables {
		names[i] = table.Name
	}
	is, err := d.InspectSchema(ctx, "", &schema.InspectOptions{Tables: names}) // of others it would say: drop them
	if err != nil {
		return nil, err
	}
	wanted := schema.New(is.Name).AddAttrs(is.Attrs...)
	wanted.AddTables(tables...)
	changes, err := d.SchemaDiff(is, wanted)
	if err != nil {
		return nil, err
	}
	return d.PlanChanges(ctx, "tables", changes)
}

// execute runs the statements of a plan, in a transaction if that is of use: on MySQL each of them commits. Atlas's own
// ApplyChanges hides why a statement has failed.
func execute(ctx context.Context, conn *sql.Conn, plan *migrate.Plan) error {
	if !plan.Transactional {
		return statements(ctx, conn, plan)
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing, before it the first error matters
	if err := statements(ctx, tx, plan); err != nil {
		return err
	}
	return tx.Commit()
}

func statements(ctx context.Context, db schema.ExecQuerier, plan *migrate.Plan) error {
	for _, change := range plan.Changes {
		if _, err := db.ExecContext(ctx, change.Cmd, change.Args...); err != nil {
			return fmt.Errorf("%s: %w", change.Comment, err)
		}
	}
	return nil
}
