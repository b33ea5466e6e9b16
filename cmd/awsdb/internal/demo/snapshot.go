package demo

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Snapshot is the state of a run at one moment, for showing it.
type Snapshot struct {
	Elapsed, Planned time.Duration
	Phase            string
	Failovers        int // begun so far
	Endpoint         string
	DNS              string // instance that the endpoint leads to now; "" unknown
	Searching        bool   // the pool is looking for the writer
	Epoch            uint64 // of the pool's topology
	Writer           string // the pool's idea of it; "" unknown
	Instances        []Instance

	Writing, Reading int64 // calls in flight
	WriteRates       []int // acknowledged writes per second, one for each SampleEvery, latest last
	ReadRates        []int
	Counters         Counters
}

// Instance is an instance as a Snapshot has it.
type Instance struct {
	ID          string
	Role        string // what it is
	Believed    string // what the pool's topology says
	State       string // "ok", "crashed", "black hole", "hung", "restarting"
	Connections int    // as the server counts them, the library's own included
}

// Events are the events from the given number on, which starts at 0.
func (d *Demo) Events(from int) []Event { return d.journal.since(from) }

// Snapshot is the present state.
func (d *Demo) Snapshot() Snapshot {
	phase, faults, failovers := d.journal.troubles()
	s := Snapshot{
		Elapsed: d.journal.elapsed(), Planned: length(d.options.Schedule, d.plan),
		Phase: phase, Failovers: failovers,
		Writing: d.tally.writing.Load(), Reading: d.tally.reading.Load(), Counters: d.tally.counters(),
	}
	s.WriteRates, s.ReadRates = d.rates.history()
	d.mu.Lock()
	cluster, connector := d.cluster, d.connector
	d.mu.Unlock()
	if cluster == nil {
		return s
	}
	topology := connector.Cluster().Topology()
	writer, _ := topology.Writer()
	s.Endpoint, s.Searching = cluster.Endpoint(), connector.Cluster().Searching()
	s.Epoch, s.Writer = topology.Epoch, writer.ID
	address := ""
	if ips, err := cluster.LookupHost(context.Background(), cluster.Endpoint()); err == nil { // no I/O: the lab's own DNS
		address = ips[0]
	}
	for _, i := range cluster.Instances() {
		state := faults[i.ID()]
		if state == "" {
			state = "ok"
		}
		role := "reader"
		if i.Writer() {
			role = "writer"
		}
		believed, _ := topology.Host(i.ID())
		if i.IP() == address {
			s.DNS = i.ID()
		}
		s.Instances = append(s.Instances, Instance{
			ID: i.ID(), Role: role, Believed: believed.Role.String(), State: state, Connections: i.Connections(),
		})
	}
	return s
}

// SampleEvery is the time between two entries of the rates of a Snapshot.
const SampleEvery = 250 * time.Millisecond

// samples is how many of them are kept: more than a terminal is wide.
const samples = 240

// rates is how much got done lately.
type rates struct {
	mu            sync.Mutex // guards the rest
	writes, reads []int
}

// sample fills the history until ctx ends.
func (r *rates) sample(ctx context.Context, t *tally) {
	ticker := time.NewTicker(SampleEvery)
	defer ticker.Stop()
	var writes, reads int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w, n := t.acknowledged.Load(), t.reads.Load()
		r.mu.Lock()
		r.writes, r.reads = push(r.writes, w-writes), push(r.reads, n-reads)
		r.mu.Unlock()
		writes, reads = w, n
	}
}

func push(history []int, n int64) []int {
	if len(history) == samples {
		history = slices.Delete(history, 0, 1)
	}
	return append(history, int(n*int64(time.Second/SampleEvery)))
}

func (r *rates) history() (writes, reads []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.writes), slices.Clone(r.reads)
}
