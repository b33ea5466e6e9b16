// Command bare is an application of pgx alone: what the size of the others is
// compared with.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
)

// Nothing listens on port 1.
const dsn = "postgres://app:do-not-print@127.0.0.1:1/shop?sslmode=disable"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = db.PingContext(ctx)
	if err == nil || strings.Contains(err.Error(), "do-not-print") {
		return fmt.Errorf("ping must fail and keep the password to itself: %w", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return db.Close()
}
