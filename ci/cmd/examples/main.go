// Command examples checks the code in the README files of the workspace around
// the current folder, and in its docs; see the package ci/internal/readme.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/awsdb/awsdb/ci/internal/readme"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "examples:", err)
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
	return readme.Check(ctx, work)
}
