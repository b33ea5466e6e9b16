package syntax

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrecedence(t *testing.T) {
	a, b, c := Column{Name: "a"}, Column{Name: "b"}, Column{Name: "c"}
	tests := []struct {
		sql  string
		want Expr
	}{
		{"a + b * c", Binary{Op: "+", L: a, R: Binary{Op: "*", L: b, R: c}}},
		{"a - b - c", Binary{Op: "-", L: Binary{Op: "-", L: a, R: b}, R: c}},
		{"a or b and not c", Binary{Op: "OR", L: a, R: Binary{Op: "AND", L: b, R: Unary{Op: "NOT", X: c}}}},
		{"a = b || c", Binary{Op: "=", L: a, R: Binary{Op: "||", L: b, R: c}}},
		{"not a = b is null", Unary{Op: "NOT", X: Is{X: Binary{Op: "=", L: a, R: b}, What: "NULL"}}},
		{"a between b and c and a", Binary{Op: "AND", L: Between{X: a, Low: b, High: c}, R: a}},
		{"-a::int", Unary{Op: "-", X: Cast{X: a, Type: Type{Name: "int"}}}},
		{"a operator(pg_catalog.=) b", Binary{Op: "=", L: a, R: b}},
		{"pg_catalog.f(a, b.c)", Call{Schema: "pg_catalog", Name: "f", Args: []Expr{a, Column{Table: "b", Name: "c"}}}},
		{"A -- comment\n + /* nested /* */ */ \"b\"", Binary{Op: "+", L: a, R: b}},
	}
	for _, test := range tests {
		statements, err := Parse("select " + test.sql)
		if err != nil {
			t.Errorf("%s: %v", test.sql, err)
			continue
		}
		if diff := cmp.Diff(test.want, statements[0].Stmt.(*Select).Items[0].X); diff != "" {
			t.Errorf("%s: %s", test.sql, diff)
		}
	}
}

func TestStatementTexts(t *testing.T) {
	statements, err := Parse(" ; select 1 ;; begin -- x\n; select ';' ")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, s := range statements {
		texts = append(texts, s.SQL)
	}
	if diff := cmp.Diff([]string{"select 1", "begin", "select ';'"}, texts); diff != "" {
		t.Error(diff)
	}
}

func TestSyntaxErrors(t *testing.T) {
	for sql, position := range map[string]int{"select 1 +": 10, "select * form t": 9, "select 'x": 7, "insert t": 7, "select (1": 9} {
		_, err := Parse(sql)
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != "42601" || failure.Position != position {
			t.Errorf("%s: %#v, want position %d", sql, failure, position)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", ";", "select 1", "select $1::int + 2 * -3 as x from t a left join u using (id) where a.b in (1,2) order by 1 desc limit 3",
		"insert into t (a, b) values ($1, default) on conflict (a) do update set b = excluded.b returning *",
		"create table if not exists s.t (id bigserial primary key, n numeric(10,2) not null default 0 check (n > 0), unique (n))",
		"begin isolation level serializable, read only; commit", "set local a.b to 'c', d", `select U&'x' "a""b" $$x$$ $t$ $ $t$`,
		"copy t (a) from stdin binary", "select case when a then b else c end, extract(epoch from now() - x) from f(1) as g(a, b)",
		"select ((select 1) + 1), ((select 2)), (((select 3) union select 4))", "with a as (select 1) select * from a, b cross join c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		statements, err := Parse(sql)
		if err == nil {
			return
		}
		var failure *Error
		if !errors.As(err, &failure) || len(failure.Code) != 5 || failure.Position < 0 || failure.Position > len(sql) || statements != nil {
			t.Errorf("Parse(%q) = %v, %#v", sql, statements, err)
		}
	})
}
