package realmaria

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewrite(t *testing.T) {
	aurora, multiAZ := newRewriter(AuroraMySQL, "mydb-1").rewrite, newRewriter(MultiAZMySQL, "mydb-1").rewrite
	cases := []struct {
		name    string
		rewrite func(string) string
		sql     string
		want    string
	}{
		{"variables", aurora, "select @@aurora_server_id, @@GLOBAL.Aurora_Server_Id, @@ session . `aurora_version`, @@innodb_read_only",
			"select 'mydb-1', 'mydb-1', '3.08.0', @@global.read_only"},
		{"other variables", aurora, "select @@aurora_server_id_x, @aurora_version, @@global.read_only, aurora_version, @@innodb.aurora_version",
			"select @@aurora_server_id_x, @aurora_version, @@global.read_only, aurora_version, @@innodb.aurora_version"},
		{"literals", aurora, `select '@@aurora_version', "it''s @@aurora_version", 'a\'@@aurora_version', @@aurora_version`,
			`select '@@aurora_version', "it''s @@aurora_version", 'a\'@@aurora_version', '3.08.0'`},
		{"comments", aurora, "/* @@aurora_version */ select -- @@aurora_version\n# @@aurora_version\n1--@@aurora_version",
			"/* @@aurora_version */ select -- @@aurora_version\n# @@aurora_version\n1--'3.08.0'"},
		{"unterminated", aurora, "select @@aurora_version, '@@aurora_version", "select '3.08.0', '@@aurora_version"},
		{"unterminated comment", aurora, "select @@aurora_version /* @@aurora_version", "select '3.08.0' /* @@aurora_version"},
		{"nothing after it", aurora, "select aurora_, @@", "select aurora_, @@"},
		{"table", aurora, "SELECT r.SERVER_ID FROM INFORMATION_SCHEMA . `replica_host_status` r where session_id = ?",
			"SELECT r.SERVER_ID FROM awsdb.replica_host_status r where session_id = ?"},
		{"other table", aurora, "select * from app.replica_host_status, replica_host_status", "select * from app.replica_host_status, replica_host_status"},
		{"show", aurora, "/* probe */ SHOW  global VARIABLES LIKE 'Aurora_Version' ", "/* probe */ select 'aurora_version' as Variable_name, '3.08.0' as Value "},
		{"several statements", aurora, "set @a = 1; show variables like \"aurora_server_id\"", "set @a = 1; select 'aurora_server_id' as Variable_name, 'mydb-1' as Value"},
		{"not the start", aurora, "explain show variables like 'aurora_version'", "explain show variables like 'aurora_version'"},
		{"other show", aurora, "show variables like 'aurora_lab_mode'", "show variables like 'aurora_lab_mode'"},
		{"replica", multiAZ, "show replica status", "select * from awsdb.replica_status where Source_Server_Id <> @@global.server_id"},
		{"no Aurora", multiAZ, "select @@aurora_server_id", "select @@aurora_server_id"},
		{"empty", aurora, "", ""},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.rewrite(test.sql)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if newRewriter(MariaDB, "mydb-1") != nil {
		t.Error("MariaDB has a rewriter")
	}
}

// FuzzRewrite: whatever a client sends, the rewriter returns, and nothing disappears that is not replaced.
func FuzzRewrite(f *testing.F) {
	for _, sql := range []string{"select @@aurora_version", "show variables like 'aurora_version", "`aurora_", "\\'aurora_", "/*/aurora_", "--"} {
		f.Add(sql)
	}
	rewrite := newRewriter(AuroraMySQL, "mydb-1").rewrite
	f.Fuzz(func(t *testing.T, sql string) {
		end := 0
		for token := range tokens(sql) {
			if token.start < end || token.end <= token.start || token.end > len(sql) {
				t.Fatalf("%q: token %+v after %d", sql, token, end)
			}
			end = token.end
		}
		if got := rewrite(sql); !strings.Contains(sql, "@@") && !strings.Contains(sql, ".") && !strings.Contains(strings.ToLower(sql), "show") && got != sql {
			t.Errorf("%q became %q", sql, got)
		}
	})
}

func TestRecognise(t *testing.T) {
	prepared := []preparedText{
		parsePrepared("select 1"), parsePrepared("insert into t values (?, '?', ?) -- ?"), parsePrepared("insert into t values (?, ?, 7)"),
		parsePrepared("select ?-?"),
	}
	cases := []struct {
		executed  string
		sql       string
		arguments []any
	}{
		{"select 1", "select 1", nil},
		{`insert into t values ('it\'s, a\\\n', '?', NULL) -- ?`, "insert into t values (?, '?', ?) -- ?", []any{"it's, a\\\n", nil}},
		{"insert into t values (-1.5e-7, _binary'x', 7)", "insert into t values (?, ?, 7)", []any{"-1.5e-7", "x"}},
		{"insert into t values (1, 2, 8)", "insert into t values (1, 2, 8)", nil},
		{"insert into t values (1, 2", "insert into t values (1, 2", nil},
		{"delete from t", "delete from t", nil},
	}
	for _, test := range cases {
		t.Run(test.executed, func(t *testing.T) {
			sql, arguments := recognise(prepared, test.executed)
			if sql != test.sql || cmp.Diff(test.arguments, arguments) != "" {
				t.Errorf("got %q %q, want %q %q", sql, arguments, test.sql, test.arguments)
			}
		})
	}
}
