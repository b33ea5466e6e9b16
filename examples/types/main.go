// Command types stores values of the application's own types: an enum, a composite, and
// arrays of them. Each connection of the pool learns the types when it is opened, those
// after a failover as well.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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
	if err := prepare(ctx, cfg); err != nil {
		return err
	}
	cfg.AfterConnect = registerTypes
	pool, err := pgdriver.NewPool(ctx, cfg, pgdriver.WithLogger(slog.Default()))
	if err != nil {
		return err
	}
	defer pool.Close()
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		c := customer{
			ID: time.Now().UnixNano(), Home: address{Street: fmt.Sprint(n, " Main Street"), Zip: "98109"},
			Interests: []interest{"music", "sports"},
		}
		if err := c.store(ctx, pool); err != nil {
			log.Print("store: ", err)
			continue
		}
		c, err := load(ctx, pool, c.ID)
		fmt.Println(c, err)
	}
}

// prepare makes the types and tables, in a pool of its own: one whose AfterConnect looks
// for the types could not.
func prepare(ctx context.Context, cfg *pgxpool.Config, opts ...pgdriver.Option) error {
	pool, err := pgdriver.NewPool(ctx, cfg, opts...)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.Exec(ctx, schema)
	return err
}

// registerTypes is for AfterConnect. It asks the server, which takes a round trip, since
// the numbers of types are the database's own. For pgvector that would be
//
//	cfg.AfterConnect = pgxvec.RegisterTypes // github.com/pgvector/pgvector-go/pgx
//
// which asks as well. A hook given to pgdriver.WithOnConnect does the same, with
// database/sql, too.
func registerTypes(ctx context.Context, conn *pgx.Conn) error {
	// An element's type stands before its array's.
	types, err := conn.LoadTypes(ctx, []string{"interest", "_interest", "address", "_address"})
	if err != nil {
		return err
	}
	conn.TypeMap().RegisterTypes(types)
	return nil
}

// address is the composite type of this name: fields in its order.
type address struct {
	Street string
	Zip    string
}

// interest is the enum of this name.
type interest string

type customer struct {
	ID        int64
	Home      address
	Previous  []address
	Interests []interest
}

// store writes the customer. A second time changes nothing, so that even a lost answer is
// a reason to do it again.
func (c customer) store(ctx context.Context, pool *pgdriver.Pool) error {
	return core.RetryIdempotent(ctx, func() error {
		_, err := pool.Exec(ctx, `insert into customers (id, home, previous, interests)
			values ($1, $2, $3, $4) on conflict (id) do nothing`, c.ID, c.Home, c.Previous, c.Interests)
		return err
	})
}

func load(ctx context.Context, pool *pgdriver.Pool, id int64) (c customer, err error) {
	err = core.RetryIdempotent(ctx, func() error {
		rows, _ := pool.Query(ctx, "select id, home, previous, interests from customers where id = $1", id) // the error is in rows
		c, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[customer])
		return err
	})
	return c, err
}
