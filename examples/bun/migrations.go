package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/awsdb/awsdb/core"
)

// migrations are the steps to the present tables. Each finds out what has been done already:
// MySQL commits every CREATE by itself, so that a step may have been taken by half.
func migrations() *migrate.Migrations {
	all := migrate.NewMigrations()
	all.Add(migrate.Migration{Name: "20261123000001", Comment: "tables", Up: func(ctx context.Context, m *migrate.Migrator, _ *migrate.Migration) error {
		for _, model := range []any{(*Sensor)(nil), (*Reading)(nil)} {
			if _, err := m.DB().NewCreateTable().Model(model).IfNotExists().Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	}})
	all.Add(migrate.Migration{Name: "20261123000002", Comment: "sensors", Up: func(ctx context.Context, m *migrate.Migrator, _ *migrate.Migration) error {
		all := make([]Sensor, sensors)
		for i := range all {
			all[i] = Sensor{ID: 1 + int64(i), Name: fmt.Sprint("sensor ", i)}
		}
		_, err := m.DB().NewInsert().Model(&all).Ignore().Exec(ctx)
		return err
	}})
	return all
}

// migrateUp takes the steps that have not been taken yet. Without WithMarkAppliedOnSuccess a
// step is marked as taken before it begins, so that one that fails would never be repeated.
//
// bun's lock is a row in a table: it outlives a failover, and the process too. Lock and Unlock
// are repeated only if they had no effect for certain, as otherwise the lock may
// be somebody else's by now. See docs/bun.md for what to do about a lock that is left.
func migrateUp(ctx context.Context, db *bun.DB, steps *migrate.Migrations) (err error) {
	m := migrate.NewMigrator(db, steps, migrate.WithMarkAppliedOnSuccess(true))
	if err := core.RetryIdempotent(ctx, func() error { return m.Init(ctx) }); err != nil {
		return err
	}
	if err := core.Retry(ctx, func() error { return m.Lock(ctx) }); err != nil {
		return err
	}
	defer func() {
		unlocking := context.WithoutCancel(ctx)
		err = errors.Join(err, core.Retry(unlocking, func() error { return m.Unlock(unlocking) }))
	}()
	return core.RetryIdempotent(ctx, func() error {
		_, err := m.Migrate(ctx)
		return err
	})
}
