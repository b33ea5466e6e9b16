package pgdriver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
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

// Cause does not wait, and does not say that a new host is ready before one is.
func TestCause(t *testing.T) {
	for name, promoted := range map[string]bool{"before the promotion": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				follow, err := failover.New(failover.Options{})
				if err != nil {
					t.Fatal(err)
				}
				p, cluster := handoverPool(t, lab.Options{}, nil, WithPlugins(follow))
				c := acquired(t, p)
				cluster.Writer().Crash()
				began := time.Now()
				_, err = c.Conn().Exec(t.Context(), "select 1")
				if promoted {
					if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
						t.Fatal(err)
					}
					if err := p.Ping(t.Context()); err != nil {
						t.Fatal(err)
					}
					began = time.Now()
				}
				cause := Cause(err)
				if !errors.Is(cause, core.ErrFailover) || !errors.Is(cause, core.ErrOutcomeUnknown) || errors.Is(cause, core.ErrFailoverSuccess) != promoted {
					t.Errorf("%v: %v", err, cause)
				}
				if time.Since(began) > time.Millisecond || Cause(cause) != cause { //nolint:errorlint // as it is
					t.Errorf("it took %v, and made %v of itself", time.Since(began), Cause(cause))
				}
			})
		})
	}
	for _, err := range []error{nil, pgx.ErrNoRows, &pgconn.PgError{Code: "23505"}} {
		if Cause(err) != err { //nolint:errorlint // as it is
			t.Errorf("%v was changed", err)
		}
	}
}
