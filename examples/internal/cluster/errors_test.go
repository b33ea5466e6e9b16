package cluster_test

import (
	"context"
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
			return calls(db)
		})
	})
}

func calls(db *sql.DB) cluster.Calls {
	return cluster.Calls{
		Exec: func(ctx context.Context, statement string) error {
			_, err := db.ExecContext(ctx, statement)
			return err
		},
		InTx: func(ctx context.Context, work func(func(string) error) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			err = work(func(statement string) error {
				_, err := tx.ExecContext(ctx, statement)
				return err
			})
			if err != nil {
				return err
			}
			return tx.Commit()
		},
	}
}
