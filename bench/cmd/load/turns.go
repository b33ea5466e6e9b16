package main

import (
	"context"
	"errors"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/processor"
	"github.com/awsdb/awsdb/bench/internal/spread"
)

const (
	// turn is how long one pool runs until it is the other's turn. Many short turns
	// are better than few long ones where the machine has other work.
	turn = 100 * time.Millisecond
	// minTime is for the fewest pairs of turns that say anything.
	minTime = 2 * 12 * turn
)

// takeTurns lets both pools run for total together, in pairs of turns. Every second
// pair awsdb comes first.
func takeTurns(ctx context.Context, d database.Database, route database.Route, s detection, workers int, total time.Duration) (r row, err error) {
	var pools [2]*pool
	for n, name := range []string{database.Bare, database.AWSDB} {
		if pools[n], err = openPool(ctx, d, route, name, workers, s); err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, pools[n].close()) }()
	}
	if _, err := runPair(ctx, pools, false); err != nil { // warms up
		return r, err
	}
	var rates, throughput, times []float64
	for n := range int(total / (2 * turn)) {
		p, err := runPair(ctx, pools, n%2 == 1)
		if err != nil {
			return r, err
		}
		rates = append(rates, p[0].rate)
		throughput = append(throughput, p[1].rate/p[0].rate)
		times = append(times, p[1].processor/p[0].processor)
	}
	r.bare, r.throughput, r.processor = spread.Median(rates), spread.Of(throughput), spread.Of(times)
	return r, nil
}

// done is what a pool got done in a turn.
type done struct {
	rate      float64 // queries per second
	processor float64 // nanoseconds of this process for each
}

// runPair lets each pool have a turn; reverse: the second first.
func runPair(ctx context.Context, pools [2]*pool, reverse bool) (pair [2]done, err error) {
	for n := range pools {
		if reverse {
			n = 1 - n
		}
		start, _ := processor.Time()
		begin := time.Now()
		rate, err := pools[n].rate(ctx, turn)
		if err != nil {
			return pair, err
		}
		end, _ := processor.Time()
		pair[n] = done{rate, float64(end-start) / (rate * time.Since(begin).Seconds())}
	}
	return pair, nil
}
