package demo

import (
	"context"
	"sync"
	"time"
)

// Recording is what a picture of the first failover is made from: who was what, and
// each call. Times are since the start of the run.
type Recording struct {
	From, To  Millis  // what it covers
	Instances []Track // in the order of Snapshot
	// DNS is the instance that the endpoint leads to, Writer the pool's idea of the
	// writer; "" while that is unknown or searched for.
	DNS, Writer []Change
	Calls       []Call // in the order in which they ended
}

// Track is the course of one instance.
type Track struct {
	ID string
	// States are "writer" or "reader", or what is wrong, as Instance.State.
	States      []Change
	Connections []Count
}

// Change is the moment at which something became another.
type Change struct {
	At Millis
	To string
}

// Count is the moment at which a number became another.
type Count struct {
	At Millis
	N  int
}

// Call is a call of the application, as it saw it.
type Call struct {
	Begin, End Millis
	Failed     bool
}

// recordEvery is the time between two looks of a recorder: a new writer is found and
// used within some of them.
const recordEvery = 5 * time.Millisecond

// recorder makes the Recording. A nil one records nothing.
type recorder struct {
	journal *journal

	mu        sync.Mutex // guards the rest; taken before the journal's
	recording Recording
	over      bool
}

// call notes a call that ends now.
func (r *recorder) call(begin time.Duration, err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		call := Call{Begin: Millis(begin), End: Millis(r.journal.elapsed()), Failed: err != nil}
		r.recording.Calls = append(r.recording.Calls, call)
	}
}

// watch looks at the demo until stop is called or ctx ends.
func (r *recorder) watch(ctx context.Context, snapshot func() Snapshot) {
	ticker := time.NewTicker(recordEvery)
	defer ticker.Stop()
	for r.look(snapshot()) {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// stop ends the recording.
func (r *recorder) stop() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over {
		r.over, r.recording.To = true, Millis(r.journal.elapsed())
	}
}

// look notes what is not as it was; false when that is over.
func (r *recorder) look(s Snapshot) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	at, to := Millis(s.Elapsed), &r.recording
	if len(to.Instances) == 0 {
		to.From = at
		to.Instances = make([]Track, len(s.Instances))
	}
	for n, i := range s.Instances {
		t := &to.Instances[n]
		t.ID = i.ID
		state := i.State
		if state == "ok" {
			state = i.Role
		}
		t.States = changed(t.States, at, state)
		if last := len(t.Connections) - 1; last < 0 || t.Connections[last].N != i.Connections {
			t.Connections = append(t.Connections, Count{at, i.Connections})
		}
	}
	writer := s.Writer
	if s.Searching {
		writer = ""
	}
	to.DNS, to.Writer = changed(to.DNS, at, s.DNS), changed(to.Writer, at, writer)
	return true
}

func changed(changes []Change, at Millis, to string) []Change {
	if last := len(changes) - 1; last >= 0 && changes[last].To == to {
		return changes
	}
	return append(changes, Change{at, to})
}

// result is the Recording, after stop; nil if there was nothing to see.
func (r *recorder) result() *Recording {
	if r == nil || len(r.recording.Instances) == 0 {
		return nil
	}
	return &r.recording
}
