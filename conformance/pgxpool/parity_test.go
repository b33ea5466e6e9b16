package pgxpool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/lab"
)

// modes are pgx's ways to run a query.
var modes = []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}

// record is what an application got, in order.
type record []string

func (r *record) add(what string, values ...any) {
	*r = append(*r, fmt.Sprintf("%s: %v", what, values))
}

// point is a type of an application's own, which pgx scans as text.
type point struct{ x, y int }

func (p *point) ScanText(v pgtype.Text) error {
	if !v.Valid {
		return errors.New("no point")
	}
	_, err := fmt.Sscanf(v.String, "%d,%d", &p.x, &p.y)
	return err
}

func (p point) TextValue() (pgtype.Text, error) {
	return pgtype.Text{String: fmt.Sprintf("%d,%d", p.x, p.y), Valid: true}, nil
}

// work does one of everything that pgx has and says what it got.
func work(ctx context.Context, d db, table string) record {
	var r record
	in := func(sql string) string { return strings.ReplaceAll(sql, "TABLE", table) }
	tag, err := d.Exec(ctx, in("create table TABLE (id bigint, name text, data bytea)"))
	r.add("create", tag, err)
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"insert into TABLE (id, name) values ($1, $2)", []any{1, "one"}},
		{"insert into TABLE (id, name) values (2, 'two')", nil},
		{"insert into TABLE (id, name) values ($1, $2)", []any{3, point{3, 4}}},
		{"insert into TABLE (id, name) values (@id, @name)", []any{pgx.NamedArgs{"id": 4, "name": nil}}},
		{"update TABLE set name = $1 where id = $2", []any{"four", 4}},
		{"delete from TABLE where id = $1", []any{99}},
		{"insert into nothing values (1)", nil},
	} {
		tag, err := d.Exec(ctx, in(s.sql), s.args...)
		r.add(s.sql, tag, err)
	}
	r.queries(ctx, d, in)
	r.batches(ctx, d, in)
	r.copies(ctx, d, in, table)
	r.transactions(ctx, d, in)
	r.sessions(ctx, d, in)
	return r
}

func (r *record) queries(ctx context.Context, d db, in func(string) string) {
	rows, err := d.Query(ctx, in("select id, name from TABLE order by id"))
	r.add("query", err)
	all, err := pgx.CollectRows(rows, pgx.RowToMap)
	r.add("rows", all, err, rows.CommandTag(), rows.Err())
	type row struct {
		ID   int64
		Name *string
	}
	rows, _ = d.Query(ctx, in("select id, name from TABLE where id < $1 order by id"), 3)
	named, err := pgx.CollectRows(rows, pgx.RowToStructByName[row])
	r.add("structs", len(named), err)
	rows, _ = d.Query(ctx, in("select id, name from TABLE order by id"))
	var names []string
	for rows.Next() {
		values, err := rows.Values()
		names = append(names, fmt.Sprint(values, err, len(rows.RawValues()), rows.FieldDescriptions()[0].Name))
		if len(names) == 2 {
			break
		}
	}
	rows.Close()
	r.add("two rows", names, rows.Err())
	var p point
	r.add("custom type", d.QueryRow(ctx, in("select name from TABLE where id = $1"), 3).Scan(&p), p)
	var n int
	r.add("no rows", d.QueryRow(ctx, in("select id from TABLE where id = -1")).Scan(&n) == pgx.ErrNoRows) //nolint:errorlint // the very error
	r.add("wrong type", d.QueryRow(ctx, in("select name from TABLE where id = 1")).Scan(&n))
	rows, err = d.Query(ctx, in("select nothing from TABLE"))
	r.add("query error", err, rows.Err(), rows.Next(), rows.Scan(&n))
	r.add("bad argument", d.QueryRow(ctx, "select $1::bigint", "no number").Scan(&n))
	var sum, count int64
	rows, _ = d.Query(ctx, "select generate_series from generate_series(1, 20000)")
	_, err = pgx.ForEachRow(rows, []any{&n}, func() error { sum += int64(n); count++; return nil })
	r.add("large result", count, sum, err)
	big := strings.Repeat("x", 3<<20)
	tag, err := d.Exec(ctx, in("insert into TABLE (id, data) values ($1, $2)"), 1000, []byte(big))
	r.add("large write", tag, err)
	var back []byte
	r.add("large value", d.QueryRow(ctx, in("select data from TABLE where id = 1000")).Scan(&back), string(back) == big)
	tag, err = d.Exec(ctx, in("delete from TABLE where id = 1000"))
	r.add("its end", tag, err)
}

