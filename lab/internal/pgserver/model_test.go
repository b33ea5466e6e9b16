package pgserver

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// TestAgainstModel runs random statements and checks every answer against a map.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		store := sqlengine.NewStore()
		conn := start(t, Config{Store: store}).connect(t, "")
		mustExec(t, conn, "create table kv (k int primary key, v int unique)")
		committed := map[int64]int64{}
		current := maps.Clone(committed)
		var saved []map[int64]int64
		inBlock, failed := false, false
		var log []string
		for range 120 {
			k, v := int64(random.IntN(6)), int64(random.IntN(8))
			sql, want := "", ""
			next := maps.Clone(current)
			taken := func(except int64) bool {
				for otherKey, otherValue := range current {
					if otherValue == v && otherKey != except {
						return true
					}
				}
				return false
			}
			_, exists := current[k]
			switch action := random.IntN(12); {
			case action < 3:
				sql = fmt.Sprintf("insert into kv values (%d, %d)", k, v)
				if next[k] = v; exists || taken(-1) {
					want = "23505"
				}
			case action < 5:
				sql = fmt.Sprintf("update kv set v = %d where k = %d", v, k)
				if exists {
					if next[k] = v; taken(k) {
						want = "23505"
					}
				}
			case action < 6:
				sql = fmt.Sprintf("delete from kv where k = %d", k)
				delete(next, k)
			case action < 7:
				sql = fmt.Sprintf("insert into kv values (%d, %d) on conflict (k) do update set v = excluded.v", k, v)
				if next[k] = v; taken(k) {
					want = "23505"
				}
			case !inBlock:
				sql, inBlock = "begin", true
			case action < 9:
				sql = "savepoint s"
				if !failed {
					saved = append(saved, maps.Clone(current))
				}
			case action < 10 && len(saved) > 0:
				sql, failed = "rollback to s", false
				next = maps.Clone(saved[len(saved)-1])
			case action < 11:
				sql, inBlock, saved = "commit", false, nil
				if failed {
					next = maps.Clone(committed)
				}
				failed = false
			default:
				sql, inBlock, failed, saved = "rollback", false, false, nil
				next = maps.Clone(committed)
			}
			if failed && inBlock {
				want = "25P02"
			}
			log = append(log, sql)
			_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
			if code(err) != want {
				t.Fatalf("seed %d: %q: %v, want %q", seed, log, err, want)
			}
			if err == nil {
				current = next
			} else {
				failed = inBlock
			}
			if !inBlock {
				committed = maps.Clone(current)
			}
			if !failed {
				got := map[int64]int64{}
				for _, row := range rowsOf(t, conn, "select k, v from kv") {
					got[int64(row[0].(int32))] = int64(row[1].(int32))
				}
				if diff := cmp.Diff(current, got); diff != "" {
					t.Fatalf("seed %d: %q: %s", seed, log, diff)
				}
				for k, v := range current { // the same through the index
					if got := rowsOf(t, conn, "select v from kv where k = $1 and v = $2", k, v); len(got) != 1 {
						t.Fatalf("seed %d: %q: key %d not found", seed, log, k)
					}
				}
			}
			got := map[int64]int64{}
			for _, row := range store.Rows("kv") {
				got[row[0].(int64)] = row[1].(int64)
			}
			if diff := cmp.Diff(committed, got); diff != "" {
				t.Fatalf("seed %d: %q: committed: %s", seed, log, diff)
			}
		}
	}
}
