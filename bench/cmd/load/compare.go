package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/remote"
	"github.com/awsdb/awsdb/bench/internal/spread"
)

// compare prints a row for each number of workers and setting, and fails if a
// target is missed.
func compare(d database.Database, settings []detection, workers []int, total time.Duration, tolerance float64) (err error) {
	if len(settings) == 0 || total < minTime {
		return fmt.Errorf("-detection is default or aggressive, and -time at least %s", minTime)
	}
	server, stop, err := remote.Start("-engine", d.Name, "serve")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	fmt.Println("| database | detection | workers | bare queries/s | throughput (95 %) | cpu per query | live heap, bare (kB) | more (kB) | at rest, more (kB) | target |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|---:|---:|---|")
	missed := 0
	for _, s := range settings {
		for _, n := range workers {
			r, err := measureRow(d, server, s, n, total)
			if err != nil {
				return fmt.Errorf("%d workers, %s: %w", n, s.Name, err)
			}
			verdict := r.judge(tolerance)
			if verdict == missedTarget {
				missed++
			}
			fmt.Printf("| %s | %s | %d | %s | %s |\n", d.Name, s.Name, n, r, verdict)
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d targets missed", missed)
	}
	return nil
}

// row is what was measured with one number of workers and one setting.
type row struct {
	bare       float64       // queries per second
	throughput spread.Spread // of awsdb, as a part of the bare driver's
	processor  spread.Spread // time per query, likewise
	live, rest [2]float64    // bytes of heap, bare and awsdb
}

// String is the row of the table without its ends.
func (r row) String() string {
	percent := func(s spread.Spread) string {
		return fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", 100*(s.Median-1), 100*(s.Low-1), 100*(s.High-1))
	}
	return fmt.Sprintf("%.0f | %s | %s | %.0f | %+.0f | %+.0f", r.bare, percent(r.throughput), percent(r.processor),
		r.live[0]/1e3, (r.live[1]-r.live[0])/1e3, (r.rest[1]-r.rest[0])/1e3)
}

// The targets of the project.
const heapTarget = 2 << 20 // bytes

// throughputTarget is which part of the throughput may be lost.
func throughputTarget(d database.Database) float64 {
	if d.Name == database.Pgxpool.Name {
		return 0.02
	}
	return 0.03
}

const missedTarget = "MISSED"

// judge compares with the targets. That for throughput is missed when the whole
// interval is beyond it, so that noise does not fail a run.
func (r row) judge(tolerance float64) string {
	more := max(r.live[1]-r.live[0], r.rest[1]-r.rest[0])
	switch {
	case r.throughput.High < 1-tolerance || more > heapTarget:
		return missedTarget
	case r.throughput.Low < 1-tolerance:
		return "undecided"
	}
	return "holds"
}

func measureRow(d database.Database, server remote.Directory, s detection, workers int, total time.Duration) (row, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute+2*total) // a guard against hanging
	defer cancel()
	r, err := takeTurns(ctx, d, server.Route(), s, workers, total)
	if err != nil {
		return r, err
	}
	return r, r.weigh(ctx, measurement{Engine: d.Name, Server: server, Detection: s, Workers: workers, Time: total / heapShare})
}
