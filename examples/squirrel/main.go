// Command squirrel counts visits to web pages, with SQL that Squirrel builds, through failovers: each visit is counted
// once.
//
//	export DATABASE_URL='postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app'
//	go run ./squirrel
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
	s, err := open(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.prepare(ctx); err != nil {
		return err
	}
	page, err := s.page(ctx, "/index.html")
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
		next := visit{ID: fmt.Sprintf("%016x", rand.Uint64()), Page: page, At: time.Now(), Headers: []byte("{}")}
		if err := s.count(ctx, next); err != nil && ctx.Err() == nil {
			log.Printf("visit %s: %v", next.ID, err)
			continue
		}
		visits, err := s.visits(ctx, "/index.html")
		fmt.Println("visits:", visits, err)
	}
}
