package pgserver

import (
	"testing"
)

func BenchmarkSelect1(b *testing.B) {
	conn := start(b, Config{}).connect(b, "")
	var n int
	for b.Loop() {
		if err := conn.QueryRow(b.Context(), "select 1").Scan(&n); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkByKey reads and writes one row of a thousand.
func BenchmarkByKey(b *testing.B) {
	conn := start(b, Config{}).connect(b, "")
	mustExec(b, conn, "create table kv (k int primary key, v int)")
	mustExec(b, conn, "insert into kv select x, x from generate_series(1, 1000) x")
	b.Run("select", func(b *testing.B) {
		var n int
		for b.Loop() {
			if err := conn.QueryRow(b.Context(), "select v from kv where k = $1", 500).Scan(&n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("update", func(b *testing.B) {
		for b.Loop() {
			mustExec(b, conn, "update kv set v = v + 1 where k = $1", 500)
		}
	})
	b.Run("insert", func(b *testing.B) {
		n := 10000
		for b.Loop() {
			n++
			mustExec(b, conn, "insert into kv values ($1, 1)", n)
		}
	})
}
