package delivery

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// pool is what a pgdriver.Pool and the *pgxpool.Pool in it have in common.
type pool interface {
	caller
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

// caller is what pools, connections and transactions of pgx have in common.
type caller interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error)
}

var (
	_ pool   = (*pgdriver.Pool)(nil)
	_ pool   = (*pgxpool.Pool)(nil)
	_ caller = pgdriver.Conn{}
)

const (
	insertArg = "insert into t (id) values ($1)"
	ignoring  = "error ignored, then commit"
)

// poolCall is a call of pgx's interface.
type poolCall struct {
	name string
	kind kind
	once bool // it is not repeated, even if nothing was sent
	run  func(ctx context.Context, p pool, sql frontend.SQL, arm func()) error
}

func exec(ctx context.Context, q caller, text string, args ...any) error {
	_, err := q.Exec(ctx, text, args...)
	return err
}

func drainNative(rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	_, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	return err
}

func batch(ctx context.Context, q caller) error {
	b := &pgx.Batch{}
	b.Queue("select 1")
	b.Queue(insertArg, 7)
	b.Queue("select 2")
	return q.SendBatch(ctx, b).Close()
}

func bulkCopy(ctx context.Context, q caller) error {
	_, err := q.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"id"}, pgx.CopyFromRows([][]any{{int64(7)}, {int64(8)}}))
	return err
}

func nativeTx(ctx context.Context, p pool, f func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p, pgx.TxOptions{}, f)
}

// armed is a call with nothing before it.
func armed(f func(ctx context.Context, q caller, sql frontend.SQL) error) func(context.Context, pool, frontend.SQL, func()) error {
	return func(ctx context.Context, p pool, sql frontend.SQL, arm func()) error {
		arm()
		return f(ctx, p, sql)
	}
}

// again is a call that has been made before, so that pgx knows the statement.
func again(f func(ctx context.Context, q caller, sql frontend.SQL) error) func(context.Context, pool, frontend.SQL, func()) error {
	return func(ctx context.Context, p pool, sql frontend.SQL, arm func()) error {
		if err := f(ctx, p, sql); err != nil {
			return err
		}
		arm()
		return f(ctx, p, sql)
	}
}

// inside is a call in a transaction.
func inside(f func(ctx context.Context, q caller, sql frontend.SQL) error) func(context.Context, pool, frontend.SQL, func()) error {
	return func(ctx context.Context, p pool, sql frontend.SQL, arm func()) error {
		return nativeTx(ctx, p, func(tx pgx.Tx) error {
			arm()
			return f(ctx, tx, sql)
		})
	}
}

var (
	execText  = func(ctx context.Context, q caller, _ frontend.SQL) error { return exec(ctx, q, insert) }
	execArgs  = func(ctx context.Context, q caller, _ frontend.SQL) error { return exec(ctx, q, insertArg, 7) }
	queryText = func(ctx context.Context, q caller, sql frontend.SQL) error {
		return drainNative(q.Query(ctx, sql.Rows))
	}
	queryArgs = func(ctx context.Context, q caller, sql frontend.SQL) error {
		return drainNative(q.Query(ctx, sql.RowsOf, 5))
	}
	rowText = func(ctx context.Context, q caller, sql frontend.SQL) error {
		return q.QueryRow(ctx, sql.Rows).Scan(new(int64))
	}
	rowArgs = func(ctx context.Context, q caller, sql frontend.SQL) error {
		return q.QueryRow(ctx, sql.RowsOf, 5).Scan(new(int64))
	}
	sendBatch = func(ctx context.Context, q caller, _ frontend.SQL) error { return batch(ctx, q) }
	copyFrom  = func(ctx context.Context, q caller, _ frontend.SQL) error { return bulkCopy(ctx, q) }
)

