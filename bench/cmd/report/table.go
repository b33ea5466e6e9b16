package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
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
			median(costs(r.bare, elapsed)), r.more(elapsed), median(costs(r.bare, processor)), r.more(processor),
			r.more(bytesOf).median, r.more(allocations).median, verdict)
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
		time, limit = r.more(elapsed), openTarget*median(costs(r.bare, elapsed))
		bytes, allocations = difference{}, difference{} // of no concern
	}
	switch {
	case time.low > limit || bytes.low >= bytesTolerance || allocations.low > 0:
		return missedTarget
	case time.high > limit || bytes.high >= bytesTolerance || allocations.high > 0:
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

// difference is how much more awsdb costs: the median of the differences of the
// pairs of runs, and its confidence interval.
type difference struct{ low, median, high float64 }

// String is "+60 (+50 to +80)".
func (d difference) String() string {
	return fmt.Sprintf("%+.0f (%+.0f to %+.0f)", d.median, d.low, d.high)
}

func (r *result) more(field func(cost) float64) difference {
	var more []float64
	for n := range r.bare {
		more = append(more, field(r.awsdb[n])-field(r.bare[n]))
	}
	slices.Sort(more)
	k := cut(len(more))
	return difference{more[k], median(more), more[len(more)-1-k]}
}

// cut is how many values to leave out at both ends of n sorted ones so that the
// rest spans the true median with at least 95 % confidence. How many values lie
// below the median is binomially distributed, whatever the values'
// distribution.
func cut(n int) int {
	probability := 1.0 // of none below
	for range n {
		probability /= 2
	}
	sum := 0.0
	for k := 0; ; k++ {
		sum += probability // of at most k below
		if 2*sum > 0.05 {
			return max(k-1, 0)
		}
		probability *= float64(n-k) / float64(k+1)
	}
}

func costs(all []cost, field func(cost) float64) []float64 {
	var values []float64
	for _, c := range all {
		values = append(values, field(c))
	}
	return values
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
