package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/awsdb/awsdb/bench/internal/database"
)

// The contestants.
const (
	bare  = "bare"
	awsdb = "awsdb"
)

// pool is one contestant's, with as many connections as workers, all open.
type pool struct {
	db      *sql.DB
	query   string
	workers int
	cancel  context.CancelFunc
	waiting sync.WaitGroup
	ended   error // the statement that waits did not wait
}

// openPool opens all connections.
func openPool(ctx context.Context, d database.Database, route database.Route, name string, workers int, s detection) (*pool, error) {
	connector, err := connect(d, route, name, s)
	if err != nil {
		return nil, err
	}
	p := &pool{db: sql.OpenDB(connector), query: d.HundredRows, workers: workers}
	p.db.SetMaxIdleConns(workers)
	if err := p.open(ctx); err != nil {
		_ = p.db.Close() // the error counts
		return nil, err
	}
	ctx, p.cancel = context.WithCancel(ctx)
	if s.Waiting {
		p.waiting.Go(func() {
			if _, err := p.db.ExecContext(ctx, d.Wait); ctx.Err() == nil {
				p.ended = fmt.Errorf("%s ended: %w", d.Wait, err)
			}
		})
	}
	return p, nil
}

func connect(d database.Database, route database.Route, name string, s detection) (driver.Connector, error) {
	if name == bare {
		return d.Bare(route)
	}
	return d.AWSDB(route, s.Options, nil)
}

// open opens all connections and reads an answer from each.
func (p *pool) open(ctx context.Context) (err error) {
	var open []*sql.Conn
	defer func() {
		for _, c := range open {
			err = errors.Join(err, c.Close())
		}
	}()
	for range p.workers {
		c, err := p.db.Conn(ctx)
		if err != nil {
			return err
		}
		open = append(open, c)
		if err := read(ctx, c, p.query); err != nil {
			return err
		}
	}
	return nil
}

func (p *pool) close() error {
	p.cancel()
	p.waiting.Wait()
	return errors.Join(p.ended, p.db.Close())
}

// rate is how many answers per second the workers read within a time.
func (p *pool) rate(ctx context.Context, d time.Duration) (float64, error) {
	counts, errs := make([]int, p.workers), make([]error, p.workers)
	var running sync.WaitGroup
	start := time.Now()
	for n := range p.workers {
		running.Go(func() {
			for time.Since(start) < d && errs[n] == nil {
				errs[n] = read(ctx, p.db, p.query)
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

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// read reads one answer.
func read(ctx context.Context, q queryer, query string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	count, n := 0, 0
	for ; rows.Next(); count++ {
		if err := rows.Scan(&n); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if count != 100 {
		return fmt.Errorf("%d rows, want 100", count)
	}
	return nil
}
