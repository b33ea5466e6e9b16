// Command otelsql writes down the time once a second, watched by OpenTelemetry: each call of the application is a span,
// and what a failover does to calls is in their errors. It prints the spans; your program has an exporter there.
//
//	export DATABASE_URL='postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app'
//	go run ./otelsql
//
// or mysql://app:secret@…/app?interpolateParams=true for MySQL.
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
	"time"

	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/mysqldriver"
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

func run(ctx context.Context) (err error) {
	tracing := trace.NewTracerProvider(trace.WithSyncer(printer{}))
	defer func() { err = errors.Join(err, tracing.Shutdown(context.WithoutCancel(ctx))) }()
	url := os.Getenv("DATABASE_URL")
	db, err := open(url, tracing)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := prepare(ctx, db); err != nil {
		return err
	}
	insert := insertBeat(driverOf(url))
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		if err := beat(ctx, db, insert, rand.Int64()); err != nil && ctx.Err() == nil {
			log.Print(err)
		}
	}
}

// prepare makes the table, if that has not been done yet.
func prepare(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS beats (id bigint PRIMARY KEY, at timestamp NOT NULL)")
	return err
}

// insertBeat is the statement of beat.
func insertBeat(driver string) string {
	if driver == mysqldriver.Name {
		return "INSERT INTO beats (id, at) VALUES (?, current_timestamp)"
	}
	return "INSERT INTO beats (id, at) VALUES ($1, current_timestamp)"
}

// beat writes the time down. What is repeated after a failover are spans of their own.
func beat(ctx context.Context, db *sql.DB, insert string, id int64) error {
	return core.RunTx(ctx, db, nil, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, insert, id)
		return err
	})
}

// printer stands for an exporter.
type printer struct{}

// ExportSpans implements trace.SpanExporter.
func (printer) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, s := range spans {
		fmt.Println(s.Name(), s.EndTime().Sub(s.StartTime()), s.Attributes())
		for _, e := range s.Events() {
			fmt.Println("   ", e.Name, e.Attributes)
		}
	}
	return nil
}

// Shutdown implements trace.SpanExporter.
func (printer) Shutdown(context.Context) error { return nil }
