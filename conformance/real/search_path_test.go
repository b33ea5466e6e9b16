package real

import (
	"fmt"
	"strings"
	"testing"

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
	for name, flavor := range map[string]lab.Flavor{"aurora-pg": lab.AuroraPG, "rds-multi-az-pg-cluster": lab.MultiAZPG, "pg": lab.PG} {
		t.Run(name, func(t *testing.T) {
			cluster := startCluster(t, lab.Options{Flavor: flavor})
			if _, err := bare(t, cluster, cluster.Endpoint()).Exec(t.Context(), hostileSchema()); err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{"select pg_is_in_recovery()", "select 'a'::text = 'b'::text", "select now()"} {
				if _, err := bare(t, cluster, cluster.Endpoint()).Exec(t.Context(), query); stateOf(err) != "P0001" {
					t.Fatalf("%s is not shadowed: %v", query, err)
				}
			}
			db := open(t, cluster, cluster.URL(cluster.Endpoint(), "search_path=hostile,pg_catalog,public"))
			mustExec(t, db.DB, "create table public.t (id int)")
			wantCluster(t, cluster, db, name)
			if flavor == lab.PG {
				return // there is nothing to follow
			}
			replaceWriter(t, cluster)
			follows(t, db.DB)
			mustExec(t, db.DB, "insert into public.t values (1)")
			wantCluster(t, cluster, db, name)
		})
	}
}

// wantCluster demands that the library knows the kind of the database, its members and its writer.
func wantCluster(t *testing.T, cluster *lab.Cluster, db handle, dialect string) {
	t.Helper()
	if got := db.connector.Cluster().Dialect().Code(); got != dialect {
		t.Errorf("dialect %s, want %s", got, dialect)
	}
	hosts := len(cluster.Instances())
	if dialect == "pg" {
		hosts = 1
	}
	var topology *core.Topology
	eventually(t, "the topology is not known", func() bool {
		topology = db.connector.Cluster().Topology()
		return topology.Verified && len(topology.Hosts) == hosts
	})
	writer, ok := topology.Writer()
	if !ok || hosts > 1 && writer.ID != cluster.Writer().ID() {
		t.Errorf("writer %v, want %s", writer, cluster.Writer().ID())
	}
}
