package pgserver

import (
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

var modes = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
	pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}

// fixture makes the tables that the queries below read.
func fixture(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	mustExec(t, conn, `create table people (id bigserial primary key, name text not null, age int, city varchar(20), score numeric(6,2));
		create table "Orders" (id serial primary key, person bigint references people(id), total numeric, at timestamptz)`, pgx.QueryExecModeSimpleProtocol)
	mustExec(t, conn, `insert into people (name, age, city, score) values ('Ann', 30, 'Rome', 1.5), ('Bob', 25, 'Oslo', 2.25), ('Cid', null, 'Rome', null), ('Dan', 41, null, 10)`)
	mustExec(t, conn, `insert into "Orders" (person, total, at) values (1, 10.5, '2024-01-02 03:04:05+00'), (1, 4.5, '2024-02-01'), (2, 7, null)`)
}

func TestQueries(t *testing.T) {
	conn := start(t, Config{}).connect(t, "")
	fixture(t, conn)
	number := func(coefficient int64, exponent int32) pgtype.Numeric {
		return pgtype.Numeric{Int: big.NewInt(coefficient), Exp: exponent, Valid: true}
	}
	tests := []struct {
		sql  string
		args []any
		want [][]any
	}{
		{"select 1, 'a', null, true, 1.50, 3000000000, -2", nil, [][]any{{int32(1), "a", nil, true, number(150, -2), int64(3000000000), int32(-2)}}},
		{"select 7/2, -7%3, 2+3*4, (2+3)*4, 2^3, 7.0/2, 1e3", nil,
			[][]any{{int32(3), int32(-1), int32(14), int32(20), 8.0, number(35000000000000000, -16), number(1000, 0)}}},
		{"select 'a' || 'b' || 1, upper('x'), length('héé'), substring('hello' from 2 for 3), position('l' in 'hello')", nil,
			[][]any{{"ab1", "X", int32(3), "ell", int32(3)}}},
		{"select '5'::int + 1, cast('2.5' as float8), '12'::text, 5::bigint, 'f'::bool, '{1,2}'::int[]", nil,
			[][]any{{int32(6), 2.5, "12", int64(5), false, []any{int32(1), int32(2)}}}},
		{"select null = 1, null is null, 1 is distinct from null, not true or null, false and null", nil,
			[][]any{{nil, true, true, nil, false}}},
		{"select 2 between 1 and 3, 5 not in (1, 2), 'abc' like 'a%', 'abc' like '_b', 'ABC' ilike 'ab_', 'a%c' like 'a\\%c'", nil,
			[][]any{{true, true, true, false, true, true}}},
		{"select case when 1 > 2 then 'x' else 'y' end, case 3 when 3 then 1.5 end, coalesce(null, 4), nullif(1, 1), greatest(1, 5, 3)", nil,
			[][]any{{"y", number(15, -1), int32(4), nil, int32(5)}}},
		{"select $1::int + 1, $2 || 'x', $3::timestamptz", []any{4, "y", time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)},
			[][]any{{int32(5), "yx", time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)}}},
		{"select '2024-03-01'::date - '2024-02-28'::date, timestamptz '2024-01-31' + interval '1 day 2 hours', extract(epoch from interval '90s')::int", nil,
			[][]any{{int32(2), time.Date(2024, 2, 1, 2, 0, 0, 0, time.UTC), int32(90)}}},
		{"select name from people where age > $1 order by name", []any{26}, [][]any{{"Ann"}, {"Dan"}}},
		{"select name from people where id = any($1) order by id desc", []any{[]int64{1, 3}}, [][]any{{"Cid"}, {"Ann"}}},
		{"select name, age from people order by age desc nulls last limit 2 offset 1", nil, [][]any{{"Ann", int32(30)}, {"Bob", int32(25)}}},
		{"select name n from people p where p.city = 'Rome' and age is not null", nil, [][]any{{"Ann"}}},
		{"select distinct city from people where city is not null order by city", nil, [][]any{{"Oslo"}, {"Rome"}}},
		{"select count(*), count(age), sum(age), min(name), max(score), avg(age)::float8 from people", nil,
			[][]any{{int64(4), int64(3), int64(96), "Ann", number(1000, -2), 32.0}}},
		{"select city, count(*) as n from people group by city having count(*) > 1 order by 1", nil, [][]any{{"Rome", int64(2)}}},
		{"select count(*) from people where false", nil, [][]any{{int64(0)}}},
		{"select p.name, o.total from people p join \"Orders\" o on o.person = p.id order by o.id", nil,
			[][]any{{"Ann", number(105, -1)}, {"Ann", number(45, -1)}, {"Bob", number(7, 0)}}},
		{"select p.name, o.id from people as p left join \"Orders\" o on o.person = p.id where p.id > 1 order by p.id", nil,
			[][]any{{"Bob", int32(3)}, {"Cid", nil}, {"Dan", nil}}},
		{"select name from people p where exists (select 1 from \"Orders\" where person = p.id and total > 7)", nil, [][]any{{"Ann"}}},
		{"select (select count(*) from \"Orders\" o where o.person = p.id) from people p order by id", nil, [][]any{{int64(2)}, {int64(1)}, {int64(0)}, {int64(0)}}},
		{"select name from people where id in (select person from \"Orders\") order by 1", nil, [][]any{{"Ann"}, {"Bob"}}},
		{"with r as (select * from people where city = 'Rome') select count(*) from r where id not in (select id from r where age is null)", nil, [][]any{{int64(1)}}},
		{"select x * 2 from generate_series(1, 3) as s(x)", nil, [][]any{{int32(2)}, {int32(4)}, {int32(6)}}},
		{"select generate_series(1, 2)", nil, [][]any{{int32(1)}, {int32(2)}}},
		{"select 1 union select 2 union select 1 order by 1 desc", nil, [][]any{{int32(2)}, {int32(1)}}},
		{"values (1, 'a'), (2, null)", nil, [][]any{{int32(1), "a"}, {int32(2), nil}}},
		{"select q.a from (values (3), (4)) as q(a) where a operator(pg_catalog.>) 3", nil, [][]any{{int32(4)}}},
		{"select 1 from pg_catalog.pg_proc limit 1", nil, [][]any{{int32(1)}}},
		{"select '{\"a\": {\"b\": [1, 2]}}'::jsonb -> 'a' -> 'b' ->> 1", nil, [][]any{{"2"}}},
		{"select current_user, current_database(), pg_is_in_recovery(), to_regproc('pg_catalog.now') is not null, to_regproc('nope') is null", nil,
			[][]any{{"app", "app", false, true, true}}},
		{"select string_agg(name, ',') from (select name from people order by name desc) s", nil, [][]any{{"Dan,Cid,Bob,Ann"}}},
		{"select count(distinct city) filter (where age > 0) from people", nil, [][]any{{int64(2)}}},
		{"select name from people where (age, city) = (25, 'Oslo')", nil, [][]any{{"Bob"}}},
		{"select round(2.345, 2), abs(-3), ceil(1.2), md5('x'), lower('ABC') = $1", []any{"abc"},
			[][]any{{number(235, -2), int32(3), number(2, 0), "9dd4e461268c8034f5c8564e155c67a6", true}}},
	}
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			for _, test := range tests {
				got := rowsOf(t, conn, test.sql, append([]any{mode}, test.args...)...)
				if diff := cmp.Diff(test.want, got, cmp.Comparer(sameNumeric)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", test.sql, diff)
				}
			}
		})
	}
}

