package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

const (
	// Who the tests log in as, on both servers.
	testUser, testPassword = "gotest", "secret"
	// pluginsVariable tells the tests which driver they use: "" the bare one,
	// anything else ours, with this as the parameter plugins.
	pluginsVariable = "AWSDB_PLUGINS"
)

// servers are a PostgreSQL and a MariaDB server for all suites. Each run of a
// suite has databases of its own.
type servers struct {
	dir        string // go.work and program of the PostgreSQL server
	postgresql *program
	mariadb    *mariadb
}

// startServers starts both, with databases of these names.
func startServers(ctx context.Context, work *workspace.Workspace, databases []string) (_ *servers, err error) {
	dir, err := os.MkdirTemp("", "awsdb-upstream-servers-")
	if err != nil {
		return nil, err
	}
	s := &servers{dir: dir}
	var wait sync.WaitGroup
	var postgresqlErr, mariadbErr error
	wait.Go(func() { s.postgresql, postgresqlErr = startPostgreSQL(ctx, work, dir, databases) })
	wait.Go(func() { s.mariadb, mariadbErr = startMariaDB(ctx, databases) })
	wait.Wait()
	if err := errors.Join(postgresqlErr, mariadbErr); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close stops the servers and removes what they stored.
func (s *servers) Close() error {
	var err error
	if s.postgresql != nil {
		err = s.postgresql.Close()
	}
	if s.mariadb != nil {
		err = errors.Join(err, s.mariadb.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// startPostgreSQL starts a server with the lab. That is a module of the
// workspace, which ours does not depend on, so the server is a program of its own.
func startPostgreSQL(ctx context.Context, work *workspace.Workspace, dir string, databases []string) (*program, error) {
	sources := filepath.Join(dir, "postgresql")
	err := errors.Join(
		copyTree(sources, folder("postgresql")),
		writeModule(sources, "awsdb.test/postgresql", work.Go, nil),
		writeWorkspace(dir, work, []string{"postgresql"}))
	if err != nil {
		return nil, err
	}
	binary := filepath.Join(dir, "server")
	build := command(ctx, dir, sources, "go", "build", "-o", binary, ".")
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build a PostgreSQL server: %w\n%s", err, output)
	}
	return startProgram(command(context.Background(), dir, dir, binary, databases...)) // Close ends it
}

// place is where one run of tests finds its databases.
type place struct {
	postgresql, mariadb string // host:port
	database            string // on both
	plugins             string // of our driver; "" for the bare one
}

func (s *servers) place(database, plugins string) place {
	return place{postgresql: s.postgresql.addr, mariadb: s.mariadb.addr(), database: database, plugins: plugins}
}

// postgresqlURL returns a URL with further parameters, and ours if the driver is
// ours.
func (p place) postgresqlURL(parameters url.Values) string {
	query := url.Values{"sslmode": {"disable"}}
	for name, values := range parameters {
		query[name] = values
	}
	if p.plugins != "" {
		query.Set("plugins", p.plugins)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(testUser, testPassword), Host: p.postgresql, Path: p.database, RawQuery: query.Encode()}
	return u.String()
}

// mysqlDSN returns a connection string of go-sql-driver, with our parameter if
// the driver is ours.
func (p place) mysqlDSN() string {
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/%s?parseTime=true", testUser, testPassword, p.mariadb, p.database)
	if p.plugins != "" {
		dsn += "&plugins=" + p.plugins
	}
	return dsn
}
