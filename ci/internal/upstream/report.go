package upstream

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// report is what came out of one suite.
type report struct {
	suite       Suite
	sources     string        // import path and version
	comparisons []*comparison // one for each of ourModes
	took        time.Duration
}

// write writes the details that a table has no room for.
func (r report) write(w io.Writer) {
	if len(r.comparisons) == 0 {
		return // it failed before
	}
	fmt.Fprintf(w, "%s: %s, in %s\n", r.suite.Name, r.sources, r.took.Round(time.Second))
	for i, compared := range r.comparisons {
		if i == 0 {
			for _, name := range compared.failedBoth {
				fmt.Fprintf(w, "  failed with the bare driver as well: %s\n", name)
			}
		}
		for _, name := range compared.repeated {
			fmt.Fprintf(w, "  passed when run again (%s): %s\n", ourModes[i].title, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.suite.Explained)) {
		fmt.Fprintf(w, "  explained: %s: %s\n", name, r.suite.Explained[name])
	}
}

// err tells of every difference that is not explained, and of explanations that
// no mode needs.
func (r report) err() error {
	var failures error
	for i, compared := range r.comparisons {
		if err := compared.err(); err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", ourModes[i].title, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.suite.Explained)) {
		if !slices.ContainsFunc(r.comparisons, func(c *comparison) bool { return c.needs(name) }) {
			failures = errors.Join(failures, fmt.Errorf("the explanation of %s is not needed any more: remove it", name))
		}
	}
	return failures
}

// writeTable writes a line for each suite and driver.
func writeTable(w io.Writer, reports []report) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "suite\tdriver\tpassed\tfailed\tfailed with bare too\texplained\tskipped\t")
	for _, r := range reports {
		for i, c := range r.comparisons {
			if i == 0 {
				bare := c.bareCounts()
				fmt.Fprintf(table, "%s\t%s\t%d\t%d\t\t\t%d\t\n", r.suite.Name, bareMode.title, bare[passed], bare[failed]+bare[missing], bare[skipped])
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t\n", r.suite.Name, ourModes[i].title,
				len(c.passed), len(c.worse), len(c.failedBoth), len(c.explained), len(c.skipped))
		}
	}
	_ = table.Flush() // as with every Fprint: w is standard output
}
