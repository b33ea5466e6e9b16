package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// cost is what one run of a benchmark measured, per operation.
type cost struct {
	elapsed     float64 // nanoseconds
	processor   float64 // nanoseconds of this process on a processor
	bytes       float64
	allocations float64
}

// result is one benchmark's runs, in the order they were made: bare[i] and
// awsdb[i] ran one right after the other.
type result struct {
	group, operation string
	bare, awsdb      []cost
}

// line is what testing prints for a benchmark, such as
// "BenchmarkFake/exec/driver=bare-2  1000  700 ns/op  650 cpu-ns/op  48 B/op  2 allocs/op".
var line = regexp.MustCompile(`^Benchmark(\w+)/([\w-]+)/driver=(bare|awsdb)(?:-\d+)?\s+\d+\s+(.*)$`)

func parse(raw []byte) ([]*result, error) {
	var results []*result
	byName := map[string]*result{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		parts := line.FindStringSubmatch(lines.Text())
		if parts == nil {
			continue
		}
		name := parts[1] + "/" + parts[2]
		r := byName[name]
		if r == nil {
			r = &result{group: parts[1], operation: parts[2]}
			byName[name] = r
			results = append(results, r)
		}
		c, err := parseCost(parts[4])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		if parts[3] == "bare" {
			r.bare = append(r.bare, c)
		} else {
			r.awsdb = append(r.awsdb, c)
		}
	}
	for _, r := range results {
		if len(r.bare) != len(r.awsdb) {
			return nil, fmt.Errorf("%s/%s: %d runs with the bare driver, %d with awsdb", r.group, r.operation, len(r.bare), len(r.awsdb))
		}
	}
	if len(results) == 0 {
		return nil, errors.New("no benchmark has run")
	}
	return results, lines.Err()
}

// parseCost reads "700 ns/op 650 cpu-ns/op 48 B/op 2 allocs/op".
func parseCost(text string) (c cost, err error) {
	fields := strings.Fields(text)
	for n := 0; n+1 < len(fields); n += 2 {
		value, err := strconv.ParseFloat(fields[n], 64)
		if err != nil {
			return c, err
		}
		switch fields[n+1] {
		case "ns/op":
			c.elapsed = value
		case "cpu-ns/op":
			c.processor = value
		case "B/op":
			c.bytes = value
		case "allocs/op":
			c.allocations = value
		}
	}
	return c, nil
}
