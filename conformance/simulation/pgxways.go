package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/pgdriver"
)

// ways are those of pgx's interface, on the Pool, on the bare *pgxpool.Pool, and on
// connections. CopyFrom is not among them: pgx waits with a mutex for the answer, which
// stops virtual time. It is in conformance/real.
func (a pgxAccess) ways() []way {
	ways := map[string]way{
		"exec": a.single, "literal": a.literal, "rows": a.rows, "row": a.row, "batch": a.batch, "some rows": a.someRows, "transaction in a batch": a.txInBatch, "reset": a.reset,
		"transaction": a.inTx, "batch in a transaction": a.batchInTx,
		"savepoints": a.nested, "RunTx": a.inRunTx, "commit as a statement": a.commitByHand, "commit with a statement": a.commitAlong,
		"acquired": a.acquired, "transaction on an acquired connection": a.acquiredTx,
		"bare": a.bare, "bare, literal": a.bareLiteral, "bare transaction": a.bareTx, "bare batch": a.bareBatch,
		"hijacked": a.hijacked, "database/sql": a.overSQL, "notify": a.notify,
	}
	var all []way
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		all = append(all, func(ctx context.Context, w *worker, id, tag string) error {
			w.note("%s: by %s", tag, name)
			return w.explain(ctx, name, ways[name](ctx, w, id, tag))
		})
	}
	return all
}

func (a pgxAccess) single(ctx context.Context, w *worker, id, tag string) error {
	return a.exec(ctx, w.insert, id, tag)
}

// literal has no arguments: pgx sends and reads it otherwise.
func (a pgxAccess) literal(ctx context.Context, _ *worker, id, tag string) error {
	return a.exec(ctx, literal(id, tag))
}

func literal(id, tag string) string {
	return fmt.Sprintf("insert into writes (id, host) values ('%s', '%s')", id, tag)
}

const returning = " returning id"

func (a pgxAccess) rows(ctx context.Context, w *worker, id, tag string) error {
	rows, _ := a.Query(ctx, w.insert+returning, id, tag) // the collector tells
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && (len(got) != 1 || got[0] != id) {
		w.problem("insert of %s returned %q", id, got)
	}
	return err
}

func (a pgxAccess) row(ctx context.Context, w *worker, id, tag string) error {
	var got string
	return a.QueryRow(ctx, w.insert+returning, id, tag).Scan(&got)
}

// someRows writes after it has left a result half read.
func (a pgxAccess) someRows(ctx context.Context, w *worker, id, tag string) error {
	rows, err := a.Query(ctx, w.front.SQL().Series(20))
	if err != nil {
		return err
	}
	rows.Next()
	rows.Close()
	if err := rows.Err(); err != nil {
		return err
	}
	return a.single(ctx, w, id, tag)
}

// reset has all connections replaced.
func (a pgxAccess) reset(ctx context.Context, w *worker, id, tag string) error {
	a.Reset()
	return a.single(ctx, w, id, tag)
}

func (w *worker) newBatch(id, tag string) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(w.insert, id, tag)
	b.Queue("select 1")
	return b
}

// readBatch reads what a batch of newBatch gives.
func readBatch(r pgx.BatchResults) error {
	_, err := r.Exec()
	if err == nil {
		var one int
		err = r.QueryRow().Scan(&one)
	}
	if closing := r.Close(); err == nil {
		err = closing
	}
	return err
}

func (a pgxAccess) batch(ctx context.Context, w *worker, id, tag string) error {
	return readBatch(a.SendBatch(ctx, w.newBatch(id, tag)))
}

func (a pgxAccess) inTx(ctx context.Context, w *worker, id, tag string) error {
	return a.tx(ctx, w, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, w.insert, id, tag)
		return err
	})
}

// tx runs a transaction by hand.
func (a pgxAccess) tx(ctx context.Context, w *worker, work func(tx pgx.Tx) error) error {
	tx, err := a.Begin(ctx)
	if err != nil {
		return err
	}
	return w.finish(ctx, tx, work)
}

func (w *worker) finish(ctx context.Context, tx pgx.Tx, work func(tx pgx.Tx) error) error {
	defer tx.Rollback(ctx) //nolint:errcheck // the first error counts
	if err := w.inside("a statement", work(tx)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// txInBatch saves the round trip that BEGIN takes.
func (a pgxAccess) txInBatch(ctx context.Context, w *worker, id, tag string) error {
	b := &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{})
	b.Queue(w.insert, id, tag)
	r := a.SendBatch(ctx, b)
	return w.finish(ctx, r.Tx(), func(pgx.Tx) error { return r.Close() })
}

func (a pgxAccess) batchInTx(ctx context.Context, w *worker, id, tag string) error {
	return a.tx(ctx, w, func(tx pgx.Tx) error { return readBatch(tx.SendBatch(ctx, w.newBatch(id, tag))) })
}

// nested writes the row twice, the first time in vain.
func (a pgxAccess) nested(ctx context.Context, w *worker, id, tag string) error {
	return a.tx(ctx, w, func(tx pgx.Tx) error {
		inner, err := tx.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err := inner.Exec(ctx, w.insert, id, tag+"-0"); err != nil {
			return err
		}
		if err := inner.Rollback(ctx); err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			_, err := inner.Exec(ctx, w.insert, id, tag+"-1")
			return err
		})
	})
}

