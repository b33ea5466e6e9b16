package cluster_test

import (
	"context"
	"database/sql"
	"testing"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	_ "github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	_ "github.com/awsdb/awsdb/mysqldriver"
	_ "github.com/awsdb/awsdb/pgdriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDatabaseSQL: what the examples' tests do, with nothing but database/sql.
func TestDatabaseSQL(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		db, err := sql.Open(e.Driver, c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), "create table work (n bigint not null)"); err != nil {
			t.Fatal(err)
		}
		insert := map[cluster.Engine]string{cluster.PostgreSQL: "insert into work values ($1)", cluster.MySQL: "insert into work values (?)"}[e]
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			return core.RunTx(ctx, db, nil, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, insert, n)
				return err
			})
		})
		found := map[int64]int{}
		for _, row := range c.Rows("work") {
			found[row[0].(int64)]++
		}
		outcome.ExactlyOnce(t, found)
	})
}
