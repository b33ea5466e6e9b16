package database

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

// Pgxpool is PostgreSQL with pgx's own interface instead of database/sql: a bare
// *pgxpool.Pool, and a *pgdriver.Pool.
var Pgxpool = func() Database {
	d := PostgreSQL
	d.Name = "pgxpool"
	d.pool = openPool
	return d
}()

func openPool(contestant string, r Route, connections int, monitoring hostmonitor.Options, log *slog.Logger) (Client, error) {
	cfg, err := pgxpool.ParseConfig(r.DSN)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(connections)
	r.apply(cfg.ConnConfig)
	if contestant == Bare {
		p, err := pgxpool.NewWithConfig(context.Background(), cfg)
		if err != nil {
			return nil, err
		}
		return bareClient{pgxSession{p}, p}, nil
	}
	plugins, err := Plugins(monitoring)
	if err != nil {
		return nil, err
	}
	p, err := pgdriver.NewPool(context.Background(), cfg, pgdriver.WithPlugins(plugins...), pgdriver.WithResolver(r.Resolver), pgdriver.WithLogger(log))
	if err != nil {
		return nil, err
	}
	return awsdbClient{pgxSession{p}, p}, nil
}

// pgxSession is a pool or a connection.
type pgxSession struct {
	inner interface {
		Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}
}

func (s pgxSession) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.inner.Exec(ctx, query, args...)
	return err
}

func (s pgxSession) QueryRow(ctx context.Context, query string, args ...any) Row {
	return s.inner.QueryRow(ctx, query, args...)
}

func (s pgxSession) Count(ctx context.Context, query string) (int, error) {
	rows, err := s.inner.Query(ctx, query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	count, n := 0, 0
	for ; rows.Next(); count++ {
		if err := rows.Scan(&n); err != nil {
			return count, fmt.Errorf("row %d: %w", count, err)
		}
	}
	return count, rows.Err()
}

type bareClient struct {
	pgxSession
	pool *pgxpool.Pool
}

func (c bareClient) Acquire(ctx context.Context) (Session, func(), error) {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return pgxSession{conn}, conn.Release, nil
}

func (c bareClient) Idle() int { return int(c.pool.Stat().IdleConns()) }

func (c bareClient) Close() error {
	c.pool.Close()
	return nil
}

type awsdbClient struct {
	pgxSession
	pool *pgdriver.Pool
}

func (c awsdbClient) Acquire(ctx context.Context) (Session, func(), error) {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	return pgxSession{conn}, conn.Release, nil
}

func (c awsdbClient) Idle() int { return int(c.pool.Stat().IdleConns()) }

func (c awsdbClient) Close() error {
	c.pool.Close()
	return nil
}
