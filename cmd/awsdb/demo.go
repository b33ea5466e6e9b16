package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
	"github.com/awsdb/awsdb/cmd/awsdb/internal/view"
)

const demoText = `Starts an Aurora-like cluster inside this process (real wire protocol
on 127.0.0.1, endpoint names as AWS gives them, DNS that lags), lets an ordinary
*sql.DB use its cluster endpoint, and takes the writer away several times: by a
crash, by a black hole without any sign, by a hang, by a planned switchover. At
the end it checks the data: was an acknowledged write lost, was anything
delivered twice?

The exit code is 0 when all checks passed, 1 when one failed, 2 for a mistake in
the command line. No server and no AWS account is needed.`

func newDemo() *cobra.Command {
	var o demo.Options
	var asJSON bool
	var picture string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Fails a simulated Aurora cluster over and shows what a pool makes of it",
		Long:  demoText,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("demo takes no arguments, but got %q", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c, o, asJSON, picture) },
	}
	c.Flags().StringVar((*string)(&o.Engine), "engine", string(demo.PostgreSQL), "kind of database: "+demo.EngineNames())
	c.Flags().IntVar(&o.Instances, "instances", 3, fmt.Sprintf("instances of the cluster, %d to %d", demo.MinInstances, demo.MaxInstances))
	c.Flags().IntVar(&o.Failovers, "failovers", 4, fmt.Sprintf("how often the writer is taken away, %d to %d", demo.MinFailovers, demo.MaxFailovers))
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "makes the random choices repeatable (default: another one each time)")
	c.Flags().BoolVar(&asJSON, "json", false, "print nothing but one JSON document at the end")
	c.Flags().StringVar(&picture, "svg", "", "file to write a picture of the first failover to")
	return c
}

func runDemo(c *cobra.Command, o demo.Options, asJSON bool, picture string) error {
	o.Record = picture != ""
	d, err := demo.New(o)
	if err != nil {
		return usageError{err}
	}
	if o.Record {
		if _, err := os.Stat(filepath.Dir(picture)); err != nil { // better than after the run
			return usageError{fmt.Errorf("--svg %s: %w", picture, err)}
		}
	}
	report, err := watch(c, d, asJSON)
	if err != nil {
		return err
	}
	if asJSON {
		err = view.JSON(report, c.OutOrStdout())
	} else {
		err = view.Table(report, c.OutOrStdout())
	}
	if err == nil && picture != "" {
		err = writePicture(report, picture)
	}
	if err == nil && !report.OK {
		err = errChecksFailed
	}
	return err
}

// writePicture leaves no half of a file behind.
func writePicture(report demo.Report, name string) error {
	var b bytes.Buffer
	if err := view.SVG(report, &b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644) //nolint:gosec // a picture is for everybody
}

// watch runs the demonstration and shows it meanwhile. It returns when both are
// over.
func watch(c *cobra.Command, d *demo.Demo, asJSON bool) (demo.Report, error) {
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	var report demo.Report
	var failure error
	done := make(chan struct{})
	go func() {
		defer close(done)
		report, failure = d.Run(ctx)
	}()
	var shown error
	switch in, out := c.InOrStdin(), c.OutOrStdout(); {
	case asJSON:
	case isTerminal(in) && isTerminal(out):
		shown = view.Live(d, done, stop, in, out)
	default:
		shown = view.Plain(d, done, out)
	}
	if shown != nil {
		stop() // nobody can see it
	}
	<-done
	if failure != nil {
		return report, failure
	}
	return report, shown
}

// isTerminal tells whether a stream is one that can be drawn on.
func isTerminal(stream any) bool {
	file, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(file.Fd())
}
