// Command following is an application of pgdriver that follows the cluster.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/pgdriver"
)

// Nothing listens on port 1.
const dsn = "postgres://app:do-not-print@127.0.0.1:1/shop?sslmode=disable"

func main() {
	if err := errors.Join(wrongParameter(), pluginLinked(), connect()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func wrongParameter() error {
	_, err := sql.Open("awspg", dsn+"&failover_timeout_sek=3")
	return wantConfig(err, "failover_timeout_sek")
}

// pluginLinked: the parameters of a plugin are known once it is imported. The
// check of the driver alone proves that they are not before.
func pluginLinked() error {
	db, err := sql.Open("awspg", dsn+"&plugins=failover&failover_timeout_sec=3")
	if err != nil {
		return err
	}
	return db.Close()
}

func connect() error {
	db, err := sql.Open("awspg", dsn+"&plugins=none")
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

func wantConfig(err error, part string) error {
	switch {
	case err == nil:
		return fmt.Errorf("a DSN that is wrong about %s was accepted", part)
	case !errors.Is(err, core.ErrConfig):
		return fmt.Errorf("not an ErrConfig: %w", err)
	case !strings.Contains(err.Error(), part):
		return fmt.Errorf("does not name %s: %w", part, err)
	case strings.Contains(err.Error(), "do-not-print"):
		return errors.New("the error has the password in it")
	}
	return nil
}
