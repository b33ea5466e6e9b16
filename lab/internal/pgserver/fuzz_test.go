package pgserver

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// FuzzStatement checks that no statement breaks the SQL engine: a panic in it is reported as XX000.
func FuzzStatement(f *testing.F) {
	for _, sql := range []string{
		"select * from people p left join \"Orders\" o on p.id = o.person where age in (1, 2) order by 1 limit 1",
		"select city, count(*), sum(score) filter (where age > 1) from people group by city having max(age) > 2",
		"insert into people (name) values ('x') on conflict (id) do update set age = excluded.age returning *",
		"update people set age = age + 1, city = default where id between 1 and 2 returning id",
		"delete from people p using \"Orders\" o where o.person = p.id", "select '{1,2}'::int[] || array[3], 1 = any('{1}')",
		"with a as (values (1, 'x')) select column1 from a union all select 2", "create table z (a int, b text unique, check (a > 0))",
		"select extract(epoch from now() - at), at + interval '1 day' from \"Orders\"", "select '{\"a\":1}'::jsonb ->> 'a', 1.5 % 2, -(-3)",
		"select (select id from people limit 1), exists (select 1), case 1 when 2 then 3 end, row(1, 2) = (1, 2)", "begin; savepoint a; rollback to a; commit",
		"copy people to stdout", "set local a.b = 'c'; show a.b; select substring('abc', 0, 2), left('x', 9), repeat('x', 3)",
		"alter table people add column n int; select 5 & 3, 1 << 2, 'a' ~ 'b', null::int, round(1.5, 1)",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		lower := strings.ToLower(sql)
		if strings.Contains(lower, "sleep") || strings.Contains(lower, "generate_series") || strings.Contains(lower, "stdin") ||
			strings.Contains(lower, "pg_terminate_backend") || strings.Contains(lower, "repeat") || strings.ContainsRune(sql, 0) {
			return // waits, or is large, by design
		}
		conn := start(t, Config{}).connect(t, "")
		fixture(t, conn)
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if code(err) == "XX000" {
			t.Errorf("%q: %v %v", sql, results, err)
		}
		if rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeDescribeExec); err == nil {
			rows.Close()
			if code(rows.Err()) == "XX000" {
				t.Errorf("%q: %v", sql, rows.Err())
			}
		} else if code(err) == "XX000" {
			t.Errorf("%q: %v", sql, err)
		}
	})
}
