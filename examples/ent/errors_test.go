package main

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/ent/shop"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// tables are what Schema.Create makes, in the SQL of the simulation.
var tables = map[cluster.Engine][]string{
	cluster.PostgreSQL: {
		"create table items (id bigserial primary key, sku varchar(64) unique not null, stock bigint not null, details jsonb, tags jsonb)",
		"create table purchases (id bigserial primary key, number bigint unique not null, placed_at timestamptz not null, note text, item_purchases bigint not null)",
	},
	cluster.MySQL: {
		"create table items (id bigint auto_increment primary key, sku varchar(64) unique not null, stock bigint not null, details json, tags json)",
		"create table purchases (id bigint auto_increment primary key, number bigint unique not null, placed_at timestamp not null, note text, item_purchases bigint not null)",
	},
}

// What comes out of ent for each statement that may be lost. The page docs/ent.md shows it as a table.
func TestErrors(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		makeTables(t, e, c)
		client := openShop(t, e, c)
		items := make([]*shop.ItemCreate, kinds)
		for i := range items {
			items[i] = client.Item.Create().SetSku(sku(i)).SetStock(supply)
		}
		one := client.Item.CreateBulk(items...).SaveX(ctx)[0]
		begin := map[cluster.Engine]string{cluster.PostgreSQL: "begin", cluster.MySQL: "start transaction"}[e]
		all := func(from *shop.ItemClient) error {
			_, err := from.Query().All(ctx)
			return err
		}
		for _, test := range []struct {
			name, lost string
			fate       lab.Fate
			work       func() error
			received   int // how often the statement that was lost has reached the server
			kind       error
			unknown    bool
		}{
			{"create", "insert", lab.CutAfter(), func() error {
				return client.Item.Create().SetSku("new").Exec(ctx)
			}, 1, core.ErrFailoverSuccess, true},
			{"update of many", "coalesce", lab.CutAfter(), func() error {
				return client.Item.Update().AddStock(1).Exec(ctx)
			}, 1, core.ErrFailoverSuccess, true},
			{"update of one", "coalesce", lab.CutAfter(), func() error { // in a transaction of ent's own
				return one.Update().AddStock(1).Exec(ctx)
			}, 1, core.ErrTransactionResolutionUnknown, false},
			{"commit of an update of one", "commit", lab.CutAfter(), func() error {
				return one.Update().AddStock(1).Exec(ctx)
			}, 1, core.ErrTransactionResolutionUnknown, true},
			{"begin", begin, lab.CutAfter(), func() error {
				return one.Update().AddStock(1).Exec(ctx)
			}, 2, nil, false},
			{"create in a transaction", "insert", lab.CutAfter(), func() error {
				return withTx(ctx, client, func(tx *shop.Tx) error { return tx.Item.Create().SetSku("newer").Exec(ctx) })
			}, 1, core.ErrTransactionResolutionUnknown, false},
			{"commit", "commit", lab.CutBefore(), func() error {
				return withTx(ctx, client, func(tx *shop.Tx) error { return tx.Item.Create().SetSku("newest").Exec(ctx) })
			}, 1, core.ErrTransactionResolutionUnknown, true},
			{"query", "sku", lab.CutAfter(), func() error { return all(client.Item) }, 1, core.ErrFailoverSuccess, true},
			{"half of the rows", "sku", lab.CutAfterRows(1), func() error { return all(client.Item) }, 1, core.ErrFailoverSuccess, true},
			{"half of the rows in a transaction", "sku", lab.CutAfterRows(1), func() error {
				return withTx(ctx, client, func(tx *shop.Tx) error { return all(tx.Item) })
			}, 1, core.ErrTransactionResolutionUnknown, false},
		} {
			t.Run(test.name, func(t *testing.T) {
				received := cluster.Strike(c, test.lost, test.fate)
				err := test.work()
				if n := received(); n != test.received {
					t.Errorf("%q was received %d times, want %d", test.lost, n, test.received)
				}
				c.Writer().OnStatement(nil)
				if !errors.Is(err, test.kind) || errors.Is(err, core.ErrOutcomeUnknown) != test.unknown {
					t.Errorf("got %v, want %v, outcome unknown: %v", err, test.kind, test.unknown)
				}
				if shop.IsConstraintError(err) {
					t.Errorf("ent takes it for a violated constraint: %v", err)
				}
				var lost *core.LostError
				if test.kind != nil && !errors.As(err, &lost) {
					t.Errorf("does not tell why the connection was lost: %v", err)
				}
			})
		}
		t.Run("deadline", func(t *testing.T) {
			if err := all(client.Item); err != nil { // so that there is a connection
				t.Fatal(err)
			}
			cluster.Strike(c, "sku", lab.HangBefore())
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			_, err := client.Item.Query().All(short)
			c.Writer().OnStatement(nil)
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrFailover) || core.SafeToRepeat(err) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("unique", func(t *testing.T) {
			err := client.Item.Create().SetSku(sku(0)).Exec(ctx)
			checkUnique(t, e, err)
		})
		t.Run("no writer", func(t *testing.T) {
			impatient := openShop(t, e, c, "failover_timeout_sec=1")
			cluster.Await(t, "a connection", func() bool { return all(impatient.Item) == nil }) // on a slow machine it takes longer than that
			c.Writer().Crash()
			if err := all(impatient.Item); !errors.Is(err, core.ErrFailoverFailed) || core.SafeToRepeat(err) {
				t.Errorf("got %v", err)
			}
		})
	})
}

func makeTables(t *testing.T, e cluster.Engine, c *lab.Cluster) {
	t.Helper()
	db, err := sql.Open(e.Driver, c.DSN(c.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range tables[e] {
		if _, err := db.ExecContext(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
}

// checkUnique wants both: ent's own type, and the driver's error in it.
func checkUnique(t *testing.T, e cluster.Engine, err error) {
	t.Helper()
	if !shop.IsConstraintError(err) || !e.Duplicate(err) || core.ClassOf(err) != core.ClassNone {
		t.Errorf("got %v, class %v", err, core.ClassOf(err))
	}
}
