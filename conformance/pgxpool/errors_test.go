package pgxpool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

const slow = "select pg_sleep(1000)"

// call is something that waits for the server when the writer goes.
type call struct {
	name string
	do   func(ctx context.Context, p *pool) error
	// inTx: the transaction is lost, and known to be rolled back; else the outcome is
	// unknown.
	inTx bool
}

// inTransaction runs f in a transaction, whose rollback must succeed.
func inTransaction(ctx context.Context, p *pool, f func(tx pgx.Tx) error) error {
	tx, err := p.Begin(ctx)
	if err != nil {
		return err
	}
	err = f(tx)
	if rollback := tx.Rollback(ctx); rollback != nil {
		return fmt.Errorf("rollback: %w", rollback)
	}
	return err
}

func calls() []call {
	all := []call{
		{name: "Exec", do: func(ctx context.Context, p *pool) error { _, err := p.Exec(ctx, slow); return err }},
		{name: "Exec with arguments", do: func(ctx context.Context, p *pool) error {
			_, err := p.Exec(ctx, "select pg_sleep($1)", 1000)
			return err
		}},
		{name: "Query", do: func(ctx context.Context, p *pool) error {
			rows, err := p.Query(ctx, slow)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}},
		{name: "CollectRows", do: func(ctx context.Context, p *pool) error {
			rows, _ := p.Query(ctx, slow)
			_, err := pgx.CollectRows(rows, pgx.RowTo[any])
			return err
		}},
		{name: "ForEachRow", do: func(ctx context.Context, p *pool) error {
			rows, _ := p.Query(ctx, "select pg_sleep($1)", 1000)
			var v any
			_, err := pgx.ForEachRow(rows, []any{&v}, func() error { return nil })
			return err
		}},
		{name: "QueryRow", do: func(ctx context.Context, p *pool) error {
			var v any
			return p.QueryRow(ctx, "select pg_sleep($1)", 1000).Scan(&v)
		}},
		{name: "SendBatch Exec", do: func(ctx context.Context, p *pool) error {
			r := p.SendBatch(ctx, sleeping())
			_, err := r.Exec()
			return closed(r, err)
		}},
		{name: "SendBatch Query", do: func(ctx context.Context, p *pool) error {
			r := p.SendBatch(ctx, sleeping())
			rows, err := r.Query()
			if err == nil {
				rows.Close()
				err = rows.Err()
			}
			return closed(r, err)
		}},
		{name: "SendBatch QueryRow", do: func(ctx context.Context, p *pool) error {
			r := p.SendBatch(ctx, sleeping())
			var v any
			err := r.QueryRow().Scan(&v)
			return closed(r, err)
		}},
		{name: "SendBatch Close", do: func(ctx context.Context, p *pool) error { return p.SendBatch(ctx, sleeping()).Close() }},
		{name: "SendBatch callback", do: func(ctx context.Context, p *pool) error {
			b := sleeping()
			b.QueuedQueries[0].Exec(func(pgconn.CommandTag) error { return nil })
			return p.SendBatch(ctx, b).Close()
		}},
		{name: "Conn.Exec", do: func(ctx context.Context, p *pool) error {
			return p.AcquireFunc(ctx, func(c pgdriver.Conn) error { _, err := c.Exec(ctx, slow); return err })
		}},
		{name: "Tx.Exec", inTx: true, do: func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, slow); return err })
		}},
		{name: "Tx.Query", inTx: true, do: func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error {
				rows, _ := tx.Query(ctx, slow)
				_, err := pgx.CollectRows(rows, pgx.RowTo[any])
				return err
			})
		}},
		{name: "Tx.QueryRow", inTx: true, do: func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error { var v any; return tx.QueryRow(ctx, slow).Scan(&v) })
		}},
		{name: "Tx.SendBatch", inTx: true, do: func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error { return tx.SendBatch(ctx, sleeping()).Close() })
		}},
		{name: "savepoint", inTx: true, do: func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error {
				inner, err := tx.Begin(ctx)
				if err != nil {
					return err
				}
				_, err = inner.Exec(ctx, slow)
				if again := inner.Commit(ctx); !errors.Is(again, core.ErrFailover) {
					return fmt.Errorf("savepoint of a lost transaction was released: %w", again)
				}
				return err
			})
		}},
		{name: "Tx.Exec, then all else", inTx: true, do: func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error {
				_, first := tx.Exec(ctx, slow)
				_, again := tx.Exec(ctx, "select 1")
				if !errors.Is(again, core.ErrFailover) {
					return fmt.Errorf("after the loss: %w", again)
				}
				_, prepare := tx.Prepare(ctx, "x", "select 1")
				if !errors.Is(prepare, core.ErrFailover) {
					return fmt.Errorf("prepare after the loss: %w", prepare)
				}
				return first
			})
		}},
		{name: "BeginFunc", inTx: true, do: func(ctx context.Context, p *pool) error {
			return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, slow); return err })
		}},
	}
	return all
}

