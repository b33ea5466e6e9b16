package upstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// testTimeout is of one go test; `go help testflag` has the format.
const testTimeout = "10m"

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

// test runs tests, with further flags. That some fail is no error.
func (b *bench) test(ctx context.Context, env, tests []string, flags ...string) (results, error) {
	var output, stderr bytes.Buffer
	arguments := append([]string{"test", "-json", "-count=1", "-vet=off", "-timeout=" + testTimeout,
		"-run=^(" + strings.Join(tests, "|") + ")$"}, flags...)
	command := b.command(ctx, b.packageDir(), "go", append(arguments, ".")...)
	command.Env = append(command.Env, env...)
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