func (a pgxAccess) inRunTx(ctx context.Context, w *worker, id, tag string) error {
	try := 0
	return pgdriver.RunTx(ctx, a.Pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		try++
		_, err := tx.Exec(ctx, w.insert, id, fmt.Sprintf("%s-%d", tag, try))
		return err
	})
}

// commitByHand commits behind the back of the transaction.
func (a pgxAccess) commitByHand(ctx context.Context, w *worker, id, tag string) error {
	tx, err := a.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // there is nothing left to do
	if _, err := tx.Exec(ctx, w.insert, id, tag); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "commit")
	return err
}

// commitAlong does so in the same breath.
func (a pgxAccess) commitAlong(ctx context.Context, _ *worker, id, tag string) error {
	tx, err := a.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // there is nothing left to do
	_, err = tx.Exec(ctx, literal(id, tag)+"; commit", pgx.QueryExecModeSimpleProtocol)
	return err
}

// acquired keeps its connection for long before and after it uses it.
func (a pgxAccess) acquired(ctx context.Context, w *worker, id, tag string) error {
	c, err := a.acquire(ctx, w)
	if err != nil {
		return err
	}
	defer c.Release()
	w.idle(ctx)
	_, err = c.Exec(ctx, w.insert, id, tag)
	if err == nil {
		w.idle(ctx)
	}
	return err
}

// idle lets some time pass, less than ctx has left.
func (w *worker) idle(ctx context.Context) {
	d := time.Duration(w.rng.IntN(5_000_000)) * time.Microsecond
	if limit, ok := ctx.Deadline(); ok {
		d = min(d, time.Until(limit)/3)
	}
	w.extra += d
	time.Sleep(d)
}

func (a pgxAccess) acquiredTx(ctx context.Context, w *worker, id, tag string) error {
	c, err := a.acquire(ctx, w)
	if err != nil {
		return err
	}
	defer c.Release()
	w.idle(ctx)
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	return w.finish(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, w.insert, id, tag)
		w.idle(ctx)
		return err
	})
}

func (a pgxAccess) bare(ctx context.Context, w *worker, id, tag string) error {
	_, err := a.Pool.Pool.Exec(ctx, w.insert, id, tag)
	return pgdriver.Cause(err)
}

func (a pgxAccess) bareLiteral(ctx context.Context, _ *worker, id, tag string) error {
	_, err := a.Pool.Pool.Exec(ctx, literal(id, tag))
	return pgdriver.Cause(err)
}

func (a pgxAccess) bareTx(ctx context.Context, w *worker, id, tag string) error {
	return pgdriver.Cause(pgx.BeginFunc(ctx, a.Pool.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, w.insert, id, tag)
		return err
	}))
}

func (a pgxAccess) bareBatch(ctx context.Context, w *worker, id, tag string) error {
	return pgdriver.Cause(readBatch(a.Pool.Pool.SendBatch(ctx, w.newBatch(id, tag))))
}

func (a pgxAccess) hijacked(ctx context.Context, w *worker, id, tag string) error {
	acquired, err := a.acquire(ctx, w)
	if err != nil {
		return err
	}
	c := acquired.Hijack()
	defer c.Close(ctx) //nolint:errcheck // it may be lost
	w.idle(ctx)
	_, err = c.Exec(ctx, w.insert, id, tag)
	return pgdriver.Cause(err)
}

// overSQL goes through database/sql, which repeats what pgx calls safe to repeat.
func (a pgxAccess) overSQL(ctx context.Context, w *worker, id, tag string) error {
	db := stdlib.OpenDBFromPool(a.Pool.Pool)
	defer db.Close() //nolint:errcheck // has no connections left
	_, err := db.ExecContext(ctx, literal(id, tag))
	return pgdriver.Cause(err)
}

// notify speaks to those who listen, in the transaction of its write.
func (a pgxAccess) notify(ctx context.Context, w *worker, id, tag string) error {
	return a.tx(ctx, w, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_notify('news', $1)", id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, w.insert, id, tag)
		return err
	})
}
