package real

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// patience is how long anything may take. Only a test that fails waits so long.
	patience = 60 * time.Second
	// callLimit is the deadline an application gives its calls.
	callLimit = 5 * time.Second
)

func startCluster(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	if os.Getenv("AWSDB_UNIT") == "1" {
		t.Skip("AWSDB_UNIT=1: needs PostgreSQL servers")
	}
	cluster, err := lab.StartReal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cluster.Close()
		if err := cluster.Err(); err != nil {
			t.Errorf("lab: %v", err)
		}
	})
	return cluster
}

// handle is a pool and the Connector under it.
type handle struct {
	*sql.DB
	connector *core.Connector
}

// newHandle opens a pool for a URL the way an application would that has its own dialer and resolver. The plugins are
// those that are linked in: failover.
func newHandle(cluster *lab.Cluster, url string, options ...pgdriver.Option) (handle, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return handle{}, err
	}
	options = append(options, pgdriver.WithDialer(cluster.DialContext), pgdriver.WithResolver(cluster))
	connector, err := pgdriver.NewConnector(cfg, options...)
	if err != nil {
		return handle{}, err
	}
	return handle{DB: sql.OpenDB(connector), connector: connector.(*core.Connector)}, nil
}

func open(t *testing.T, cluster *lab.Cluster, url string, options ...pgdriver.Option) handle {
	t.Helper()
	db, err := newHandle(cluster, url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// bare is a pgx connection that knows nothing of awsdb.
func bare(t *testing.T, cluster *lab.Cluster, host string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(cluster.URL(host, "application_name=bare"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // it may be on a dead server
	return conn
}

// bounded gives a call a deadline.
func bounded(limit time.Duration, call func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return call(ctx)
}

func mustExec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	err := bounded(patience, func(ctx context.Context) error { _, err := db.ExecContext(ctx, query, args...); return err })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func scalar[T any](t *testing.T, db *sql.DB, query string, args ...any) (value T) {
	t.Helper()
	err := bounded(patience, func(ctx context.Context) error { return db.QueryRowContext(ctx, query, args...).Scan(&value) })
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// eventually waits until check holds.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for began := time.Now(); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("after %v: %s", patience, what)
		}
	}
}

func promote(t *testing.T, cluster *lab.Cluster, id string, o lab.PromoteOptions) {
	t.Helper()
	if err := cluster.Promote(id, o); err != nil {
		t.Fatal(err)
	}
}

// replaceWriter kills the writer, promotes a reader and brings the old writer back.
func replaceWriter(t *testing.T, cluster *lab.Cluster) {
	t.Helper()
	old, next := cluster.Writer(), cluster.Readers()[0]
	old.Crash()
	promote(t, cluster, next.ID(), lab.PromoteOptions{})
	old.Restart()
}

// follows waits until the pool has noticed: calls that meet a connection just lost
// may fail until then, and idle connections to the old writer are condemned after.
func follows(t *testing.T, db *sql.DB) {
	t.Helper()
	eventually(t, "the pool does not follow the writer", func() bool {
		return bounded(patience, func(ctx context.Context) error {
			var one int
			return db.QueryRowContext(ctx, "select 1").Scan(&one)
		}) == nil
	})
}

func stateOf(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
