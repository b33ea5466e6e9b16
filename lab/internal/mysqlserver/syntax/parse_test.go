package syntax

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type variables struct{}

func (variables) User(name string) sql.Expr { return sql.String{Text: "user " + name} }

func (variables) System(scope, name string) (sql.Expr, error) {
	if name == "nothing" {
		return nil, errors.New("no such variable")
	}
	return sql.String{Text: scope + " " + name}, nil
}

func parseOne(t *testing.T, source string) Statement {
	t.Helper()
	statements, err := Parse(source, Options{Database: "shop", Tables: "shop", Variables: variables{}})
	if err != nil || len(statements) != 1 {
		t.Fatalf("Parse(%q) gave %d statements and error %v, want one and none", source, len(statements), err)
	}
	return statements[0]
}

// item parses SELECT x and gives x.
func item(t *testing.T, x string) sql.Expr {
	t.Helper()
	return parseOne(t, "SELECT "+x).Stmt.(*sql.Select).Items[0].X
}

func num(s string) sql.Expr { return sql.Number{Text: s} }

func column(s string) sql.Expr { return sql.Column{Name: s} }

func str(s string) sql.Expr { return sql.String{Text: s} }

func integerOf(x sql.Expr) sql.Expr { return sql.Cast{X: x, Type: sql.Type{Name: "int8"}} }

func TestValues(t *testing.T) {
	equal := sql.Binary{Op: "=", L: column("a"), R: num("1")}
	cases := map[string]sql.Expr{
		"a = 1":                      integerOf(equal),
		"NOT a = 1":                  integerOf(not(equal)),
		"(a = 1) + 1":                sql.Binary{Op: "+", L: integerOf(equal), R: num("1")},
		"TRUE":                       num("1"),
		"a <=> NULL":                 integerOf(not(sql.Binary{Op: "IS DISTINCT FROM", L: column("a"), R: sql.Null{}})),
		"1 && a":                     integerOf(sql.Binary{Op: "AND", L: condition(num("1")), R: condition(column("a"))}),
		"a || b":                     integerOf(sql.Binary{Op: "OR", L: condition(column("a")), R: condition(column("b"))}),
		"a / 2":                      call("divide", column("a"), num("2")),
		"a DIV 2 % 3":                call("mod", call("div", column("a"), num("2")), num("3")),
		"`a b`.`c`":                  sql.Column{Table: "a b", Name: "c"},
		"shop.t.c":                   sql.Column{Table: "t", Name: "c"},
		`'it''s' " \"x\" " 'y\n'`:    str("it's \"x\" y\n"),
		`'50\%'`:                     str(`50\%`),
		"X'6162'":                    binary("ab"),
		"0x616":                      binary("\x06\x16"),
		"_binary 'a'":                binary("a"),
		"_utf8mb4'a'":                str("a"),
		"IF(a, 1, 2)":                sql.Case{Whens: []sql.When{{If: condition(column("a")), Then: num("1")}}, Else: num("2")},
		"IFNULL(a, 0)":               call("coalesce", column("a"), num("0")),
		"NOW(6) - INTERVAL 5 MINUTE": call("date_sub", call("now", num("6")), num("5"), str("minute")),
		"@x":                         str("user x"),
		"@@global.read_only":         str("global read_only"),
		"@@LOCAL.`sql_mode`":         str("session sql_mode"),
		"VALUES(a)":                  sql.Column{Table: "excluded", Name: "a"},
		"CAST(a AS CHAR(3))":         call("left", call("cast_char", column("a")), num("3")),
		"CONVERT(a, SIGNED)":         call("cast_signed", column("a")),
		"COUNT(*)":                   sql.Call{Name: "count", Star: true},
		"left('abc', 2)":             call("left", str("abc"), num("2")),
		"EXTRACT(YEAR FROM a)":       call("year", column("a")),
		"TIMESTAMPDIFF(SECOND,a,b)":  call("timestampdiff", str("second"), column("a"), column("b")),
		"a->>'$.b'":                  call("json_unquote", call("json_extract", column("a"), str("$.b"))),
		"1 /* c */ + /*! 2 */":       sql.Binary{Op: "+", L: num("1"), R: num("2")},
		"-1e-3":                      sql.Unary{Op: "-", X: num("1e-3")},
		"a -- comment\n + 1":         sql.Binary{Op: "+", L: column("a"), R: num("1")},
		"a--1":                       sql.Binary{Op: "-", L: column("a"), R: sql.Unary{Op: "-", X: num("1")}},
		"a IN (1, '2')":              integerOf(sql.In{X: column("a"), List: []sql.Expr{num("1"), str("2")}}),
		"a IS NOT TRUE":              integerOf(sql.Is{X: condition(column("a")), What: "TRUE", Not: true}),
	}
	for source, want := range cases {
		if diff := cmp.Diff(want, item(t, source)); diff != "" {
			t.Errorf("SELECT %s (-want +got):\n%s", source, diff)
		}
	}
}

