package real

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// records keeps what is logged at level Info and above.
type records struct {
	mu   sync.Mutex
	list []slog.Record
}

func (r *records) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (r *records) WithAttrs([]slog.Attr) slog.Handler               { return r }
func (r *records) WithGroup(string) slog.Handler                    { return r }
func (r *records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, record)
	return nil
}

// counts is how much was logged, and how much of it as a warning or worse.
func (r *records) counts() (all, warnings int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range r.list {
		if record.Level >= slog.LevelWarn {
			warnings++
		}
	}
	return len(r.list), warnings
}

// wantPlain demands that a pool works like one of bare pgx, and goes on doing so after its connections are cut.
func wantPlain(t *testing.T, cluster *lab.Cluster, db handle, dialect string) {
	t.Helper()
	mustExec(t, db.DB, "drop table if exists plain")
	mustExec(t, db.DB, "create table plain (id int)")
	for n := range 3 {
		err := core.RunTx(t.Context(), db.DB, nil, func(tx *sql.Tx) error { _, err := tx.Exec("insert into plain values ($1)", n); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := db.connector.Cluster().Dialect().Code(); got != dialect {
		t.Errorf("dialect %s, want %s", got, dialect)
	}
	cluster.Writer().ResetConnections()
	if n := scalar[int](t, db.DB, "select count(*) from plain"); n != 3 {
		t.Errorf("%d rows", n)
	}
	err := bounded(patience, func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, "select pg_terminate_backend(pg_backend_pid())")
		return err
	})
	if err == nil {
		t.Error("a terminated session reports no error")
	}
	mustExec(t, db.DB, "insert into plain values (4)")
}

// TestCommunityServer covers B71: a server that is no cluster's is served as by the bare driver, by whatever name.
func TestCommunityServer(t *testing.T) {
	cluster := startCluster(t, lab.Options{Flavor: lab.PG, Instances: 1})
	t.Run("by its name", func(t *testing.T) {
		var log records
		db := open(t, cluster, cluster.URL(cluster.Endpoint()), pgdriver.WithLogger(slog.New(&log)))
		wantPlain(t, cluster, db, "pg")
		if all, warnings := log.counts(); warnings > 0 || all > 5 {
			t.Errorf("%d log records, %d warnings: %v", all, warnings, log.list)
		}
	})
	t.Run("by its address", func(t *testing.T) {
		cfg, err := pgx.ParseConfig(cluster.URL("127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Host, cfg.Port = hostAndPort(t, cluster.Writer().ListenAddr())
		connector, err := pgdriver.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		db := handle{DB: sql.OpenDB(connector), connector: connector.(*core.Connector)}
		defer db.Close()
		wantPlain(t, cluster, db, "pg")
	})
}

func hostAndPort(t *testing.T, addr string) (string, uint16) {
	t.Helper()
	host, port, err := core.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// TestNoPermission covers B72: a role that may not ask for a Multi-AZ cluster's topology gets a plain pool and one
// warning.
func TestNoPermission(t *testing.T) {
	for name, revoke := range map[string]string{
		"usage of the schema":     "revoke usage on schema rds_tools from public",
		"execution of the source": "revoke execute on function rds_tools.multi_az_db_cluster_source_dbi_resource_id() from public",
		"execution of everything": "revoke execute on all functions in schema rds_tools from public",
	} {
		t.Run(name, func(t *testing.T) {
			cluster := startCluster(t, lab.Options{Flavor: lab.MultiAZPG})
			if err := cluster.AdminExec(t.Context(), cluster.Writer().ID(), revoke); err != nil {
				t.Fatal(err)
			}
			var log records
			db := open(t, cluster, cluster.URL(cluster.Endpoint()), pgdriver.WithLogger(slog.New(&log)))
			wantPlain(t, cluster, db, "rds-pg")
			if _, warnings := log.counts(); warnings != 1 {
				t.Errorf("%d warnings, want one: %v", warnings, log.list)
			}
		})
	}
}

// TestTooManyConnections covers B73: a monitor that the server has no room for waits; that is no failover.
func TestTooManyConnections(t *testing.T) {
	cluster := startCluster(t, lab.Options{})
	var log records
	db := open(t, cluster, cluster.URL(cluster.Endpoint(), "application_name=full", "topology_refresh_ms=200"), pgdriver.WithLogger(slog.New(&log)))
	mustExec(t, db.DB, "create table t (id int)")
	conn := session(t, db)
	admin := func(sql string) {
		t.Helper()
		if err := cluster.AdminExec(t.Context(), cluster.Writer().ID(), sql); err != nil {
			t.Fatal(err)
		}
	}
	limit := func(connections string) {
		admin("alter role app connection limit " + connections)
	}

	limit("1") // those that are open may stay
	dials := cluster.Writer().Dials()
	admin("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'full-topology'")
	eventually(t, "the monitor does not come back", func() bool { return cluster.Writer().Dials() >= dials+3 })
	for began, n := time.Now(), 0; time.Since(began) < time.Second; n++ {
		if _, err := conn.ExecContext(t.Context(), "insert into t values ($1)", n); err != nil {
			t.Fatalf("a call on a healthy connection: %v", err)
		}
	}
	tried := cluster.Writer().Dials() - dials
	t.Logf("%d attempts to log in while the server was full", tried)
	if tried > 100 {
		t.Errorf("%d attempts to log in: that is no back-off", tried)
	}
	err := bounded(callLimit, func(ctx context.Context) error { _, err := db.ExecContext(ctx, "insert into t values (0)"); return err })
	if stateOf(err) != "53300" || errors.Is(err, core.ErrFailover) {
		t.Errorf("a call that needs a new connection: %v, want the server's own 53300", err)
	}
	if writer, _ := db.connector.Cluster().Topology().Writer(); writer.ID != cluster.Writer().ID() {
		t.Errorf("the writer is believed to be %s", writer.ID)
	}

	limit("-1")
	mustExec(t, db.DB, "insert into t values (0)")
	replaceWriter(t, cluster) // which is seen only by a monitor
	follows(t, db.DB)
	mustExec(t, db.DB, "insert into t values (0)")
	wantCluster(t, cluster, db, "aurora-pg")
}
