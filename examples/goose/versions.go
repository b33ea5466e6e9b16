package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// makeVersionTable makes goose's table of versions, and the row that it begins with. goose does so before it takes the
// lock. On MySQL, where the table is there before the row, another process may find it empty, and after a failover between
// the two everybody would, for ever: "missing zero version migration".
func (e engine) makeVersionTable(ctx context.Context, db *sql.DB, locker lock.SessionLocker) (err error) {
	store, err := database.NewStore(e.dialect, goose.DefaultTablename)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := locker.SessionLock(ctx, conn); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, locker.SessionUnlock(context.WithoutCancel(ctx), conn)) }()
	if exists, err := store.(database.StoreExtender).TableExists(ctx, conn); err != nil {
		return err
	} else if !exists {
		if err := store.CreateVersionTable(ctx, conn); err != nil {
			return err
		}
	}
	versions, err := store.ListMigrations(ctx, conn)
	if err != nil || len(versions) > 0 {
		return err
	}
	return store.Insert(ctx, conn, database.InsertRequest{Version: 0})
}

// namedLock keeps two processes from running migrations on MySQL at a time, for which goose has nothing. It belongs to
// the connection, and ends with it.
type namedLock struct{}

// SessionLock implements lock.SessionLocker. It waits for ten minutes.
func (namedLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	var locked sql.NullBool // NULL: an error
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK('goose', 600)").Scan(&locked); err != nil {
		return err
	}
	if !locked.Bool {
		return errors.New("another process runs migrations, and does not end")
	}
	return nil
}

// SessionUnlock implements lock.SessionLocker.
func (namedLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK('goose')")
	return err
}
