package mysqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

func TestCommitsImplicitly(t *testing.T) {
	tests := map[string]bool{
		"insert into t values (1)":     false,
		"SELECT 1":                     false,
		"":                             false,
		"update t set commit_date = 1": false,
		"savepoint a":                  false,
		"rollback to savepoint a":      false,
		"ROLLBACK /* x */ TO a":        false,
		"release savepoint a":          false,
		"set @x = 1":                   false,
		"set transaction isolation level serializable":  false,
		"(select 1) union (select 2)":                   false,
		"with x as (select 1) select * from x":          false,
		"creator":                                       false,
		"create table t (id int)":                       true,
		"  CREATE TEMPORARY TABLE t (id int)":           true, // does not commit, but that is hard to tell
		"\n-- why\n# not\n/* at all */ Drop TABLE t":    true,
		"/*!40000 ALTER TABLE t DISABLE KEYS */":        true,
		"/*M!100100 commit */":                          true,
		"/*!80000 */ commit":                            true,
		"\f\vcommit":                                    true,
		"CALL work()":                                   true,
		"execute s":                                     true,
		"if true then commit; end if":                   true,
		"load index into cache t":                       true,
		"load data infile 'f' into table t":             false,
		"set statement max_statement_time=1 for commit": true,
		"/* drop */ select 1":                           false,
		"truncate t":                                    true,
		"commit":                                        true,
		"COMMIT AND CHAIN":                              true,
		"rollback":                                      true,
		"start transaction":                             true,
		"set autocommit = 1":                            true,
		"SET SESSION AutoCommit=ON":                     true,
		"insert into t values (1); alter table t add column c int":  true,
		"insert into t values (1); insert into t values (2);":       false,
		"-- nothing but a comment":                                  false,
		"/* an open comment":                                        false,
		"uninstallplugins are not a statement, but long is no harm": false,
	}
	for query, want := range tests {
		if got := (*conn)(nil).CommitsImplicitly(query); got != want {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = endsTransaction("INSERT INTO t VALUES (1)") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCommitsInParts(t *testing.T) {
	tests := map[string]bool{
		"insert into t values (1)":                           false,
		"insert into t values (1); \n":                       false,
		"insert into t values (1); insert into t values (2)": true,
		"create table t (id int)":                            false,
		"/* x */ Call work()":                                true,
	}
	for query, want := range tests {
		if got := (*conn)(nil).CommitsInParts(query); got != want {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
}

// A deadlock is no reason to start over when something was committed before it.
func TestConflictAfterACommit(t *testing.T) {
	deadlock := fakeReply{err: &mysql.MySQLError{Number: 1213, Message: "Deadlock found"}}
	s := startFake(t, map[string]fakeReply{"update": deadlock, "one": rowsReplies["one"]})
	tests := map[string]struct {
		inTx       bool
		statements []string
		query      bool // the last one is
		repeat     bool // may be repeated
	}{
		"one":                            {false, []string{"update"}, false, true},
		"several":                        {false, []string{"insert; update"}, false, false},
		"several, in a later result":     {false, []string{"insert; one; update"}, true, false},
		"in a transaction":               {true, []string{"insert", "insert; update"}, false, true},
		"in a transaction, later result": {true, []string{"one; update"}, true, true},
		"after an implicit commit":       {true, []string{"insert", "create", "update"}, false, false},
		"after a deadlock":               {true, []string{"update", "insert", "update"}, false, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x?multiStatements=true"), WithPlugins()))
			defer db.Close()
			var on interface {
				ExecContext(context.Context, string, ...any) (sql.Result, error)
				QueryContext(context.Context, string, ...any) (*sql.Rows, error)
			} = db
			if test.inTx {
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = tx.Rollback() }() // best effort
				on = tx
			}
			var err error
			for i, statement := range test.statements {
				if !test.query || i < len(test.statements)-1 {
					_, err = on.ExecContext(t.Context(), statement)
					continue
				}
				rows, queryErr := on.QueryContext(t.Context(), statement)
				if queryErr != nil {
					t.Fatal(queryErr)
				}
				for rows.Next() || rows.NextResultSet() {
				}
				err = rows.Err()
				_ = rows.Close() // has ended
			}
			if !errors.As(err, new(*mysql.MySQLError)) || core.SafeToRepeat(err) != test.repeat {
				t.Errorf("%v, may be repeated: %t", err, !test.repeat)
			}
			if got := errors.Is(err, core.ErrOutcomeUnknown); got == test.repeat || errors.Is(err, driver.ErrBadConn) {
				t.Errorf("%v, outcome unknown: %t", err, got)
			}
		})
	}
}

// database/sql rolls back by itself when a transaction's context has ended. On a host
// that does not answer that ends with the handle at the latest.
func TestRollbackEndsWithTheHandle(t *testing.T) {
	s := startFake(t, map[string]fakeReply{"ROLLBACK": {silent: true}})
	k := connector(t, parsed(t, "app@tcp("+s.addr+")/x"), WithPlugins())
	c, err := k.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	tx, err := c.(driver.ConnBeginTx).BeginTx(ctx, driver.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	time.AfterFunc(10*time.Millisecond, func() { _ = k.Close() }) // never fails
	if err := tx.Rollback(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c.(driver.Validator).IsValid() {
		t.Error("the connection would go back into the pool")
	}
	if seen := s.seen(); seen[len(seen)-1] != "ROLLBACK" {
		t.Errorf("the server saw %q", seen)
	}
}

// core.RunTx starts over for these.
func TestConflicts(t *testing.T) {
	for number, want := range map[uint16]bool{1213: true, 1205: true, 1062: false, 1290: false, 1317: false} {
		err := fmt.Errorf("update: %w", &mysql.MySQLError{Number: number, Message: "Deadlock found 1213"})
		if got := core.SafeToRepeat(err); got != want {
			t.Errorf("%d: %v, want %v", number, got, want)
		}
	}
}
