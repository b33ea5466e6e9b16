package mysqldriver_test

import (
	"database/sql"
	"testing"
	"testing/synctest"

	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
)

// The question who a host is leaves no transaction behind, in which the application
// would see the data as of its connect. (That of Aurora reads no table.)
func TestIdentityLeavesNoTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, err := lab.Start(lab.Options{Flavor: lab.MultiAZMySQL, Network: lab.Memory, Auth: lab.Trust})
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		db := following(t, cluster, "autocommit=0")
		defer db.Close()
		var one int
		if err := db.QueryRowContext(t.Context(), "select 1").Scan(&one); err != nil {
			t.Fatal(err)
		}
		for _, s := range cluster.Writer().Statements() {
			if s.SQL == "select 1" && s.InTx {
				t.Error("the first statement finds a transaction open")
			}
		}
	})
}

// Whatever else speaks MySQL's protocol is a community server.
func TestServersOfOtherMakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, err := lab.Start(lab.Options{Flavor: lab.MySQL, Network: lab.Memory, Auth: lab.Trust})
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		cluster.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if s.SQL == "SELECT @@version, @@version_comment, @@report_host" {
				return lab.Fail("1193", "Unknown system variable 'report_host'")
			}
			return lab.Run()
		})
		db := following(t, cluster)
		defer db.Close()
		if err := db.PingContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// following opens a handle with the failover plugin.
func following(t *testing.T, cluster *lab.Cluster, params ...string) *sql.DB {
	t.Helper()
	cfg, err := mysqldriver.ParseDSN(cluster.DSN(cluster.Endpoint(), params...))
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := failover.New(failover.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := mysqldriver.NewConnector(cfg, mysqldriver.WithDialer(cluster.DialContext), mysqldriver.WithResolver(cluster), mysqldriver.WithPlugins(plugin))
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(k)
}
