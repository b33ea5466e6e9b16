// Command failovertime measures how long after a new writer accepts writes a
// pool with awsdb's default settings has its first good write.
//
// It runs on a simulated cluster over loopback, in real time. Each round lets
// the writer be lost in one of six ways, promotes another instance some seconds
// later, and waits for the first write that the new writer has acknowledged.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/lab"
)

// The targets of the project, at default settings.
const (
	medianTarget = 50 * time.Millisecond
	p99Target    = 250 * time.Millisecond
)

func main() {
	failovers := flag.Int("failovers", 50, "number of failovers")
	workers := flag.Int("workers", 1, "number of goroutines that write")
	seed := flag.Uint64("seed", 1, "of the times and the choice of the new writer")
	engine := flag.String("engine", database.PostgreSQL.Name, "kind of database: "+database.Names())
	only := flag.String("way", "", "only this way of losing the writer")
	outlier := flag.Duration("timeline", p99Target, "show what happened in rounds in which a worker waited longer")
	flag.Parse()
	chosen := choose(*only)
	if len(chosen) == 0 || *failovers < 1 || *workers < 1 {
		fmt.Fprintf(os.Stderr, "failovertime: -way is one of %s; -failovers and -workers are at least 1\n", names(ways))
		os.Exit(2)
	}
	d, err := database.ByName(*engine)
	if err != nil {
		fmt.Fprintln(os.Stderr, "failovertime:", err)
		os.Exit(2)
	}
	measured, err := measure(settings{d, *failovers, *workers, *seed, chosen, *outlier})
	if err != nil {
		fmt.Fprintln(os.Stderr, "failovertime:", err)
		os.Exit(1)
	}
	fmt.Printf("%s, %d failovers, %d workers, seed %d\n\n", d.Name, *failovers, *workers, *seed)
	if !printTables(measured, chosen) {
		os.Exit(1)
	}
}

type settings struct {
	database           database.Database
	failovers, workers int
	seed               uint64
	ways               []way
	outlier            time.Duration
}

// measurement is the outcome of one failover.
type measurement struct {
	way   string
	first time.Duration // from the promotion to the first good write of anybody
	last  time.Duration // to the first good write of the last worker
}

// roundLimit bounds the wait for the first good write. It is far above what any
// round should take, and above the time a call may take.
const roundLimit = 60 * time.Second

func measure(s settings) ([]measurement, error) {
	cluster, err := lab.Start(lab.Options{Flavor: s.database.Flavor})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	timeline := &timeline{}
	writers, err := startWriters(s.database, cluster, s.workers, timeline)
	if err != nil {
		return nil, err
	}
	defer writers.stop()
	rng := rand.New(rand.NewPCG(s.seed, 0))
	var measured []measurement
	for n := range s.failovers {
		w := s.ways[n%len(s.ways)]
		timeline.reset()
		m, err := failOver(cluster, writers, timeline, w, rng)
		if err != nil {
			return nil, fmt.Errorf("failover %d (%s): %w\n%s", n+1, w.name, err, timeline)
		}
		measured = append(measured, m)
		fmt.Fprintf(os.Stderr, "%3d %-18s first %8.1f ms, all workers %8.1f ms\n", n+1, w.name, millis(m.first), millis(m.last))
		if m.last > s.outlier {
			fmt.Fprintf(os.Stderr, "%s\n", timeline)
		}
	}
	return measured, cluster.Err()
}

// failOver is one round. It begins and ends with a cluster that is well.
func failOver(cluster *lab.Cluster, writers *writers, timeline *timeline, w way, rng *rand.Rand) (measurement, error) {
	ctx, cancel := context.WithTimeout(context.Background(), roundLimit)
	defer cancel()
	old, readers := cluster.Writer(), cluster.Readers()
	next := readers[rng.IntN(len(readers))]
	pause(ctx, time.Second) // of normal work
	timeline.note("%s: %s", old.ID(), w.name)
	w.fault(old)
	pause(ctx, 1500*time.Millisecond+time.Duration(rng.Int64N(int64(2500*time.Millisecond))))
	timeline.note("promote %s", next.ID())
	writers.expect(next.ID())
	promoted := time.Now()
	options := w.promote
	options.DNSLag = time.Duration(rng.Int64N(int64(5 * time.Second)))
	if err := cluster.Promote(next.ID(), options); err != nil {
		return measurement{}, err
	}
	first, last, err := writers.await(ctx)
	if err != nil {
		return measurement{}, err
	}
	pause(ctx, 500*time.Millisecond)
	old.Restart()
	for _, i := range cluster.Instances() {
		i.ResetStatements() // they would fill the memory
	}
	return measurement{w.name, first.Sub(promoted), last.Sub(promoted)}, nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
