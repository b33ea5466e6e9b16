package bench

import (
	"database/sql"
	"runtime"
	"testing"
)

// What core keeps for an open connection. What the drivers make of it is for cmd/idle
// to measure, where the target is 1 KiB.
func TestHeapOfAConnection(t *testing.T) {
	const connections, most = 1000, 760 // bytes
	c := newFakeContest(fakeDriver{})
	held := func(n int) int {
		db := sql.OpenDB(c.contestants[n].connector(t))
		defer db.Close()
		db.SetMaxIdleConns(connections)
		openAll(t, db, 1) // brings what is there once
		before := heap()
		openAll(t, db, connections)
		return (heap() - before) / connections
	}
	bare, awsdb := held(0), held(1)
	if awsdb > bare+most {
		t.Errorf("%d bytes for a connection, want the bare driver's %d and at most %d", awsdb, bare, most)
	}
	t.Logf("%d bytes for a connection, %d with the bare driver", awsdb, bare)
}

// heap is how many bytes are in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
