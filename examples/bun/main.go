// Command bun collects what sensors measure, with bun, and goes on through failovers: no
// reading is lost and none is counted twice.
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

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/mysqldialect"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/mysqldriver"
	_ "github.com/awsdb/awsdb/pgdriver"
)

// Sensor measures, and knows how often it has.
type Sensor struct {
	ID       int64  `bun:",pk"`
	Name     string `bun:"type:varchar(64),notnull,unique"`
	Readings int64  `bun:",notnull"`
}

// Reading is what a sensor has measured. Its number comes from the sensor, so that a reading
// that is sent again is known by it.
type Reading struct {
	ID       int64             `bun:",pk,autoincrement"`
	Number   int64             `bun:",notnull,unique"`
	SensorID int64             `bun:",notnull"`
	Celsius  float64           `bun:",notnull"`
	TakenAt  time.Time         `bun:",notnull"` // whole seconds on MySQL, whose DATETIME it is
	Labels   map[string]string `bun:"type:json"`
	Remark   *string           `bun:"type:varchar(255)"`
}

const sensors = 4

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
	db, err := open(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer db.Close() // closes the *sql.DB, which ends everything that was started
	if err := migrateUp(ctx, db, migrations()); err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	for id := range int64(sensors) {
		all.Go(func() { measure(ctx, db, 1+id) })
	}
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
			stored, counted, err := totals(ctx, db)
			fmt.Println(stored, "readings stored,", counted, "counted", err)
		}
	}
}

// open opens the database of a connection string. MySQL's must say parseTime=true.
func open(ctx context.Context, url string) (*bun.DB, error) {
	driver := "awsmysql"
	if strings.HasPrefix(url, "postgres") {
		driver = "awspg"
	}
	db, err := sql.Open(driver, url)
	if err != nil {
		return nil, err
	}
	if driver == "awspg" {
		return bun.NewDB(db, pgdialect.New()), nil
	}
	// NewDB asks a MySQL server for its version. If there is no answer it does without
	// what that would have told, and says nothing but a line in the log.
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	// Without the location a time is written as its own zone's clock shows it.
	return bun.NewDB(db, mysqldialect.New(mysqldialect.WithTimeLocation("UTC"))), nil
}

// measure takes readings until ctx ends.
func measure(ctx context.Context, db *bun.DB, sensor int64) {
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		r := Reading{Number: rand.Int64(), SensorID: sensor, Celsius: 20 + rand.Float64(), TakenAt: time.Now()}
		if err := record(ctx, db, r); err != nil && ctx.Err() == nil {
			log.Printf("reading %d: %v", r.Number, err)
		}
	}
}

// record stores a reading exactly once, however often the writer goes away meanwhile.
func record(ctx context.Context, db *bun.DB, r Reading) error {
	return core.RetryIdempotent(ctx, func() error {
		return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return add(ctx, tx, r) })
	})
}

// add is the unit of work. It has a copy of the reading: bun stores the id of the new row in it,
// which must not be there when the work is repeated. The reading is known by its number, so that
// it is seen here if an earlier attempt was committed after all.
func add(ctx context.Context, tx bun.Tx, r Reading) error {
	there, err := tx.NewSelect().Model((*Reading)(nil)).Where("number = ?", r.Number).Exists(ctx)
	if err != nil || there {
		return err
	}
	if _, err := tx.NewInsert().Model(&r).Exec(ctx); err != nil {
		return err
	}
	_, err = tx.NewUpdate().Model((*Sensor)(nil)).Set("readings = readings + 1").Where("id = ?", r.SensorID).Exec(ctx)
	return err
}

// totals tells how many readings are stored and how many were counted, both at the same
// moment: in a transaction that reads only, and may be repeated as often as need be.
func totals(ctx context.Context, db *bun.DB) (stored, counted int64, err error) {
	once := &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	err = core.Retry(ctx, func() error {
		return db.RunInTx(ctx, once, func(ctx context.Context, tx bun.Tx) error {
			var err error
			if stored, err = tx.NewSelect().Model((*Reading)(nil)).Count(ctx); err != nil {
				return err
			}
			return tx.NewSelect().Model((*Sensor)(nil)).ColumnExpr("coalesce(sum(readings), 0)").Scan(ctx, &counted)
		})
	})
	return stored, counted, err
}
