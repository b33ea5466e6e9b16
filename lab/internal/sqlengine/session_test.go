package sqlengine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a writer unless the test says otherwise.
type host struct {
	reader bool
	flavor sqlengine.Flavor
}

func (h *host) ID() string                         { return "mydb-1" }
func (h *host) Writable() bool                     { return !h.reader }
func (h *host) Status() []sqlengine.InstanceStatus { return nil }
func (h *host) Flavor() sqlengine.Flavor           { return h.flavor }

// client is what a wire server does with a session: it runs statements and settles those outside of a block.
type client struct {
	*sqlengine.Session
	failsBlocks bool // as PostgreSQL does; MySQL undoes the failed statement only
}

// open makes a session; what config lacks is filled in.
func open(t testing.TB, config sqlengine.Config) *client {
	t.Helper()
	if config.Store == nil {
		config.Store = sqlengine.NewStore()
	}
	if config.Host == nil {
		config.Host = &host{}
	}
	if config.Dialect == nil {
		config.Dialect = sqlengine.PostgreSQL()
	}
	config.User = "app"
	c := &client{Session: sqlengine.NewSession(config)}
	t.Cleanup(c.Rollback)
	return c
}

// run executes one statement with arguments.
func (c *client) run(ctx context.Context, sql string, args ...any) (*sqlengine.Result, error) {
	statements, err := syntax.Parse(sql)
	if err != nil {
		return nil, err
	}
	p, err := c.Prepare(statements[0], nil)
	if err != nil {
		return nil, c.settle(err)
	}
	for i, t := range p.Params() {
		if args[i], err = sqlengine.Import(t, args[i]); err != nil {
			return nil, err
		}
	}
	r, err := c.Run(ctx, p, args)
	return r, c.settle(err)
}

func (c *client) settle(err error) error {
	switch {
	case err != nil && c.failsBlocks:
		c.Fail()
	case c.InBlock():
	case err != nil:
		c.Rollback()
	default:
		err = c.Commit()
	}
	return err
}

