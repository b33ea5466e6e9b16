package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/pgdriver"
)

// channel is what the flags' changes are announced on. The payload is the flag's name.
const channel = "flags"

// watcher keeps a copy of the table flags. Notifications are lost while nobody listens, so
// the table is the truth, and a notification only says where to look.
type watcher struct {
	pool  *pgdriver.Pool
	check time.Duration // how often a quiet connection is asked whether it is still on the writer
	log   *slog.Logger

	mu    sync.Mutex
	flags map[string]bool
	times int // that the whole table was read
}

// run follows the table until ctx ends. Each turn is on a connection of its own: that of
// the turn before was lost, or its host is the writer no more.
func (w *watcher) run(ctx context.Context) {
	const pause = 100 * time.Millisecond // the table may be missing; for a new writer the pool waits by itself
	for ctx.Err() == nil {
		err := pgdriver.Cause(w.follow(ctx))
		if ctx.Err() != nil {
			return
		}
		w.log.Info("listening anew", "because", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause): //ci:wait ends with ctx
		}
	}
}

// follow listens first and reads the table then, so that no change can fall between.
func (w *watcher) follow(ctx context.Context) error {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer conn.Conn().Close(context.WithoutCancel(ctx)) // it listens: nobody else shall get it
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return err
	}
	if err := w.readAll(ctx, conn); err != nil {
		return err
	}
	for {
		name, err := w.wait(ctx, conn)
		if err != nil {
			return err
		}
		if err := w.read(ctx, conn, name); err != nil {
			return err
		}
	}
}

// wait is for the next notification. A writer that crashed, hangs or has vanished ends the
// connection, and so the wait. One that was demoted and is alive keeps it, and announces
// nothing any more: but it refuses LISTEN, which costs nothing on a connection that
// listens already.
func (w *watcher) wait(ctx context.Context, conn pgdriver.Conn) (payload string, err error) {
	for {
		quiet, cancel := context.WithTimeout(ctx, w.check)
		n, err := conn.Conn().WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			return n.Payload, nil
		case ctx.Err() != nil || conn.Conn().IsClosed() || !errors.Is(err, context.DeadlineExceeded):
			return "", err
		}
		if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
			return "", err
		}
	}
}

func (w *watcher) readAll(ctx context.Context, conn pgdriver.Conn) error {
	rows, err := conn.Query(ctx, "select name, enabled from flags")
	if err != nil {
		return err
	}
	var name string
	var enabled bool
	flags := map[string]bool{}
	_, err = pgx.ForEachRow(rows, []any{&name, &enabled}, func() error {
		flags[name] = enabled
		return nil
	})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flags, w.times = flags, w.times+1
	return nil
}

func (w *watcher) read(ctx context.Context, conn pgdriver.Conn, name string) error {
	var enabled bool
	err := conn.QueryRow(ctx, "select enabled from flags where name = $1", name).Scan(&enabled)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		delete(w.flags, name)
	} else {
		w.flags[name] = enabled
	}
	return nil
}

// copied is what the table held when it was looked at last.
func (w *watcher) copied() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.flags)
}

// reads is how often the whole table was read.
func (w *watcher) reads() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.times
}

// set changes a flag and announces that, together with the commit. Setting it twice is no
// harm, so that even a lost answer to the COMMIT is a reason to do it again.
func set(ctx context.Context, pool *pgdriver.Pool, name string, enabled bool) error {
	return core.RetryIdempotent(ctx, func() error {
		return pgdriver.RunTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			const store = "insert into flags (name, enabled) values ($1, $2) on conflict (name) do update set enabled = $2"
			if _, err := tx.Exec(ctx, store, name, enabled); err != nil {
				return fmt.Errorf("flag %s: %w", name, err)
			}
			_, err := tx.Exec(ctx, "select pg_notify($1, $2)", channel, name)
			return err
		})
	})
}
