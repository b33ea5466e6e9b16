// Command sqlx takes orders from a warehouse's stock, through failovers: no order is lost, and none is taken twice.
//
//	export DATABASE_URL='postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app'
//	go run ./sqlx
//
// or mysql://app:secret@…/app?parseTime=true for MySQL.
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/jmoiron/sqlx/types"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
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
	w, err := open(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer w.db.Close()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	id, err := w.deliver(ctx, article{Name: "lamp", Price: "49.90", Properties: types.JSONText(`{"watts": 9}`), Stock: 1000})
	if err != nil {
		return err
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		next := order{ID: fmt.Sprintf("%016x", rand.Uint64()), Article: id, Amount: 1}
		if err := w.take(ctx, next); err != nil && ctx.Err() == nil {
			log.Printf("order %s: %v", next.ID, err)
			continue
		}
		stock, err := w.articles(ctx, []int64{id})
		fmt.Println("in stock:", stock, err)
	}
}
