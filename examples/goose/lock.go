package main

import (
	"context"
	"database/sql"
	"errors"
)

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
