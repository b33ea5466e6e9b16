package pgserver

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

func TestTransactions(t *testing.T) {
	store := sqlengine.NewStore()
	in := start(t, Config{Store: store})
	conn, other := in.connect(t, ""), in.connect(t, "")
	mustExec(t, conn, "create table kv (k text primary key, v int)")
	count := func(c *pgx.Conn) any { return rowsOf(t, c, "select count(*) from kv")[0][0] }

	mustExec(t, conn, "begin")
	mustExec(t, conn, "insert into kv values ('a', 1)")
	if own, others := count(conn), count(other); own != int64(1) || others != int64(0) {
		t.Errorf("before the commit: own %v, others %v", own, others)
	}
	mustExec(t, conn, "savepoint one")
	mustExec(t, conn, "update kv set v = 2")
	mustExec(t, conn, "insert into kv values ('b', 1)")
	mustExec(t, conn, "create table scratch (a int)")
	if _, err := conn.Exec(t.Context(), "insert into kv values ('a', 1)"); code(err) != "23505" {
		t.Error(err)
	}
	if _, err := conn.Exec(t.Context(), "select 1"); code(err) != "25P02" {
		t.Error(err)
	}
	if status := conn.PgConn().TxStatus(); status != 'E' {
		t.Errorf("status %c", status)
	}
	mustExec(t, conn, "rollback to savepoint one")
	mustExec(t, conn, "insert into kv values ('c', 3)")
	mustExec(t, conn, "release savepoint one")
	if tag := mustExec(t, conn, "commit"); tag != "COMMIT" {
		t.Error(tag)
	}
	if diff := cmp.Diff([][]any{{"a", int64(1)}, {"c", int64(3)}}, store.Rows("kv")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"kv"}, store.Tables()); diff != "" {
		t.Error(diff)
	}

	mustExec(t, conn, "start transaction isolation level serializable, read only")
	if got := rowsOf(t, conn, "show transaction_isolation"); got[0][0] != "serializable" {
		t.Error(got)
	}
	if _, err := conn.Exec(t.Context(), "delete from kv"); code(err) != "25006" {
		t.Error(err)
	}
	if tag := mustExec(t, conn, "commit"); tag != "ROLLBACK" {
		t.Errorf("commit of a failed transaction: %s", tag)
	}
	if got := rowsOf(t, conn, "show transaction_isolation"); got[0][0] != "read committed" {
		t.Error(got)
	}
}

// TestImplicitTransactions: what comes before a Sync, or in one simple query, is one transaction.
func TestImplicitTransactions(t *testing.T) {
	store := sqlengine.NewStore()
	conn := start(t, Config{Store: store}).connect(t, "")
	mustExec(t, conn, "create table kv (k text primary key)")
	batch := &pgx.Batch{}
	batch.Queue("insert into kv values ('a')")
	batch.Queue("insert into kv values ($1)", "a")
	batch.Queue("insert into kv values ('never')")
	if err := conn.SendBatch(t.Context(), batch).Close(); code(err) != "23505" {
		t.Error(err)
	}
	_, err := conn.Exec(t.Context(), "insert into kv values ('b'); insert into kv values ('b')", pgx.QueryExecModeSimpleProtocol)
	if code(err) != "23505" {
		t.Error(err)
	}
	if got := store.Rows("kv"); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	batch = &pgx.Batch{}
	for i := range 5 {
		batch.Queue("insert into kv values ($1)", fmt.Sprint(i))
	}
	if err := conn.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Error(err)
	}
	if got := store.Rows("kv"); len(got) != 5 {
		t.Errorf("kept %v", got)
	}
}