var poolCalls = []poolCall{
	{"exec", write, false, armed(execText)},
	{"exec with arguments", write, false, armed(execArgs)},
	{"exec with arguments again", write, false, again(execArgs)},
	{"query", query, false, armed(queryText)},
	{"query with arguments", query, false, armed(queryArgs)},
	{"query with arguments again", query, false, again(queryArgs)},
	{"row", query, false, armed(rowText)},
	{"row with arguments", query, false, armed(rowArgs)},
	{"row with arguments again", query, false, again(rowArgs)},
	{"batch", write, true, armed(sendBatch)},
	{"batch again", write, true, again(sendBatch)},
	{"begin", beginTx, false, func(ctx context.Context, p pool, _ frontend.SQL, arm func()) error {
		arm()
		return nativeTx(ctx, p, func(pgx.Tx) error { return nil })
	}},
	{"exec in transaction", write, false, inside(execText)},
	{"exec with arguments in transaction", write, false, inside(execArgs)},
	{"query in transaction", query, false, inside(queryArgs)},
	{"row in transaction", query, false, inside(rowArgs)},
	{"batch in transaction", write, false, inside(sendBatch)},
	{"savepoint's exec in transaction", write, false, func(ctx context.Context, p pool, _ frontend.SQL, arm func()) error {
		return nativeTx(ctx, p, func(tx pgx.Tx) error {
			return pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
				arm()
				return exec(ctx, inner, insert)
			})
		})
	}},
	{ignoring, write, false, func(ctx context.Context, p pool, _ frontend.SQL, arm func()) error {
		return nativeTx(ctx, p, func(tx pgx.Tx) error {
			arm()
			_ = exec(ctx, tx, insert) // a careless application
			return nil
		})
	}},
	{"commit", commitTx, false, func(ctx context.Context, p pool, _ frontend.SQL, arm func()) error {
		return nativeTx(ctx, p, func(tx pgx.Tx) error {
			err := exec(ctx, tx, insert)
			arm()
			return err
		})
	}},
	{"rollback", rollbackTx, false, func(ctx context.Context, p pool, _ frontend.SQL, arm func()) error {
		tx, err := p.BeginTx(ctx, pgx.TxOptions{})
		if err != nil {
			return err
		}
		arm()
		return tx.Rollback(ctx)
	}},
}

// bulkCalls are those that pgx makes with a mutex held, so that virtual time stands still.
var bulkCalls = []poolCall{
	{"copy", bulk, true, armed(copyFrom)},
	{"copy in transaction", bulk, false, inside(copyFrom)},
}

// eachCut runs a test for each way pgx sends statements, with and without failover, and
// for each point where a call can break.
func eachCut(t *testing.T, test func(t *testing.T, b *poolBed, c poolCall, at cut, follows bool)) {
	f := frontend.PGXPool
	for _, mode := range f.Params().Modes {
		for _, follows := range []bool{true, false} {
			for _, c := range poolCalls {
				for _, at := range cuts {
					if at == midRows && c.kind != query || at.afterPreparation() {
						continue
					}
					t.Run(fmt.Sprintf("%s/failover=%t/%s/%s", mode, follows, c.name, at), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { test(t, newPoolBed(t, lab.Memory, mode, follows), c, at, follows) })
					})
				}
			}
		}
	}
}

// poolBed is a native pool with one connection, and a table to write into.
type poolBed struct {
	database
	lab   *lab.Cluster
	knife *knife
}

func newPoolBed(t *testing.T, network lab.Network, mode string, follows bool) *poolBed {
	t.Helper()
	cluster, err := lab.Start(lab.Options{Flavor: lab.AuroraPG, Network: network, Latency: time.Millisecond, Auth: lab.Trust})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	knife := &knife{dial: cluster.DialContext}
	db := open(t, frontend.PGXPool, frontend.Options{Lab: cluster, DSN: cluster.DSN(cluster.Endpoint(), mode), Dial: knife.DialContext}, follows)
	t.Cleanup(func() { _ = db.Close() }) // has nothing to report
	b := &poolBed{db, cluster, knife}
	if err := exec(t.Context(), db.pool, "create table t (id bigint)"); err != nil {
		t.Fatal(err)
	}
	return b
}

// isIt tells the statement that is cut, and arm makes the connection break at it.
func (b *poolBed) isIt(k kind) func(lab.Statement) bool {
	return func(s lab.Statement) bool { return is(frontend.PGXPool, b.sql, k, s) }
}

func (b *poolBed) arm(at cut, k kind) {
	for _, i := range b.lab.Instances() {
		i.ResetStatements()
	}
	arm(b.lab, b.knife, at, b.isIt(k))
}

// TestPoolDelivery is the table for the native pool's own calls.
func TestPoolDelivery(t *testing.T) {
	eachCut(t, deliverByPool)
}

// TestPoolCopyDelivery is the same for COPY, in real time.
func TestPoolCopyDelivery(t *testing.T) {
	for _, follows := range []bool{true, false} {
		for _, c := range bulkCalls {
			for _, at := range cuts[:4] {
				t.Run(fmt.Sprintf("failover=%t/%s/%s", follows, c.name, at), func(t *testing.T) {
					deliverByPool(t, newPoolBed(t, lab.Loopback, frontend.PGXPool.Params().Modes[0], follows), c, at, follows)
				})
			}
		}
	}
}

