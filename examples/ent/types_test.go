package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/ent/shop"
	"github.com/awsdb/awsdb/examples/ent/shop/item"
	"github.com/awsdb/awsdb/examples/ent/shop/purchase"
	"github.com/awsdb/awsdb/examples/ent/shop/schema"
	"github.com/awsdb/awsdb/examples/internal/cluster"
)

// checkTypes looks at what differs from driver to driver, with real servers.
func checkTypes(t *testing.T, e cluster.Engine, client *shop.Client) {
	ctx := cluster.Context(t)
	weight := 0.125
	details := schema.Details{Colour: "café 'au' \"lait\" \\ 🫖", Sizes: []int{38, math.MaxInt64}, Weight: &weight}
	tea := client.Item.Create().SetSku("tea").SetDetails(details).SetTags([]string{"a,b", `"`, ""}).SaveX(ctx)

	t.Run("JSON", func(t *testing.T) {
		got := client.Item.GetX(ctx, tea.ID)
		if diff := cmp.Diff([]any{details, []string{"a,b", `"`, ""}}, []any{got.Details, got.Tags}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("numbers, NULL and time zones", func(t *testing.T) {
		// A zone with an offset that no server has, and a moment that MySQL's whole seconds can hold.
		at := time.Date(2026, 11, 23, 4, 5, 6, 0, time.FixedZone("", 5*3600+45*60))
		client.Purchase.Create().SetNumber(math.MinInt64).SetPlacedAt(at).SetItem(tea).ExecX(ctx)
		client.Purchase.Create().SetNumber(math.MaxInt64).SetPlacedAt(at).SetNote("").SetItem(tea).ExecX(ctx)
		got := client.Purchase.Query().Where(purchase.HasItemWith(item.Sku("tea"))).Order(purchase.ByNumber()).AllX(ctx)
		if len(got) != 2 || got[0].Number != math.MinInt64 || got[1].Number != math.MaxInt64 {
			t.Fatalf("got %v", got)
		}
		if got[0].Note != nil || got[1].Note == nil || *got[1].Note != "" {
			t.Errorf("notes %v and %v, want none and an empty one", got[0].Note, got[1].Note)
		}
		if !got[0].PlacedAt.Equal(at) {
			t.Errorf("placed at %v, want %v", got[0].PlacedAt, at)
		}
	})
	t.Run("bulk", func(t *testing.T) {
		const many = 1000
		all := make([]*shop.ItemCreate, many)
		for i := range all {
			all[i] = client.Item.Create().SetSku(fmt.Sprintf("bulk-%d", i)).SetStock(int64(i))
		}
		made := client.Item.CreateBulk(all...).SaveX(ctx)
		for _, one := range []*shop.Item{made[0], made[many-1]} { // the ids that RETURNING or LAST_INSERT_ID tell
			if got := client.Item.GetX(ctx, one.ID); got.Sku != one.Sku {
				t.Errorf("%s has the id of %s", one.Sku, got.Sku)
			}
		}
		if n := client.Item.Delete().Where(item.SkuHasPrefix("bulk-")).ExecX(ctx); n != many {
			t.Errorf("%d deleted, want %d", n, many)
		}
	})
	t.Run("upsert", func(t *testing.T) {
		id := client.Item.Create().SetSku("tea").SetStock(7).OnConflictColumns(item.FieldSku).
			Update(func(u *shop.ItemUpsert) { u.AddStock(5) }).IDX(ctx)
		if got := client.Item.GetX(ctx, tea.ID); id != tea.ID || got.Stock != 5 || got.Details.Colour != details.Colour {
			t.Errorf("id %d, %v", id, got)
		}
		// Where nothing was inserted, DoNothing has no row to return on PostgreSQL.
		err := client.Item.Create().SetSku("tea").OnConflictColumns(item.FieldSku).DoNothing().Exec(ctx)
		if (e == cluster.PostgreSQL) != errors.Is(err, sql.ErrNoRows) || e == cluster.MySQL && err != nil {
			t.Errorf("do nothing: %v", err)
		}
	})
	t.Run("constraints", func(t *testing.T) {
		checkUnique(t, e, client.Item.Create().SetSku("tea").Exec(ctx))
		if err := client.Item.DeleteOne(tea).Exec(ctx); !shop.IsConstraintError(err) { // purchases refer to it
			t.Errorf("foreign key: %v", err)
		}
	})
	t.Run("read only", func(t *testing.T) {
		tx, err := client.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		// The server refuses as a demoted writer does, and it is no failover.
		if err := tx.Item.UpdateOne(tea).SetStock(1).Exec(ctx); err == nil || errors.Is(err, core.ErrFailover) {
			t.Errorf("a write got %v", err)
		}
	})
	t.Run("hooks", func(t *testing.T) {
		var told []string
		undo := errors.New("undo")
		err := withTx(ctx, client, func(tx *shop.Tx) error {
			tx.OnCommit(func(next shop.Committer) shop.Committer {
				return shop.CommitFunc(func(ctx context.Context, tx *shop.Tx) error {
					told = append(told, "commit")
					return next.Commit(ctx, tx)
				})
			})
			return tx.Item.UpdateOne(tea).SetStock(9).Exec(ctx)
		})
		if err != nil {
			t.Error(err)
		}
		err = withTx(ctx, client, func(tx *shop.Tx) error {
			tx.OnRollback(func(next shop.Rollbacker) shop.Rollbacker {
				return shop.RollbackFunc(func(ctx context.Context, tx *shop.Tx) error {
					told = append(told, "rollback")
					return next.Rollback(ctx, tx)
				})
			})
			tx.Item.UpdateOne(tea).SetStock(10).ExecX(ctx)
			return undo
		})
		if got := client.Item.GetX(ctx, tea.ID).Stock; !errors.Is(err, undo) || got != 9 || !cmp.Equal(told, []string{"commit", "rollback"}) {
			t.Errorf("%v, stock %d, hooks %v", err, got, told)
		}
	})
}