// must runs statements that succeed, and gives the result of the last one.
func (c *client) must(t testing.TB, statements ...string) (r *sqlengine.Result) {
	t.Helper()
	for _, sql := range statements {
		var err error
		if r, err = c.run(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return r
}

// refuse runs statements that fail with a SQLSTATE.
func (c *client) refuse(t testing.TB, code string, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := c.run(t.Context(), sql); err == nil || sqlengine.AsError(err).Code != code {
			t.Errorf("%s: %v, want %s", sql, err, code)
		}
	}
}

// Example shows a session without any wire, whose transactions go on after a failed statement.
func Example() {
	store := sqlengine.NewStore()
	session := sqlengine.NewSession(sqlengine.Config{Store: store, Host: &host{}, Dialect: sqlengine.PostgreSQL(), User: "app"})
	defer session.Rollback()
	run := func(sql string, args ...any) *sqlengine.Result {
		statements, err := syntax.Parse(sql)
		if err != nil {
			panic(err) // a *syntax.Error
		}
		p, err := session.Prepare(statements[0], nil)
		var r *sqlengine.Result
		if err == nil {
			r, err = session.Run(context.Background(), p, args)
		}
		switch {
		case session.InBlock(): // goes on, whatever came of the statement
		case err != nil:
			session.Rollback()
		default:
			err = session.Commit()
		}
		if err != nil {
			fmt.Println(sqlengine.AsError(err).Code)
		}
		return r
	}
	run("create table kv (k text primary key, v int)")
	session.Begin(nil)
	run("insert into kv values ($1, $2)", "a", int64(1))
	run("insert into kv values ('b', 2), ('a', 3)")
	run("insert into kv values ('c', 4)")
	if err := session.Commit(); err != nil {
		fmt.Println(err)
	}
	r := run("select k, v from kv order by k")
	fmt.Println(r.Verb, r.Affected, r.Fields[0].Name, r.Rows)
	// Output:
	// 23505
	// SELECT 2 k [[a 1] [c 4]]
}

// TestFailedBlock: the same statement fails its whole block when the front says so.
func TestFailedBlock(t *testing.T) {
	store := sqlengine.NewStore()
	c := open(t, sqlengine.Config{Store: store})
	c.failsBlocks = true
	c.must(t, "create table kv (k text primary key)", "begin", "insert into kv values ('a')", "savepoint s")
	c.refuse(t, "23505", "insert into kv values ('b'), ('a')")
	if !c.Failed() {
		t.Error("the block has not failed")
	}
	c.refuse(t, "25P02", "select 1", "insert into kv values ('c')")
	c.must(t, "rollback to s", "insert into kv values ('d')")
	c.refuse(t, "42P01", "select * from nosuch")
	if err := c.Commit(); sqlengine.AsError(err).Code != "25P02" || c.InBlock() {
		t.Error(err)
	}
	if got := store.Rows("kv"); len(got) != 0 {
		t.Errorf("a failed block committed %v", got)
	}
}

func TestTransactionMethods(t *testing.T) {
	store := sqlengine.NewStore()
	h := &host{}
	c := open(t, sqlengine.Config{Store: store, Host: h})
	c.must(t, "create table n (v int)")
	if err := c.Savepoint("s"); sqlengine.AsError(err).Code != "25P01" {
		t.Error(err)
	}
	readOnly := true
	c.Begin(&readOnly)
	c.refuse(t, "25006", "insert into n values (1)")
	if !c.ReadOnly() {
		t.Error("not read-only")
	}
	c.Rollback()
	if err := c.Set("transaction_read_only", "on", sqlengine.ForSession); err != nil || !c.ReadOnly() {
		t.Errorf("%v, read-only %v", err, c.ReadOnly())
	}
	c.Rollback()

	c.Begin(nil)
	c.must(t, "insert into n values (1)")
	for _, step := range []error{c.Savepoint("one"), c.Savepoint("two")} {
		if step != nil {
			t.Error(step)
		}
	}
	c.must(t, "insert into n values (2)")
	if err := c.RollbackTo("one"); err != nil {
		t.Error(err)
	}
	if err := c.Release("two"); sqlengine.AsError(err).Code != "3B001" {
		t.Error(err)
	}
	c.must(t, "insert into n values (3)")
	if err := c.Commit(); err != nil {
		t.Error(err)
	}
	want := [][]any{{int64(1)}, {int64(3)}}
	if diff := cmp.Diff(want, store.Rows("n")); diff != "" {
		t.Error(diff)
	}

	c.Begin(nil)
	if r := c.must(t, "update n set v = v + 1"); r.Verb != "UPDATE" || r.Affected != 2 {
		t.Error(r)
	}
	h.reader = true
	if err := c.Commit(); sqlengine.AsError(err).Code != "25006" || c.InBlock() {
		t.Errorf("commit on a demoted host: %v", err)
	}
	if diff := cmp.Diff(want, store.Rows("n")); diff != "" {
		t.Error(diff)
	}
}

// TestLockWait: waiting for a lock ends with the context, and the transaction goes on.
func TestLockWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sqlengine.NewStore()
		a, b := open(t, sqlengine.Config{Store: store}), open(t, sqlengine.Config{Store: store})
		a.must(t, "create table n (k int primary key, v int)", "insert into n values (1, 0), (2, 0)")
		a.Begin(nil)
		a.must(t, "update n set v = 1 where k = 1")
		b.Begin(nil)
		b.must(t, "update n set v = 2 where k = 2")
		tired := errors.New("waited long enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Second, tired)
		defer cancel()
		began := time.Now()
		if _, err := b.run(ctx, "update n set v = 2"); !errors.Is(err, tired) || time.Since(began) != 50*time.Second {
			t.Error(err, time.Since(began))
		}
		if err := errors.Join(b.Commit(), a.Commit()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([][]any{{int64(1), int64(1)}, {int64(2), int64(2)}}, store.Rows("n")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestPanic: a defect of the engine breaks one statement, of which nothing remains.
func TestPanic(t *testing.T) {
	store := sqlengine.NewStore()
	d := sqlengine.PostgreSQL()
	d.Functions["test_panic"] = []*sqlengine.Function{{Args: []sqlengine.OID{pgtype.Int4OID}, Result: pgtype.Int4OID,
		Call: func(_ *sqlengine.Execution, args []any) (any, error) {
			if args[0] == int64(2) {
				panic("boom")
			}
			return args[0], nil
		}}}
	c := open(t, sqlengine.Config{Store: store, Dialect: d})
	c.must(t, "create table n (v int, check (test_panic(v) > 0))")
	c.Begin(nil)
	c.must(t, "insert into n values (3)")
	c.refuse(t, "XX000", "insert into n values (1), (2)")
	if err := c.Commit(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([][]any{{int64(3)}}, store.Rows("n")); diff != "" {
		t.Error(diff)
	}
}

// TestImport: what goes in as a parameter comes out as the engine's value.
func TestImport(t *testing.T) {
	c := open(t, sqlengine.Config{})
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.FixedZone("", 3600))
	r, err := c.run(t.Context(), "select $1::int, $2::float8, $3::numeric, $4::timestamp, $5::bytea, $6::text, $7::int[]", int32(1), float32(1.5), pgtype.Numeric{Exp: 1, Valid: true}, at, []byte{1}, nil, []any{int16(1), nil})
	if sqlengine.AsError(err).Code != "0A000" {
		t.Errorf("a numeric without digits: %v, %v", r, err)
	}
	number, ok := sqlengine.ParseDecimal("12.50")
	if !ok {
		t.Fatal("12.50 is a number")
	}
	r, err = c.run(t.Context(), "select $1::int, $2::float8, $3::numeric, $4::timestamp, $5::bytea, $6::text, $7::int[]", int32(1), float32(1.5), number, at, []byte{1}, nil, []any{int16(1), nil})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Rows[0]
	for i, v := range got {
		got[i] = sqlengine.Plain(v)
	}
	want := []any{int64(1), 1.5, "12.50", time.Date(2024, 5, 6, 6, 8, 9, 123456000, time.UTC), []byte{1}, nil, []any{int64(1), nil}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
