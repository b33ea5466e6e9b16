package upstream

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// attempts is how often a test may fail with our driver. Some of the public
// tests have limits on real time; what our driver breaks stays broken.
const attempts = 3

// mode is a way to run a suite.
type mode struct {
	name    string // of a database, after the suite's
	title   string
	plugins string // our parameter; "" for the bare driver
}

var (
	bareMode = mode{name: "bare", title: "bare"}
	ourModes = []mode{
		{name: "alone", title: "ours", plugins: "none"},
		{name: "plugins", title: "ours, with plugins", plugins: "failover,host_monitoring_v2"},
	}
)

// database returns the name of the database for one run of a suite.
func (m mode) database(suite Suite) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '/' {
			return '_'
		}
		return r
	}, suite.Name+"_"+m.name)
}

// databases returns all names.
func databases(suites []Suite) []string {
	var names []string
	for _, suite := range suites {
		names = append(names, bareMode.database(suite))
		for _, mode := range ourModes {
			names = append(names, mode.database(suite))
		}
	}
	return names
}

// compare runs the tests with the bare driver, and with ours in every mode.
func (b *bench) compare(ctx context.Context, placeOf func(database, plugins string) place) (report, error) {
	start := time.Now()
	tests, err := chosenTests(b.packageDir(), b.suite)
	if err != nil {
		return report{}, err
	}
	at := func(m mode) place { return placeOf(m.database(b.suite), m.plugins) }
	bare, binary, err := b.testBare(ctx, at(bareMode), tests)
	if err != nil {
		return report{}, fmt.Errorf("the bare driver: %w", err)
	}
	for _, test := range tests {
		if bare[test].outcome == missing {
			return report{}, fmt.Errorf("the bare driver: the program ended before %s had: see what ends it", test)
		}
	}
	made := report{suite: b.suite, sources: b.sources}
	for _, mode := range ourModes {
		compared, err := b.testOurs(ctx, binary, at(mode), tests, bare)
		if err != nil {
			return report{}, fmt.Errorf("%s: %w", mode.title, err)
		}
		made.comparisons = append(made.comparisons, compared)
	}
	made.took = time.Since(start)
	return made, nil
}

// testBare runs the tests with the bare driver, and makes the program that runs
// them with ours. The race detector watches our driver.
func (b *bench) testBare(ctx context.Context, at place, tests []string) (bare results, ours string, err error) {
	if !b.suite.Separate {
		if ours, err = b.buildOurs(ctx); err != nil {
			return nil, "", err
		}
		bare, err = b.test(ctx, ours, at, tests)
		return bare, ours, err
	}
	binary, err := b.build(ctx, "bare.test")
	if err != nil {
		return nil, "", err
	}
	if bare, err = b.test(ctx, binary, at, tests); err != nil {
		return nil, "", err
	}
	ours, err = b.buildOurs(ctx)
	return bare, ours, err
}

func (b *bench) buildOurs(ctx context.Context) (binary string, err error) {
	if err := b.redirect(); err != nil {
		return "", err
	}
	return b.build(ctx, "ours.test", "-race")
}

// testOurs compares what the tests do with our driver with what they did, and
// runs what is worse again.
func (b *bench) testOurs(ctx context.Context, binary string, at place, tests []string, bare results) (*comparison, error) {
	ours, err := b.test(ctx, binary, at, tests)
	if err != nil {
		return nil, err
	}
	compared := compare(bare, ours, b.suite.Explained)
	for attempt := 1; attempt < attempts && len(compared.worse) > 0; attempt++ {
		again, err := b.test(ctx, binary, at, topLevel(compared.worse))
		if err != nil {
			return nil, err
		}
		compared.improve(again)
	}
	return compared, nil
}