func (r *record) batches(ctx context.Context, d db, in func(string) string) {
	b := &pgx.Batch{}
	b.Queue(in("insert into TABLE (id) values ($1)"), 10)
	b.Queue(in("select count(*) from TABLE where id >= $1"), 10)
	b.Queue(in("select id from TABLE where id < 3 order by id"))
	results := d.SendBatch(ctx, b)
	tag, err := results.Exec()
	r.add("batch exec", tag, err)
	var n int
	r.add("batch row", results.QueryRow().Scan(&n), n)
	rows, err := results.Query()
	r.add("batch query", err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	r.add("batch rows", ids, err)
	_, err = results.Exec()
	r.add("batch is over", err, results.Close())

	b = &pgx.Batch{}
	b.Queue(in("insert into TABLE (id) values (11)")).Exec(func(tag pgconn.CommandTag) error { r.add("callback", tag); return nil })
	b.Queue(in("select id from TABLE where id = 1")).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	b.Queue(in("select id from TABLE where id < 3")).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		r.add("callback", ids)
		return err
	})
	b.Queue("select nothing").Exec(func(pgconn.CommandTag) error { r.add("never"); return nil })
	b.Queue(in("insert into TABLE (id) values (12)"))
	r.add("batch with callbacks", d.SendBatch(ctx, b).Close(), n)
	rows, err = d.Query(ctx, in("select id from TABLE where id in (11, 12)"))
	ids, again := pgx.CollectRows(rows, pgx.RowTo[int64])
	r.add("an error undoes the batch", ids, err, again)

	b = &pgx.Batch{}
	b.BeginTx(pgx.TxOptions{})
	b.Queue(in("insert into TABLE (id) values ($1)"), 13)
	results = d.SendBatch(ctx, b)
	tx := results.Tx()
	tag, err = results.Exec()
	r.add("batch in a transaction", tag, err, results.Close(), tx != nil)
	if tx != nil {
		r.add("its row", tx.QueryRow(ctx, in("select count(*) from TABLE where id = 13")).Scan(&n), n)
		r.add("its end", tx.Rollback(ctx))
	}
	r.add("rolled back", d.QueryRow(ctx, in("select count(*) from TABLE where id = 13")).Scan(&n), n)
}

func (r *record) copies(ctx context.Context, d db, in func(string) string, table string) {
	n, err := d.CopyFrom(ctx, pgx.Identifier{table}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{20, "twenty"}, {21, nil}}))
	r.add("copy", n, err)
	n, err = d.CopyFrom(ctx, pgx.Identifier{table}, []string{"id", "name"}, pgx.CopyFromSlice(5000, func(i int) ([]any, error) {
		return []any{int64(i + 100), "row"}, nil
	}))
	r.add("large copy", n, err)
	tag, err := d.Exec(ctx, in("delete from TABLE where id >= 100"))
	r.add("its end", tag, err)
	n, err = d.CopyFrom(ctx, pgx.Identifier{table}, []string{"id"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, errors.New("no more") }))
	r.add("broken copy", n, err != nil && strings.Contains(err.Error(), "no more"))
	n, err = d.CopyFrom(ctx, pgx.Identifier{"nothing"}, []string{"id"}, pgx.CopyFromRows([][]any{{1}}))
	r.add("copy to nowhere", n, err)
	err = d.Acquired(ctx, func(c *pgxpool.Conn) error {
		var out strings.Builder
		tag, err := c.Conn().PgConn().CopyTo(ctx, &out, in("copy (select id, name from TABLE where id in (20, 21) order by id) to stdout"))
		r.add("copy out", tag, out.String())
		return err
	})
	r.add("copy out", err)
}

func (r *record) transactions(ctx context.Context, d db, in func(string) string) {
	mine := errors.New("mine")
	r.add("commit", pgx.BeginFunc(ctx, d, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, in("insert into TABLE (id) values (30)"))
		r.add("savepoint undone", pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, in("insert into TABLE (id) values (31)"))
			return errors.Join(err, mine)
		}))
		r.add("savepoint kept", pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			return pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, in("insert into TABLE (id) values ($1)"), 32)
				return err
			})
		}))
		n, copied := tx.CopyFrom(ctx, pgx.Identifier{in("TABLE")}, []string{"id"}, pgx.CopyFromRows([][]any{{33}}))
		r.add("copy in a transaction", n, copied)
		return err
	}))
	rows, _ := d.Query(ctx, in("select id from TABLE where id >= 30 and id < 40 order by id"))
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	r.add("committed", ids, err)

	tx, err := d.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead})
	r.add("read only", err)
	if err != nil {
		return
	}
	_, err = tx.Exec(ctx, in("insert into TABLE (id) values (40)"))
	r.add("a write in it", err)
	r.add("commit of it", tx.Commit(ctx))
	r.add("and again", tx.Commit(ctx), tx.Rollback(ctx))
	_, err = tx.Exec(ctx, "select 1")
	_, err2 := tx.Begin(ctx)
	r.add("afterwards", err, err2)
}

