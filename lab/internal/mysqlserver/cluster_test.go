package mysqlserver

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// TestIdentity asks the questions by which clients recognize what they talk to, on the reader of a cluster.
func TestIdentity(t *testing.T) {
	questions := map[string]string{
		"aurora":   "SHOW VARIABLES LIKE 'aurora_version'",
		"comment":  "SHOW VARIABLES LIKE 'version_comment'",
		"report":   "SHOW VARIABLES LIKE 'report_host'",
		"global":   "SELECT COUNT(*) FROM information_schema.tables WHERE UPPER(table_schema) = 'INFORMATION_SCHEMA' AND UPPER(table_name) LIKE 'AURORA_GLOBAL_DB%'",
		"topology": "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'mysql' AND table_name = 'rds_topology'",
		"reader":   "SELECT @@innodb_read_only, @@read_only",
		"version":  "SELECT VERSION()",
	}
	const aurora, source, community = "aurora_version|3.08.0", "version_comment|Source distribution", "version_comment|MySQL Community Server - GPL"
	cases := map[sqlengine.Flavor]map[string][]string{
		sqlengine.AuroraMySQL: {"aurora": {aurora}, "comment": {source}, "report": {"report_host|"}, "global": {"0"}, "topology": {"0"}, "reader": {"1|1"}, "version": {"8.0.39"}},
		sqlengine.GlobalAuroraMySQL: {"aurora": {aurora}, "comment": {source}, "report": {"report_host|"}, "global": {"2"}, "topology": {"0"}, "reader": {"1|1"},
			"version": {"8.0.39"}},
		sqlengine.MultiAZMySQL: {"aurora": nil, "comment": {source}, "report": {"report_host|mydb-2.x.eu-west-1.rds.amazonaws.com"}, "global": {"0"}, "topology": {"1"},
			"reader": {"0|1"}, "version": {"8.0.39"}},
		sqlengine.RDSMySQL: {"aurora": nil, "comment": {source}, "report": {"report_host|"}, "global": {"0"}, "topology": {"0"}, "reader": {"0|1"}, "version": {"8.0.39"}},
		sqlengine.MySQL:    {"aurora": nil, "comment": {community}, "report": {"report_host|"}, "global": {"0"}, "topology": {"0"}, "reader": {"0|1"}, "version": {"8.0.39"}},
		sqlengine.MariaDB: {"aurora": nil, "comment": {"version_comment|mariadb.org binary distribution"}, "report": {"report_host|"}, "global": {"0"}, "topology": {"0"},
			"reader": {"0|1"}, "version": {"10.11.14-MariaDB"}},
	}
	for flavor, want := range cases {
		h := newHost("mydb-2", false)
		h.flavor = flavor
		c := trusting(t, Config{Host: h}).connect(t, "")
		got := map[string][]string{}
		for name, query := range questions {
			got[name] = c.table(query)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("flavor %d (-want +got):\n%s", flavor, diff)
		}
	}
}

func TestAuroraTopology(t *testing.T) {
	c := trusting(t, Config{Host: newHost("mydb-2", false)}).connect(t, "")
	play(t, c, []step{
		{sql: "SELECT @@aurora_server_id", rows: []string{"mydb-2"}},
		{sql: "SELECT SERVER_ID, IF(SESSION_ID = 'MASTER_SESSION_ID', 1, 0), CPU, REPLICA_LAG_IN_MILLISECONDS, LAST_UPDATE_TIMESTAMP FROM information_schema.replica_host_status ORDER BY 1",
			rows: []string{"mydb-1|1|12.5|0|2001-09-09 01:46:40", "mydb-2|0|0|20.5|NULL"}},
		{sql: "SELECT server_id FROM information_schema.replica_host_status WHERE time_to_sec(now()) = 1", failure: 1305},
		{sql: "SELECT server_id FROM information_schema.replica_host_status WHERE TIMESTAMPDIFF(SECOND, last_update_timestamp, NOW()) > 300 OR session_id = 'MASTER_SESSION_ID'",
			rows: []string{"mydb-1"}},
		{sql: "SELECT 1 FROM information_schema.aurora_global_db_status", failure: 1109},
		{sql: "SELECT 1 FROM mysql.rds_topology", failure: 1146},
		{sql: "INSERT INTO information_schema.replica_host_status VALUES (1)", failure: 1290},
	})
	h := newHost("mydb-1", true)
	h.flavor = sqlengine.GlobalAuroraMySQL
	h.status = append(h.status, sqlengine.InstanceStatus{ID: "far-1", Region: "us-east-1", LagMillis: 90})
	global := trusting(t, Config{Host: h}).connect(t, "")
	play(t, global, []step{
		{sql: "SELECT aws_region FROM information_schema.aurora_global_db_status", rows: []string{"eu-west-1", "us-east-1"}},
		{sql: "SELECT server_id, aws_region, visibility_lag_in_msec FROM information_schema.aurora_global_db_instance_status WHERE session_id <> 'MASTER_SESSION_ID'",
			rows: []string{"mydb-2|eu-west-1|20.5", "far-1|us-east-1|90"}},
		{sql: "SELECT COUNT(*) FROM information_schema.replica_host_status", rows: []string{"2"}},
	})
}

