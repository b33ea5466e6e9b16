package mysqldriver

import (
	"fmt"
	"testing"

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
		"set transaction isolation level serializable": false,
		"(select 1) union (select 2)":                  false,
		"with x as (select 1) select * from x":         false,
		"creator":                                      false,
		"create table t (id int)":                      true,
		"  CREATE TEMPORARY TABLE t (id int)":          true, // does not commit, but that is hard to tell
		"\n-- why\n# not\n/* at all */ Drop TABLE t":   true,
		"/*!40000 ALTER TABLE t DISABLE KEYS */":       true,
		"/* drop */ select 1":                          false,
		"truncate t":                                   true,
		"commit":                                       true,
		"COMMIT AND CHAIN":                             true,
		"rollback":                                     true,
		"start transaction":                            true,
		"set autocommit = 1":                           true,
		"SET SESSION AutoCommit=ON":                    true,
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

// core.RunTx starts over for these.
func TestConflicts(t *testing.T) {
	for number, want := range map[uint16]bool{1213: true, 1205: true, 1062: false, 1290: false, 1317: false} {
		err := fmt.Errorf("update: %w", &mysql.MySQLError{Number: number, Message: "Deadlock found 1213"})
		if got := core.SafeToRepeat(err); got != want {
			t.Errorf("%d: %v, want %v", number, got, want)
		}
	}
}
