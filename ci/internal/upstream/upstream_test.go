package upstream

import (
	"fmt"
	"net/url"
	"regexp"
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

func TestInsides(t *testing.T) { t.Log("is not about connections") }

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
	if err := writeWorkspace(b.dir, work, []string{"module"}); err != nil {
		t.Fatal(err)
	}
	return b
}

// smallSuite is of the small driver.
func smallSuite() Suite {
	return Suite{
		Name:     "small/suite",
		Package:  "driver",
		Separate: true,
		Hooks: tree(map[string]string{
			"driver/hook_test.go": "package driver\n\nvar Ours func(string) string\n",
			"driver/ours_test.go": "package driver_test\n\nimport (\n\t\"example.com/bare/driver\"\n\t\"example.com/ours\"\n)\n\nfunc init() { driver.Ours = ours.Open }\n",
		}),
		Edits:     []Edit{{Old: "Open(", New: "Ours(", Opens: true}},
		Explained: map[string]string{"TestReason": "a reason"},
		Env:       func(place) []string { return []string{"NAME=different"} },
	}
}

// switchingSuite is one whose program asks for the driver when it runs, and whose
// tests about insides run, too.
func switchingSuite() Suite {
	suite := smallSuite()
	suite.Separate = false
	suite.Hooks = tree(map[string]string{
		"driver/hook_test.go": "package driver\n\nimport \"os\"\n\n" +
			"func chosen(name string) string {\n\tif os.Getenv(\"AWSDB_PLUGINS\") == \"\" {\n\t\treturn Open(name)\n\t}\n\treturn Open(name[:min(len(name), 4)])\n}\n",
	})
	suite.Edits = []Edit{{Old: "Open(name)", New: "chosen(name)", Files: "module/driver/open_test.go"}}
	return suite
}

func TestBench(t *testing.T) {
	for _, test := range []struct {
		name         string
		suite        Suite
		passed, ours int
	}{
		{"two programs", smallSuite(), 4, 2},
		{"one program", switchingSuite(), 5, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			suite := test.suite
			places := make(map[string]string) // plugins by database
			made, err := newTestBench(t, suite).compare(t.Context(), func(database, plugins string) place {
				places[database] = plugins
				return place{database: database, plugins: plugins}
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{"small_suite_bare": "", "small_suite_alone": "none", "small_suite_plugins": "failover,host_monitoring_v2"}, places); diff != "" {
				t.Errorf("places (-want +got):\n%s", diff)
			}
			made.took = 0
			var out strings.Builder
			made.write(&out)
			writeTable(&out, []report{made})
			want := fmt.Sprintf(`small/suite: the small driver, in 0s
  failed with the bare driver as well: TestBroken
  explained: TestReason: a reason
        suite              driver  passed  failed  failed with bare too  explained  skipped
  small/suite                bare       %[1]d       1                                         1
  small/suite                ours       %[2]d       1                     1          1        1
  small/suite  ours, with plugins       %[2]d       1                     1          1        1
`, test.passed, test.ours)
			if diff := cmp.Diff(want, out.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if err := made.err(); err == nil || !strings.Contains(err.Error(), "TestNames/different") || !strings.Contains(err.Error(), `got "diff"`) {
				t.Errorf("error is %v, want one with the subtest and what it printed", err)
			}
		})
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
		{"a program that ends early", func(s *Suite) {
			*s = switchingSuite()
			s.Edits = []Edit{{Old: `t.Log("is not about connections")`, New: `panic("it ends")`}}
		}, "the program ended before TestBroken had"},
		{"hooks that do not compile", func(s *Suite) { s.Hooks = tree(map[string]string{"driver/x_test.go": "package driver\n\nvar x = y\n"}) }, "undefined: y"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			suite := smallSuite()
			test.change(&suite)
			_, err := newTestBench(t, suite).compare(t.Context(), func(string, string) place { return place{} })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
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
		{names: nil, want: names(suites())},
		{names: []string{"sqlx", "pgx"}, want: []string{"sqlx", "pgx"}},
		{names: []string{"awspg"}, problem: `"awspg": write one of pgx, go-sql-driver, sqlx`},
	}
	for _, test := range tests {
		chosen, err := Choose(test.names)
		if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%v: error is %v", test.names, err)
		}
		if diff := cmp.Diff(test.want, names(chosen)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.names, diff)
		}
	}
}

// TestDatabases: PostgreSQL cuts names at 63 bytes, MariaDB wants some quoted.
func TestDatabases(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range databases(suites()) {
		if seen[name] || !regexp.MustCompile(`^[a-z0-9_]{1,63}$`).MatchString(name) {
			t.Errorf("%q is no name, or not the only one", name)
		}
		seen[name] = true
	}
}

func TestPlace(t *testing.T) {
	servers := &servers{postgresql: &program{addr: "127.0.0.1:5432"}, mariadb: &mariadb{port: 3306}}
	bare, ours := servers.place("some", ""), servers.place("some", "a,b")
	tests := []struct{ got, want string }{
		{bare.postgresqlURL(nil), "postgres://gotest:secret@127.0.0.1:5432/some?sslmode=disable"},
		{ours.postgresqlURL(url.Values{"pool_max_conns": {"7"}}), "postgres://gotest:secret@127.0.0.1:5432/some?plugins=a%2Cb&pool_max_conns=7&sslmode=disable"},
		{bare.mysqlDSN(), "gotest:secret@tcp(127.0.0.1:3306)/some?parseTime=true"},
		{ours.mysqlDSN(), "gotest:secret@tcp(127.0.0.1:3306)/some?parseTime=true&plugins=a,b"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}