func sleeping() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(slow)
	b.Queue("select 1")
	return b
}

// closed closes the results and demands the same error.
func closed(r pgx.BatchResults, err error) error {
	if again := r.Close(); !errors.Is(again, core.ErrFailover) || errors.Is(err, core.ErrFailover) != errors.Is(again, core.ErrFailover) {
		return fmt.Errorf("first %w, and of Close: %w", err, again)
	}
	return err
}

// What a call that waited returns when the writer is lost: as with "awspg".
func TestErrorsOfACrash(t *testing.T) {
	for _, loss := range leaving[1:] {
		if loss.name == "refuses" {
			continue
		}
		for _, promoted := range []bool{true, false} {
			if !promoted && loss.name == "frozen" {
				continue // as vanished
			}
			for _, call := range calls() {
				t.Run(fmt.Sprintf("%s/%t/%s", loss.name, promoted, call.name), func(t *testing.T) {
					virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
						p := writable(t, c, append(quick, "failover_timeout_sec=10")...)
						// Transactions that are over have no say in what follows.
						if err := pgx.BeginFunc(t.Context(), p, func(pgx.Tx) error { return nil }); err != nil {
							t.Fatal(err)
						}
						done := async(func() error { return call.do(context.Background(), p) })
						time.Sleep(5 * time.Second)
						loss.do(c.Writer())
						if promoted {
							promote(t, c, "mydb-2")
						}
						err := (<-done).err
						demand.Is(t, "the call", err, core.ErrFailover)
						switch {
						case !promoted:
							demand.Is(t, "the call", err, core.ErrFailoverFailed)
						case call.inTx:
							demand.Is(t, "the call", err, core.ErrTransactionResolutionUnknown)
						default:
							demand.Is(t, "the call", err, core.ErrFailoverSuccess)
						}
						if got := errors.Is(err, core.ErrOutcomeUnknown); got == call.inTx {
							t.Errorf("outcome unknown: %v: %v", got, err)
						}
						demand.IsNot(t, "the call", err, context.DeadlineExceeded, context.Canceled)
						if promoted && pgconn.Timeout(err) {
							t.Errorf("pgconn calls it a timeout: %v", err)
						}
						if pgconn.SafeToRetry(err) {
							t.Errorf("pgconn calls it safe to repeat: %v", err)
						}
						if promoted {
							lands(t, p, "mydb-2")
						}
						time.Sleep(time.Second)
						if n := p.Stat().AcquiredConns(); n != 0 {
							t.Errorf("%d connections were not given back", n)
						}
					})
				})
			}
		}
	}
}

