package main

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/examples/ent/shop"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openShop opens a client as the program does.
func openShop(t *testing.T, e cluster.Engine, c *lab.Cluster, params ...string) *shop.Client {
	t.Helper()
	client, err := open(e.DSN(c, c.Endpoint(), params...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func TestShopGoesOn(t *testing.T) {
	cluster.EachReal(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		client := openShop(t, e, c)
		if err := prepare(ctx, client); err != nil {
			t.Fatal(err)
		}
		outcome := cluster.FailOverDuring(t, c, func(ctx context.Context, n int64) error {
			return order(ctx, client, n, sku(0))
		})
		found := map[int64]int{}
		for _, p := range client.Purchase.Query().AllX(ctx) {
			found[p.Number]++
		}
		outcome.ExactlyOnce(t, found)
		sold, left, err := inventory(ctx, client)
		if err != nil || sold != len(found) || sold+left != kinds*supply {
			t.Errorf("%d sold and %d left, %v, after %d purchases", sold, left, err, len(found))
		}
		if err := prepare(ctx, client); err != nil { // the next start of the program
			t.Error(err)
		}
		if _, again, err := inventory(ctx, client); err != nil || again != left {
			t.Errorf("%d left after the next start, %v, want %d", again, err, left)
		}
		checkTypes(t, e, client)
	})
}
