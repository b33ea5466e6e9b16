package demo

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// journal is the timeline and the stopwatch of a run.
type journal struct {
	mu        sync.Mutex // guards the rest
	begin     time.Time  // zero before the run
	phase     string
	events    []Event
	failovers []Failover
	promotion time.Time         // of the latest failover; zero before it
	lastWrite time.Time         // when a write was last acknowledged
	faults    map[string]string // instances that are not well, and what they are
}

// start sets the clock to zero.
func (j *journal) start() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.begin, j.lastWrite, j.faults = time.Now(), time.Now(), map[string]string{}
}

// enter begins a phase of the run.
func (j *journal) enter(phase string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.phase = phase
}

// log adds an event.
func (j *journal) log(source Source, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.logAt(time.Now(), source, text)
}

// logAt wants mu held.
func (j *journal) logAt(now time.Time, source Source, text string) {
	j.events = append(j.events, Event{At: Millis(now.Sub(j.begin)), Source: source, Text: text})
}

// since returns the events from the given number on.
func (j *journal) since(n int) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n >= len(j.events) {
		return nil
	}
	return slices.Clone(j.events[n:])
}

// elapsed is the time since start.
func (j *journal) elapsed() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.begin.IsZero() {
		return 0
	}
	return time.Since(j.begin)
}

// fault notes that the writer is about to be taken away.
func (j *journal) fault(s step, old, successor string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.promotion = time.Time{}
	j.faults[old] = s.state()
	j.failovers = append(j.failovers, Failover{
		Number: len(j.failovers) + 1, Way: s.way, OldWriter: old, NewWriter: successor,
		FaultAt: Millis(now.Sub(j.begin)), Promoted: Unknown, Noticed: Unknown, Known: Unknown, FirstWrite: Unknown,
		KnownSinceFault: Unknown, FirstWriteSinceFault: Unknown, Pause: Unknown,
	})
	j.logAt(now, FromCluster, s.describe(old))
}

// promoted notes that the successor is about to accept writes.
func (j *journal) promoted() {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, f := time.Now(), j.current()
	j.promotion = now
	f.Promoted = j.sinceFault(f, now)
	j.logAt(now, FromCluster, fmt.Sprintf("%s is promoted; DNS still leads to %s", f.NewWriter, f.OldWriter))
}

// recovered notes that an instance is well again.
func (j *journal) recovered(instance string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.faults, instance)
	j.logAt(time.Now(), FromCluster, instance+" is back")
}

// noticed is called whenever the pool or the workload sees that something is
// wrong. The first time after a fault counts.
func (j *journal) noticed() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.current(); f != nil && f.Noticed == Unknown && f.Known == Unknown {
		f.Noticed = j.sinceFault(f, time.Now())
	}
}

// known notes that the pool takes an instance for the writer.
func (j *journal) known(writer string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, f := time.Now(), j.current()
	if f == nil || j.promotion.IsZero() || f.Known != Unknown || writer != f.NewWriter {
		return
	}
	f.Known, f.KnownSinceFault = Millis(now.Sub(j.promotion)), j.sinceFault(f, now)
}

// wrote notes an acknowledged write. The old writer is fenced from the promotion
// on and cannot be reached since the fault: what is acknowledged after the
// promotion was done by the new one.
func (j *journal) wrote() {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, f := time.Now(), j.current()
	if f != nil && !j.promotion.IsZero() && f.FirstWrite == Unknown {
		f.FirstWrite, f.FirstWriteSinceFault = Millis(now.Sub(j.promotion)), j.sinceFault(f, now)
		f.Pause = Millis(now.Sub(j.lastWrite))
		j.logAt(now, FromWorkload, fmt.Sprintf("%s acknowledges a write, %v after the promotion", f.NewWriter,
			time.Duration(f.FirstWrite).Round(100*time.Microsecond)))
	}
	j.lastWrite = now
}

// current is the latest failover, nil before the first. It wants mu held.
func (j *journal) current() *Failover {
	if len(j.failovers) == 0 {
		return nil
	}
	return &j.failovers[len(j.failovers)-1]
}

func (j *journal) sinceFault(f *Failover, now time.Time) Millis {
	return Millis(now.Sub(j.begin)) - f.FaultAt
}

// followed tells that the latest failover is over: writes go on.
func (j *journal) followed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	f := j.current()
	return f != nil && f.Known != Unknown && f.FirstWrite != Unknown
}

// results are the measurements and the timeline.
func (j *journal) results() ([]Failover, []Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.failovers), slices.Clone(j.events)
}

// troubles are the phase, the instances that are not well, and the number of
// failovers begun.
func (j *journal) troubles() (phase string, faults map[string]string, failovers int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.phase, maps.Clone(j.faults), len(j.failovers)
}