// bareCalls are the same for code that has the bare pool, a bare connection, or one that
// was taken out.
func bareCalls() map[string]func(ctx context.Context, p *pgxpool.Pool) error {
	onConn := func(f func(ctx context.Context, c *pgx.Conn) error) func(ctx context.Context, p *pgxpool.Pool) error {
		return func(ctx context.Context, p *pgxpool.Pool) error {
			return p.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return f(ctx, c.Conn()) })
		}
	}
	return map[string]func(ctx context.Context, p *pgxpool.Pool) error{
		"Exec": func(ctx context.Context, p *pgxpool.Pool) error { _, err := p.Exec(ctx, slow); return err },
		"Exec with arguments": func(ctx context.Context, p *pgxpool.Pool) error {
			_, err := p.Exec(ctx, "select pg_sleep($1)", 1000)
			return err
		},
		"CollectRows": func(ctx context.Context, p *pgxpool.Pool) error {
			rows, _ := p.Query(ctx, slow)
			_, err := pgx.CollectRows(rows, pgx.RowTo[any])
			return err
		},
		"QueryRow":  func(ctx context.Context, p *pgxpool.Pool) error { var v any; return p.QueryRow(ctx, slow).Scan(&v) },
		"SendBatch": func(ctx context.Context, p *pgxpool.Pool) error { return p.SendBatch(ctx, sleeping()).Close() },
		"BeginFunc": func(ctx context.Context, p *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, slow); return err })
		},
		"RunTx": func(ctx context.Context, p *pgxpool.Pool) error {
			return pgdriver.RunTx(ctx, p, pgx.TxOptions{}, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, slow); return err })
		},
		"Conn.Exec": onConn(func(ctx context.Context, c *pgx.Conn) error { _, err := c.Exec(ctx, slow); return err }),
		"PgConn.Exec": onConn(func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.PgConn().Exec(ctx, slow).ReadAll()
			return err
		}),
		"hijacked": func(ctx context.Context, p *pgxpool.Pool) error {
			c, err := p.Acquire(ctx)
			if err != nil {
				return err
			}
			conn := c.Hijack()
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, slow)
			return err
		},
	}
}

// Cause tells code that does not hold our Pool what became of its call.
func TestCauseOfACrash(t *testing.T) {
	for _, loss := range leaving[1:] {
		if loss.name == "refuses" {
			continue
		}
		for name, do := range bareCalls() {
			t.Run(loss.name+"/"+name, func(t *testing.T) {
				virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
					p := writable(t, c, quick...)
					done := async(func() error { return do(context.Background(), p.Pool.Pool) })
					time.Sleep(5 * time.Second)
					loss.do(c.Writer())
					promote(t, c, "mydb-2")
					err := (<-done).err
					demand.Is(t, "Cause", pgdriver.Cause(err), core.ErrFailover, core.ErrOutcomeUnknown)
					demand.IsNot(t, "the call", err, context.DeadlineExceeded, context.Canceled)
					if pgconn.SafeToRetry(err) {
						t.Errorf("pgconn calls it safe to repeat: %v", err)
					}
					lands(t, p.Pool.Pool, "mydb-2")
				})
			})
		}
	}
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		_, err := p.Pool.Pool.Exec(t.Context(), "insert into nothing values (1)")
		if pgdriver.Cause(err) != err || err == nil { //nolint:errorlint // the very error
			t.Errorf("Cause of an answer: %v", pgdriver.Cause(err))
		}
	})
}

// A write that meets a demoted writer, which is alive, has no effect, and the server's
// answer can be had.
func TestErrorsOfADemotedWriter(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		for _, inTx := range []bool{false, true} {
			p := writable(t, c)
			lands(t, p, c.Writer().ID())
			to := map[string]string{"mydb-1": "mydb-2", "mydb-2": "mydb-3"}[c.Writer().ID()]
			tx, err := p.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conn := p.hold(t, 1)[0]
			promote(t, c, to)
			if inTx {
				_, err = tx.Exec(t.Context(), "insert into t (id) values (1)")
				demand.Is(t, "Tx.Exec", err, core.ErrTransactionResolutionUnknown)
			} else {
				_, err = conn.Exec(t.Context(), "insert into t (id) values (1)")
				demand.Is(t, "Exec", err, core.ErrFailoverSuccess)
			}
			demand.IsNot(t, "a refused write", err, core.ErrOutcomeUnknown)
			if pgCode(err) != "25006" {
				t.Errorf("the server's error is %q: %v", pgCode(err), err)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Errorf("rollback: %v", err)
			}
			conn.Release()
			must(t, p, "insert into t (id) values (2)")
			lands(t, p, to)
		}
	})
}

