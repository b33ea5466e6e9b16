package pgserver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

func TestCopy(t *testing.T) {
	store := sqlengine.NewStore()
	h := newHost("mydb-1", true)
	conn := start(t, Config{Store: store, Host: h}).connect(t, "")
	mustExec(t, conn, "create table kv (id serial, k text primary key, v float8)")
	n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"kv"}, []string{"k", "v"}, pgx.CopyFromRows([][]any{{"a", 1.5}, {"b\tc", nil}}))
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	tag, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("3\tx\\ty\\\\\t2\n4\tz\t\\N\n\\.\n"), "copy kv from stdin")
	if err != nil || tag.String() != "COPY 2" {
		t.Error(tag, err)
	}
	want := [][]any{{int64(1), "a", 1.5}, {int64(2), "b\tc", nil}, {int64(3), "x\ty\\", 2.0}, {int64(4), "z", nil}}
	if diff := cmp.Diff(want, store.Rows("kv")); diff != "" {
		t.Error(diff)
	}
	var out bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, "copy (select k, v from kv order by id limit 2) to stdout"); err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "a\t1.5\nb\\tc\t\\N\n" {
		t.Errorf("%q", got)
	}
	out.Reset()
	if _, err := conn.PgConn().CopyTo(t.Context(), &out, "copy kv to stdout (format binary)"); err != nil {
		t.Error(err)
	}
	mustExec(t, conn, "truncate kv")
	if _, err := conn.PgConn().CopyFrom(t.Context(), &out, "copy kv from stdin binary"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, store.Rows("kv")); diff != "" {
		t.Error(diff)
	}

	for data, want := range map[string]string{"1\n": "22P04", "1\ta\t2\t3\n": "22P04", "x\ta\t2\n": "22P02", "9\tnew\t1\n9\ta\t1\n": "23505"} {
		if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(data), "copy kv from stdin"); code(err) != want {
			t.Errorf("%q: %v, want %s", data, err, want)
		}
	}
	if got := len(store.Rows("kv")); got != 4 {
		t.Errorf("%d rows after failed copies", got)
	}
	h.writable.Store(false)
	if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(""), "copy kv from stdin"); code(err) != "25006" {
		t.Error(err)
	}
}
