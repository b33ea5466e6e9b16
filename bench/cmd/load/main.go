// Command load compares awsdb with the bare driver under load: a real server,
// some workers that do nothing but read answers of 100 rows, and both pools in
// turns. It fails if a target is missed, or if a query fails.
//
// The server and its proxy, if it has one, run in a process of their own. How
// much gets done is measured in this process, where both pools take short turns, so
// that whatever else the machine does befalls both; what the heap holds, in a fresh
// process for each. The program starts itself again for all of them.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/remote"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// detections are the settings of the host monitor that are measured.
var detections = []detection{
	{Name: "default"},
	// With these its loop runs ten times a second, and the host is asked every 50 ms
	// all the time.
	{"aggressive", hostmonitor.Options{DetectionTime: 100 * time.Millisecond, Interval: 50 * time.Millisecond, Count: 10}, true},
}

// detection is a setting of the host monitor.
type detection struct {
	Name    string
	Options hostmonitor.Options
	// Waiting: one more connection waits for the server all the time, so that the host
	// monitor has a reason to ask.
	Waiting bool
}

func main() {
	engine := flag.String("engine", database.PostgreSQL.Name, "kind of database: "+database.Names())
	workers := flag.Int("workers", 0, "number of goroutines that read; 0: 4, then 100")
	only := flag.String("detection", "", "only this setting of the host monitor: default or aggressive")
	total := flag.Duration("time", time.Minute, "how long the load runs, both pools together")
	tolerance := flag.Float64("tolerance", 0, "which part of the throughput may be lost; 0: 0.03, or 0.02 with pgxpool")
	flag.Parse()
	d, err := database.ByName(*engine)
	if err == nil {
		switch role := cmp.Or(flag.Arg(0), "compare"); role {
		case "compare":
			err = compare(d, choose(*only), counts(*workers), *total, cmp.Or(*tolerance, throughputTarget(d)))
		case "serve":
			err = serve(d)
		case "measure":
			err = measure(flag.Arg(1))
		default:
			err = fmt.Errorf("unknown argument %q: want none", role)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// choose returns the settings of that name, or all.
func choose(name string) []detection {
	return slices.DeleteFunc(slices.Clone(detections), func(s detection) bool { return name != "" && s.Name != name })
}

// counts are the numbers of workers to measure with.
func counts(workers int) []int {
	if workers > 0 {
		return []int{workers}
	}
	return []int{4, 100}
}

func serve(d database.Database) error {
	cluster, direct, err := d.StartReal(context.Background())
	if err != nil {
		return err
	}
	return remote.Serve(cluster, func(*lab.Instance) string { return direct })
}
