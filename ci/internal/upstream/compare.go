package upstream

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// comparison of our driver with the bare one. Its lists hold names, sorted; a
// test with subtests is among them only when it is worse and none of them is.
type comparison struct {
	bare, ours results
	reasons    map[string]string

	passed     []string
	skipped    []string // with both
	failedBoth []string
	explained  []string // worse with ours, for a known reason
	worse      []string // worse with ours
	repeated   []string // worse at first, no longer when run again
	stale      []string // explanations of nothing
}

func compare(bare, ours results, reasons map[string]string) *comparison {
	c := &comparison{bare: bare, ours: ours, reasons: reasons}
	c.sort()
	return c
}

// improve takes in the results of tests that ran again with our driver.
func (c *comparison) improve(again results) {
	before := c.worse
	for _, name := range before {
		for at := name; at != ""; at = parent(at) {
			if again[at].outcome > c.ours[at].outcome {
				c.ours[at] = again[at]
			}
		}
	}
	c.sort()
	for _, name := range before {
		if !slices.Contains(c.worse, name) {
			c.repeated = append(c.repeated, name)
		}
	}
}

func (c *comparison) sort() {
	c.passed, c.skipped, c.failedBoth, c.explained, c.worse, c.stale = nil, nil, nil, nil, nil, nil
	names := make(map[string]bool) // to whether it has subtests
	for _, ran := range []results{c.bare, c.ours} {
		for name := range ran {
			names[name] = names[name] || false
			if above := parent(name); above != "" {
				names[above] = true
			}
		}
	}
	below := make(map[string]bool)  // tests with a subtest that is worse
	needed := make(map[string]bool) // explanations
	// From the end: subtests come before their test.
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(names))) {
		bare, ours := c.bare[name].outcome, c.ours[name].outcome
		reason := c.explanation(name)
		needed[reason] = needed[reason] || ours != passed
		switch {
		case ours < bare && below[name]:
		case ours < bare:
			for above := parent(name); above != ""; above = parent(above) {
				below[above] = true
			}
			if reason != "" {
				c.explained = append(c.explained, name)
			} else {
				c.worse = append(c.worse, name)
			}
		case names[name]: // its subtests count
		case ours == passed:
			c.passed = append(c.passed, name)
		case ours == skipped:
			c.skipped = append(c.skipped, name)
		default:
			c.failedBoth = append(c.failedBoth, name)
		}
	}
	for _, list := range [][]string{c.passed, c.skipped, c.failedBoth, c.explained, c.worse} {
		slices.Sort(list)
	}
	for _, name := range slices.Sorted(maps.Keys(c.reasons)) {
		if !needed[name] {
			c.stale = append(c.stale, name)
		}
	}
}

// explanation returns the name under which a reason for name is known.
func (c *comparison) explanation(name string) string {
	for ; name != ""; name = parent(name) {
		if c.reasons[name] != "" {
			return name
		}
	}
	return ""
}

// parent returns the test that name is a subtest of, or "".
func parent(name string) string {
	end := strings.LastIndexByte(name, '/')
	return name[:max(end, 0)]
}

func (c *comparison) write(w io.Writer, title string) {
	fmt.Fprintf(w, "%s\n%4d passed\n%4d failed\n%4d failed, as explained\n%4d failed with the bare driver as well\n%4d skipped with both\n",
		title, len(c.passed), len(c.worse), len(c.explained), len(c.failedBoth), len(c.skipped))
	for _, name := range c.failedBoth {
		fmt.Fprintf(w, "  failed with the bare driver as well: %s\n", name)
	}
	for _, name := range c.skipped {
		fmt.Fprintf(w, "  skipped: %s\n", name)
	}
	for _, name := range c.explained {
		fmt.Fprintf(w, "  explained: %s: %s\n", name, c.reasons[c.explanation(name)])
	}
	for _, name := range c.repeated {
		fmt.Fprintf(w, "  passed when run again: %s\n", name)
	}
}

// err tells of every difference that is not explained, with what the test printed.
func (c *comparison) err() error {
	var failures error
	for _, name := range c.worse {
		var output string
		for at := name; at != ""; at = parent(at) {
			output = c.ours[at].output + output
		}
		failures = errors.Join(failures, fmt.Errorf("%s is worse than with the bare driver:\n%s", name, output))
	}
	for _, name := range c.stale {
		failures = errors.Join(failures, fmt.Errorf("the explanation of %s is not needed any more: remove it", name))
	}
	return failures
}
