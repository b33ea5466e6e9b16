package pgdriver_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// poolOptions are a failover plugin and the lab's network and DNS. A program that imports
// the plugins and talks to a real cluster needs none of them.
func poolOptions(cluster *lab.Cluster) []pgdriver.Option {
	follow, err := failover.New(failover.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return []pgdriver.Option{
		pgdriver.WithPlugins(follow),
		pgdriver.WithDialer(cluster.DialContext), pgdriver.WithResolver(cluster),
	}
}

// A genuine pgxpool on a cluster's endpoint: what is lost with the writer is reported with
// what is known of it, and the next call is on the new writer.
func ExampleNewPool() {
	cluster, err := lab.Start(lab.Options{}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint(), "pool_max_conns=20", "failover_timeout_sec=30"))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	pool, err := pgdriver.NewPool(ctx, cfg, poolOptions(cluster)...)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	if _, err := pool.Exec(ctx, "create table points (x int, y int)"); err != nil {
		log.Fatal(err)
	}
	n, err := pool.CopyFrom(ctx, pgx.Identifier{"points"}, []string{"x", "y"}, pgx.CopyFromRows([][]any{{1, 2}, {3, 4}}))
	fmt.Println(n, "rows copied", err)

	tx, err := pool.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cluster.Writer().Crash()
	if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
		log.Fatal(err)
	}
	_, err = tx.Exec(ctx, "insert into points (x, y) values (5, 6)")
	fmt.Println("transaction lost:", errors.Is(err, core.ErrTransactionResolutionUnknown))
	fmt.Println("safe to repeat:", core.SafeToRepeat(err))
	fmt.Println("rollback:", tx.Rollback(ctx))

	var instance string
	err = pool.QueryRow(ctx, "select aurora_db_instance_identifier()").Scan(&instance)
	fmt.Println("now on", instance, err)
	// Output:
	// 2 rows copied <nil>
	// transaction lost: true
	// safe to repeat: true
	// rollback: <nil>
	// now on mydb-2 <nil>
}

// Code that builds its pool itself, or has a library do it, follows the cluster as well.
func ExampleConfigurePool() {
	cluster, err := lab.Start(lab.Options{}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	cfg.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		fmt.Println("connected to", c.Config().Host[:len("mydb-1")])
		return nil
	}
	connector, err := pgdriver.ConfigurePool(cfg, poolOptions(cluster)...)
	if err != nil {
		log.Fatal(err)
	}
	defer connector.Close() //nolint:errcheck // an example; it comes after the pool's
	ctx := context.Background()
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	fmt.Println(pool.Ping(ctx))
	// Output:
	// connected to mydb-1
	// <nil>
}

// RunTx is the retry loop for transactions, with pgx's interface.
func ExampleRunTx() {
	cluster, err := lab.Start(lab.Options{}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	pool, err := pgdriver.NewPool(ctx, cfg, poolOptions(cluster)...)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "create table accounts (id int primary key, balance int)"); err != nil {
		log.Fatal(err)
	}

	attempts := 0
	err = pgdriver.RunTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if attempts++; attempts == 1 { // the writer goes while the transaction is open
			cluster.Writer().Crash()
			if err := cluster.Promote("mydb-3", lab.PromoteOptions{}); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "insert into accounts (id, balance) values ($1, $2)", 1, 100)
		return err
	})
	fmt.Println(attempts, "attempts:", err)
	fmt.Println(cluster.Rows("accounts"))
	// Output:
	// 2 attempts: <nil>
	// [[1 100]]
}

// A library that was given the *pgxpool.Pool returns pgx's errors. Cause says what awsdb
// knows of them.
func ExampleCause() {
	cluster, err := lab.Start(lab.Options{}) // instead of a real one
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()
	cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	pool, err := pgdriver.NewPool(ctx, cfg, poolOptions(cluster)...)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	err = library(ctx, pool.Pool, func() {
		cluster.Writer().Crash()
		if err := cluster.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
			log.Fatal(err)
		}
	})
	fmt.Println("before:", errors.Is(err, core.ErrFailover))
	err = pgdriver.Cause(err)
	fmt.Println("failover:", errors.Is(err, core.ErrFailover))
	fmt.Println("it may have taken effect:", errors.Is(err, core.ErrOutcomeUnknown))
	fmt.Println("safe to repeat:", core.SafeToRepeat(err))
	// Output:
	// before: false
	// failover: true
	// it may have taken effect: true
	// safe to repeat: false
}

// library is somebody else's code; meanwhile happens in the middle of it.
func library(ctx context.Context, pool *pgxpool.Pool, meanwhile func()) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	meanwhile()
	_, err = conn.Exec(ctx, "create table jobs (id int)")
	return err
}
