package sqlengine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// TestDialect plugs functions, a view and settings into a dialect that has nothing else.
func TestDialect(t *testing.T) {
	type state struct{ calls int64 }
	own := &state{}
	d := &sqlengine.Dialect{
		Functions: map[string][]*sqlengine.Function{
			"calls": {{Result: pgtype.Int8OID, Call: func(e *sqlengine.Execution, _ []any) (any, error) {
				s := e.Session().Front().State.(*state)
				s.calls++
				return s.calls, nil
			}}},
			"ifnull":   {{Args: []sqlengine.OID{sqlengine.AnyOID, sqlengine.AnyOID}, Lax: true, Call: ifNull}},
			"abs":      sqlengine.PostgreSQL().Functions["abs"],
			"rds.only": {{Result: pgtype.BoolOID, Flavors: []sqlengine.Flavor{sqlengine.RDSPG}, Call: func(*sqlengine.Execution, []any) (any, error) { return true, nil }}},
		},
		Views: map[string]*sqlengine.View{
			"information_schema.shapes": {
				Columns: []sqlengine.Field{{Name: "name", Type: pgtype.TextOID}, {Name: "columns", Type: pgtype.Int8OID}},
				Rows: func(e *sqlengine.Execution) [][]any {
					var rows [][]any
					for _, table := range e.Tables() {
						rows = append(rows, []any{table.Name, int64(len(table.Columns))})
					}
					return rows
				},
			},
		},
		Version: "8.0.39",
	}
	h := &host{flavor: sqlengine.PG}
	c := open(t, sqlengine.Config{Dialect: d, Host: h, Front: sqlengine.Front{State: own}})
	if c.Version() != "8.0.39" {
		t.Error(c.Version())
	}
	c.must(t, "create table kv (k text primary key, v int)", "begin", "create table third (a int)")
	r := c.must(t, "select calls(), calls(), ifnull(null::int, 7), abs(-1), name, columns from information_schema.shapes where columns < 2")
	if diff := cmp.Diff([][]any{{int64(1), int64(2), int64(7), int64(1), "third", int64(1)}}, r.Rows); diff != "" {
		t.Error(diff)
	}
	c.refuse(t, "42883", "select rds.only()", "select pg_sleep(1)")
	c.refuse(t, "42P01", "select * from shapes", "select * from pg_catalog.pg_settings")
	c.refuse(t, "42501", "insert into information_schema.shapes values ('a', 1)")
	c.refuse(t, "42704", "show application_name", "set application_name = 'x'")
	h.flavor = sqlengine.RDSPG
	if r := c.must(t, "select rds.only()"); r.Rows[0][0] != true {
		t.Error(r.Rows)
	}
}

func ifNull(_ *sqlengine.Execution, args []any) (any, error) {
	if args[0] == nil {
		return args[1], nil
	}
	return args[0], nil
}

// TestSettings: how long a value lasts depends on its scope.
func TestSettings(t *testing.T) {
	c := open(t, sqlengine.Config{Settings: map[string]string{"work_mem": "1GB"}})
	check := func(name, want string) {
		t.Helper()
		if got, ok := c.Setting(name); got != want || !ok {
			t.Errorf("%s = %q, %v, want %q", name, got, ok, want)
		}
	}
	check("Work_Mem", "1GB")
	c.Begin(nil)
	for scope, name := range map[sqlengine.Scope]string{sqlengine.AtLogin: "a.login", sqlengine.ForSession: "a.session", sqlengine.ForTransaction: "a.transaction"} {
		c.Keep(name, "before", sqlengine.AtLogin)
		if err := c.Set(name, "during", scope); err != nil {
			t.Error(err)
		}
		check(name, "during")
	}
	c.Rollback()
	check("a.login", "during")
	check("a.session", "before")
	check("a.transaction", "before")
	c.Begin(nil)
	c.must(t, "set a.session = 'kept'", "set local a.transaction = 'gone'")
	if err := c.Commit(); err != nil {
		t.Error(err)
	}
	check("a.session", "kept")
	check("a.transaction", "before")
	c.ResetSettings()
	check("a.session", "before")
}

// TestFront: what the front does not supply is refused, and what it supplies is used.
func TestFront(t *testing.T) {
	alone := open(t, sqlengine.Config{})
	alone.must(t, "create table kv (k text, v int)", "begin", "begin", "notify news", "commit")
	alone.refuse(t, "0A000", "listen news", "discard all", "copy kv from stdin", "select pg_cancel_backend(1)")
	if r := alone.must(t, "select inet_server_addr() is null"); r.Rows[0][0] != true {
		t.Error(r.Rows)
	}

	var warnings []string
	var delivered []sqlengine.Notification
	ended := 0
	c := open(t, sqlengine.Config{PID: 7, Front: sqlengine.Front{
		Warn:    func(code, _ string) { warnings = append(warnings, code) },
		Ended:   func() { ended++ },
		Local:   func(syntax.Stmt) (*sqlengine.Result, error) { return &sqlengine.Result{Verb: "LOCAL"}, nil },
		Deliver: func(list []sqlengine.Notification) { delivered = append(delivered, list...) },
		CopyIn: func(_ *syntax.Copy, fields []sqlengine.Field) ([][]any, error) {
			if len(fields) != 2 {
				t.Errorf("fields %v", fields)
			}
			return [][]any{{"a", int64(1)}, {"b", nil}}, nil
		},
		Cancel:  func(pid uint32) bool { return pid == 9 },
		Address: func() (string, int) { return "10.0.0.1", 5432 },
	}})
	c.must(t, "create table kv (k text, v int)")
	ended = 0
	c.must(t, "begin", "begin", "notify news, 'hello'")
	if delivered != nil || ended != 0 {
		t.Errorf("before the commit: delivered %v, ended %d", delivered, ended)
	}
	c.must(t, "commit")
	if diff := cmp.Diff([]sqlengine.Notification{{Channel: "news", Payload: "hello", PID: 7}}, delivered); diff != "" || ended != 1 {
		t.Error(diff, ended)
	}
	if diff := cmp.Diff([]string{"25001"}, warnings); diff != "" {
		t.Error(diff)
	}
	if r := c.must(t, "listen news"); r.Verb != "LOCAL" {
		t.Error(r)
	}
	if r := c.must(t, "copy kv from stdin"); r.Verb != "COPY" || r.Affected != 2 {
		t.Error(r)
	}
	r := c.must(t, "copy kv to stdout")
	if diff := cmp.Diff([][]any{{"a", int64(1)}, {"b", nil}}, r.Rows); diff != "" {
		t.Error(diff)
	}
	r = c.must(t, "select pg_cancel_backend(9), pg_cancel_backend(8), inet_server_addr(), inet_server_port()")
	if diff := cmp.Diff([][]any{{true, false, "10.0.0.1", int64(5432)}}, r.Rows); diff != "" {
		t.Error(diff)
	}
}
