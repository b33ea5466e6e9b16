package consumer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/consumer"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, files map[string]string) *workspace.Workspace {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	work, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return work
}

// libraries are two modules, one of which poses as the AWS SDK and both of
// which are large when asked for it.
func libraries(t *testing.T) *workspace.Workspace {
	return load(t, map[string]string{
		"go.work":          "go 1.25.0\n\nuse (\n\t./plugin\n\t./base\n\t./sdk\n)\n",
		"base/go.mod":      "module example.com/base\n\ngo 1.25.0\n",
		"base/base.go":     "package base\n\nimport _ \"embed\"\n\n//go:embed large.txt\nvar Large string\n",
		"base/large.txt":   strings.Repeat("x", consumer.MaxGrowth+100_000),
		"plugin/go.mod":    "module example.com/plugin\n\ngo 1.25.0\n\nrequire example.com/base v0.1.0\n",
		"plugin/plugin.go": "package plugin\n\nimport _ \"example.com/base\"\n",
		"sdk/go.mod":       "module github.com/aws/sdk\n\ngo 1.25.0\n",
		"sdk/sdk.go":       "package sdk\n",
	})
}

func TestCheck(t *testing.T) {
	const empty = "package main\n\nfunc main() {}\n"
	tests := []struct {
		name         string
		applications []consumer.Application
		want         []string // parts of the error
		lines        int
	}{
		{
			name: "modules of different ages",
			applications: []consumer.Application{
				{Name: "bare", Source: "package main\n\nimport _ \"example.com/base\"\n\nfunc main() {}\n", Requires: map[string]string{"example.com/base": "v0.1.0"}, Baseline: true},
				{Name: "newer plugin", Source: "package main\n\nimport _ \"example.com/plugin\"\n\nfunc main() {}\n", Requires: map[string]string{"example.com/base": "v0.1.0", "example.com/plugin": "v0.1.1"}},
				{Name: "newer base", Source: "package main\n\nimport _ \"example.com/plugin\"\n\nfunc main() {}\n", Requires: map[string]string{"example.com/base": "v0.1.1", "example.com/plugin": "v0.1.0"}},
			},
			lines: 3,
		},
		{
			name: "the AWS SDK",
			applications: []consumer.Application{
				{Name: "a", Source: "package main\n\nimport _ \"github.com/aws/sdk\"\n\nfunc main() {}\n", Requires: map[string]string{"github.com/aws/sdk": "v0.1.0"}},
			},
			want:  []string{"a: links github.com/aws/sdk v0.1.0", "imports github.com/aws/sdk"},
			lines: 1,
		},
		{
			name:         "a module that is required but not linked",
			applications: []consumer.Application{{Name: "a", Source: empty, Requires: map[string]string{"example.com/base": "v0.1.0"}}},
			want:         []string{`a: links example.com/base "", want v0.1.0`},
			lines:        1,
		},
		{
			name: "too large",
			applications: []consumer.Application{
				{Name: "bare", Source: empty, Baseline: true},
				{Name: "a", Source: "package main\n\nimport \"example.com/base\"\n\nfunc main() { print(base.Large[:1]) }\n", Requires: map[string]string{"example.com/base": "v0.1.0"}},
			},
			want:  []string{"a: is 1.", "1.00 MB are allowed"},
			lines: 2,
		},
		{
			name: "one fails to run, one to build; the other is still examined",
			applications: []consumer.Application{
				{Name: "exits", Source: "package main\n\nimport \"os\"\n\nfunc main() {\n\tprintln(\"why\")\n\tos.Exit(3)\n}\n"},
				{Name: "broken", Source: "package main\n"},
				{Name: "fine", Source: empty},
			},
			want:  []string{"exits: ./application", "exit status 3\nwhy", "broken: go build"},
			lines: 2,
		},
	}
	work := libraries(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var printed strings.Builder
			err := consumer.Check(t.Context(), work, test.applications, &printed)
			if len(test.want) == 0 && err != nil {
				t.Errorf("error is %v", err)
			}
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error is %v, want one with %q", err, part)
				}
			}
			if lines := strings.Count(printed.String(), "\n"); lines != test.lines {
				t.Errorf("printed %d lines, want %d:\n%s", lines, test.lines, printed.String())
			}
		})
	}
}

func TestApplications(t *testing.T) {
	files := map[string]string{
		"go.work":         "go 1.25.0\n\nuse (\n\t./core\n\t./pgdriver\n\t./failover\n)\n",
		"core/go.mod":     "module github.com/awsdb/awsdb/core\n\ngo 1.25.0\n",
		"pgdriver/go.mod": "module github.com/awsdb/awsdb/pgdriver\n\ngo 1.25.0\n\nrequire github.com/awsdb/awsdb/core v0.3.0\n\nrequire github.com/jackc/pgx/v5 v5.12.0\n",
		"failover/go.mod": "module github.com/awsdb/awsdb/failover\n\ngo 1.25.0\n\nrequire github.com/awsdb/awsdb/core v0.2.0\n",
	}
	applications, err := consumer.Applications(load(t, files))
	if err != nil {
		t.Fatal(err)
	}
	versions := make(map[string]string)
	for _, application := range applications {
		text := application.Requires["github.com/jackc/pgx/v5"]
		for _, module := range []string{"core", "pgdriver", "failover"} {
			text += " " + application.Requires["github.com/awsdb/awsdb/"+module]
		}
		versions[application.Name] = strings.TrimSpace(text)
	}
	want := map[string]string{
		"bare pgx":                   "v5.12.0",
		"pgdriver":                   "v0.3.0 v0.1.0",
		"pgdriver and failover":      "v0.3.0 v0.1.0 v0.1.0",
		"newer failover, older core": "v0.3.0 v0.1.0 v0.1.1",
		"newer core, older failover": "v0.3.1 v0.1.0 v0.1.0",
		"newer pgdriver, older core": "v0.3.0 v0.1.1 v0.1.0",
	}
	if diff := cmp.Diff(want, versions); diff != "" {
		t.Errorf("core, pgdriver, failover (-want +got):\n%s", diff)
	}

	delete(files, "failover/go.mod")
	files["go.work"] = "go 1.25.0\n\nuse (\n\t./core\n\t./pgdriver\n)\n"
	if _, err := consumer.Applications(load(t, files)); err == nil {
		t.Error("no error without failover")
	}
}
