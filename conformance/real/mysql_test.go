package real

import (
	"io"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
)

// TestMultiAZMySQL: a Multi-AZ cluster is recognised, and followed through a failover.
func TestMultiAZMySQL(t *testing.T) {
	cluster := start(t, frontend.MySQL, lab.Options{Flavor: lab.MultiAZMySQL})
	db := open(t, cluster, cluster.Endpoint())
	mustExec(t, db.DB, "create table t (id int)")
	wantCluster(t, cluster, db, lab.MultiAZMySQL)
	replaceWriter(t, cluster)
	follows(t, db)
	mustExec(t, db.DB, "insert into t values (1)")
	wantCluster(t, cluster, db, lab.MultiAZMySQL)
}

// TestLoadDataAndMultiStatements: what go-sql-driver can do beside ordinary statements, it can do here, and after a
// failover, compressed or not (the lab's proxy declines compression).
func TestLoadDataAndMultiStatements(t *testing.T) {
	cluster := start(t, frontend.MySQL, lab.Options{})
	for _, mode := range frontend.MySQL.Params().Modes {
		db := open(t, cluster, cluster.Endpoint(), "multiStatements=true", mode)
		const rows = 10_000
		mysql.RegisterReaderHandler("rows", func() io.Reader { return strings.NewReader(strings.Repeat("1\ttext\n", rows)) })
		defer mysql.DeregisterReaderHandler("rows")
		for _, when := range []string{"at first", "after a failover"} {
			mustExec(t, db.DB, "drop table if exists t; create table t (id int, name varchar(10)); insert into t values (2, 'two')")
			mustExec(t, db.DB, "load data local infile 'Reader::rows' into table t")
			if n := scalar[int](t, db.DB, "select count(*) from t where id = ?", 1); n != rows {
				t.Errorf("%s, %s: %d of %d rows were loaded", mode, when, n, rows)
			}
			results, err := db.QueryContext(t.Context(), "select 1; select 2; select 3")
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for more := true; more; more = results.NextResultSet() {
				for results.Next() {
					var n int
					if err := results.Scan(&n); err != nil {
						t.Error(err)
					}
					got = append(got, n)
				}
			}
			if err := results.Close(); err != nil || results.Err() != nil {
				t.Error(err, results.Err())
			}
			if diff := cmp.Diff([]int{1, 2, 3}, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", mode, when, diff)
			}
			replaceWriter(t, cluster)
			follows(t, db)
		}
	}
}
