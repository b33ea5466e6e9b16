// Command report runs the benchmarks of this module several times, bare driver
// and awsdb in turns, prints the tables of the README, and says which targets
// hold. It fails if one is missed.
//
// It runs in the module's folder, and needs the network the first time, for
// benchstat.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// benchstat is pinned: its output goes into the README.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

func main() {
	count := flag.Int("count", 20, "how often each benchmark runs; at least 6")
	pattern := flag.String("bench", ".", "regular expression of the benchmarks to run")
	duration := flag.Duration("benchtime", 200*time.Millisecond, "how long each runs: many short runs are better than few long ones where the machine has other work")
	output := flag.String("o", "", "also write what the benchmarks print to this file, for benchstat")
	flag.Parse()
	if *count < 6 {
		fmt.Fprintf(os.Stderr, "report: -count %d is too few to tell a difference from noise: want at least 6\n", *count)
		os.Exit(2)
	}
	if err := report(*count, *pattern, *duration, *output); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(count int, pattern string, duration time.Duration, keep string) error {
	directory, err := os.MkdirTemp("", "awsdb-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	raw, err := run(directory, count, pattern, duration)
	if err != nil {
		return err
	}
	if keep != "" {
		if err := os.WriteFile(keep, raw, 0o644); err != nil {
			return err
		}
	}
	results, err := parse(raw)
	if err != nil {
		return err
	}
	missed := printTable(os.Stdout, results)
	if err := compare(filepath.Join(directory, "results.txt"), raw); err != nil {
		return err
	}
	if missed > 0 {
		return fmt.Errorf("%d targets missed", missed)
	}
	return nil
}

// run returns what the benchmarks print. Every second time awsdb comes first.
func run(directory string, count int, pattern string, duration time.Duration) ([]byte, error) {
	program := filepath.Join(directory, "bench.test")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build the benchmarks: %w", err)
	}
	var raw []byte
	for n := range count {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", n+1, count)
		once := exec.Command(program, "-test.run=^$", "-test.bench="+pattern, "-test.benchtime="+duration.String(), fmt.Sprintf("-reverse=%t", n%2 == 1))
		once.Stderr = os.Stderr
		printed, err := once.Output()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("run the benchmarks: %w", err), errors.New(string(printed)))
		}
		raw = append(raw, printed...)
	}
	return raw, nil
}

// compare lets benchstat print its tables.
func compare(file string, raw []byte) error {
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		return err
	}
	fmt.Println()
	stat := exec.Command("go", "run", benchstat, "-col", "/driver@(bare awsdb)", file)
	stat.Stdout, stat.Stderr = os.Stdout, os.Stderr
	if err := stat.Run(); err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	return nil
}