func TestNamesOfResults(t *testing.T) {
	q := parseOne(t, "select 1, Count( * ), T.Name, 'x', a  +b, c AS `d e`, 5 f, max(id) 'top'").Stmt.(*sql.Select)
	var names []string
	for _, it := range q.Items {
		names = append(names, it.Alias)
	}
	if diff := cmp.Diff([]string{"1", "Count( * )", "Name", "x", "a  +b", "d e", "f", "top"}, names); diff != "" {
		t.Errorf("names of the columns (-want +got):\n%s", diff)
	}
}

func TestStatements(t *testing.T) {
	first := true
	last := false
	readOnly := true
	one := &sql.Select{Items: []sql.Item{{X: num("1"), Alias: "value"}}}
	cases := map[string]sql.Stmt{
		"SELECT a FROM shop.t WHERE 1 ORDER BY b DESC LIMIT 5, 10 FOR UPDATE": &sql.Select{
			Items: []sql.Item{{X: column("a"), Alias: "a"}}, From: []sql.From{{Table: sql.Name{Name: "t"}}},
			Where:   condition(num("1")),
			OrderBy: []sql.Order{{X: column("b"), Descending: true, NullsFirst: &last}}, Limit: num("10"), Offset: num("5"), Lock: true,
		},
		"SELECT seq FROM seq_1_to_100": &sql.Select{
			Items: []sql.Item{{X: column("seq"), Alias: "seq"}},
			From: []sql.From{{Call: &sql.Call{Name: "generate_series", Args: []sql.Expr{num("1"), num("100")}},
				Alias: "seq_1_to_100", Columns: []string{"seq"}}},
		},
		"SELECT COUNT(*) c FROM other.t GROUP BY a HAVING c > 1": &sql.Select{
			Items:   []sql.Item{{X: sql.Call{Name: "count", Star: true}, Alias: "c"}},
			From:    []sql.From{{Table: sql.Name{Schema: "other", Name: "t"}}},
			GroupBy: []sql.Expr{column("a")},
			Having:  sql.Binary{Op: ">", L: sql.Call{Name: "count", Star: true}, R: num("1")},
		},
		"INSERT IGNORE t (a) VALUE (?), (DEFAULT)": &sql.Insert{
			Table: sql.Name{Name: "t"}, Columns: []string{"a"},
			Source:     &sql.Select{Values: [][]sql.Expr{{sql.Param{N: 1}}, {sql.Default{}}}},
			OnConflict: &sql.Conflict{},
		},
		"INSERT INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = VALUES(a) + 1": &sql.Insert{
			Table: sql.Name{Name: "t"}, Columns: []string{"a"}, Source: &sql.Select{Values: [][]sql.Expr{{num("1")}}},
			OnConflict: &sql.Conflict{Repeat: true, Set: []sql.Assignment{{Column: "a",
				Value: sql.Binary{Op: "+", L: sql.Column{Table: "excluded", Name: "a"}, R: num("1")}}}},
		},
		"INSERT INTO t VALUES (1) AS n ON DUPLICATE KEY UPDATE a = n.a": &sql.Insert{
			Table: sql.Name{Name: "t"}, Source: &sql.Select{Values: [][]sql.Expr{{num("1")}}},
			OnConflict: &sql.Conflict{Repeat: true, Set: []sql.Assignment{{Column: "a", Value: sql.Column{Table: "excluded", Name: "a"}}}},
		},
		"REPLACE INTO t VALUES (1)": &sql.Insert{
			Table: sql.Name{Name: "t"}, Source: &sql.Select{Values: [][]sql.Expr{{num("1")}}}, OnConflict: &sql.Conflict{Replace: true},
		},
		"UPDATE t SET t.a = 1 WHERE b ORDER BY c LIMIT 1": &sql.Update{
			Affected: sql.Affected{
				Table: sql.Name{Name: "t"}, Where: condition(column("b")),
				OrderBy: []sql.Order{{X: column("c"), NullsFirst: &first}}, Limit: num("1"),
			},
			Set: []sql.Assignment{{Column: "a", Value: num("1")}},
		},
		"DELETE x FROM t AS x JOIN u ON x.a = u.a WHERE u.b = 2": &sql.Delete{Affected: sql.Affected{
			Table: sql.Name{Name: "t"}, Alias: "x", From: []sql.From{{Table: sql.Name{Name: "u"}}},
			Where: sql.Binary{Op: "AND",
				L: sql.Binary{Op: "=", L: sql.Column{Table: "x", Name: "a"}, R: sql.Column{Table: "u", Name: "a"}},
				R: sql.Binary{Op: "=", L: sql.Column{Table: "u", Name: "b"}, R: num("2")}},
		}},
		"START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT": sql.Begin{Start: true, ReadOnly: &readOnly},
		"ROLLBACK WORK TO S1": sql.RollbackTo{Name: "s1"},
		"SET @a = 1, SESSION sql_mode = ANSI, @@autocommit = 1": Set{Assignments: []Assignment{
			{Scope: "user", Name: "a", Query: one},
			{Scope: "session", Name: "sql_mode", Query: &sql.Select{Items: []sql.Item{{X: str("ANSI"), Alias: "value"}}}},
			{Name: "autocommit", Query: one},
		}},
		"SET TRANSACTION ISOLATION LEVEL READ COMMITTED": SetTransaction{Isolation: "READ-COMMITTED"},
		"SET SESSION TRANSACTION READ ONLY":              SetTransaction{Scope: "session", ReadOnly: &readOnly},
		"KILL QUERY 1":                                   Kill{StatementOnly: true, ID: one},
		"USE shop":                                       Use{Database: "shop"},
		"SHOW GLOBAL VARIABLES LIKE 'a%'": Show{Query: &sql.Select{
			Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Table: sql.Name{Schema: ShowSchema, Name: "global_variables"}}},
			Where: sql.Like{X: column("Variable_name"), Pattern: str("a%"), Fold: true},
		}},
		"SHOW REPLICA STATUS": Show{Query: &sql.Select{
			Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Table: sql.Name{Schema: ShowSchema, Name: "replica_status"}}},
		}},
		"LOAD DATA LOCAL INFILE 'f' INTO TABLE t FIELDS TERMINATED BY ',' ENCLOSED BY '\"' LINES TERMINATED BY '\\r\\n' IGNORE 1 LINES (a, @x, b)": &LoadData{
			File: "f", Table: sql.Name{Name: "t"}, Columns: []string{"a", "", "b"}, FieldsEnd: ",", LinesEnd: "\r\n", Quote: `"`, Escape: `\`, SkipLines: 1,
		},
	}
	for source, want := range cases {
		if diff := cmp.Diff(want, parseOne(t, source).Stmt, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
	}
}

func TestCreateTable(t *testing.T) {
	got := parseOne(t, `CREATE TABLE IF NOT EXISTS orders (
		id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'key',
		name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT 'x',
		price DECIMAL(10,2) NOT NULL DEFAULT 0.00,
		paid BOOL DEFAULT FALSE,
		at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
		kind ENUM('a','b') NOT NULL,
		count INT UNSIGNED,
		PRIMARY KEY (id), UNIQUE KEY by_name (name(10) ASC) USING BTREE, KEY plain (price, paid),
		CONSTRAINT fk FOREIGN KEY (count) REFERENCES other (id) ON DELETE SET NULL ON UPDATE CASCADE,
		CHECK (price >= 0)
	) ENGINE=InnoDB AUTO_INCREMENT=100 DEFAULT CHARSET=utf8mb4 COMMENT='orders'`).Stmt
	now := sql.Call{Name: "now", Args: []sql.Expr{num("3")}}
	want := &sql.CreateTable{
		Name: sql.Name{Name: "orders"}, IfNotExists: true,
		Columns: []sql.ColumnDef{
			{Name: "id", Type: sql.Type{Name: "int8"}, NotNull: true, Serial: true, Start: 100, Declared: "bigint unsigned"},
			{Name: "name", Type: sql.Type{Name: "varchar", Mods: []int{20}}, Default: str("x"), Start: 100, Declared: "varchar(20)"},
			{Name: "price", Type: sql.Type{Name: "numeric", Mods: []int{10, 2}}, NotNull: true, Default: num("0.00"), Start: 100, Declared: "decimal(10,2)"},
			{Name: "paid", Type: sql.Type{Name: "int2"}, Default: num("0"), Start: 100, Declared: "tinyint(1)"},
			{Name: "at", Type: sql.Type{Name: "timestamp", Mods: []int{3}}, Default: now, OnUpdate: now, Start: 100, Declared: "datetime(3)"},
			{Name: "kind", Type: sql.Type{Name: "text"}, NotNull: true, Start: 100, Declared: "enum"},
			{Name: "count", Type: sql.Type{Name: "int8"}, Start: 100, Declared: "int unsigned"},
		},
		Keys: []sql.Key{
			{Name: "PRIMARY", Columns: []string{"id"}, Primary: true},
			{Name: "by_name", Columns: []string{"name"}},
		},
		Checks: []sql.Check{{X: sql.Binary{Op: ">=", L: column("price"), R: num("0")}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CREATE TABLE (-want +got):\n%s", diff)
	}
}

func TestSeveralStatements(t *testing.T) {
	statements, err := Parse("select ?; ; insert into t values (?, ?)  ;select @@x ; selec 1", Options{Variables: variables{}})
	type summary struct {
		SQL      string
		Params   int
		Volatile bool
	}
	var got []summary
	for _, s := range statements {
		got = append(got, summary{s.SQL, s.Params, s.Volatile})
	}
	want := []summary{{"select ?", 1, false}, {"insert into t values (?, ?)", 2, false}, {"select @@x", 0, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statements before the error (-want +got):\n%s", diff)
	}
	var bad *Error
	if !errors.As(err, &bad) || bad.Number != 1064 || !strings.Contains(bad.Message, "near 'selec 1' at line 1") {
		t.Errorf("the error is %v, want a syntax error near the last statement", err)
	}
	source := statements[1].Stmt.(*sql.Insert).Source.Values[0]
	if diff := cmp.Diff([]sql.Expr{sql.Param{N: 1}, sql.Param{N: 2}}, source); diff != "" {
		t.Errorf("placeholders are not counted by statement (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	cases := []struct {
		source string
		number uint16
		text   string
	}{
		{"SELECT", 1064, "near '' at line 1"},
		{"SELECT 1 +\n* 2", 1064, "near '* 2' at line 2"},
		{"SELECT 'abc", 1064, "near ''abc'"},
		{"SELECT 1 /* x", 1064, "near '/* x'"},
		{"CREATE TABLE t (a WIDGET)", 1064, "near 'WIDGET)'"},
		{"CREATE TABLE t (a VARCHAR(20) CHARACTER utf8mb4)", 1064, "near 'utf8mb4)'"}, // once went on for ever
		{"SELECT * FROM (SELECT 1)", 1248, "must have its own alias"},
		{"CREATE TRIGGER x", 1235, "CREATE TRIGGER"},
		{"LOAD DATA INFILE 'x' INTO TABLE t", 1290, "--secure-file-priv"},
		{"SELECT IFNULL(1)", 1582, "Incorrect parameter count"},
		{"SELECT " + strings.Repeat("(", 500) + "1", 1436, "nested too deeply"},
		{"SELECT 1 OVER 2", 1064, "near 'OVER 2'"},
	}
	for _, c := range cases {
		_, err := Parse(c.source, Options{})
		var bad *Error
		if !errors.As(err, &bad) || bad.Number != c.number || !strings.Contains(bad.Message, c.text) {
			t.Errorf("Parse(%q) failed with %v, want number %d and %q", c.source, err, c.number, c.text)
		}
	}
	if _, err := Parse("SELECT @@nothing", Options{Variables: variables{}}); err == nil || err.Error() != "no such variable" {
		t.Errorf("an unknown variable gave %v, want the error of the one who knows them", err)
	}
}

func TestModes(t *testing.T) {
	one := func(source string, o Options) sql.Expr {
		statements, err := Parse(source, o)
		if err != nil {
			t.Fatalf("Parse(%q): %v", source, err)
		}
		return statements[0].Stmt.(*sql.Select).Items[0].X
	}
	cases := []struct {
		source  string
		options Options
		want    sql.Expr
	}{
		{`SELECT "a"`, Options{}, str("a")},
		{`SELECT "a"`, Options{AnsiQuotes: true}, column("a")},
		{`SELECT 'a\n'`, Options{NoBackslashEscapes: true}, str(`a\n`)},
		{`SELECT a || b`, Options{PipesAsConcat: true}, call("concat", column("a"), column("b"))},
		{`SELECT 1 /*!90000 + 1 */`, Options{}, num("1")},
		{`SELECT /*!50000 'a' */`, Options{}, str("a")},
		{`SELECT 1 /*M! + 1 */`, Options{}, num("1")},
		{`SELECT 1 /*M! + 1 */`, Options{MariaDB: true}, sql.Binary{Op: "+", L: num("1"), R: num("1")}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, one(c.source, c.options)); diff != "" {
			t.Errorf("%s with %+v (-want +got):\n%s", c.source, c.options, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"select a from t where b = ? and c in (1, 'x') limit 1, 2", "insert into t values (1) on duplicate key update a = values(a)",
		"create table t (id int auto_increment primary key, b enum('x'))", "set @a = 1, names utf8", "/*!50000 select */ 0x41 -- x",
		"load data local infile 'f' into table t fields terminated by ','", "alter table t add column (a int, b int), add unique (a)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		statements, err := Parse(source, Options{Variables: variables{}})
		if err == nil && len(statements) == 0 && strings.Trim(source, " \t\n\r\f\v;") != "" &&
			!strings.Contains(source, "--") && !strings.Contains(source, "#") && !strings.Contains(source, "/*") {
			t.Errorf("Parse(%q) found nothing and no error", source)
		}
		for _, s := range statements {
			if s.Params < 0 || !strings.Contains(source, s.SQL) {
				t.Errorf("Parse(%q) gave %+v", source, s)
			}
		}
	})
}
