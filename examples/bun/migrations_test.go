package main

import (
	"context"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/uptrace/bun/migrate"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/internal/cluster"
	"github.com/awsdb/awsdb/lab"
)

// Every step is taken, and none marked twice, whichever answer is lost on the way.
func TestMigrationSurvivesTheLossOf(t *testing.T) {
	for _, test := range []struct {
		statement string
		locking   bool // then it is left to the operator
	}{
		{"create table if not exists bun_migrations", false},
		{"insert into bun_migration_locks", true},
		{"select * from bun_migrations", false},
		{"taken_at", false},
		{"sensor 3", false},
		{"'20261123000001'", false},
		{"'20261123000002'", false},
		{"delete from bun_migration_locks", true},
	} {
		t.Run(test.statement, func(t *testing.T) {
			cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
				ctx := cluster.Context(t)
				db := openDB(t, e, c)
				received := cluster.Strike(c, test.statement, lab.CutAfter())
				err := migrateUp(ctx, db, migrations())
				if received() == 0 {
					t.Error("nothing was lost")
				}
				c.Writer().OnStatement(nil)
				if errors.Is(err, core.ErrOutcomeUnknown) != test.locking || !test.locking && err != nil {
					t.Fatalf("got %v", err)
				}
				m := migrate.NewMigrator(db, migrations())
				if test.locking {
					if err := m.Unlock(ctx); err != nil { // what the operator does
						t.Fatal(err)
					}
					if err := migrateUp(ctx, db, migrations()); err != nil {
						t.Fatal(err)
					}
				}
				marked, err := m.AppliedMigrations(ctx)
				if err != nil || len(marked) != 2 {
					t.Errorf("marked are %v, %v", marked, err)
				}
				if n, err := db.NewSelect().Model((*Sensor)(nil)).Count(ctx); err != nil || n != sensors {
					t.Errorf("%d sensors, %v", n, err)
				}
			})
		})
	}
}

// The writer goes away in the middle of a step: the step is repeated on the new writer, where the lock is held still.
func TestMigrationGoesOn(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		db := openDB(t, e, c)
		attempts := 0
		steps := migrations()
		steps.Add(migrate.Migration{Name: "20261123000003", Up: func(ctx context.Context, m *migrate.Migrator, _ *migrate.Migration) error {
			attempts++
			tx, err := m.DB().BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.NewUpdate().Model((*Sensor)(nil)).Set("readings = readings + 1").Where("id = 1").Exec(ctx); err != nil {
				return err
			}
			if attempts == 1 {
				cluster.FailOver(t, c, "mydb-2")
			} else if err := migrate.NewMigrator(db, steps).Lock(ctx); !e.Duplicate(err) {
				t.Errorf("another process asks for the lock: %v", err)
			}
			return tx.Commit()
		}})
		if err := migrateUp(ctx, db, steps); err != nil {
			t.Fatal(err)
		}
		if _, counted, err := totals(ctx, db); attempts != 2 || counted != 1 || err != nil {
			t.Errorf("counted %d after %d attempts, %v", counted, attempts, err)
		}
		if err := migrateUp(ctx, db, steps); err != nil { // the lock is free again, and there is nothing left to do
			t.Error(err)
		}
	})
}

// Why the program says WithMarkAppliedOnSuccess.
func TestMigrationIsMarkedBeforeItFails(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		db := openDB(t, e, c)
		m := migrate.NewMigrator(db, migrations())
		if err := m.Init(ctx); err != nil {
			t.Fatal(err)
		}
		cluster.Strike(c, "taken_at", lab.CutAfter())
		_, err := m.Migrate(ctx)
		if !errors.Is(err, core.ErrOutcomeUnknown) {
			t.Errorf("got %v", err)
		}
		marked, err := m.AppliedMigrations(ctx)
		if err != nil || len(marked) != 1 {
			t.Errorf("marked are %v, %v", marked, err)
		}
	})
}

// A migration in SQL ends with what its statement or its COMMIT has ended with, joined with what ROLLBACK says.
func TestErrorsOfSQLMigrations(t *testing.T) {
	cluster.EachSimulated(t, func(t *testing.T, e cluster.Engine, c *lab.Cluster) {
		ctx := cluster.Context(t)
		db := openDB(t, e, c)
		if err := migrateUp(ctx, db, migrations()); err != nil {
			t.Fatal(err)
		}
		steps := migrations()
		if err := steps.Discover(fstest.MapFS{"20261123000003_rename.tx.up.sql": {Data: []byte("update sensors set name = 'one' where id = 1;")}}); err != nil {
			t.Fatal(err)
		}
		m := migrate.NewMigrator(db, steps, migrate.WithMarkAppliedOnSuccess(true))
		for _, lost := range []string{"update sensors", "commit"} {
			cluster.Strike(c, lost, lab.CutBefore())
			_, err := m.Migrate(ctx)
			c.Writer().OnStatement(nil)
			if !errors.Is(err, core.ErrTransactionResolutionUnknown) || core.SafeToRepeat(err) == (lost == "commit") {
				t.Errorf("%s: %v", lost, err)
			}
		}
		if err := migrateUp(ctx, db, steps); err != nil {
			t.Fatal(err)
		}
		if renamed, err := db.NewSelect().Model((*Sensor)(nil)).Where("name = 'one'").Exists(ctx); err != nil || !renamed {
			t.Errorf("renamed: %v, %v", renamed, err)
		}
	})
}
