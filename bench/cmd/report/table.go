package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/awsdb/awsdb/bench/internal/spread"
)

// The targets of the project, with all plugins on.
const (
	callTarget = 150  // nanoseconds more per call
	openTarget = 0.10 // of the time to open and close a connection, on loopback
	// The target for bytes and allocations is 0. A few bytes per call are the
	// share of what the plugins do twice a second: a call that allocated
	// them would show as an allocation.
	bytesTolerance = 8
)

func elapsed(c cost) float64     { return c.elapsed }
func processor(c cost) float64   { return c.processor }
func bytesOf(c cost) float64     { return c.bytes }
func allocations(c cost) float64 { return c.allocations }

// printTable prints a row for each benchmark and tells how many targets are
// missed.
func printTable(w io.Writer, results []*result) (missed int) {
	fmt.Fprintln(w, "| benchmark | bare ns | more ns (95 %) | bare cpu-ns | more cpu-ns (95 %) | more B | more allocs | target |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---|")
	for _, r := range results {
		verdict := r.judge()
		if verdict == missedTarget {
			missed++
		}
		fmt.Fprintf(w, "| %s %s | %.0f | %v | %.0f | %v | %+.0f | %+.0f | %s |\n", r.group, r.operation,
			spread.Median(costs(r.bare, elapsed)), r.more(elapsed), spread.Median(costs(r.bare, processor)), r.more(processor),
			r.more(bytesOf).Median, r.more(allocations).Median, verdict)
	}
	return missed
}

const missedTarget = "MISSED"

// judge compares with the targets: that for calls by processor time, which is
// theirs alone, that for connections by elapsed time, since round trips count. A
// target is missed when the whole interval is above it, so that noise does not
// fail a run, and holds when the whole interval is below; otherwise the run says
// nothing either way.
func (r *result) judge() string {
	time, limit := r.more(processor), float64(callTarget*r.calls())
	bytes, allocations := r.more(bytesOf), r.more(allocations)
	if strings.HasPrefix(r.operation, "open-") {
		if !strings.HasPrefix(r.group, "Loopback") {
			return "none" // all of it is awsdb's: there is nothing to connect to
		}
		time, limit = r.more(elapsed), openTarget*spread.Median(costs(r.bare, elapsed))
		bytes, allocations = spread.Spread{}, spread.Spread{} // of no concern
	}
	switch {
	case time.Low > limit || bytes.Low >= bytesTolerance || allocations.Low > 0:
		return missedTarget
	case time.High > limit || bytes.High >= bytesTolerance || allocations.High > 0:
		return "undecided"
	}
	return "holds"
}

// calls is how many calls of the driver an operation is.
func (r *result) calls() int {
	switch {
	case r.operation == "begin-commit":
		return 2
	case (r.group == "FakeSkipping" || r.group == "LoopbackMySQL") && strings.HasSuffix(r.operation, "-argument"):
		return 3 // prepare, execute, close
	}
	return 1
}

// more is how much more awsdb costs: the differences of the pairs of runs.
func (r *result) more(field func(cost) float64) spread.Spread {
	var more []float64
	for n := range r.bare {
		more = append(more, field(r.awsdb[n])-field(r.bare[n]))
	}
	return spread.Of(more)
}

func costs(all []cost, field func(cost) float64) []float64 {
	var values []float64
	for _, c := range all {
		values = append(values, field(c))
	}
	return values
}
