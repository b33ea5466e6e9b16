package pgdriver

import "testing"

func TestEndsTx(t *testing.T) {
	tests := map[string]bool{
		"":                             false,
		"insert into t values (1)":     false,
		"update t set commit_date = 1": false,
		"rollback":                     false,
		"rollback;":                    false,
		"ROLLBACK WORK TO a; insert into t values (1)": false,
		"rollback; insert into t values (1)":           true,
		"commit--":                                     true,
		"endless":                                      false,
		"-- name: Add :exec\nupdate t set n = n + 1":   false, // sqlc's
		"-- a\r\n-- b; commit\n/* c; end */ select 1":  false,
		"/*traceparent='00-1',app='x'*/ select 1":      false, // sqlcommenter's
		"-- nothing but a comment":                     false,
		"insert into t values (1); select 1;":          false,
		"commit":                                       true,
		"  COMMIT AND CHAIN":                           true,
		"end":                                          true,
		"prepare transaction 'x'":                      true,
		"-- name: Done :exec\ncommit":                  true,
		"-- a ; b\ncommit":                             true,
		"/* a ; b */ commit":                           true,
		"/* a /* nested */ comment */ commit":          true,
		"/* an open comment":                           true,
		"insert into t values (1); commit":             true,
		"insert into t values (1); -- so\n commit":     true,
		"insert into t values ('; -- '); commit":       true,
		"insert into t values (1); /* */ select 1":     true, // not looked into
		"insert into t values ('; -- not a comment ')": true, // neither
	}
	for sql, want := range tests {
		if got := endsTx(sql, false); got != want {
			t.Errorf("endsTx(%q) = %v, want %v", sql, got, want)
		}
	}
	if !endsTx("abort", true) || endsTx("rollback to a", true) {
		t.Error("what follows a ROLLBACK is committed at once, but not if that was to a savepoint")
	}
	if n := testing.AllocsPerRun(100, func() { endsTx("insert into t (a, b) values (1, 2); select 1", false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestReadOnlyText(t *testing.T) {
	for begin, want := range map[string]bool{
		"begin": false, "begin read only": true, "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY": true,
		"begin isolation level read committed": false, "start transaction read  only, deferrable": true,
	} {
		if got := readOnly(begin); got != want {
			t.Errorf("%q: %v", begin, got)
		}
	}
}
