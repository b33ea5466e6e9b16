// Command consumer builds applications from the packed modules of the
// workspace around the current folder and examines them; see the package
// ci/internal/consumer.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/awsdb/awsdb/ci/internal/consumer"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := workspace.Find(".")
	if err != nil {
		return err
	}
	work, err := workspace.Load(root)
	if err != nil {
		return err
	}
	applications, err := consumer.Applications(work)
	if err != nil {
		return err
	}
	return consumer.Check(ctx, work, applications, os.Stdout)
}
