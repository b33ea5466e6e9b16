// Command awsdb shows and examines what the awsdb modules do.
//
//	go run ./cmd/awsdb demo
//
// runs a cluster, a pool and four failovers on this machine, and nothing else is
// needed. With --svg it leaves a picture of the first.
//
//	PGPASSWORD="$(go run ./cmd/awsdb token --host "$HOST" --user app)" psql ...
//
// logs in with IAM where a program knows nothing of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // a check failed, or something could not be done
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// Unwrap returns the mistake itself.
func (e usageError) Unwrap() error { return e.error }

// errChecksFailed: everything has been said already.
var errChecksFailed = errors.New("a check failed")

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, problems io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(problems)
	command, err := root.ExecuteContextC(ctx)
	return exitCode(command, err, problems)
}

// exitCode says what is wrong, if anything, and returns the code for it.
func exitCode(command *cobra.Command, err error, problems io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errChecksFailed):
		return exitFailed
	case errors.As(err, new(usageError)):
		fmt.Fprintf(problems, "%v\nsee %s --help\n", err, command.CommandPath())
		return exitUsage
	}
	fmt.Fprintln(problems, "awsdb:", strings.TrimPrefix(err.Error(), "awsdb: "))
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "awsdb",
		Short:         "Shows and examines what the awsdb modules do",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q: write demo or token", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newDemo(), newToken())
	return root
}

// version is that of the module, as the Go command noted it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