func TestMultiAZTopology(t *testing.T) {
	connectTo := func(id string, writable bool) client {
		h := newHost(id, writable)
		h.flavor = sqlengine.MultiAZMySQL
		h.status[0].ResourceID, h.status[1].ResourceID = "101", "102"
		return trusting(t, Config{Host: h}).connect(t, "")
	}
	writer, reader := connectTo("mydb-1", true), connectTo("mydb-2", false)
	play(t, writer, []step{
		{sql: "SELECT id, SUBSTRING_INDEX(endpoint, '.', 1), port FROM mysql.rds_topology", rows: []string{"101|mydb-1|3306", "102|mydb-2|3306"}},
		{sql: "SELECT endpoint FROM mysql.rds_topology WHERE id = @@server_id", rows: []string{"mydb-1.x.eu-west-1.rds.amazonaws.com"}},
		{sql: "SHOW SLAVE STATUS", rows: []string{}},
	})
	if got := writer.table("SHOW REPLICA STATUS"); len(got) != 0 {
		t.Errorf("the writer replicates: %v", got)
	}
	for query, name := range map[string]string{"SHOW REPLICA STATUS": "Source_Server_Id", "SHOW SLAVE STATUS": "Master_Server_Id"} {
		rows, err := reader.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		if len(columns) != 41 || columns[39] != name { // some read it by its place
			t.Errorf("%s has columns %v", query, columns)
		}
		values := make([]any, len(columns))
		var source string
		for i := range values {
			values[i] = new(any)
		}
		values[39] = &source
		if !rows.Next() || rows.Scan(values...) != nil || source != "101" || rows.Next() {
			t.Errorf("%s: source %q", query, source)
		}
		rows.Close()
	}
}

// TestReadOnly: what each kind of reader refuses, and how.
func TestReadOnly(t *testing.T) {
	type refusal struct{ insert, create uint16 }
	for flavor, want := range map[sqlengine.Flavor]refusal{
		sqlengine.AuroraMySQL: {1290, 1836}, sqlengine.GlobalAuroraMySQL: {1290, 1836}, sqlengine.MultiAZMySQL: {1290, 1290}, sqlengine.MySQL: {1290, 1290},
		sqlengine.MariaDB: {1290, 1290},
	} {
		h := newHost("mydb-1", true)
		h.flavor = flavor
		store := sqlengine.NewStore()
		c := trusting(t, Config{Host: h, Store: store}).connect(t, "")
		c.must("CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "BEGIN", "INSERT INTO t VALUES (2)")
		h.writable.Store(false)
		c.refused(want.insert, "COMMIT") // too late
		c.refused(want.insert, "INSERT INTO t VALUES (3)", "UPDATE t SET a = 5", "DELETE FROM t", "LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
		c.refused(want.create, "CREATE TABLE u (a INT)", "DROP TABLE t", "TRUNCATE t", "ALTER TABLE t ADD b INT")
		c.must("SELECT * FROM t FOR UPDATE", "BEGIN", "SELECT * FROM t", "COMMIT")
		if diff := cmp.Diff([]string{"1"}, c.table("SELECT a FROM t")); diff != "" {
			t.Error(diff)
		}
	}
}
