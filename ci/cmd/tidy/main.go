// Command tidy makes the go.mod and go.sum files of the workspace around the
// current folder tidy. With -check it changes nothing, prints what it would
// change, and fails when there is something.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/awsdb/awsdb/ci/internal/tidy"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func main() {
	check := flag.Bool("check", false, "change nothing; fail when something is not tidy")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *check)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tidy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, check bool) error {
	root, err := workspace.Find(".")
	if err != nil {
		return err
	}
	var changes []tidy.Change
	if check {
		work, loadErr := workspace.Load(root)
		if loadErr != nil {
			return loadErr
		}
		changes, err = tidy.Check(ctx, work)
	} else {
		changes, err = tidy.Write(ctx, root)
	}
	for _, change := range changes {
		err = errors.Join(err, change.Print(os.Stdout))
	}
	if check && len(changes) > 0 {
		err = errors.Join(err, fmt.Errorf("%d files are not tidy: run ci/tidy", len(changes)))
	}
	return err
}