func sameNumeric(a, b pgtype.Numeric) bool {
	return a.Valid == b.Valid && rational(a).Cmp(rational(b)) == 0
}

// rational is the value of a finite number.
func rational(n pgtype.Numeric) *big.Rat {
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n.Exp, -n.Exp))), nil))
	value := new(big.Rat).SetInt(n.Int)
	if n.Exp < 0 {
		return value.Quo(value, power)
	}
	return value.Mul(value, power)
}

// TestRoundTrips sends a value of each type in and out again, in every mode.
func TestRoundTrips(t *testing.T) {
	conn := start(t, Config{}).connect(t, "")
	mustExec(t, conn, `create table types (i2 smallint, i4 int, i8 bigint, t text, v varchar(10), b bool, f4 real, f8 float8, tz timestamptz,
		ts timestamp, d date, u uuid, n numeric, raw bytea, j jsonb, iv interval, ints bigint[], texts text[])`)
	at := time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)
	day := time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)
	uuid := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			mustExec(t, conn, "truncate types")
			tag := mustExec(t, conn, `insert into types values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`, mode,
				int16(1), int32(-2), int64(1)<<40, "t'x\\", "v", true, float32(1.5), 2.25, at, pgtype.Timestamp{Time: at, Valid: true}, pgtype.Date{Time: day, Valid: true},
				pgtype.UUID{Bytes: uuid, Valid: true}, pgtype.Numeric{Int: big.NewInt(12345), Exp: -2, Valid: true}, []byte{0, 255}, `{"a": [1, "x"]}`,
				pgtype.Interval{Days: 1, Microseconds: 3661e6, Valid: true}, []int64{1, 2}, []string{"a b", "c,\"d\""})
			if tag != "INSERT 0 1" {
				t.Error(tag)
			}
			want := [][]any{{int16(1), int32(-2), int64(1) << 40, "t'x\\", "v", true, float32(1.5), 2.25, at, at, day, uuid,
				pgtype.Numeric{Int: big.NewInt(12345), Exp: -2, Valid: true}, []byte{0, 255}, map[string]any{"a": []any{1.0, "x"}},
				pgtype.Interval{Days: 1, Microseconds: 3661e6, Valid: true}, []any{int64(1), int64(2)}, []any{"a b", "c,\"d\""}}}
			if diff := cmp.Diff(want, rowsOf(t, conn, "select * from types", mode), cmp.Comparer(sameNumeric)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSQLState(t *testing.T) {
	conn := start(t, Config{}).connect(t, "")
	fixture(t, conn)
	mustExec(t, conn, "create table small (a int primary key check (a < 100), b varchar(3) not null default 'x', unique (b))")
	mustExec(t, conn, "insert into small values (1, 'a')")
	tests := []struct{ sql, want string }{
		{"select", ""},
		{"selec 1", "42601"},
		{"select * from", "42601"},
		{"select 'unterminated", "42601"},
		{"select nothing from people", "42703"},
		{"select p.name from people", "42P01"},
		{"select * from nowhere", "42P01"},
		{"insert into nowhere values (1)", "42P01"},
		{"select nofunction(1)", "42883"},
		{"select lower(1, 2)", "42883"},
		{"select 1 = 'x'::text", "42883"},
		{"select 1 + true", "42883"},
		{"select 1/0", "22012"},
		{"select 'x'::int", "22P02"},
		{"select '99999999999'::int", "22003"},
		{"select 2147483647 + 1", "22003"},
		{"select '2024-13-01'::date", "22007"},
		{"select id from people, \"Orders\"", "42702"},
		{"select name from people group by city", "42803"},
		{"select name from people where count(*) > 1", "42803"},
		{"select (select id from people)", "21000"},
		{"select 1 where 1", "42804"},
		{"insert into small values (1, 'b')", "23505"},
		{"insert into small values (2, 'a')", "23505"},
		{"insert into small values (2, null)", "23502"},
		{"insert into small values (200, 'c')", "23514"},
		{"insert into small values (3, 'long')", "22001"},
		{"insert into small (a, a) values (1, 2)", "42701"},
		{"insert into small (zz) values (1)", "42703"},
		{"insert into small values (1, 'b', 3)", "42601"},
		{"update small set a = a + 1, zz = 1", "42703"},
		{"create table small (a int)", "42P07"},
		{"create table other (a nosuchtype)", "42704"},
		{"drop table nowhere", "42P01"},
		{"create function f() returns int language sql as 'select 1'", "0A000"},
		{"set nosuchsetting = 1", "42704"},
		{"set in_hot_standby = on", "55P02"},
		{"show nosuchsetting", "42704"},
		{"select current_setting('nope')", "42704"},
		{"set my.setting = 1", ""},
		{"savepoint s", "25P01"},
		{"select 'nope'::regproc", "42883"},
		{"select aurora_global_db_status()", "42883"},
		{"select * from rds_tools.show_topology('x')", "42883"},
		{"select $1", "42P02"},
	}
	for _, test := range tests {
		_, err := conn.Exec(t.Context(), test.sql, pgx.QueryExecModeSimpleProtocol)
		if got := code(err); got != test.want && !(test.sql == "select $1" && err != nil) {
			t.Errorf("simple %s: %q, want %q (%v)", test.sql, got, test.want, err)
		}
		if test.sql == "select $1" {
			continue
		}
		err = extended(t, conn, test.sql)
		if got := code(err); got != test.want {
			t.Errorf("extended %s: %q, want %q (%v)", test.sql, got, test.want, err)
		}
	}
	if got := rowsOf(t, conn, "select 1"); len(got) != 1 { // the connection has survived all that
		t.Error(got)
	}
}

func TestWrites(t *testing.T) {
	store := sqlengine.NewStore()
	conn := start(t, Config{Store: store}).connect(t, "")
	mustExec(t, conn, "create table if not exists kv (k text primary key, v bigint default 0, note text)")
	mustExec(t, conn, "create table if not exists kv (k text)")
	steps := []struct {
		sql, tag string
		returned [][]any
	}{
		{"insert into kv (k) values ('a'), ('b') returning k, v", "INSERT 0 2", [][]any{{"a", int64(0)}, {"b", int64(0)}}},
		{"insert into kv (k, v) values ('a', 5) on conflict do nothing returning *", "INSERT 0 0", nil},
		{"insert into kv as t (k, v) values ('a', 5) on conflict (k) do update set v = t.v + excluded.v returning v", "INSERT 0 1", [][]any{{int64(5)}}},
		{"insert into kv (k, v) values ('a', 9) on conflict (k) do update set v = excluded.v where kv.v > 100", "INSERT 0 0", nil},
		{"insert into kv (k, v) select k || '2', v + 1 from kv returning k", "INSERT 0 2", [][]any{{"a2"}, {"b2"}}},
		{"update kv set v = v * 10, note = 'n' where k like 'a%' returning k, v", "UPDATE 2", [][]any{{"a", int64(50)}, {"a2", int64(60)}}},
		{"update kv t set note = o.k from kv o where o.k = t.k || '2' returning t.k, o.k", "UPDATE 2", [][]any{{"a", "a2"}, {"b", "b2"}}},
		{"update kv set (v, note) = (1, default) where k = 'b'", "UPDATE 1", nil},
		{"delete from kv where v = 1 and k = 'b' returning *", "DELETE 1", [][]any{{"b", int64(1), nil}}},
		{"alter table kv add column extra int not null default 3", "ALTER TABLE", nil},
		{"create unique index kv_note on kv (note)", "CREATE INDEX", nil},
		{"insert into kv (k, note) values ('z', 'a2') on conflict (note) do nothing", "INSERT 0 0", nil},
	}
	for _, step := range steps {
		rows, err := conn.Query(t.Context(), step.sql)
		if err != nil {
			t.Fatalf("%s: %v", step.sql, err)
		}
		got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		if err != nil {
			t.Fatalf("%s: %v", step.sql, err)
		}
		if len(got) == 0 {
			got = nil
		}
		if diff := cmp.Diff(step.returned, got); diff != "" {
			t.Errorf("%s: %s", step.sql, diff)
		}
		if tag := rows.CommandTag().String(); tag != step.tag {
			t.Errorf("%s: tag %q, want %q", step.sql, tag, step.tag)
		}
	}
	want := [][]any{{"a", int64(50), "a2", int64(3)}, {"a2", int64(60), "n", int64(3)}, {"b2", int64(1), nil, int64(3)}}
	if diff := cmp.Diff(want, store.Rows("kv")); diff != "" {
		t.Error(diff)
	}
	mustExec(t, conn, "truncate kv")
	if got := store.Rows("public.kv"); len(got) != 0 || got == nil {
		t.Error(got)
	}
	mustExec(t, conn, "drop table if exists kv, other")
	if got := store.Tables(); len(got) != 0 || store.Rows("kv") != nil {
		t.Error(got)
	}
}
