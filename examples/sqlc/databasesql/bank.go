package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/sqlc/databasesql/mysql"
	"github.com/awsdb/awsdb/examples/sqlc/databasesql/postgresql"
)

var (
	//go:embed postgresql/schema.sql
	schemaPostgreSQL string
	//go:embed mysql/schema.sql
	schemaMySQL string
)

const (
	accounts = 10
	capital  = 1000 // of each account in the beginning
)

// account and transfer are rows of the tables. sqlc makes types of its own for each engine; a program for one engine
// uses those, and the generated Queries, as they are.
type (
	account struct {
		ID      int64
		Owner   string
		Balance int64
	}
	transfer struct {
		ID          string
		FromAccount int64
		ToAccount   int64
		Amount      int64
	}
)

// queries are what both engines' Queries have in common.
type queries interface {
	OpenAccount(ctx context.Context, a account) error
	RecordTransfer(ctx context.Context, t transfer) (added int64, err error)
	AddToBalance(ctx context.Context, id, amount int64) error
	Total(ctx context.Context) (int64, error)
	WithTx(tx *sql.Tx) queries
	Close() error
}

// bank is the database.
type bank struct {
	db      *sql.DB
	queries queries
}

// open connects, makes the tables and opens the accounts, if that has not been done yet, and prepares the statements.
// Those are prepared again, by themselves, on each new connection.
func open(ctx context.Context, url string) (b *bank, err error) {
	driver, schema := "awsmysql", schemaMySQL
	if strings.HasPrefix(url, "postgres") {
		driver, schema = "awspg", schemaPostgreSQL
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	b = &bank{db: db}
	if err := b.prepare(ctx, schema); err != nil {
		return nil, err
	}
	if driver == "awspg" {
		q, err := postgresql.Prepare(ctx, db)
		if err != nil {
			return nil, err
		}
		b.queries = onPostgreSQL{q}
	} else {
		q, err := mysql.Prepare(ctx, db)
		if err != nil {
			return nil, err
		}
		b.queries = onMySQL{q}
	}
	return b, b.openAccounts(ctx)
}

func (b *bank) close() error {
	return errors.Join(b.queries.Close(), b.db.Close())
}

func (b *bank) prepare(ctx context.Context, schema string) error {
	for statement := range strings.SplitSeq(strings.TrimSpace(schema), "\n\n") { // go-sql-driver takes one at a time
		if _, err := b.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (b *bank) openAccounts(ctx context.Context) error {
	return core.RunTx(ctx, b.db, nil, func(tx *sql.Tx) error {
		q := b.queries.WithTx(tx)
		for id := range int64(accounts) {
			if err := q.OpenAccount(ctx, account{ID: id, Owner: fmt.Sprint("owner ", id), Balance: capital}); err != nil {
				return err
			}
		}
		return nil
	})
}

// transfer makes a transfer exactly once: it is known by its id, so that it can be repeated even where the answer to the
// COMMIT was lost.
func (b *bank) transfer(ctx context.Context, t transfer) error {
	return core.RetryIdempotent(ctx, func() error {
		return core.RunTx(ctx, b.db, nil, func(tx *sql.Tx) error { return book(ctx, b.queries.WithTx(tx), t) })
	})
}

// book is the unit of work.
func book(ctx context.Context, q queries, t transfer) error {
	added, err := q.RecordTransfer(ctx, t)
	if err != nil || added == 0 { // 0: it was committed after all; without clientFoundRows=true
		return err
	}
	if err := q.AddToBalance(ctx, t.FromAccount, -t.Amount); err != nil {
		return err
	}
	return q.AddToBalance(ctx, t.ToAccount, t.Amount)
}

type onPostgreSQL struct{ *postgresql.Queries }

// OpenAccount implements queries.
func (q onPostgreSQL) OpenAccount(ctx context.Context, a account) error {
	return q.Queries.OpenAccount(ctx, postgresql.OpenAccountParams(a))
}

// RecordTransfer implements queries.
func (q onPostgreSQL) RecordTransfer(ctx context.Context, t transfer) (int64, error) {
	return q.Queries.RecordTransfer(ctx, postgresql.RecordTransferParams(t))
}

// AddToBalance implements queries.
func (q onPostgreSQL) AddToBalance(ctx context.Context, id, amount int64) error {
	return q.Queries.AddToBalance(ctx, postgresql.AddToBalanceParams{ID: id, Amount: amount})
}

// WithTx implements queries.
func (q onPostgreSQL) WithTx(tx *sql.Tx) queries { return onPostgreSQL{q.Queries.WithTx(tx)} }

type onMySQL struct{ *mysql.Queries }

// OpenAccount implements queries.
func (q onMySQL) OpenAccount(ctx context.Context, a account) error {
	return q.Queries.OpenAccount(ctx, mysql.OpenAccountParams(a))
}

// RecordTransfer implements queries.
func (q onMySQL) RecordTransfer(ctx context.Context, t transfer) (int64, error) {
	return q.Queries.RecordTransfer(ctx, mysql.RecordTransferParams(t))
}

// AddToBalance implements queries.
func (q onMySQL) AddToBalance(ctx context.Context, id, amount int64) error {
	return q.Queries.AddToBalance(ctx, mysql.AddToBalanceParams{ID: id, Amount: amount})
}

// WithTx implements queries.
func (q onMySQL) WithTx(tx *sql.Tx) queries { return onMySQL{q.Queries.WithTx(tx)} }
