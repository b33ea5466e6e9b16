package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

const password = "do-not-print"

// database is one that cannot be reached: nothing listens on port 1.
type database struct{ name, dsn string }

// databases has one for each driver that is linked in.
var databases []database

func main() {
	var failures error
	for _, d := range databases {
		failures = errors.Join(failures, run(d))
	}
	if failures != nil || len(databases) == 0 {
		fmt.Fprintln(os.Stderr, len(databases), "drivers:", failures)
		os.Exit(1)
	}
}

func connect(driver, dsn string) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = db.PingContext(ctx)
	if err == nil || strings.Contains(err.Error(), password) {
		return fmt.Errorf("%s: ping must fail and keep the password to itself: %w", driver, err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return db.Close()
}
