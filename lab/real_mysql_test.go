package lab_test

import (
	"io"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab"
)

func TestRealMySQLFlavors(t *testing.T) {
	const noVariable, noTable, noInformation = "error 1193", "error 1146", "error 1109"
	for name, tc := range map[string]struct {
		flavor lab.Flavor
		want   map[string]string
	}{
		"Aurora": {lab.AuroraMySQL, map[string]string{
			"select @@aurora_server_id, @@innodb_read_only":                                                       "mydb-1|0",
			"show variables like 'aurora_version'":                                                                "aurora_version|3.08.0",
			"select server_id from information_schema.replica_host_status where session_id = 'MASTER_SESSION_ID'": "mydb-1",
			"select 1 from mysql.rds_topology":                                                                    noTable,
		}},
		"Multi-AZ": {lab.MultiAZMySQL, map[string]string{
			"select @@aurora_server_id": noVariable,
			"select endpoint, port from mysql.rds_topology where id = @@server_id": "mydb-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com|3306",
			"select 1 from information_schema.replica_host_status":                 noInformation,
			"show replica status": "",
		}},
		"MariaDB": {lab.MariaDB, map[string]string{
			"select @@aurora_server_id":                            noVariable,
			"show variables like 'aurora_version'":                 "",
			"select 1 from information_schema.replica_host_status": noInformation,
			"select 1 from mysql.rds_topology":                     noTable,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := startReal(t, lab.Options{Flavor: tc.flavor, Instances: 1})
			db := open(t, cluster, cluster.Endpoint())
			for query, want := range tc.want {
				wantEqual(t, query, answer(t, db, query), want)
			}
		})
	}
}

func TestRealMultiAZ(t *testing.T) {
	cluster := startReal(t, lab.Options{Flavor: lab.MultiAZMySQL})
	wantEqual(t, "writer", multiAZWriter(t, cluster, "mydb-3"), cluster.Instance("mydb-1").Host())
	promote(t, cluster, "mydb-2", lab.PromoteOptions{})
	wantEqual(t, "writer after a promotion", multiAZWriter(t, cluster, "mydb-3"), cluster.Instance("mydb-2").Host())
}

// TestRealMySQLTransfers: what the proxy has to pass on as it is.
func TestRealMySQLTransfers(t *testing.T) {
	mysql.RegisterReaderHandler("lab-real", func() io.Reader { return strings.NewReader("1\tbook\n2\t\\N\n") })
	t.Cleanup(func() { mysql.DeregisterReaderHandler("lab-real") })
	cluster := startReal(t, lab.Options{
		Flavor: lab.AuroraMySQL, Instances: 1, TLS: lab.TLSOptional, Settings: map[string]string{"local_infile": "1", "max_allowed_packet": "64M"},
	})
	for name, params := range map[string][]string{"TLS": nil, "plain": {"tls=false"}, "compressed": {"compress=true"}} {
		t.Run(name, func(t *testing.T) {
			db := open(t, cluster, cluster.Endpoint(), append(params, "multiStatements=true")...)
			exec(t, db, "drop table if exists t; create table t (id int, item longtext)")
			exec(t, db, "load data local infile 'Reader::lab-real' into table t")
			text := strings.Repeat("0123456789abcdef", 20<<20/16)
			exec(t, db, "insert into t values (?, ?)", 3, text)
			var got string
			if err := db.QueryRow("select item from t where id = ?", 3).Scan(&got); err != nil || got != text {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			wantEqual(t, "rows", cluster.Rows("t"), [][]any{{int64(1), "book"}, {int64(2), nil}, {int64(3), text}})
		})
	}
}
