// Command standalone builds and vets each module of the workspace around the
// current folder outside of it, against the packed modules.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/awsdb/awsdb/ci/internal/standalone"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "standalone:", err)
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
	return standalone.Check(ctx, work)
}
