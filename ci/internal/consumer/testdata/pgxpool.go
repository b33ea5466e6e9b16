package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const password = "do-not-print"

// pool is what a *pgxpool.Pool and a *pgdriver.Pool have in common.
type pool interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Begin(ctx context.Context) (pgx.Tx, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error)
	Ping(ctx context.Context) error
	Close()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run uses a database that cannot be reached: nothing listens on port 1.
func run() error {
	cfg, err := pgxpool.ParseConfig("postgres://app:" + password + "@127.0.0.1:1/shop?sslmode=disable" + parameters)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	return errors.Join(refused(use(ctx, p)), refused(p.Ping(ctx)))
}

// refused: the error must keep the password to itself.
func refused(err error) error {
	switch {
	case err == nil || strings.Contains(err.Error(), password):
		return fmt.Errorf("a call must fail and keep the password to itself: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return nil
}

// use is what applications do with a pool.
func use(ctx context.Context, p pool) error {
	var n int
	if err := p.QueryRow(ctx, "select 1").Scan(&n); err != nil {
		return err
	}
	if _, err := p.Exec(ctx, "select 1"); err != nil {
		return err
	}
	rows, err := p.Query(ctx, "select 1")
	if err != nil {
		return err
	}
	rows.Close()
	if err := p.SendBatch(ctx, new(pgx.Batch)).Close(); err != nil {
		return err
	}
	if _, err := p.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows(nil)); err != nil {
		return err
	}
	tx, err := p.Begin(ctx)
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}
