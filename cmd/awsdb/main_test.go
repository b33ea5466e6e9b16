package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// execute runs a command line without a terminal.
func execute(ctx context.Context, args ...string) (code int, out, problems string) {
	var outBuffer, problemBuffer bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &outBuffer, &problemBuffer)
	return code, outBuffer.String(), problemBuffer.String()
}

func TestCommandLine(t *testing.T) {
	tests := []struct {
		args     []string
		code     int
		out      []string // parts of the output; none: it must be empty
		problems []string
	}{
		{[]string{}, exitOK, []string{"Usage:", "demo"}, nil},
		{[]string{"--help"}, exitOK, []string{"Usage:"}, nil},
		{[]string{"--version"}, exitOK, []string{"awsdb version "}, nil},
		{[]string{"demo", "--help"}, exitOK, []string{"--engine", "postgresql or mysql", "--instances", "--failovers", "--seed", "--json", "--svg", "2 to 15", "1 to 50"}, nil},
		{[]string{"dmo"}, exitUsage, nil, []string{`unknown command "dmo"`, "see awsdb --help"}},
		{[]string{"demo", "now"}, exitUsage, nil, []string{`"now"`, "see awsdb demo --help"}},
		{[]string{"demo", "--fast"}, exitUsage, nil, []string{"--fast", "see awsdb demo --help"}},
		{[]string{"demo", "--instances", "x"}, exitUsage, nil, []string{"--instances"}},
		{[]string{"demo", "--engine", "Oracle"}, exitUsage, nil, []string{`engine "Oracle": write postgresql or mysql`}},
		{[]string{"demo", "--seed", "-1"}, exitUsage, nil, []string{"--seed"}},
		{[]string{"demo", "--instances", "1", "--failovers", "51"}, exitUsage, nil, []string{"1 instances: write 2 to 15", "51 failovers: write 1 to 50"}},
		{[]string{"demo", "--svg", "/no/such/folder/failover.svg"}, exitUsage, nil, []string{"--svg /no/such/folder/failover.svg: stat /no/such/folder"}},
	}
	for _, test := range tests {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			code, out, problems := execute(t.Context(), test.args...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			contains(t, "output", out, test.out)
			contains(t, "problems", problems, test.problems)
		})
	}
}

func contains(t *testing.T, what, text string, parts []string) {
	t.Helper()
	if parts == nil && text != "" {
		t.Errorf("%s: %q, want nothing", what, text)
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: %q lacks %q", what, text, part)
		}
	}
}

// Stopped after a while, as by ctrl-c; wherever that finds the demo, there is one
// document and the exit code is that of the checks.
func TestDemoJSON(t *testing.T) {
	for _, engine := range []demo.Engine{demo.PostgreSQL, demo.MySQL} {
		t.Run(string(engine), func(t *testing.T) { testDemoJSON(t, engine) })
	}
}

func testDemoJSON(t *testing.T, engine demo.Engine) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	code, out, problems := execute(ctx, "demo", "--engine", string(engine), "--json", "--seed", "3", "--instances", "2")
	if code != exitOK || problems != "" {
		t.Fatalf("exit code %d, %s", code, problems)
	}
	var report struct {
		OK, Interrupted bool
		Engine          demo.Engine
		Seed            uint64
		Instances       int
		Checks          []demo.Check
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("not one JSON document: %v", err)
	}
	if !report.OK || !report.Interrupted || report.Engine != engine || report.Seed != 3 || report.Instances != 2 || len(report.Checks) != 5 {
		t.Errorf("report %+v", report)
	}
}

// Stopped before there is anything to see, it leaves no picture.
func TestDemoWithoutPicture(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	name := filepath.Join(t.TempDir(), "failover.svg")
	code, _, problems := execute(ctx, "demo", "--json", "--seed", "3", "--svg", name)
	if code != exitFailed || !strings.Contains(problems, "there is no picture of a failover") {
		t.Errorf("exit code %d, %s", code, problems)
	}
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}

// stopper is an output that calls stop when a text comes by.
type stopper struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopper) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.text) {
		s.stop()
	}
	return s.Buffer.Write(p)
}

func TestDemoPlain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopper{text: "writes/s", stop: cancel}
	var problems bytes.Buffer
	if code := run(ctx, []string{"demo", "--seed", "3"}, strings.NewReader(""), out, &problems); code != exitOK || problems.Len() > 0 {
		t.Fatalf("exit code %d, %s", code, &problems)
	}
	contains(t, "output", out.String(), []string{
		"3 PostgreSQL instances are up, mydb-1 is the writer", "topology known", "ok       no acknowledged write is lost", "Stopped early", "--seed 3",
	})
	if strings.Contains(out.String(), "\x1b") {
		t.Error("escape sequences without a terminal")
	}
}

// A failed check is not an error of the command, but not a success either.
func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		nil: exitOK, errChecksFailed: exitFailed, usageError{errors.New("write this")}: exitUsage, errors.New("no port is free"): exitFailed,
	} {
		var problems bytes.Buffer
		if got := exitCode(newRoot(), err, &problems); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
		if silent := err == nil || errors.Is(err, errChecksFailed); silent != (problems.Len() == 0) {
			t.Errorf("%v: says %q", err, &problems)
		}
	}
}
