package database

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"

	"github.com/awsdb/awsdb/hostmonitor"
)

// The contestants.
const (
	Bare  = "bare"
	AWSDB = "awsdb"
)

// Session is what statements run on.
type Session interface {
	Exec(ctx context.Context, query string, args ...any) error
	QueryRow(ctx context.Context, query string, args ...any) Row
	// Count reads integers, and tells how many.
	Count(ctx context.Context, query string) (int, error)
}

// Row is the only row of an answer.
type Row interface{ Scan(dest ...any) error }

// Client is a pool of connections: a *sql.DB or pgx's own.
type Client interface {
	Session
	// Acquire takes one connection out of it until release is called.
	Acquire(ctx context.Context) (s Session, release func(), err error)
	// Idle is the number of open connections that nobody uses.
	Idle() int
	Close() error
}

// Open makes a Client that keeps so many connections, of one contestant; the last two
// arguments are for AWSDB, see [Database.AWSDB].
func (d Database) Open(contestant string, r Route, connections int, monitoring hostmonitor.Options, log *slog.Logger) (Client, error) {
	if d.pool != nil {
		return d.pool(contestant, r, connections, monitoring, log)
	}
	connector, err := d.Bare(r)
	if contestant == AWSDB {
		connector, err = d.AWSDB(r, monitoring, log)
	}
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(connections)
	return sqlClient{sqlSession{db}, db}, nil
}

// sqlSession is a *sql.DB or a *sql.Conn.
type sqlSession struct {
	inner interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
}

func (s sqlSession) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.inner.ExecContext(ctx, query, args...)
	return err
}

func (s sqlSession) QueryRow(ctx context.Context, query string, args ...any) Row {
	return s.inner.QueryRowContext(ctx, query, args...)
}

func (s sqlSession) Count(ctx context.Context, query string) (int, error) {
	rows, err := s.inner.QueryContext(ctx, query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	count, n := 0, 0
	for ; rows.Next(); count++ {
		if err := rows.Scan(&n); err != nil {
			return count, err
		}
	}
	return count, rows.Err()
}

type sqlClient struct {
	sqlSession
	db *sql.DB
}

func (c sqlClient) Acquire(ctx context.Context) (Session, func(), error) {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	return sqlSession{conn}, func() { _ = conn.Close() }, nil // it goes back to the pool
}

func (c sqlClient) Idle() int    { return c.db.Stats().Idle }
func (c sqlClient) Close() error { return c.db.Close() }

// Fill opens so many connections, and uses each once.
func Fill(ctx context.Context, c Client, connections int, query string) error {
	for range connections {
		s, release, err := c.Acquire(ctx)
		if err != nil {
			return err
		}
		defer release()
		if _, err := s.Count(ctx, query); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return nil
}
