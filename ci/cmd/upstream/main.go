// Command upstream runs public tests of drivers and tools against the drivers of
// the workspace around the current folder; see the package ci/internal/upstream.
// Arguments choose suites by name; none means all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/awsdb/awsdb/ci/internal/upstream"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "upstream:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	suites, err := upstream.Choose(names)
	if err != nil {
		return err
	}
	root, err := workspace.Find(".")
	if err != nil {
		return err
	}
	work, err := workspace.Load(root)
	if err != nil {
		return err
	}
	return upstream.Check(ctx, work, suites, os.Stdout)
}
