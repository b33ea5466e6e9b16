// Package upstream runs public tests, with the bare drivers and with ours, on
// real servers, and compares test by test: the tests of the drivers that we wrap,
// and those of tools that users put on top. The sources come out of the module
// cache; nothing of them is kept here.
package upstream

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

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

// pinnedVersions are those of modules that no module of ours requires. All
// others are tested at the version that the workspace requires.
var pinnedVersions = map[string]string{
	"github.com/go-gorp/gorp/v3": "v3.1.0",
	"xorm.io/xorm":               "v1.3.9",
}

// Suite is one package of public tests and how to point it at our driver.
type Suite struct {
	// Name is what [Choose] knows it by.
	Name string
	// Module is the path of the module with the tests. Its version is in
	// pinnedVersions, or the one that the workspace requires.
	Module string
	// Beside is another module of which a copy is needed, for Edits; "" if none.
	Beside string
	// Package is the slash-separated folder of the tests in the module; "."
	// when they are at the top.
	Package string
	// Requires are lines of a go.mod, such as "example.com/x v1.2.3", in the
	// place of what the module requires itself: for one that requires drivers
	// of every database there is. What our modules require is known anyway, so
	// that an empty list may do. Absent: the module's own.
	Requires []string
	// Tags are build tags, separated by commas.
	Tags string
	// Separate: the tests of the bare driver run as they are, in a program
	// without Edits and Hooks. Without it, there is one program, whose edited
	// tests ask the package redirect (in testdata) for a driver.
	Separate bool
	// Hooks come into the module's folder: they have what Edits call, or stand
	// in for files of the module.
	Hooks fs.FS
	// Edits turn the tests of the bare driver into tests of ours.
	Edits []Edit
	// Env returns variables that tell the tests where the server is.
	Env func(at place) []string
	// Arguments returns arguments of the tests' program that do.
	Arguments func(at place) []string
	// Explained says why tests pass with the bare driver and need not pass with
	// ours. A name covers its subtests. One that explains nothing is an error.
	Explained map[string]string
}

// Edit replaces a text everywhere in some files. A text that is nowhere is an
// error: the tests have changed.
type Edit struct {
	Old, New string
	// Files are which, as a pattern of slash-separated paths that begin with
	// module/, for the folder of Suite.Module, or beside/, for Suite.Beside.
	// Absent: the test files of the package.
	Files string
	// Opens: Old opens a connection or a pool. If a Suite has such Edits, tests
	// that never get to such a place are not run: they are about insides.
	Opens bool
}

// suites are all there are.
func suites() []Suite {
	return []Suite{pgxSuite(), goSQLDriverSuite(), sqlxSuite(),
		migratePostgreSQLSuite(), migrateMySQLSuite(), riverSuite(), riverDriverSuite(),
		gorpPostgreSQLSuite(), gorpMySQLSuite(), xormPostgreSQLSuite(), xormMySQLSuite()}
}

// Choose returns the suites of the given names, all when there is none.
func Choose(wanted []string) ([]Suite, error) {
	all := suites()
	if len(wanted) == 0 {
		return all, nil
	}
	var chosen []Suite
	for _, name := range wanted {
		found := false
		for _, suite := range all {
			if suite.Name == name {
				chosen, found = append(chosen, suite), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there are no tests for %q: write one of %s", name, strings.Join(names(all), ", "))
		}
	}
	return chosen, nil
}

func names(suites []Suite) []string {
	var names []string
	for _, suite := range suites {
		names = append(names, suite.Name)
	}
	return names
}

// concurrent is how many suites run at a time: most wait for servers, or for time
// to pass.
const concurrent = 2

// Check runs the suites and writes what came out to w. The error tells of every
// suite with a difference that is not explained.
func Check(ctx context.Context, work *workspace.Workspace, suites []Suite, w io.Writer) (err error) {
	servers, err := startServers(ctx, work, databases(suites))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()
	reports := make([]report, len(suites))
	failures := make([]error, len(suites))
	running := make(chan struct{}, concurrent)
	var wait sync.WaitGroup
	for i, suite := range suites {
		running <- struct{}{}
		wait.Go(func() {
			defer func() { <-running }()
			made, err := check(ctx, work, servers, suite)
			if err != nil {
				err = fmt.Errorf("%s: %w", suite.Name, err)
			}
			reports[i], failures[i] = made, err
		})
	}
	wait.Wait()
	for _, made := range reports {
		made.write(w)
	}
	writeTable(w, reports)
	return errors.Join(failures...)
}

func check(ctx context.Context, work *workspace.Workspace, servers *servers, suite Suite) (_ report, err error) {
	b, err := newBench(ctx, work, suite)
	if err != nil {
		return report{}, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	made, err := b.compare(ctx, servers.place)
	if err != nil {
		return report{}, err
	}
	return made, made.err()
}
