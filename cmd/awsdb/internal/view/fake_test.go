package view

import (
	"sync"
	"time"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// fake is a Source under the test's control.
type fake struct {
	mu       sync.Mutex // guards the rest
	snapshot demo.Snapshot
	events   []demo.Event
}

func (f *fake) Snapshot() demo.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snapshot
}

func (f *fake) Events(from int) []demo.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.events[min(from, len(f.events)):]
}

func (f *fake) add(at time.Duration, source demo.Source, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, demo.Event{At: demo.Millis(at), Source: source, Text: text})
}

func (f *fake) set(s demo.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snapshot = s
}

// amid is a moment in the middle of a failover.
func amid() demo.Snapshot {
	return demo.Snapshot{
		Elapsed: 12 * time.Second, Planned: 30 * time.Second, Phase: "failover 2 of 3: black hole", Failovers: 2,
		Endpoint: "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com", DNS: "mydb-1", Writer: "mydb-1", Epoch: 7,
		Instances: []demo.Instance{
			{ID: "mydb-1", Role: "reader", Believed: "writer", State: "black hole", Connections: 13},
			{ID: "mydb-2", Role: "writer", Believed: "reader", State: "ok", Connections: 1},
			{ID: "mydb-3", Role: "reader", Believed: "reader", State: "ok", Connections: 1},
		},
		Writing: 8, Reading: 4, WriteRates: []int{400, 400, 200, 0, 0, 40}, ReadRates: []int{200, 200, 100, 0},
		Counters: demo.Counters{
			Acknowledged: 5123, RepeatedSafely: 2, Unknown: 3, FoundDone: 1, RepeatedAfterLook: 2, Reads: 2000,
			Errors: map[string]int64{"ErrFailoverSuccess": 9, "ErrTransactionResolutionUnknown": 2},
		},
	}
}
