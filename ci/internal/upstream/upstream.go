// Package upstream runs the public tests of the drivers that we wrap, with the
// bare driver and with ours, on a real server, and compares test by test. The
// sources come out of the module cache; nothing of them is kept here. Only tests
// that open a connection in a way which a Suite knows how to redirect are run:
// the others are about the driver's insides.
package upstream

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

//go:embed testdata
var testdata embed.FS

// folder returns a folder of testdata.
func folder(name string) fs.FS {
	sub, err := fs.Sub(testdata, "testdata/"+name)
	if err != nil {
		panic(err) // only an invalid name
	}
	return sub
}

// Suite is one package of public tests and how to point it at our driver.
type Suite struct {
	// Driver is what ours is registered as.
	Driver string
	// Module is the path of the bare driver's module; its version is the one
	// that the workspace requires.
	Module string
	// Package is the slash-separated folder of the tests in the module; "."
	// when they are at the top.
	Package string
	// Hooks are the files that come into the package's folder for our driver:
	// they have the functions which the Edits call.
	Hooks fs.FS
	// Edits turn the tests of the bare driver into tests of ours.
	Edits []Edit
	// Serve starts a fresh server.
	Serve func(ctx context.Context, b *bench) (*server, error)
	// Explained says why tests pass with the bare driver and need not pass with
	// ours. A name covers its subtests. One that explains nothing is an error.
	Explained map[string]string
}

// Edit replaces a text everywhere in the test files of a Suite. A text that is
// nowhere is an error: the tests have changed.
type Edit struct {
	Old, New string
	// Opens: Old opens a connection or a pool. Tests that never get to such a
	// place are not run.
	Opens bool
}

// attempts is how often a test may fail with our driver. Some of the public
// tests have limits on real time; what our driver breaks stays broken.
const attempts = 3

// Choose returns the suites of the named drivers, of all when there is no name.
func Choose(names []string) ([]Suite, error) {
	all := []Suite{postgresqlSuite(), mysqlSuite()}
	if len(names) == 0 {
		return all, nil
	}
	var chosen []Suite
	for _, name := range names {
		found := false
		for _, suite := range all {
			if suite.Driver == name {
				chosen, found = append(chosen, suite), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there are no tests for %q: write %s or %s", name, all[0].Driver, all[1].Driver)
		}
	}
	return chosen, nil
}

// Check runs the suites and writes what came out to w. The error tells of every
// suite with a difference that is not explained.
func Check(ctx context.Context, work *workspace.Workspace, suites []Suite, w io.Writer) error {
	var failures error
	for _, suite := range suites {
		if err := check(ctx, work, suite, w); err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", suite.Driver, err))
		}
	}
	return failures
}

func check(ctx context.Context, work *workspace.Workspace, suite Suite, w io.Writer) (err error) {
	b, err := newBench(ctx, work, suite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	compared, err := b.compare(ctx)
	if err != nil {
		return err
	}
	compared.write(w, fmt.Sprintf("%s: %s, %d tests that open a connection, and their subtests", suite.Driver, b.sources, compared.tests))
	return compared.err()
}

// compare runs the tests with both drivers.
func (b *bench) compare(ctx context.Context) (*comparison, error) {
	tests, err := connectingTests(b.packageDir(), b.suite.Edits)
	if err != nil {
		return nil, err
	}
	bare, err := b.testBare(ctx, tests)
	if err != nil {
		return nil, fmt.Errorf("the bare driver: %w", err)
	}
	compared, err := b.testOurs(ctx, tests, bare)
	if err != nil {
		return nil, err
	}
	compared.tests = len(tests)
	return compared, nil
}

func (b *bench) testBare(ctx context.Context, tests []string) (_ results, err error) {
	s, err := b.suite.Serve(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return b.test(ctx, s.env, tests)
}

// testOurs compares what the tests do with our driver with what they did, and
// runs what is worse again. The race detector watches our driver only.
func (b *bench) testOurs(ctx context.Context, tests []string, bare results) (_ *comparison, err error) {
	if err := b.redirect(); err != nil {
		return nil, err
	}
	s, err := b.suite.Serve(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ours, err := b.test(ctx, s.env, tests, "-race")
	if err != nil {
		return nil, err
	}
	compared := compare(bare, ours, b.suite.Explained)
	for attempt := 1; attempt < attempts && len(compared.worse) > 0; attempt++ {
		again, err := b.test(ctx, s.env, topLevel(compared.worse), "-race")
		if err != nil {
			return nil, err
		}
		compared.improve(again)
	}
	return compared, nil
}
