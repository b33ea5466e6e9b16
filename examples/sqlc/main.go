// Command sqlc moves money between accounts, through code that sqlc has generated, and
// goes on through failovers: no transfer is lost and none is made twice.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/sqlc/bank"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

//go:embed schema.sql
var schema string

const (
	workers  = 4
	accounts = 10
	capital  = 1000 // of each account in the beginning
)

func main() {
	if os.Getenv("DATABASE_URL") == "" {
		log.Fatal("DATABASE_URL is not set: examples/README.md says to what")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	pool, err := pgdriver.NewPool(ctx, cfg, pgdriver.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := prepare(ctx, pool); err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range workers {
		all.Go(func() { work(ctx, pool) })
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
			sum, err := total(ctx, pool.Pool)
			fmt.Println("all accounts hold", sum, err)
		}
	}
}

// prepare makes the tables and opens the accounts, if that has not been done yet.
func prepare(ctx context.Context, pool *pgdriver.Pool) error {
	if _, err := pool.Exec(ctx, schema); err != nil {
		return err
	}
	queries := bank.New(pool) // a Pool is all that sqlc's DBTX asks for
	if n, err := queries.CountAccounts(ctx); err != nil || n > 0 {
		return err
	}
	rows := make([]bank.OpenAccountsParams, accounts)
	for i := range rows {
		rows[i] = bank.OpenAccountsParams{ID: int64(i), Owner: fmt.Sprint("owner ", i), Balance: capital}
	}
	_, err := queries.OpenAccounts(ctx, rows)
	return err
}

// work makes transfers until ctx ends.
func work(ctx context.Context, pool *pgdriver.Pool) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		t := randomTransfer()
		if err := transfer(ctx, pool, t); err != nil && ctx.Err() == nil {
			log.Printf("transfer %s: %v", t.ID, err)
		}
	}
}

func randomTransfer() bank.RecordTransferParams {
	from, step := rand.Int64N(accounts), 1+rand.Int64N(accounts-1)
	return bank.RecordTransferParams{
		ID: fmt.Sprintf("%016x", rand.Uint64()), FromAccount: from, ToAccount: (from + step) % accounts, Amount: 1,
	}
}

// transfer makes a transfer exactly once, however often the writer goes away meanwhile.
// RunTx starts over whenever that is safe. It is not when the answer to the COMMIT was
// lost; but a transfer is known by its id, so that repeating it is right even then: RetryIdempotent.
func transfer(ctx context.Context, pool *pgdriver.Pool, t bank.RecordTransferParams) error {
	queries := bank.New(pool)
	return core.RetryIdempotent(ctx, func() error {
		return pgdriver.RunTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			return book(ctx, queries.WithTx(tx), t)
		})
	})
}

// book is the unit of work.
func book(ctx context.Context, q *bank.Queries, t bank.RecordTransferParams) error {
	added, err := q.RecordTransfer(ctx, t)
	if err != nil || added == 0 { // 0: it was committed after all
		return err
	}
	if err := q.AddToBalance(ctx, bank.AddToBalanceParams{ID: t.FromAccount, Amount: -t.Amount}); err != nil {
		return err
	}
	return q.AddToBalance(ctx, bank.AddToBalanceParams{ID: t.ToAccount, Amount: t.Amount})
}

// total is for code that has been given the bare pool. sqlc takes that as well. Calls end
// with pgx's own errors then, of which Cause tells whether they come from a failover.
func total(ctx context.Context, pool *pgxpool.Pool) (sum int64, err error) {
	all, err := bank.New(pool).ListAccounts(ctx)
	for _, a := range all {
		sum += a.Balance
	}
	return sum, pgdriver.Cause(err)
}
