package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/remote"
	"github.com/awsdb/awsdb/bench/internal/spread"
)

const (
	// repetitions is how many processes measure the heap of each contestant.
	repetitions = 3
	// heapShare is the share of the time that each of them runs for.
	heapShare = 12
)

// measurement is what a process is to measure.
type measurement struct {
	Engine     string
	Server     remote.Directory
	Contestant string
	Detection  detection
	Workers    int
	Time       time.Duration
}

// usage is what it has measured, in bytes of heap.
type usage struct {
	Live float64 // objects that the collector found in use while the load ran
	Rest float64 // objects in use afterwards, the connections idle
}

// weigh measures the heap of both contestants.
func (r *row) weigh(ctx context.Context, m measurement) error {
	var inUse, rest [2][]float64
	for range repetitions {
		for n, name := range []string{database.Bare, database.AWSDB} {
			m.Contestant = name
			u, err := m.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			inUse[n], rest[n] = append(inUse[n], u.Live), append(rest[n], u.Rest)
		}
	}
	for n := range inUse {
		r.live[n], r.rest[n] = spread.Median(inUse[n]), spread.Median(rest[n])
	}
	return nil
}

// run measures in a process of its own.
func (m measurement) run(ctx context.Context) (u usage, err error) {
	program, err := os.Executable()
	if err != nil {
		return u, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return u, err
	}
	process := exec.CommandContext(ctx, program, "-engine", m.Engine, "measure", string(text))
	process.Stderr = os.Stderr
	output, err := process.Output()
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(output, &u)
}

// measure is what that process does.
func measure(text string) error {
	var m measurement
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	u, err := m.observe(context.Background(), m.Server.Route())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

func (m measurement) observe(ctx context.Context, route database.Route) (u usage, err error) {
	d, err := database.ByName(m.Engine)
	if err != nil {
		return u, err
	}
	p, err := openPool(ctx, d, route, m.Contestant, m.Workers, m.Detection)
	if err != nil {
		return u, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	runtime.GC() // there has been one, whatever the time
	stop := make(chan struct{})
	samples := make(chan []float64)
	go func() { samples <- sampleLive(stop) }()
	_, err = p.rate(ctx, m.Time)
	close(stop)
	inUse := <-samples
	if err != nil {
		return u, err
	}
	return usage{spread.Median(inUse), atRest()}, nil
}

// sampleEvery is often enough to see most collections.
const sampleEvery = 20 * time.Millisecond

// sampleLive returns what the collector found in use, again and again.
func sampleLive(stop <-chan struct{}) (bytes []float64) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-stop:
			return append(bytes, live())
		}
		bytes = append(bytes, live())
	}
}

// live is what the latest collection found in use.
func live() float64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return float64(sample[0].Value.Uint64())
}

// atRest is what the heap holds when nothing has happened for a while.
func atRest() float64 {
	time.Sleep(100 * time.Millisecond) // of goroutines that end
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
