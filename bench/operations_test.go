package bench

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
)

// statements are those that are not the same everywhere.
type statements struct {
	hundredRows string // as many, of one integer
	argument    string // its argument, an integer
}

// operation is one thing that an application does again and again.
type operation struct {
	name string
	// start prepares what is needed and returns the operation. What it opens is
	// closed with the pool.
	start func(tb testing.TB, db *sql.DB, s statements) func() error
}

var ctx = context.Background()

var operations = []operation{
	{"query-row", func(_ testing.TB, db *sql.DB, _ statements) func() error {
		return func() error {
			var n int64
			return db.QueryRowContext(ctx, "select 1").Scan(&n)
		}
	}},
	{"exec", func(_ testing.TB, db *sql.DB, _ statements) func() error {
		return func() error {
			_, err := db.ExecContext(ctx, "select 1")
			return err
		}
	}},
	{"prepared-exec", func(tb testing.TB, db *sql.DB, _ statements) func() error {
		s := prepare(tb, db)
		return func() error {
			_, err := s.ExecContext(ctx)
			return err
		}
	}},
	{"prepared-query", func(tb testing.TB, db *sql.DB, _ statements) func() error {
		s := prepare(tb, db)
		return func() error {
			var n int64
			return s.QueryRowContext(ctx).Scan(&n)
		}
	}},
	{"query-argument", func(_ testing.TB, db *sql.DB, s statements) func() error {
		return func() error {
			var n int64
			return db.QueryRowContext(ctx, s.argument, 1).Scan(&n)
		}
	}},
	{"exec-argument", func(_ testing.TB, db *sql.DB, s statements) func() error {
		return func() error {
			_, err := db.ExecContext(ctx, s.argument, 1)
			return err
		}
	}},
	{"rows-100", func(_ testing.TB, db *sql.DB, s statements) func() error {
		return func() error { return readHundred(db, s.hundredRows) }
	}},
	{"begin-commit", func(_ testing.TB, db *sql.DB, _ statements) func() error {
		return func() error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Commit()
		}
	}},
}

// cancellableCommit is a transaction whose context can end.
var cancellableCommit = operation{"begin-commit-cancellable", func(tb testing.TB, db *sql.DB, _ statements) func() error {
	ctx, cancel := context.WithCancel(ctx)
	tb.Cleanup(cancel)
	return func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		return tx.Commit()
	}
}}

func prepare(tb testing.TB, db *sql.DB) *sql.Stmt {
	tb.Helper()
	s, err := db.PrepareContext(ctx, "select 1")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func readHundred(db *sql.DB, statement string) error {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	count := 0
	var n int64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return err
		}
		count++
	}
	if count != 100 && rows.Err() == nil {
		return fmt.Errorf("%d rows, want 100", count)
	}
	return rows.Err()
}
