package upstream

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func tree(files map[string]string) fstest.MapFS {
	t := make(fstest.MapFS)
	for name, text := range files {
		t[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return t
}

// bareModule is a small driver with public tests.
var bareModule = map[string]string{
	"go.mod":          "module example.com/bare\n\ngo 1.25.0\n",
	"driver/open.go":  "package driver\n\nfunc Open(name string) string { return name }\n",
	"driver/other.go": "//go:build never\n\nnot Go at all\n",
	"driver/open_test.go": `package driver

import (
	"os"
	"testing"
)

func TestNames(t *testing.T) { checkNames(t) }

func checkNames(t *testing.T) {
	for _, name := range []string{"same", os.Getenv("NAME")} {
		t.Run(name, func(t *testing.T) {
			if got := Open(name); got != name {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestReason(t *testing.T) { checkNames(t) }

func TestBroken(t *testing.T) { t.Error(Open("x")) }

func TestSkipped(t *testing.T) { t.Skip(Open("x")) }

func TestInsides(t *testing.T) { panic("is not about connections") }
`,
}

// newTestBench makes a bench of the small driver and one of ours, which has
// another idea of one name.
func newTestBench(t *testing.T, suite Suite) *bench {
	t.Helper()
	root := t.TempDir()
	if err := copyTree(root, tree(map[string]string{
		"go.work":      "go 1.25.0\n\nuse ./ours\n",
		"ours/go.mod":  "module example.com/ours\n\ngo 1.25.0\n",
		"ours/open.go": "package ours\n\nimport \"example.com/bare/driver\"\n\nfunc Open(name string) string { return driver.Open(name[:min(len(name), 4)]) }\n",
	})); err != nil {
		t.Fatal(err)
	}
	work, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{suite: suite, dir: t.TempDir(), sources: "the small driver"}
	if err := copyTree(b.moduleDir(), tree(bareModule)); err != nil {
		t.Fatal(err)
	}
	if err := b.writeWorkspace(work); err != nil {
		t.Fatal(err)
	}
	return b
}

func smallSuite(servers *[]string) Suite {
	return Suite{
		Driver:  "ours",
		Package: "driver",
		Hooks: tree(map[string]string{
			"hook_test.go": "package driver\n\nvar Ours func(string) string\n",
			"ours_test.go": "package driver_test\n\nimport (\n\t\"example.com/bare/driver\"\n\t\"example.com/ours\"\n)\n\nfunc init() { driver.Ours = ours.Open }\n",
		}),
		Edits:     []Edit{{Old: "Open(", New: "Ours(", Opens: true}},
		Explained: map[string]string{"TestReason": "a reason"},
		Serve: func(context.Context, *bench) (*server, error) {
			*servers = append(*servers, "started")
			return &server{env: []string{"NAME=different"}, close: func() error {
				*servers = append(*servers, "stopped")
				return nil
			}}, nil
		},
	}
}

func TestBench(t *testing.T) {
	var servers []string
	compared, err := newTestBench(t, smallSuite(&servers)).compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	compared.write(&out, "title")
	want := `title
   2 passed
   1 failed
   1 failed, as explained
   1 failed with the bare driver as well
   1 skipped with both
  failed with the bare driver as well: TestBroken
  skipped: TestSkipped
  explained: TestReason: a reason
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if err := compared.err(); err == nil || !strings.Contains(err.Error(), "TestNames/different") || !strings.Contains(err.Error(), `got "diff"`) {
		t.Errorf("error is %v, want one with the subtest and what it printed", err)
	}
	if compared.tests != 4 {
		t.Errorf("ran %d tests, want the 4 that open a connection", compared.tests)
	}
	if diff := cmp.Diff([]string{"started", "stopped", "started", "stopped"}, servers); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
}

func TestBenchErrors(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Suite)
		want   string
	}{
		{"no test opens a connection", func(s *Suite) { s.Edits[0].Old = "OpenDB(" }, "opens a connection"},
		{"an edit of nothing", func(s *Suite) { s.Edits = append(s.Edits, Edit{Old: "Dial("}) }, `"Dial(" is not in the tests of the small driver`},
		{"hooks that do not compile", func(s *Suite) { s.Hooks = tree(map[string]string{"x_test.go": "package driver\n\nvar x = y\n"}) }, "undefined: y"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var servers []string
			suite := smallSuite(&servers)
			test.change(&suite)
			_, err := newTestBench(t, suite).compare(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
			if len(servers)%2 != 0 {
				t.Errorf("servers: %v", servers)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	tests := []struct {
		names   []string
		want    []string
		problem string
	}{
		{names: nil, want: []string{"awspg", "awsmysql"}},
		{names: []string{"awsmysql"}, want: []string{"awsmysql"}},
		{names: []string{"pgx"}, problem: `"pgx"`},
	}
	for _, test := range tests {
		suites, err := Choose(test.names)
		if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%v: error is %v", test.names, err)
		}
		var got []string
		for _, suite := range suites {
			got = append(got, suite.Driver)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.names, diff)
		}
	}
}
