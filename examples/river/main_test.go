package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/pgdriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryOrderGetsOneInvoice(t *testing.T) {
	c := cluster.StartReal(t)
	pool := cluster.Pool(t, c, cluster.Config(t, c))
	ctx := cluster.Context(t)
	if err := prepare(ctx, pool); err != nil {
		t.Fatal(err)
	}
	cfg := configuration()
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.JobTimeout, cfg.RescueStuckJobsAfter = 5*time.Second, 5*time.Second
	client, err := startWorking(ctx, pool, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()

	var taken atomic.Int64
	var all sync.WaitGroup
	ordering, stop := context.WithCancel(ctx)
	defer all.Wait()
	defer stop()
	for range 2 {
		all.Go(func() {
			for ordering.Err() == nil {
				if err := order(ctx, pool, client, taken.Add(1)); err != nil {
					t.Errorf("order: %v", err)
					return
				}
			}
		})
	}
	more := func(n int64) {
		t.Helper()
		goOn := taken.Load() + n
		cluster.Await(t, "more orders", func() bool { return taken.Load() >= goOn })
	}
	more(50)
	cluster.FailOver(t, c, "mydb-2")
	more(50)
	stop()
	all.Wait()

	cluster.Await(t, "all invoices", func() bool {
		n, err := openOrders(ctx, pool)
		return n == 0 && err == nil
	})
	want := map[int64]int{}
	for id := range taken.Load() {
		want[id+1] = 1
	}
	if diff := cmp.Diff(want, invoices(ctx, t, pool)); diff != "" {
		t.Errorf("invoices of each order (-want +got):\n%s", diff)
	}
}

// invoices counts those of each order.
func invoices(ctx context.Context, t *testing.T, pool *pgdriver.Pool) map[int64]int {
	t.Helper()
	rows, err := pool.Query(ctx, "select order_id, count(*) from invoices group by order_id")
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]int{}
	var id int64
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		got[id] = n
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}
