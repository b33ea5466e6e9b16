// Command databasesql moves money between accounts like the command sqlc, but through database/sql, on either engine,
// with code that sqlc has generated for each.
//
//	export DATABASE_URL='postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app'
//	go run ./sqlc/databasesql
//
// For MySQL: DATABASE_URL='mysql://app:secret@…/app' go run ./sqlc/databasesql -driver awsmysql
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

func main() {
	driver := flag.String("driver", pgdriver.Name, "awspg or awsmysql")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *driver, os.Getenv("DATABASE_URL"))
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, driver, dsn string) error {
	b, err := open(ctx, driver, dsn)
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
