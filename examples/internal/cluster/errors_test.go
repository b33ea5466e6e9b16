package cluster_test

import (
	"database/sql"
	"testing"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// TestErrors: database/sql itself is the measure for the tools above it.
func TestErrors(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		cluster.CheckErrors(t, e, c, func(params ...string) cluster.Calls {
			db, err := sql.Open(e.Driver, c.DSN(c.Endpoint(), params...))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return cluster.CallsOf(db)
		})
	})
}
