package upstream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// comparison of our driver, in one mode, with the bare one. Its lists hold names, sorted; a
// test with subtests is among them only when it is worse and none of them is.
type comparison struct {
	bare, ours results
	reasons    map[string]string // Suite.Explained

	passed     []string // with ours
	skipped    []string // with both, or failed with the bare one
	failedBoth []string
	explained  []string // worse with ours, for a known reason
	worse      []string // worse with ours
	repeated   []string // worse at first, no longer when run again
	stale      []string // explanations of nothing
}

func compare(bare, ours results, reasons map[string]string) *comparison {
	c := &comparison{bare: bare, ours: ours, reasons: reasons}
	c.classify()
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
	c.classify()
	for _, name := range before {
		if !slices.Contains(c.worse, name) {
			c.repeated = append(c.repeated, name)
		}
	}
}

// classify fills the lists.
func (c *comparison) classify() {
	c.passed, c.skipped, c.failedBoth, c.explained, c.worse, c.stale = nil, nil, nil, nil, nil, nil
	hasSubtests := c.names()
	subtestWorse := make(map[string]bool)
	needed := make(map[string]bool) // explanations
	// From the end: subtests come before their test.
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(hasSubtests))) {
		bare, ours := c.bare[name].outcome, c.ours[name].outcome
		reason := c.explanation(name)
		needed[reason] = needed[reason] || ours != passed
		list := &c.failedBoth
		switch {
		case ours < bare && subtestWorse[name], ours >= bare && hasSubtests[name]:
			continue // the subtests say it
		case ours < bare && reason != "":
			list = &c.explained
		case ours < bare:
			list = &c.worse
		case ours == passed:
			list = &c.passed
		case ours == skipped:
			list = &c.skipped
		}
		*list = append(*list, name)
		for above := parent(name); above != "" && ours < bare; above = parent(above) {
			subtestWorse[above] = true
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

// names returns every test and subtest, and whether it has subtests.
func (c *comparison) names() map[string]bool {
	hasSubtests := make(map[string]bool)
	for _, ran := range []results{c.bare, c.ours} {
		for name := range ran {
			hasSubtests[name] = hasSubtests[name] || false // it may be known already
			if above := parent(name); above != "" {
				hasSubtests[above] = true
			}
		}
	}
	return hasSubtests
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

// needs reports whether a reason explains something here.
func (c *comparison) needs(reason string) bool { return !slices.Contains(c.stale, reason) }

// bareCounts returns how many tests and subtests came to which end with the bare
// driver. As in the lists, a test with subtests does not count.
func (c *comparison) bareCounts() map[outcome]int {
	counts := make(map[outcome]int)
	for name, hasSubtests := range c.names() {
		if !hasSubtests {
			counts[c.bare[name].outcome]++
		}
	}
	return counts
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
	return failures
}