// A COMMIT, or a statement that may be one, whose answer is lost may have taken effect;
// one that was not sent has not.
func TestErrorsOfCommit(t *testing.T) {
	for name, test := range map[string]struct {
		do      func(ctx context.Context, tx pgx.Tx) error
		cut     string
		unknown bool
	}{
		"Commit": {func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) }, "commit", true},
		"raw COMMIT": {func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "COMMIT")
			return err
		}, "COMMIT", true},
		"a batch with END": {func(ctx context.Context, tx pgx.Tx) error {
			b := &pgx.Batch{}
			b.Queue("insert into t (id) values (3)")
			b.Queue("end")
			return tx.SendBatch(ctx, b).Close()
		}, "end", true},
		"insert": {func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into t (id) values (2)")
			return err
		}, "insert", false},
		"release savepoint": {func(ctx context.Context, tx pgx.Tx) error {
			inner, err := tx.Begin(ctx)
			if err != nil {
				return err
			}
			return inner.Commit(ctx)
		}, "release", false},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c)
				tx, err := p.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Exec(t.Context(), "insert into t (id) values (1)"); err != nil {
					t.Fatal(err)
				}
				c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
					if strings.HasPrefix(s.SQL, test.cut) {
						return lab.CutAfter()
					}
					return lab.Run()
				})
				err = test.do(t.Context(), tx)
				demand.Is(t, name, err, core.ErrTransactionResolutionUnknown)
				if got := errors.Is(err, core.ErrOutcomeUnknown); got != test.unknown {
					t.Errorf("outcome unknown: %v: %v", got, err)
				}
				if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
					t.Errorf("rollback: %v", err)
				}
				c.Writer().OnStatement(nil)
				time.Sleep(time.Second)
				if n := p.Stat().AcquiredConns(); n != 0 {
					t.Errorf("%d connections were not given back", n)
				}
				want := 0
				if test.unknown {
					want = 1
				}
				if n := len(c.Rows("t")); (n > 0) != (want > 0) {
					t.Errorf("%d rows", n)
				}
			})
		})
	}
}

// Only a context's end is one: nothing else matches, and it is no failover.
func TestErrorsOfContexts(t *testing.T) {
	for _, call := range calls() {
		t.Run(call.name, func(t *testing.T) {
			if strings.HasPrefix(call.name, "SendBatch ") && !strings.HasSuffix(call.name, "Close") {
				return // demand a failover
			}
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				began := time.Now()
				err := call.do(ctx, p)
				if call.name == "savepoint" || call.name == "Tx.Exec, then all else" {
					return // of what follows a failover
				}
				within(t, "the call", began, 2*time.Second+atOnce)
				demand.Is(t, "the call", err, context.DeadlineExceeded)
				demand.IsNot(t, "the call", err, core.ErrFailover, context.Canceled)
				if !pgconn.Timeout(err) {
					t.Errorf("pgconn does not call it a timeout: %v", err)
				}
				lands(t, p, "mydb-1")
			})
		})
	}
}

// A connection that was lost while idle, unseen: what may not be repeated is reported,
// what may is not.
func TestErrorsOfALostIdleConnection(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(ctx context.Context, p *pool) error
		seen bool
	}{
		{"Begin", func(ctx context.Context, p *pool) error {
			return inTransaction(ctx, p, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, "select 1"); return err })
		}, false},
		{"Ping", func(ctx context.Context, p *pool) error { return p.Ping(ctx) }, false},
		{"QueryRow", func(ctx context.Context, p *pool) error { _, err := where(ctx, p); return err }, true},
		{"Exec", func(ctx context.Context, p *pool) error { _, err := p.Exec(ctx, "select 1"); return err }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c, "pool_max_conns=8")
				p.fill(t, 8)
				c.Writer().ResetConnections()
				err := test.do(t.Context(), p)
				if test.seen {
					demand.Is(t, test.name, err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
				} else if err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
				// The others leave the pool once their loss can be seen.
				time.Sleep(2 * time.Second)
				lands(t, p, "mydb-1")
			})
		})
	}
}
