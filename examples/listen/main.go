// Command listen keeps a copy of a table up to date by LISTEN, through failovers: it
// listens again on the new writer and catches up by reading the table.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

const schema = "create table if not exists flags (name text primary key, enabled boolean not null)"

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
	if _, err := pool.Exec(ctx, schema); err != nil {
		return err
	}
	w := &watcher{pool: pool, check: 5 * time.Second, log: slog.Default()}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { w.run(ctx) })
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for enabled := true; ; enabled = !enabled {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		if err := set(ctx, pool, "lights", enabled); err != nil && ctx.Err() == nil {
			log.Print(err)
		}
		fmt.Println("set lights to", enabled, "- the copy was", w.copied())
	}
}
