// Command ent runs a shop on ent, and goes on through failovers: no purchase is lost and
// none is made twice.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/examples/ent/shop"
	"github.com/awsdb/awsdb/examples/ent/shop/item"
	"github.com/awsdb/awsdb/examples/ent/shop/purchase"
	"github.com/awsdb/awsdb/examples/ent/shop/schema"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/mysqldriver"
	_ "github.com/awsdb/awsdb/pgdriver"
)

const (
	buyers = 4
	kinds  = 3         // of items
	supply = 1_000_000 // of each item in the beginning
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
	client, err := open(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer client.Close() // closes the *sql.DB, which ends everything that was started
	if err := prepare(ctx, client); err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	for range buyers {
		all.Go(func() { buy(ctx, client) })
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
			sold, left, err := inventory(ctx, client)
			fmt.Println(sold, "sold,", left, "left", err)
		}
	}
}

// open makes a client of a connection string. MySQL's must say parseTime=true, as ent wants.
// The dialect is ent's own: only the driver's name is ours.
func open(url string) (*shop.Client, error) {
	driver, name := "awsmysql", dialect.MySQL
	if strings.HasPrefix(url, "postgres") {
		driver, name = "awspg", dialect.Postgres
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	return shop.NewClient(shop.Driver(entsql.OpenDB(name, db))), nil
}

// prepare makes the tables and puts items on the shelves, if that has not been done yet.
// Both may be done again, so that a loss in their midst needs no thought.
func prepare(ctx context.Context, client *shop.Client) error {
	return core.RetryIdempotent(ctx, func() error {
		if err := client.Schema.Create(ctx); err != nil {
			return err
		}
		items := make([]*shop.ItemCreate, kinds)
		for i := range items {
			items[i] = client.Item.Create().SetSku(sku(i)).SetStock(supply).SetDetails(schema.Details{Colour: "blue"})
		}
		return client.Item.CreateBulk(items...).OnConflictColumns(item.FieldSku).Ignore().Exec(ctx)
	})
}

func sku(i int) string { return fmt.Sprintf("item-%d", i) }

// buy makes purchases until ctx ends.
func buy(ctx context.Context, client *shop.Client) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		number := rand.Int64()
		if err := order(ctx, client, number, sku(rand.IntN(kinds))); err != nil && ctx.Err() == nil {
			log.Printf("purchase %d: %v", number, err)
		}
	}
}

// order makes a purchase exactly once, however often the writer goes away meanwhile. It may be repeated even when the
// answer to the COMMIT was lost, as it is known by its number.
func order(ctx context.Context, client *shop.Client, number int64, sku string) error {
	return core.RetryIdempotent(ctx, func() error {
		return withTx(ctx, client, func(tx *shop.Tx) error { return book(ctx, tx, number, sku) })
	})
}

// withTx runs fn in a transaction. What Rollback says is of no interest: the error that led
// there tells whether the work may be repeated.
func withTx(ctx context.Context, client *shop.Client, fn func(tx *shop.Tx) error) error {
	tx, err := client.Tx(ctx)
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			_ = tx.Rollback() // also when fn panics
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	committed = true
	return tx.Commit()
}

var errSoldOut = errors.New("sold out")

// book is the unit of work. The purchase is known by its number, so that it is seen here if an
// earlier attempt was committed after all.
func book(ctx context.Context, tx *shop.Tx, number int64, sku string) error {
	made, err := tx.Purchase.Query().Where(purchase.Number(number)).Exist(ctx)
	if err != nil || made {
		return err
	}
	wanted, err := tx.Item.Query().Where(item.Sku(sku)).ForUpdate().Only(ctx)
	if err != nil {
		return err
	}
	if wanted.Stock == 0 {
		return errSoldOut
	}
	if err := tx.Purchase.Create().SetNumber(number).SetItem(wanted).Exec(ctx); err != nil {
		return err
	}
	return wanted.Update().AddStock(-1).Exec(ctx)
}

// inventory tells what was sold and what is left, both at the same moment: in a transaction
// that reads only, and may be repeated as often as need be.
func inventory(ctx context.Context, client *shop.Client) (sold, left int, err error) {
	err = core.Retry(ctx, func() error {
		tx, err := client.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // nothing was changed
		if sold, err = tx.Purchase.Query().Count(ctx); err != nil {
			return err
		}
		left, err = tx.Item.Query().Aggregate(shop.Sum(item.FieldStock)).Int(ctx)
		return err
	})
	return sold, left, err
}
