package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/remote"
)

const (
	repetitions = 5 // of each measurement; the median counts
	fewest      = 1
	most        = 1000
	// The targets of the project, per connection more than the bare driver. The
	// topology monitor, which a pool has once, does not count.
	heapTarget      = 1024 // bytes
	goroutineTarget = 0
)

// compare prints the table and fails if a target is missed.
func compare(d database.Database) (err error) {
	directory, stop, err := remote.Start("-engine", d.Name, "serve")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	address, err := json.Marshal(directory)
	if err != nil {
		return err
	}
	fmt.Println("| idle connections | | bare | awsdb | more | more per connection |")
	fmt.Println("|---:|---|---:|---:|---:|---:|")
	var few, many difference
	for _, connections := range []int{fewest, 100, most} {
		if many, err = compareAt(d, connections, string(address)); err != nil {
			return err
		}
		if connections == fewest {
			few = many
		}
	}
	heap := float64(many.heap-few.heap) / (most - fewest)
	goroutines := float64(many.goroutines-few.goroutines) / (most - fewest)
	fmt.Printf("\nfrom %d to %d connections, each costs %.0f B of heap more (target: at most %d) and %.3f goroutines more (target: %d)\n",
		fewest, most, heap, heapTarget, goroutines, goroutineTarget)
	if heap > heapTarget || goroutines > goroutineTarget {
		return errors.New("target missed")
	}
	return nil
}

// difference is what awsdb costs more than the bare driver.
type difference struct{ goroutines, heap int64 }

// compareAt prints the rows for a number of connections.
func compareAt(d database.Database, connections int, address string) (difference, error) {
	var runs [2][]usage
	for range repetitions {
		for n, driver := range []string{database.Bare, database.AWSDB} {
			u, err := run(d.Name, driver, connections, address)
			if err != nil {
				return difference{}, fmt.Errorf("%s, %d connections: %w", driver, connections, err)
			}
			runs[n] = append(runs[n], u)
		}
	}
	row := func(name string, field func(usage) int64) int64 {
		bare, awsdb := median(runs[0], field), median(runs[1], field)
		fmt.Printf("| %d | %s | %d | %d | %d | %.3f |\n", connections, name, bare, awsdb, awsdb-bare, float64(awsdb-bare)/float64(connections))
		return awsdb - bare
	}
	var more difference
	more.goroutines = row("goroutines", func(u usage) int64 { return int64(u.Goroutines) })
	more.heap = row("HeapAlloc (B)", func(u usage) int64 { return u.HeapAlloc })
	row("HeapInuse (B)", func(u usage) int64 { return u.HeapInuse })
	row("stacks (B)", func(u usage) int64 { return u.Stack })
	return more, nil
}

func median(runs []usage, field func(usage) int64) int64 {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b usage) int { return cmp.Compare(field(a), field(b)) })
	return field(sorted[len(sorted)/2])
}

// run measures once, in a process of its own.
func run(engine, driver string, connections int, address string) (usage, error) {
	program, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	measurement := exec.Command(program, "-engine", engine, "measure", driver, strconv.Itoa(connections), address)
	measurement.Stderr = os.Stderr
	output, err := measurement.Output()
	if err != nil {
		return usage{}, err
	}
	var u usage
	err = json.Unmarshal(output, &u)
	return u, err
}
