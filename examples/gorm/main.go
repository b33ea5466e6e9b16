// Command gorm runs a shop whose orders GORM stores, on PostgreSQL or MySQL, and goes on
// through failovers: no order is lost and none is booked twice. With a READER_URL, queries outside of
// transactions go to the readers.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"time"

	"gorm.io/gorm"
)

const (
	workers = 4
	capital = 1_000_000 // of each product in the beginning
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
	pool, dialector, err := openPool(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := pool.PingContext(ctx); err != nil { // gorm.Open has no context, and cannot be interrupted
		return err
	}
	db, err := gorm.Open(dialector, config(slog.Default()))
	if err != nil {
		return err
	}
	if err := prepare(ctx, db); err != nil { // before there are readers, which may not see yet what was made on the writer
		return err
	}
	if url := os.Getenv("READER_URL"); url != "" {
		readers, dialector, err := openPool(url)
		if err != nil {
			return err
		}
		defer readers.Close()
		if err := readFrom(db, dialector); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range workers {
		all.Go(func() { work(ctx, db) })
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
			products, err := shelves(ctx, db)
			fmt.Println(products, err)
		}
	}
}

// work places orders until ctx ends.
func work(ctx context.Context, db *gorm.DB) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		number := rand.Int64()
		if err := place(ctx, db, number, map[int64]int64{1 + rand.Int64N(2): 1}); err != nil && ctx.Err() == nil {
			log.Printf("order %d: %v", number, err)
		}
	}
}
