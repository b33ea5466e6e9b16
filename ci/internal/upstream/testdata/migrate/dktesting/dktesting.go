// Package dktesting stands in for golang-migrate's package of this name and for
// github.com/dhui/dktest. Those start a server in a container for each test;
// here each test finds an empty database on a server that is there already.
package dktesting

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"awsdb.test/redirect"
)

// Options say what a container would be.
type Options struct {
	Env          map[string]string
	Cmd          []string
	PortRequired bool
	ReadyFunc    func(context.Context, ContainerInfo) bool
}

// ContainerSpec is one kind of container.
type ContainerSpec struct {
	ImageName string
	Options   Options
}

// ContainerInfo says where the server is.
type ContainerInfo struct{ addr string }

// FirstPort returns the server's address.
func (c ContainerInfo) FirstPort() (ip, port string, err error) { return net.SplitHostPort(c.addr) }

// Port returns the server's address.
func (c ContainerInfo) Port(uint16) (ip, port string, err error) { return c.FirstPort() }

// ParallelTest runs a test on a fresh database. Of the specs, which are versions
// of one server, it looks at the first.
func ParallelTest(t *testing.T, specs []ContainerSpec, test func(*testing.T, ContainerInfo)) {
	t.Run("server", func(t *testing.T) {
		options := specs[0].Options
		if options.Env["MYSQL_DATABASE"] != "" {
			test(t, emptyMariaDB(t, options))
			return
		}
		test(t, emptyPostgreSQL(t))
	})
}

// emptyPostgreSQL replaces the database postgres, which the tests use.
func emptyPostgreSQL(t *testing.T) ContainerInfo {
	location := os.Getenv("POSTGRESQL")
	conn, err := pgx.Connect(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, statement := range []string{
		"drop database if exists postgres with (force)", "drop role if exists not_owner", "create database postgres owner postgres",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	at, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	return ContainerInfo{at.Host}
}

// emptyMariaDB replaces the database public, which the tests use.
func emptyMariaDB(t *testing.T, options Options) ContainerInfo {
	cfg, err := mysql.ParseDSN(os.Getenv("MARIADB"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{"drop database if exists public", "create database public"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	quotes = len(options.Cmd) > 0
	return ContainerInfo{cfg.Addr}
}

// quotes: the test wants a server that takes "a" for a name.
var quotes bool

// OpenMySQL stands in for sql.Open.
func OpenMySQL(_, dsn string) (*sql.DB, error) {
	if quotes {
		dsn += "&sql_mode=%27ANSI_QUOTES%27"
	}
	return sql.Open(redirect.MySQL(), redirect.DSN(dsn))
}

// OpenPostgreSQL stands in for sql.Open.
func OpenPostgreSQL(_, url string) (*sql.DB, error) { return sql.Open("postgres", redirect.DSN(url)) }
