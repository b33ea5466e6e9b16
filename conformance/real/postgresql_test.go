package real

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// hostileFunctions shadow what the library asks servers; each fails.
var hostileFunctions = []string{
	"pg_is_in_recovery() returns boolean", "now() returns timestamptz", "current_setting(text) returns text",
	"current_setting(text, boolean) returns text", "to_regproc(text) returns regproc",
	"aurora_db_instance_identifier() returns text", "aurora_version() returns text",
	"aurora_replica_status() returns table (server_id text, session_id text, last_update_timestamp timestamptz)",
	"show_topology(text) returns table (id text, endpoint text, port int)", "dbi_resource_id() returns text",
	"multi_az_db_cluster_source_dbi_resource_id() returns text", "inet_server_addr() returns inet", "version() returns text",
}

// hostileOperators are equality for each type that the library could compare.
var hostileOperators = []string{"text", "name", "boolean", "int", "bigint", "regproc", "oid", "timestamptz"}

func hostileSchema() string {
	var sql strings.Builder
	sql.WriteString("create schema hostile;\n")
	for _, f := range hostileFunctions {
		fmt.Fprintf(&sql, "create function hostile.%s language plpgsql as $$ begin raise exception 'hostile function'; end $$;\n", f)
	}
	for _, t := range hostileOperators {
		fmt.Fprintf(&sql, "create function hostile.equal(%[1]s, %[1]s) returns boolean language plpgsql as "+
			"$$ begin raise exception 'hostile operator'; end $$;\n"+
			"create operator hostile.= (function = hostile.equal, leftarg = %[1]s, rightarg = %[1]s);\n", t)
	}
	// The role's own setting holds for the library's monitoring connections too.
	sql.WriteString("alter role current_user set search_path = hostile, pg_catalog, public;")
	return sql.String()
}

// TestHostileSearchPath covers B74: nothing that stands in front of pg_catalog changes what the library sees.
func TestHostileSearchPath(t *testing.T) {
	for _, flavor := range []lab.Flavor{lab.AuroraPG, lab.MultiAZPG, lab.PG} {
		t.Run(frontend.PostgreSQL.Dialect(flavor), func(t *testing.T) {
			cluster := start(t, frontend.PostgreSQL, lab.Options{Flavor: flavor})
			mustExec(t, bare(t, cluster, cluster.Endpoint()), hostileSchema())
			for _, query := range []string{"select pg_is_in_recovery()", "select 'a'::text = 'b'::text", "select now()"} {
				_, err := bare(t, cluster, cluster.Endpoint()).ExecContext(t.Context(), query)
				cluster.says(t, query+", shadowed", err, "P0001")
			}
			db := open(t, cluster, cluster.Endpoint(), "search_path=hostile,pg_catalog,public")
			mustExec(t, db.DB, "create table public.t (id int)")
			wantCluster(t, cluster, db, flavor)
			if flavor == lab.PG {
				return // there is nothing to follow
			}
			replaceWriter(t, cluster)
			follows(t, db)
			mustExec(t, db.DB, "insert into public.t values (1)")
			wantCluster(t, cluster, db, flavor)
		})
	}
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
			cluster := start(t, frontend.PostgreSQL, lab.Options{Flavor: lab.MultiAZPG})
			if err := cluster.AdminExec(t.Context(), cluster.Writer().ID(), revoke); err != nil {
				t.Fatal(err)
			}
			var log records
			db := openWith(t, cluster, frontend.Options{DSN: cluster.DSN(cluster.Endpoint()), Logger: slog.New(&log)})
			wantPlain(t, cluster, db, lab.RDSPG)
			if _, warnings := log.counts(); warnings != 1 {
				t.Errorf("%d warnings, want one: %v", warnings, log.list)
			}
		})
	}
}

// TestTooManyConnections covers B73: a monitor that the server has no room for waits; that is no failover.
func TestTooManyConnections(t *testing.T) {
	cluster := start(t, frontend.PostgreSQL, lab.Options{})
	db := open(t, cluster, cluster.Endpoint(), "application_name=full", "topology_refresh_ms=200")
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
	cluster.says(t, "a call that needs a new connection", err, cluster.codes.TooManyConnections)
	if errors.Is(err, core.ErrFailover) {
		t.Errorf("a call that needs a new connection: %v", err)
	}
	if writer, _ := db.Cluster().Topology().Writer(); writer.ID != cluster.Writer().ID() {
		t.Errorf("the writer is believed to be %s", writer.ID)
	}

	limit("-1")
	mustExec(t, db.DB, "insert into t values (0)")
	replaceWriter(t, cluster) // which is seen only by a monitor
	follows(t, db)
	mustExec(t, db.DB, "insert into t values (0)")
	wantCluster(t, cluster, db, lab.AuroraPG)
}