func deliverByPool(t *testing.T, b *poolBed, c poolCall, at cut, follows bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := c.run(ctx, b.pool, b.sql, func() { b.arm(at, c.kind) })
	want := expected(call{name: c.name, kind: c.kind}, at, false, follows)
	if c.once && at == beforeSend {
		want = expectation{0, "error, not sent"}
	}
	if got := (expectation{received(b.lab, b.isIt(c.kind)), told(err)}); got != want {
		t.Errorf("received %d times, told %q; want %d times, %q; error: %v", got.received, got.told, want.received, want.told, err)
	}
	if err := exec(ctx, b.pool, "insert into t (id) values (8)"); err != nil {
		t.Errorf("the pool does not work afterwards: %v", err)
	}
}

// TestBarePoolDelivery: code that takes the *pgxpool.Pool gets pgx's own errors, of which
// Cause tells what it can. Nothing is repeated.
func TestBarePoolDelivery(t *testing.T) {
	eachCut(t, func(t *testing.T, b *poolBed, c poolCall, at cut, follows bool) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := c.run(ctx, b.pool.Pool, b.sql, func() { b.arm(at, c.kind) })
		want := map[cut]int{beforeRun: 1, afterRun: 1, midRows: 1}[at]
		if got := received(b.lab, b.isIt(c.kind)); got != want {
			t.Errorf("received %d times, want %d; error: %v", got, want, err)
		}
		if c.name == ignoring {
			return // whoever ignores what broke is told that it is broken
		}
		cause := pgdriver.Cause(err)
		if !errors.Is(cause, core.ErrOutcomeUnknown) || errors.Is(cause, core.ErrFailover) != follows {
			t.Errorf("pgx's error %v, cause %v", err, cause)
		}
	})
}

// TestSQLOverPoolDelivery: database/sql over the *pgxpool.Pool, by pgx's stdlib, sends
// nothing twice but a BEGIN.
func TestSQLOverPoolDelivery(t *testing.T) {
	f := frontend.PGXPool
	for _, mode := range f.Params().Modes {
		for _, c := range calls {
			for _, at := range cuts {
				if at == midRows && c.kind != query || at.afterPreparation() {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", mode, c.name, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := newPoolBed(t, lab.Memory, mode, true)
						over := stdlib.OpenDBFromPool(b.pool.Pool)
						defer over.Close() //nolint:errcheck // has nothing to report
						over.SetMaxOpenConns(1)
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						err := c.run(ctx, database{DB: over, sql: b.sql, insertArg: insertArg}, func() { b.arm(at, c.kind) })
						most := 1
						if c.kind == beginTx {
							most = 3
						}
						n := received(b.lab, b.isIt(c.kind))
						if n > most || err == nil && n == 0 && c.kind != rollbackTx {
							t.Errorf("received %d times, error: %v", n, err)
						}
					})
				})
			}
		}
	}
}

// TestPGXAloneDeliversAgain is why a session of ours dresses up the error of a broken
// connection: with pgx alone, one statement is delivered three times. When this fails pgx
// tells what it has met, and `readable` of pgdriver's handover can go.
func TestPGXAloneDeliversAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, err := lab.Start(lab.Options{Flavor: lab.PG, Instances: 1, Network: lab.Memory, Latency: time.Millisecond, Auth: lab.Trust})
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Writer().Host()))
		if err != nil {
			t.Fatal(err)
		}
		cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = cluster.DialContext, cluster.LookupHost
		p, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := exec(t.Context(), p, "create table t (id bigint)"); err != nil {
			t.Fatal(err)
		}
		db := stdlib.OpenDBFromPool(p)
		defer db.Close() //nolint:errcheck // has nothing to report
		isIt := func(s lab.Statement) bool { return is(frontend.PGXPool, frontend.PGXPool.SQL(), write, s) }
		cluster.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if isIt(s) {
				return lab.CutBefore()
			}
			return lab.Run()
		})
		if _, err := db.ExecContext(t.Context(), insert); err == nil {
			t.Error("the statement succeeded")
		}
		if n := received(cluster, isIt); n != 3 {
			t.Errorf("received %d times, which was 3 with pgx 5.12", n)
		}
	})
}
