package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
)

// pool is one contestant's, with as many connections as workers, all open.
type pool struct {
	client  database.Client
	query   string
	workers int
	cancel  context.CancelFunc
	waiting sync.WaitGroup
	ended   error // the statement that waits did not wait
}

// openPool opens all connections.
func openPool(ctx context.Context, d database.Database, route database.Route, name string, workers int, s detection) (*pool, error) {
	connections := workers
	if s.Waiting {
		connections++
	}
	client, err := d.Open(name, route, connections, s.Options, nil)
	if err != nil {
		return nil, err
	}
	p := &pool{client: client, query: d.HundredRows, workers: workers}
	if err := database.Fill(ctx, client, workers, p.query); err != nil {
		_ = client.Close() // the error counts
		return nil, err
	}
	ctx, p.cancel = context.WithCancel(ctx)
	if s.Waiting {
		p.waiting.Go(func() {
			if err := p.client.Exec(ctx, d.Wait); ctx.Err() == nil {
				p.ended = fmt.Errorf("%s ended: %w", d.Wait, err)
			}
		})
	}
	return p, nil
}

func (p *pool) close() error {
	p.cancel()
	p.waiting.Wait()
	return errors.Join(p.ended, p.client.Close())
}

// rate is how many answers per second the workers read within a time.
func (p *pool) rate(ctx context.Context, d time.Duration) (float64, error) {
	counts, errs := make([]int, p.workers), make([]error, p.workers)
	var running sync.WaitGroup
	start := time.Now()
	for n := range p.workers {
		running.Go(func() {
			for time.Since(start) < d && errs[n] == nil {
				errs[n] = read(ctx, p.client, p.query)
				counts[n]++
			}
		})
	}
	running.Wait()
	took := time.Since(start)
	total := 0
	for _, count := range counts {
		total += count
	}
	return float64(total) / took.Seconds(), errors.Join(errs...)
}

// read reads one answer.
func read(ctx context.Context, s database.Session, query string) error {
	count, err := s.Count(ctx, query)
	if err == nil && count != 100 {
		err = fmt.Errorf("%d rows, want 100", count)
	}
	return err
}