func (r *record) sessions(ctx context.Context, d db, in func(string) string) {
	r.add("session", d.Acquired(ctx, func(c *pgxpool.Conn) error {
		description, err := c.Conn().Prepare(ctx, "named", in("select id from TABLE where id = $1"))
		if err != nil {
			return err
		}
		r.add("prepared", description.ParamOIDs, description.Fields[0].Name)
		var n int
		r.add("by name", c.QueryRow(ctx, "named", 1).Scan(&n), n)
		r.add("deallocated", c.Conn().Deallocate(ctx, "named"))
		if _, err := c.Exec(ctx, "listen news"); err != nil {
			return err
		}
		if _, err := d.Exec(ctx, "notify news, 'something'"); err != nil {
			return err
		}
		note, err := c.Conn().WaitForNotification(ctx)
		if err != nil {
			return err
		}
		r.add("notified", note.Channel, note.Payload)
		multi, err := c.Conn().PgConn().Exec(ctx, "select 1; select 2").ReadAll()
		r.add("several statements", len(multi), err)
		_, err = c.Exec(ctx, "unlisten news")
		return err
	}))
	r.add("ping", d.Ping(ctx))
}

// Whatever pgx can do gives the same through our pool as through a bare one, before and
// after a failover, in each of pgx's modes.
func TestSameAsBarePool(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			loopback(t, func(t *testing.T, c *lab.Cluster) {
				p := open(t, c, c.Endpoint(), "default_query_exec_mode="+mode)
				for _, writer := range []string{"mydb-1", "mydb-2"} {
					if writer != "mydb-1" {
						promote(t, c, writer)
						p.Connector().Cluster().Look("mydb-1")
						for {
							if w, ok := p.Connector().Cluster().Topology().Writer(); ok && w.ID == writer {
								break
							}
							time.Sleep(time.Millisecond)
						}
					}
					table := strings.ReplaceAll(writer, "-", "_")
					b := bare(t, c, c.Instance(writer).Host(), "default_query_exec_mode="+mode)
					want := work(t.Context(), bareDB{b}, table+"_bare")
					got := work(t.Context(), p, table+"_ours")
					for i := range got {
						got[i] = strings.ReplaceAll(got[i], "_ours", "_bare")
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("on %s: a bare pool (-) and ours (+):\n%s", writer, diff)
					}
					if len(want) < 50 {
						t.Errorf("only %d things were tried: %v", len(want), want)
					}
					if diff := cmp.Diff(c.Rows(table+"_bare"), c.Rows(table+"_ours")); diff != "" {
						t.Errorf("on %s: rows by a bare pool (-) and by ours (+):\n%s", writer, diff)
					}
				}
			})
		})
	}
}

// A type that AfterConnect registers is known on every connection, before and after a
// failover.
func TestTypesAreRegistered(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		cfg := config(t, c, c.Endpoint())
		registered := 0
		cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
			registered++
			conn.TypeMap().RegisterType(&pgtype.Type{Name: "shout", OID: pgtype.TextOID, Codec: shouting{}})
			return nil
		}
		p := build(t, c, cfg)
		for _, writer := range []string{"mydb-1", "mydb-2"} {
			if writer != "mydb-1" {
				crash(t, c, writer)
			}
			rows, _ := p.Query(t.Context(), whereAmI)
			got, err := pgx.CollectRows(rows, pgx.RowToMap)
			want := []map[string]any{{"aurora_db_instance_identifier": strings.ToUpper(writer)}}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		}
		if registered != 2 {
			t.Errorf("AfterConnect ran %d times", registered)
		}
	})
}

// shouting is text that is decoded to capitals.
type shouting struct{ pgtype.TextCodec }

// DecodeValue implements pgtype.Codec.
func (shouting) DecodeValue(_ *pgtype.Map, _ uint32, _ int16, src []byte) (any, error) {
	return strings.ToUpper(string(src)), nil
}
