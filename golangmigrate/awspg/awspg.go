// Package awspg is a golang-migrate database driver for Aurora PostgreSQL, RDS for PostgreSQL and PostgreSQL: its driver
// pgx/v5 over awsdb's pgdriver. Importing it registers the URL scheme awspg, and postgresql+aws_wrapper_psycopg of the
// Python wrapper:
//
//	awspg://user:password@host:port/database?x-migrations-table=versions&failover_timeout_sec=60
//
// The options are those of golang-migrate's pgx/v5: x-migrations-table, x-migrations-table-quoted, x-multi-statement,
// x-multi-statement-max-size (bytes), x-statement-timeout (milliseconds). Everything else is for pgdriver.
//
// golang-migrate's pgx/v5 is linked in and registers its own scheme, pgx5, which goes to the bare driver.
package awspg

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/golangmigrate"
	"github.com/awsdb/awsdb/golangmigrate/internal/options"
	"github.com/awsdb/awsdb/pgdriver"
)

// pythonScheme is how SQLAlchemy names the Python wrapper's dialect.
const pythonScheme = "postgresql+aws_wrapper_psycopg"

func init() {
	database.Register(pgdriver.Name, registered)
	database.Register(pythonScheme, registered)
}

var registered = golangmigrate.Wrap(opener{})

// Open opens a database for migrate.NewWithInstance, when DATABASE_URL has another scheme than those registered:
// it takes every URL that pgdriver takes, too, with golang-migrate's options in it. The driver owns a connection
// and all that awsdb has started, which end with its Close, and so with that of the migrate.Migrate. A mistake
// in the URL matches core.ErrConfig; others are those of pgdriver.
func Open(databaseURL string) (database.Driver, error) { return registered.Open(databaseURL) }

// opener opens URLs, and has no use for the other methods of a database.Driver.
type opener struct{ database.Driver }

// Open implements database.Driver.
func (opener) Open(databaseURL string) (database.Driver, error) {
	rest, o := options.Take(databaseURL, known...)
	cfg := config(o)
	if err := errors.Join(o.Err(), checkTable(cfg)); err != nil {
		return nil, err
	}
	scheme, location, _ := strings.Cut(rest, "://")
	if !slices.Contains([]string{pgdriver.Name, pythonScheme, "postgres", "postgresql"}, scheme) {
		return nil, errForm
	}
	u, err := url.Parse("postgres://" + location)
	if err != nil {
		return nil, errForm // which, unlike err, does not quote the password
	}
	// With the slash: the name is part of the lock's, and so golang-migrate has it.
	cfg.DatabaseName = u.Path
	native, err := pgdriver.ParseDSN(u.Scheme + "://" + location)
	if err != nil {
		return nil, err
	}
	made, err := pgdriver.NewConnector(native)
	if err != nil {
		return nil, err
	}
	c := &connector{Connector: made.(*core.Connector)}
	db := sql.OpenDB(c)
	d, err := pgx.WithInstance(db, cfg)
	if err != nil {
		return nil, errors.Join(err, c.closeAll(), db.Close())
	}
	return d, nil
}

var errForm = fmt.Errorf("%w: the URL cannot be read: write awspg://user:password@host:port/database?key=value, "+
	"with special characters percent-encoded", core.ErrConfig)

// known are the options of golang-migrate's driver.
var known = []string{
	"x-migrations-table", "x-migrations-table-quoted", "x-multi-statement", "x-multi-statement-max-size", "x-statement-timeout",
}

func config(o *options.Options) *pgx.Config {
	return &pgx.Config{
		MigrationsTable:       o.Text("x-migrations-table"),
		MigrationsTableQuoted: o.Bool("x-migrations-table-quoted"),
		MultiStatementEnabled: o.Bool("x-multi-statement"),
		MultiStatementMaxSize: cmp.Or(o.Int("x-multi-statement-max-size"), pgx.DefaultMultiStatementMaxSize),
		StatementTimeout:      o.Milliseconds("x-statement-timeout"),
	}
}

// quoted is a table, with or without its schema. golang-migrate panics at some that are not.
var quoted = regexp.MustCompile(`^("[^"]+"\.)?"[^"]+"$`)

func checkTable(cfg *pgx.Config) error {
	if !cfg.MigrationsTableQuoted || quoted.MatchString(cfg.MigrationsTable) {
		return nil
	}
	return fmt.Errorf(`%w: x-migrations-table=%q: with x-migrations-table-quoted write "table" or "schema"."table"`,
		core.ErrConfig, cfg.MigrationsTable)
}
