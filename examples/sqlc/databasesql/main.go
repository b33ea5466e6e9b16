// Command databasesql moves money between accounts like the command sqlc, but through database/sql, on either engine,
// with code that sqlc has generated for each.
//
//	export DATABASE_URL='postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app'
//	go run ./sqlc/databasesql
//
// or mysql://app:secret@…/app for MySQL.
package main

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/mysqldriver"
	_ "github.com/awsdb/awsdb/pgdriver"
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
	b, err := open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer b.close()
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		from, step := rand.Int64N(accounts), 1+rand.Int64N(accounts-1)
		next := transfer{ID: fmt.Sprintf("%016x", rand.Uint64()), FromAccount: from, ToAccount: (from + step) % accounts, Amount: 1}
		if err := b.transfer(ctx, next); err != nil && ctx.Err() == nil {
			log.Printf("transfer %s: %v", next.ID, err)
			continue
		}
		sum, err := b.queries.Total(ctx)
		fmt.Println("all accounts hold", sum, err)
	}
}
