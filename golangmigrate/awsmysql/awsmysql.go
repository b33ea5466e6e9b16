// Package awsmysql is a golang-migrate database driver for Aurora MySQL, RDS for MySQL, MySQL and MariaDB: its driver
// mysql over awsdb's mysqldriver. Importing it registers the URL scheme awsmysql, before a DSN as golang-migrate has it
// or in a URL, and mysql+aws_wrapper_mysqlconnector of the Python wrapper:
//
//	awsmysql://user:password@tcp(host:3306)/database?x-migrations-table=versions&failover_timeout_sec=60
//	awsmysql://user:password@host:3306/database?x-migrations-table=versions&failover_timeout_sec=60
//
// In both forms special characters of user and password are percent-encoded. The options are those of golang-migrate's
// mysql: x-migrations-table, x-no-lock, x-statement-timeout (milliseconds), and x-tls-ca, x-tls-cert, x-tls-key and
// x-tls-insecure-skip-verify, which are mysqldriver's ssl_ca, ssl_cert, ssl_key and ssl_verify_cert=false; the name that
// golang-migrate wants after tls= with them is not needed. Everything else is for mysqldriver. A migration may have
// several statements: multiStatements is always on.
//
// golang-migrate's mysql is linked in and registers its own scheme, mysql, which goes to the bare driver.
package awsmysql

import (
	"context"
	"database/sql"
	"errors"

	"github.com/golang-migrate/migrate/v4/database"
	"github.com/golang-migrate/migrate/v4/database/mysql"

	"github.com/awsdb/awsdb/golangmigrate"
	"github.com/awsdb/awsdb/golangmigrate/internal/options"
	"github.com/awsdb/awsdb/mysqldriver"
)

func init() {
	database.Register(mysqldriver.Name, registered)
	database.Register(pythonScheme, registered)
}

var registered = golangmigrate.Wrap(opener{})

// Open opens a database for migrate.NewWithInstance, when DATABASE_URL has another scheme than those registered, or
// none: it takes everything that mysqldriver takes, too, with golang-migrate's options in it. The driver owns a
// connection and all that awsdb has started, which end with its Close, and so with that of the migrate.Migrate. A
// mistake in the URL matches core.ErrConfig; others are those of mysqldriver.
func Open(databaseURL string) (database.Driver, error) { return registered.Open(databaseURL) }

// opener opens URLs, and has no use for the other methods of a database.Driver.
type opener struct{ database.Driver }

// Open implements database.Driver.
func (opener) Open(databaseURL string) (database.Driver, error) {
	rest, o := options.Take(databaseURL, known...)
	cfg := &mysql.Config{
		MigrationsTable: o.Text("x-migrations-table"), NoLock: o.Bool("x-no-lock"), StatementTimeout: o.Milliseconds("x-statement-timeout"),
	}
	rest = translateTLS(rest, o)
	if err := o.Err(); err != nil {
		return nil, err
	}
	native, err := parse(rest)
	if err != nil {
		return nil, err
	}
	native.MultiStatements = true
	cfg.DatabaseName = native.DBName
	connector, err := mysqldriver.NewConnector(native)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	d, err := open(db, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// known are the options of golang-migrate's driver.
var known = []string{
	"x-migrations-table", "x-no-lock", "x-statement-timeout", "x-tls-ca", "x-tls-cert", "x-tls-key", "x-tls-insecure-skip-verify",
}

// owner is golang-migrate's driver with the handle that it does not own itself.
type owner struct {
	*mysql.Mysql
	db *sql.DB
}

// Close implements database.Driver.
func (o owner) Close() error { return errors.Join(o.Mysql.Close(), o.db.Close()) }

func open(db *sql.DB, cfg *mysql.Config) (database.Driver, error) {
	ctx := context.Background() // golang-migrate has none
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	d, err := mysql.WithConnection(ctx, conn, cfg)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return owner{d, db}, nil
}
