package mysqldriver_test

import (
	"context"
	"database/sql"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
)

// A transaction whose context ends while its host hangs does not keep its place in
// the pool: the driver alone would wait for the answer to its ROLLBACK for ever.
func TestRollbackOnAHungHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraMySQL, Network: lab.Memory, Auth: lab.Trust})
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		cfg, err := mysqldriver.ParseDSN(cluster.DSN(cluster.Endpoint(), "plugins=none"))
		if err != nil {
			t.Fatal(err)
		}
		k, err := mysqldriver.NewConnector(cfg, mysqldriver.WithDialer(cluster.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(k)
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		cluster.Writer().Freeze()
		time.Sleep(2500 * time.Millisecond) // a second for the context, one for the rollback
		if s := db.Stats(); s.OpenConnections != 0 {
			t.Errorf("%d connections are open, %d in use", s.OpenConnections, s.InUse)
		}
		if err := tx.Commit(); err == nil {
			t.Error("committed")
		}
		cluster.Writer().Heal()
	})
}
