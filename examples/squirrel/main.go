// Command squirrel counts visits to web pages, with SQL that Squirrel builds, through failovers: each visit is counted
// once.
//
//	export DATABASE_URL='postgres://app:secret@mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com/app'
//	go run ./squirrel
//
// For MySQL: DATABASE_URL='mysql://app:secret@…/app?parseTime=true' go run ./squirrel -driver awsmysql
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
	s, err := open(driver, dsn)
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
