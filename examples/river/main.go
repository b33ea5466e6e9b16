// Command river takes orders and has River write an invoice for each, through failovers:
// no order is left without an invoice, and none gets two.
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
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

//go:embed schema.sql
var schema string

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
	client, err := startWorking(ctx, pool, configuration())
	if err != nil {
		return err
	}
	takeOrders(ctx, pool, client)
	const grace = 10 * time.Second // for the jobs that are being worked
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return client.Stop(ending)
}

// prepare makes the tables: River's, and ours.
func prepare(ctx context.Context, pool *pgdriver.Pool) error {
	migrator, err := rivermigrate.New(riverpgxv5.New(pool.Pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, schema)
	return err
}

// configuration is River's. When a connection is lost while River takes jobs, the jobs
// may be marked as running and nobody runs them. River rescues them, after an hour unless
// told otherwise.
func configuration() *river.Config {
	return &river.Config{
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		JobTimeout:           30 * time.Second,
		RescueStuckJobsAfter: time.Minute,
	}
}

// startWorking starts a River client on the bare pool, which is what River takes. Stop it
// before the pool is closed.
func startWorking(ctx context.Context, pool *pgdriver.Pool, cfg *river.Config) (*river.Client[pgx.Tx], error) {
	cfg.Workers = river.NewWorkers()
	river.AddWorker(cfg.Workers, &biller{pool: pool})
	client, err := river.NewClient(riverpgxv5.New(pool.Pool), cfg)
	if err != nil {
		return nil, err
	}
	return client, client.Start(context.WithoutCancel(ctx)) // Stop ends it
}

// takeOrders takes an order a second until ctx ends.
func takeOrders(ctx context.Context, pool *pgdriver.Pool, client *river.Client[pgx.Tx]) {
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		id := rand.Int64()
		if err := order(ctx, pool, client, id); err != nil && ctx.Err() == nil {
			log.Printf("order %d: %v", id, err)
		}
		n, err := openOrders(ctx, pool)
		fmt.Println(n, "orders wait for their invoices", err)
	}
}

// order stores an order and enqueues its job: both or neither. RunTx starts over after a
// failover; when the answer to the COMMIT was lost it cannot know, but the order has an
// id, so that a second attempt finds the first.
func order(ctx context.Context, pool *pgdriver.Pool, client *river.Client[pgx.Tx], id int64) error {
	return core.RetryIdempotent(ctx, func() error {
		return pgdriver.RunTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, "insert into orders (id) values ($1) on conflict (id) do nothing", id)
			if err != nil || tag.RowsAffected() == 0 { // 0: it was committed after all, and the job with it
				return err
			}
			_, err = client.InsertTx(ctx, tx, invoiceArgs{Order: id}, nil)
			return err
		})
	})
}

func openOrders(ctx context.Context, pool *pgdriver.Pool) (n int, err error) {
	err = pool.QueryRow(ctx, "select count(*) from orders where id not in (select order_id from invoices)").Scan(&n)
	return n, err
}

// invoiceArgs are a job.
type invoiceArgs struct {
	Order int64 `json:"order"`
}

// Kind implements river.JobArgs.
func (invoiceArgs) Kind() string { return "invoice" }

type biller struct {
	river.WorkerDefaults[invoiceArgs]
	pool *pgdriver.Pool
}

// Work implements river.Worker. The invoice and the job's completion are one transaction,
// so that what River repeats after a failover has had no effect before. An error, also
// one that says the outcome is unknown, may go to River: it tries again, unless the job
// has been completed.
func (b *biller) Work(ctx context.Context, job *river.Job[invoiceArgs]) error {
	return pgdriver.RunTx(ctx, b.pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into invoices (order_id, attempt) values ($1, $2)", job.Args.Order, job.Attempt); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}
