package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/feature"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
)

// Thing has a column of each type that drivers differ in.
type Thing struct {
	ID     int64             `bun:",pk,autoincrement"`
	Name   string            `bun:"type:varchar(64),unique"`
	Text   string            `bun:",notnull"`
	Blob   []byte            `bun:",notnull"`
	Large  uint64            `bun:"type:numeric(20,0)"`
	Price  string            `bun:"type:numeric(30,10)"`
	At     time.Time         `bun:",notnull"`
	Labels map[string]string `bun:"type:json"`
	Raw    json.RawMessage   `bun:"type:json"`
	None   *string           `bun:"type:varchar(64)"`
}

// checkTypes looks at what differs from driver to driver, with real servers. bun writes values into the text of a
// statement itself.
func checkTypes(t *testing.T, e cluster.Engine, db *bun.DB) {
	ctx := cluster.Context(t)
	if _, err := db.NewCreateTable().Model((*Thing)(nil)).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	want := Thing{
		Name: "first", Text: "it's \"?\" \\ %s 🫖\n$1", Blob: []byte{0, '\'', '\\', 255}, Large: math.MaxUint64,
		Price: "12345678901234567890.0123456789",
		// A zone with an offset that no server has, and a moment that MySQL's whole seconds can hold.
		At:     time.Date(2026, 11, 23, 4, 5, 6, 0, time.FixedZone("", 5*3600+45*60)),
		Labels: map[string]string{"it's": `"\`}, Raw: json.RawMessage(`{"n":[9007199254740993]}`),
	}
	t.Run("values", func(t *testing.T) {
		if _, err := db.NewInsert().Model(&want).Exec(ctx); err != nil || want.ID == 0 {
			t.Fatalf("id %d, %v", want.ID, err)
		}
		got := Thing{ID: want.ID}
		if err := db.NewSelect().Model(&got).WherePK().Scan(ctx); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("bulk", func(t *testing.T) {
		all := make([]Thing, 1000)
		for i := range all {
			all[i] = Thing{Name: fmt.Sprint("bulk ", i), Price: "1", At: want.At, Blob: []byte{}, Raw: json.RawMessage("{}")}
		}
		if _, err := db.NewInsert().Model(&all).Exec(ctx); err != nil {
			t.Fatal(err)
		}
		last := all[len(all)-1]
		got := Thing{ID: last.ID}
		if err := db.NewSelect().Model(&got).WherePK().Scan(ctx); err != nil || got.Name != last.Name {
			t.Errorf("the last one has the id of %q, %v", got.Name, err)
		}
	})
	t.Run("upsert", func(t *testing.T) {
		on, excluded := "DUPLICATE KEY UPDATE", "text = VALUES(text)"
		if db.HasFeature(feature.InsertOnConflict) {
			on, excluded = "CONFLICT (name) DO UPDATE", "text = EXCLUDED.text"
		}
		again := want
		again.ID, again.Text = 0, "second"
		if _, err := db.NewInsert().Model(&again).On(on).Set(excluded).Exec(ctx); err != nil {
			t.Fatal(err)
		}
		got := Thing{ID: want.ID}
		if err := db.NewSelect().Model(&got).WherePK().Scan(ctx); err != nil || got.Text != "second" || got.Price != want.Price {
			t.Errorf("got %v, %v", got, err)
		}
	})
	t.Run("unique", func(t *testing.T) {
		again := want
		again.ID = 0
		_, err := db.NewInsert().Model(&again).Exec(ctx)
		if !e.Duplicate(err) || core.ClassOf(err) != core.ClassNone {
			t.Errorf("got %v, class %v", err, core.ClassOf(err))
		}
	})
	t.Run("savepoint", func(t *testing.T) {
		undo := errors.New("undo")
		err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			rename := func(tx bun.Tx, name string) error {
				_, err := tx.NewUpdate().Model((*Thing)(nil)).Set("name = ?", name).Where("id = ?", want.ID).Exec(ctx)
				return err
			}
			if err := rename(tx, "kept"); err != nil {
				return err
			}
			err := tx.RunInTx(ctx, nil, func(_ context.Context, tx bun.Tx) error { return errors.Join(rename(tx, "undone"), undo) })
			if !errors.Is(err, undo) {
				t.Errorf("inside: %v", err)
			}
			return nil
		})
		got := Thing{ID: want.ID}
		if err := errors.Join(err, db.NewSelect().Model(&got).WherePK().Scan(ctx)); err != nil || got.Name != "kept" {
			t.Errorf("%q, %v", got.Name, err)
		}
	})
	t.Run("read only", func(t *testing.T) {
		err := db.RunInTx(ctx, &sql.TxOptions{ReadOnly: true}, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewDelete().Model(&want).WherePK().Exec(ctx)
			return err
		})
		// The server refuses as a demoted writer does, and it is no failover.
		if err == nil || errors.Is(err, core.ErrFailover) {
			t.Errorf("a write got %v", err)
		}
	})
	if e == cluster.PostgreSQL {
		t.Run("arrays", func(t *testing.T) { checkArrays(t, db) })
	}
}

func checkArrays(t *testing.T, db *bun.DB) {
	type Tagged struct {
		ID      int64    `bun:",pk,autoincrement"`
		Tags    []string `bun:",array"`
		Numbers []int64  `bun:",array"`
	}
	ctx := t.Context()
	want := Tagged{Tags: []string{`a,"b"`, `c\`, "it's", "", "NULL"}, Numbers: []int64{math.MinInt64, math.MaxInt64}}
	if _, err := db.NewCreateTable().Model(&want).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.NewInsert().Model(&want).Exec(ctx); err != nil {
		t.Fatal(err)
	}
	var got Tagged
	if err := db.NewSelect().Model(&got).Where("? = any(tags)", "it's").Scan(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var numbers []int64
	err := db.NewSelect().Model((*Tagged)(nil)).Column("numbers").Where("tags @> ?", pgdialect.Array([]string{"", "it's"})).
		Scan(ctx, pgdialect.Array(&numbers))
	if err != nil || !cmp.Equal(numbers, want.Numbers) {
		t.Errorf("got %v, %v", numbers, err)
	}
}
