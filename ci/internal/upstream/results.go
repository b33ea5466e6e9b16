package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// testTimeout is of one run of tests; `go help testflag` has the format.
const testTimeout = "2m"

// outcome of a test. A greater one is better.
type outcome int

const (
	missing outcome = iota // did not run, or not to its end
	failed
	skipped
	passed
)

// outcomes has the names that go test uses.
var outcomes = map[string]outcome{"fail": failed, "skip": skipped, "pass": passed}

type result struct {
	outcome outcome
	output  string
}

// results of tests and subtests by their names, as go test prints them.
type results map[string]result

// build makes the program of the package's tests as they are now.
func (b *bench) build(ctx context.Context, name string, flags ...string) (binary string, err error) {
	binary = filepath.Join(b.dir, name)
	arguments := append([]string{"test", "-c", "-vet=off", "-o", binary, "-tags", b.suite.Tags}, flags...)
	output, err := b.command(ctx, b.packageDir(), "go", append(arguments, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the tests of %s: %w\n%s", b.sources, err, output)
	}
	return binary, nil
}

// environment returns the variables that tell the tests where the servers are.
func (b *bench) environment(at place) []string {
	environment := []string{pluginsVariable + "=" + at.plugins}
	if b.suite.Env != nil {
		environment = append(environment, b.suite.Env(at)...)
	}
	return environment
}

// test runs tests of a program, by their names. That some fail is no error.
func (b *bench) test(ctx context.Context, binary string, at place, tests []string) (results, error) {
	var output, stderr bytes.Buffer
	arguments := []string{"tool", "test2json", binary, "-test.v=test2json", "-test.timeout=" + testTimeout, "-test.run=^(" + strings.Join(tests, "|") + ")$"}
	if b.suite.Arguments != nil {
		arguments = append(arguments, b.suite.Arguments(at)...)
	}
	command := b.command(ctx, b.packageDir(), "go", arguments...)
	command.Env = append(command.Env, b.environment(at)...)
	command.Stdout, command.Stderr = &output, &stderr
	runErr := command.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	found, other, err := parse(&output)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no test ran (%w):\n%s%s", runErr, other, stderr.String())
	}
	return found, err
}

// parse reads what `go test -json` prints. other is what belongs to no test:
// what the compiler said, for instance.
func parse(r io.Reader) (found results, other string, err error) {
	found = make(results)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var event struct{ Action, Test, Output string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, "", fmt.Errorf("go test -json printed %q: %w", lines.Text(), err)
		}
		if event.Test == "" {
			other += event.Output
			continue
		}
		at := found[event.Test]
		at.output += event.Output
		if o, ended := outcomes[event.Action]; ended {
			at.outcome = o
		}
		found[event.Test] = at
	}
	return found, other, lines.Err()
}

// topLevel returns the tests that the given tests and subtests belong to.
func topLevel(names []string) []string {
	var tests []string
	for _, name := range names {
		test, _, _ := strings.Cut(name, "/")
		tests = append(tests, test)
	}
	slices.Sort(tests)
	return slices.Compact(tests)
}
