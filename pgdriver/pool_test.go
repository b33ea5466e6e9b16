package pgdriver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
)

// All connections of a pool are lost at once, just after they were used, so that nobody has
// looked at them: no call that can be repeated tells of it.
func TestManyLostConnectionsAreUnseen(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, p *Pool) error{
		"exec":      func(ctx context.Context, p *Pool) error { _, err := p.Exec(ctx, "select 1"); return err },
		"query":     func(ctx context.Context, p *Pool) error { return drain(p.Query(ctx, "select 1")) },
		"query row": func(ctx context.Context, p *Pool) error { return p.QueryRow(ctx, "select 1").Scan(new(int)) },
		"ping":      func(ctx context.Context, p *Pool) error { return p.Ping(ctx) },
		"begin": func(ctx context.Context, p *Pool) error {
			tx, err := p.Begin(ctx)
			if err != nil {
				return err
			}
			return tx.Commit(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				follow, err := failover.New(failover.Options{})
				if err != nil {
					t.Fatal(err)
				}
				p, cluster := handoverPool(t, lab.Options{}, func(cfg *pgxpool.Config) { cfg.MaxConns = 10 }, WithPlugins(follow))
				var idle []Conn
				for range 10 {
					idle = append(idle, acquired(t, p))
				}
				for _, c := range idle {
					c.Release()
				}
				cluster.Writer().Crash()
				if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond) // the resets arrive
				if err := call(t.Context(), p); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
