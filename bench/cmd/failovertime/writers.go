package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

const (
	// callLimit is the context of each write.
	callLimit = 10 * time.Second
	// betweenWrites keeps the workers from measuring how fast two cores can
	// serve them.
	betweenWrites = 5 * time.Millisecond
)

// writers are goroutines that write all the time, on one pool.
type writers struct {
	database database.Database
	client   database.Client
	timeline *timeline
	cancel   context.CancelFunc
	running  sync.WaitGroup
	workers  int

	mu       sync.Mutex   // guards the rest
	expected string       // the host whose acknowledgement counts
	good     map[int]bool // workers that have had one
	first    time.Time
	all      chan time.Time // capacity 1; when the last worker had its first
}

func startWriters(d database.Database, cluster *lab.Cluster, workers int, timeline *timeline) (*writers, error) {
	client, err := d.Open(database.AWSDB, database.To(cluster), workers, hostmonitor.Options{}, slog.New(timeline))
	if err != nil {
		return nil, err
	}
	w := &writers{database: d, client: client, timeline: timeline, workers: workers}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	if err := w.createTable(ctx); err != nil {
		w.stop()
		return nil, err
	}
	for worker := range workers {
		w.running.Go(func() { w.write(ctx, worker) })
	}
	return w, nil
}

func (w *writers) createTable(ctx context.Context) error {
	if err := w.client.Exec(ctx, w.database.CreateBeats); err != nil {
		return err
	}
	for worker := range w.workers {
		if err := w.client.Exec(ctx, w.database.InsertBeat, worker); err != nil {
			return err
		}
	}
	return nil
}

func (w *writers) stop() {
	w.cancel()
	w.running.Wait()
	_ = w.client.Close() // nothing depends on it
}

// write writes until ctx ends. Every write says which host did it.
func (w *writers) write(ctx context.Context, worker int) {
	for ctx.Err() == nil {
		start := time.Now()
		call, cancel := context.WithTimeout(ctx, callLimit)
		host, err := w.database.Beat(call, w.client, worker)
		cancel()
		if err == nil {
			w.succeeded(worker, host)
		} else if ctx.Err() == nil {
			w.timeline.note("worker %d: after %.1f ms: %v", worker, millis(time.Since(start)), err)
		}
		if err == nil || time.Since(start) < time.Millisecond {
			pause(ctx, betweenWrites)
		}
	}
}

// expect begins the wait for writes on host.
func (w *writers) expect(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.expected, w.good, w.first, w.all = host, map[int]bool{}, time.Time{}, make(chan time.Time, 1)
}

func (w *writers) succeeded(worker int, host string) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if host != w.expected || w.good[worker] || len(w.good) == w.workers {
		return
	}
	if w.first.IsZero() {
		w.first = now
		w.timeline.note("worker %d: first good write", worker)
	}
	w.good[worker] = true
	if len(w.good) == w.workers {
		w.all <- now
	}
}

// await returns when the first and when the last worker had a good write.
func (w *writers) await(ctx context.Context) (first, last time.Time, err error) {
	w.mu.Lock()
	all := w.all
	w.mu.Unlock()
	select {
	case last = <-all:
	case <-ctx.Done():
		return first, last, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.first, last, nil
}