func TestSettings(t *testing.T) {
	in := start(t, Config{Settings: map[string]string{"my.server": "x", "work_mem": "1GB"}})
	conn := in.connect(t, "application_name=demo search_path=hostile options='-c statement_timeout=5s'")
	show := func(name string) any { t.Helper(); return rowsOf(t, conn, "show "+name)[0][0] }
	for name, want := range map[string]string{"application_name": "demo", "search_path": "hostile", "statement_timeout": "5s",
		"my.server": "x", "work_mem": "1GB", "server_version": "16.4", "server_version_num": "160004", "in_hot_standby": "off"} {
		if got := show(name); got != want {
			t.Errorf("%s = %v, want %s", name, got, want)
		}
	}
	mustExec(t, conn, "set application_name to 'changed'")
	if got := conn.PgConn().ParameterStatus("application_name"); got != "changed" {
		t.Errorf("reported %q", got)
	}
	mustExec(t, conn, "begin")
	mustExec(t, conn, "set local my.own = 'local'")
	mustExec(t, conn, "set search_path = a, b")
	if got := rowsOf(t, conn, "select current_setting('my.own'), current_setting('search_path')"); got[0][0] != "local" || got[0][1] != "a, b" {
		t.Error(got)
	}
	mustExec(t, conn, "rollback")
	if got := show("search_path"); got != "hostile" {
		t.Error(got)
	}
	mustExec(t, conn, "begin")
	mustExec(t, conn, "set local work_mem = '2GB'")
	mustExec(t, conn, "commit")
	if got := show("work_mem"); got != "1GB" {
		t.Error(got)
	}
	mustExec(t, conn, "select set_config('my.own', 'kept', false)")
	mustExec(t, conn, "reset application_name")
	if got := rowsOf(t, conn, "select current_setting('my.own'), current_setting('application_name'), current_setting('none.such', true)"); got[0][0] != "kept" || got[0][1] != "demo" || got[0][2] != nil {
		t.Error(got)
	}
	mustExec(t, conn, "discard all")
	_, err := pgx.ConnectConfig(t.Context(), in.configFor(t, "nosuchparameter=1"))
	if code(err) != "42704" {
		t.Error(err)
	}
}

func TestReader(t *testing.T) {
	store := sqlengine.NewStore()
	h := newHost("mydb-2", true)
	conn := start(t, Config{Store: store, Host: h}).connect(t, "")
	mustExec(t, conn, "create table kv (k text primary key)")
	mustExec(t, conn, "begin")
	mustExec(t, conn, "insert into kv values ('a')")
	h.writable.Store(false)
	if _, err := conn.Exec(t.Context(), "commit"); code(err) != "25006" {
		t.Errorf("commit on a demoted host: %v", err)
	}
	if got := store.Rows("kv"); len(got) != 0 {
		t.Errorf("a host that is no writer committed %v", got)
	}
	if status := conn.PgConn().TxStatus(); status != 'I' {
		t.Errorf("status %c", status)
	}
	if got := conn.PgConn().ParameterStatus("in_hot_standby"); got != "on" {
		t.Errorf("in_hot_standby %q", got)
	}
	for sql, want := range map[string]string{
		"insert into kv values ('b')": "25006", "update kv set k = 'c'": "25006", "delete from kv": "25006", "truncate kv": "25006",
		"create table x (a int)": "25006", "drop table kv": "25006", "select * from kv for update": "25006", "select * from kv": "",
		"begin read write": "0A000", "listen c": "25006", "select pg_notify('c', 'p')": "25006", "set default_transaction_read_only = off": "",
	} {
		if _, err := conn.Exec(t.Context(), sql); code(err) != want {
			t.Errorf("%s: %v, want %q", sql, err, want)
		}
	}
	if got := rowsOf(t, conn, "select pg_is_in_recovery()"); got[0][0] != true {
		t.Error(got)
	}
}

