// Command goose brings the schema of a database up to date with goose, and goes on through failovers: no migration is
// left half done, and none is done twice.
//
// goose runs a migration and records its version in one transaction. So running again is right after whatever a failover
// has ended: what took effect is recorded. On MySQL that is so for migrations of data; one of DDL commits at each statement
// before its version is recorded, and so each of its statements may run twice.
package main

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

//go:embed postgresql/*.sql mysql/*.sql
var files embed.FS

const (
	patience = 10 * time.Minute       // for all of it
	pause    = 200 * time.Millisecond // before it starts over
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
	return e.up(ctx, db, files)
}

// engine is what differs between the databases.
type engine struct {
	driver      string
	dialect     goose.Dialect
	folder      string // of the SQL migrations
	setInitials string
	locker      func() (lock.SessionLocker, error)
}

var (
	postgreSQL = engine{
		pgdriver.Name, goose.DialectPostgres, "postgresql", "UPDATE accounts SET initials = $1 WHERE id = $2",
		func() (lock.SessionLocker, error) { return lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) },
	}
	mySQL = engine{
		mysqldriver.Name, goose.DialectMySQL, "mysql", "UPDATE accounts SET initials = ? WHERE id = ?",
		func() (lock.SessionLocker, error) { return namedLock{}, nil },
	}
)

func engineOf(databaseURL string) engine {
	if strings.HasPrefix(databaseURL, "postgres") {
		return postgreSQL
	}
	return mySQL
}

// up runs the migrations that have not been run yet, and starts over after failovers until ctx ends. The lock went
// with the connection, and another process may have taken it meanwhile.
func (e engine) up(ctx context.Context, db *sql.DB, files fs.FS) error {
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for {
		err := e.upOnce(ctx, db, files)
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

// upOnce has a provider of its own: one that could not make the version table does not try again.
func (e engine) upOnce(ctx context.Context, db *sql.DB, files fs.FS) error {
	folder, err := fs.Sub(files, e.folder)
	if err != nil {
		return err
	}
	locker, err := e.locker()
	if err != nil {
		return err
	}
	if err := e.makeVersionTable(ctx, db, locker); err != nil {
		return err
	}
	provider, err := goose.NewProvider(e.dialect, db, folder, goose.WithSessionLocker(locker),
		goose.WithGoMigrations(goose.NewGoMigration(2, &goose.GoFunc{RunTx: e.initials}, nil)))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// initials is a migration written in Go. It works in goose's transaction (RunTx), on the connection that has the lock.
func (e engine) initials(ctx context.Context, tx *sql.Tx) error {
	owners, err := owners(ctx, tx)
	if err != nil {
		return err
	}
	for id, owner := range owners {
		var initials strings.Builder
		for name := range strings.FieldsSeq(owner) {
			initials.WriteString(string([]rune(name)[:1]))
		}
		if _, err := tx.ExecContext(ctx, e.setInitials, initials.String(), id); err != nil {
			return err
		}
	}
	return nil
}

func owners(ctx context.Context, tx *sql.Tx) (map[int64]string, error) {
	rows, err := tx.QueryContext(ctx, "SELECT id, owner FROM accounts WHERE initials IS NULL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	owners := map[int64]string{}
	for rows.Next() {
		var id int64
		var owner string
		if err := rows.Scan(&id, &owner); err != nil {
			return nil, err
		}
		owners[id] = owner
	}
	return owners, rows.Err()
}
