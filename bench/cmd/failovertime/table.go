package main

import (
	"fmt"
	"slices"
	"time"
)

// printTables prints the figures and tells whether the targets are met. They
// are for the first good write of the pool.
func printTables(measured []measurement, chosen []way) bool {
	fmt.Println("| writer lost by | failovers | median | p90 | p99 | max | all workers: median | max |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|")
	for _, w := range chosen {
		printRow(w.name, slices.DeleteFunc(slices.Clone(measured), func(m measurement) bool { return m.way != w.name }))
	}
	median, p99 := printRow("all", measured)
	met := median <= medianTarget && p99 <= p99Target
	fmt.Printf("\nmedian %.1f ms (target %v), p99 %.1f ms (target %v): %s\n",
		millis(median), medianTarget, millis(p99), p99Target, map[bool]string{true: "met", false: "MISSED"}[met])
	return met
}

func printRow(name string, measured []measurement) (median, p99 time.Duration) {
	if len(measured) == 0 {
		return 0, 0
	}
	var first, last []time.Duration
	for _, m := range measured {
		first, last = append(first, m.first), append(last, m.last)
	}
	slices.Sort(first)
	slices.Sort(last)
	median, p99 = quantile(first, 0.5), quantile(first, 0.99)
	fmt.Printf("| %s | %d | %.1f ms | %.1f ms | %.1f ms | %.1f ms | %.1f ms | %.1f ms |\n", name, len(first), millis(median),
		millis(quantile(first, 0.9)), millis(p99), millis(first[len(first)-1]), millis(quantile(last, 0.5)), millis(last[len(last)-1]))
	return median, p99
}

// quantile is the nearest-rank quantile of sorted values.
func quantile(sorted []time.Duration, q float64) time.Duration {
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
