// Command migrate brings the schema of a database up to date with golang-migrate, and goes on through failovers: no
// migration is left half done, and none is done twice.
//
// golang-migrate marks the version as dirty, runs the migration, and takes the mark away. A failover may come at any of
// these steps. The migrations here are written so that a mark that was left has one meaning, which is: run it again.
//
//   - PostgreSQL: the statements of a file are one transaction, and the last one takes the mark away. What is marked has not
//     been done, what is done is not marked.
//   - MySQL: every statement of DDL is a transaction of its own. Each of a file's statements may run twice.
//
// There are no migrations down: the mark does not say which way a migration went.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/golang-migrate/migrate/v4"
	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/golangmigrate/awsmysql"
	"github.com/awsdb/awsdb/golangmigrate/awspg"
	_ "github.com/awsdb/awsdb/hostmonitor"
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
	err := up(ctx, os.Getenv("DATABASE_URL"), files)
	cancel()
	stop()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the schema is up to date")
}

// up runs the migrations that have not been run yet, and starts over after failovers until ctx ends. That is right
// whatever the failover has ended, as resume looks. The lock went with the connection, and another process may have
// taken it meanwhile.
func up(ctx context.Context, databaseURL string, files fs.FS) error {
	pace := time.NewTicker(pause)
	defer pace.Stop()
	for {
		err := upOnce(ctx, databaseURL, files)
		if !again(err) {
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

// again tells that a failover, or what comes in its wake, has ended a run. On the one connection that golang-migrate
// keeps, database/sql cannot repeat what is safe to repeat, and a new handle may meet the old writer's address.
func again(err error) bool {
	return errors.Is(err, core.ErrFailover) || core.SafeToRepeat(err) || (errors.Is(err, core.ErrConnect) && core.IsNetworkError(err))
}

func upOnce(ctx context.Context, databaseURL string, files fs.FS) (err error) {
	folder := "mysql"
	if isPostgreSQL(databaseURL) {
		folder = "postgresql"
	}
	migrations, err := iofs.New(files, folder)
	if err != nil {
		return err
	}
	d, err := open(databaseURL)
	if err != nil {
		return errors.Join(err, migrations.Close())
	}
	m, err := migrate.NewWithInstance("files", migrations, "database", d)
	if err != nil {
		return errors.Join(err, migrations.Close(), d.Close())
	}
	defer m.Close()          // of what a lost connection's Close says, nothing matters
	m.PrefetchMigrations = 0 // a run that fails leaves a goroutine for each that was read ahead
	defer context.AfterFunc(ctx, func() { m.GracefulStop <- true })()
	if err := resume(d, migrations); err != nil {
		return err
	}
	if err := m.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return err
	}
	return ctx.Err() // Up reports nothing when it was stopped, with migrations left
}

func isPostgreSQL(databaseURL string) bool { return strings.HasPrefix(databaseURL, "postgres") }

// open opens what DATABASE_URL holds: a URL of PostgreSQL or MySQL, or go-sql-driver's DSN.
func open(databaseURL string) (database.Driver, error) {
	if isPostgreSQL(databaseURL) {
		return awspg.Open(databaseURL)
	}
	return awsmysql.Open(databaseURL)
}

// resume takes away the mark of a migration that has not ended, and goes back to the version before it. While it holds
// the lock, nobody else runs migrations: the mark is of nobody who still lives.
func resume(d database.Driver, migrations source.Driver) (err error) {
	if err := d.Lock(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Unlock()) }()
	version, dirty, err := d.Version()
	if err != nil || !dirty {
		return err
	}
	before := database.NilVersion
	if version > 0 {
		previous, err := migrations.Prev(uint(version))
		if err == nil {
			before = int(previous) //nolint:gosec // was an int in the table
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.SetVersion(before, false)
}
