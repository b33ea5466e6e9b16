// Command gorm runs a shop whose orders GORM stores, on PostgreSQL or MySQL, and goes on
// through failovers: no order is lost and none is booked twice.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	db, err := open(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	pool, err := db.DB()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := prepare(ctx, db); err != nil {
		return err
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