// TestLocks: a second writer waits for the first and then works on what that left.
func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sqlengine.NewStore()
		in := start(t, Config{Store: store})
		a, b := in.connect(t, ""), in.connect(t, "")
		mustExec(t, a, "create table n (id int primary key, v int)")
		mustExec(t, a, "insert into n values (1, 0), (2, 0)")
		mustExec(t, a, "begin")
		mustExec(t, a, "update n set v = v + 1 where id = 1")
		done := make(chan error, 1)
		go func() {
			_, err := b.Exec(context.Background(), "update n set v = v + 10 where id = 1")
			done <- err
		}()
		time.Sleep(time.Second)
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		if got := rowsOf(t, a, "select id from n order by id for update skip locked"); len(got) != 2 {
			t.Errorf("own locks count as foreign: %v", got)
		}
		mustExec(t, a, "commit")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]any{{int64(1), int64(11)}, {int64(2), int64(0)}}, store.Rows("n")); diff != "" {
			t.Error(diff)
		}

		mustExec(t, a, "begin")
		mustExec(t, a, "insert into n values (3, 0)")
		go func() {
			_, err := b.Exec(context.Background(), "insert into n values (3, 1)")
			done <- err
		}()
		time.Sleep(time.Second)
		mustExec(t, a, "commit")
		if err := <-done; code(err) != "23505" {
			t.Error(err)
		}

		mustExec(t, a, "begin")
		mustExec(t, b, "begin")
		mustExec(t, a, "update n set v = 1 where id = 1")
		mustExec(t, b, "update n set v = 1 where id = 2")
		if _, err := b.Exec(t.Context(), "select * from n where id = 1 for update nowait"); code(err) != "55P03" {
			t.Error(err)
		}
		mustExec(t, b, "rollback")
		mustExec(t, b, "begin")
		mustExec(t, b, "update n set v = 1 where id = 2")
		if got := rowsOf(t, b, "select id from n order by id for update skip locked limit 1"); len(got) != 1 || got[0][0] != int32(2) {
			t.Error(got)
		}
		go func() {
			_, err := a.Exec(context.Background(), "update n set v = 2 where id = 2")
			done <- err
		}()
		time.Sleep(time.Second)
		if _, err := b.Exec(t.Context(), "update n set v = 2 where id = 1"); code(err) != "40P01" {
			t.Errorf("deadlock: %v", err)
		}
		mustExec(t, b, "rollback")
		if err := <-done; err != nil {
			t.Error(err)
		}
		mustExec(t, a, "rollback")
	})
}

// TestStolenLock: the locks of a host that lost its role hold nobody up, and its transaction commits nothing.
func TestStolenLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sqlengine.NewStore()
		oldHost, newHost := newHost("mydb-1", true), newHost("mydb-2", false)
		before, after := start(t, Config{Store: store, Host: oldHost}).connect(t, ""), start(t, Config{Store: store, Host: newHost}).connect(t, "")
		mustExec(t, before, "create table n (id int primary key, v int)")
		mustExec(t, before, "insert into n values (1, 0)")
		mustExec(t, before, "begin")
		mustExec(t, before, "update n set v = 1")
		oldHost.writable.Store(false)
		newHost.writable.Store(true)
		mustExec(t, after, "update n set v = 2")
		oldHost.writable.Store(true) // even when it gets its role back
		newHost.writable.Store(false)
		if _, err := before.Exec(t.Context(), "commit"); code(err) != "40001" {
			t.Error(err)
		}
		if diff := cmp.Diff([][]any{{int64(1), int64(2)}}, store.Rows("n")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestConcurrentIncrements(t *testing.T) {
	store := sqlengine.NewStore()
	in := start(t, Config{Store: store})
	mustExec(t, in.connect(t, ""), "create table n (id int primary key, v int)")
	var wg sync.WaitGroup
	const workers, rounds = 4, 25
	for range workers {
		conn := in.connect(t, "")
		wg.Go(func() {
			for i := range rounds {
				sql := "insert into n values (1, 1) on conflict (id) do update set v = n.v + 1"
				if i%2 == 0 {
					if err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
						_, err := tx.Exec(t.Context(), sql)
						return err
					}); err != nil {
						t.Error(err)
					}
				} else if _, err := conn.Exec(t.Context(), sql); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff([][]any{{int64(1), int64(workers * rounds)}}, store.Rows("n")); diff != "" {
		t.Error(diff)
	}
}
