package consumer_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
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
		"go.work":          "go 1.25.0\n\nuse (\n\t./plugin\n\t./base\n\t./sdk\n\t./v2\n)\n",
		"base/go.mod":      "module example.com/base\n\ngo 1.25.0\n",
		"base/base.go":     "package base\n\nimport _ \"embed\"\n\n//go:embed large.txt\nvar Large string\n",
		"base/large.txt":   strings.Repeat("x", consumer.MaxGrowth+100_000),
		"plugin/go.mod":    "module example.com/plugin\n\ngo 1.25.0\n\nrequire example.com/base v0.1.0\n",
		"plugin/plugin.go": "package plugin\n\nimport _ \"example.com/base\"\n",
		"sdk/go.mod":       "module github.com/aws/sdk\n\ngo 1.25.0\n",
		"sdk/sdk.go":       "package sdk\n",

		"v2/go.mod":                  "module github.com/aws/aws-sdk-go-v2\n\ngo 1.25.0\n",
		"v2/service/sts/sts.go":      "package sts\n\nimport _ \"github.com/aws/aws-sdk-go-v2/service/internal/x\"\n",
		"v2/service/internal/x/x.go": "package x\n",
	})
}

func program(text string) map[string]string { return map[string]string{"main.go": text} }

func TestCheck(t *testing.T) {
	const empty = "package main\n\nfunc main() {}\n"
	tests := []struct {
		name         string
		applications []consumer.Application
		want         []string // parts of the error
		lines        int
		printed      []string // parts of the lines
	}{
		{
			name: "modules of different ages",
			applications: []consumer.Application{
				{Name: "bare", Files: program("package main\n\nimport _ \"example.com/base\"\n\nfunc main() {}\n"), Requires: map[string]string{"example.com/base": "v0.1.0"}},
				{Name: "newer plugin", Files: program("package main\n\nimport _ \"example.com/plugin\"\n\nfunc main() {}\n"), Requires: map[string]string{"example.com/base": "v0.1.0", "example.com/plugin": "v0.1.1"}},
				{Name: "newer base", Files: program("package main\n\nimport _ \"example.com/plugin\"\n\nfunc main() {}\n"), Requires: map[string]string{"example.com/base": "v0.1.1", "example.com/plugin": "v0.1.0"}},
			},
			lines: 3,
		},
		{
			name: "a client in the AWS SDK",
			applications: []consumer.Application{
				{Name: "a", Services: []string{"sts"}, Files: program("package main\n\nimport _ \"github.com/aws/aws-sdk-go-v2/service/sts\"\n\nfunc main() {}\n"), Requires: map[string]string{"github.com/aws/aws-sdk-go-v2": "v0.1.0"}},
				{Name: "b", Services: []string{"sso"}, Files: program("package main\n\nimport _ \"github.com/aws/aws-sdk-go-v2/service/sts\"\n\nfunc main() {}\n"), Requires: map[string]string{"github.com/aws/aws-sdk-go-v2": "v0.1.0"}},
			},
			want:  []string{"b: imports github.com/aws/aws-sdk-go-v2/service/sts"},
			lines: 2,
		},
		{
			name: "the AWS SDK",
			applications: []consumer.Application{
				{Name: "a", Files: program("package main\n\nimport _ \"github.com/aws/sdk\"\n\nfunc main() {}\n"), Requires: map[string]string{"github.com/aws/sdk": "v0.1.0"}},
			},
			want:  []string{"a: links github.com/aws/sdk v0.1.0", "imports github.com/aws/sdk"},
			lines: 1,
		},
		{
			name: "a module that does not belong there",
			applications: []consumer.Application{
				{Name: "a", Files: program("package main\n\nimport _ \"example.com/plugin\"\n\nfunc main() {}\n"), Requires: map[string]string{"example.com/plugin": "v0.1.0"}, Excludes: []string{"example.com/base"}},
				{Name: "another", Files: program("package main\n\nimport _ \"example.com/plugin\"\n\nfunc main() {}\n"), Requires: map[string]string{"example.com/plugin": "v0.1.0"}, Excludes: []string{"example.com/bas"}},
			},
			want:  []string{"a: links example.com/base v0.1.0\nimports example.com/base"},
			lines: 2,
		},
		{
			name:         "a module that is required but not linked",
			applications: []consumer.Application{{Name: "a", Files: program(empty), Requires: map[string]string{"example.com/base": "v0.1.0"}}},
			want:         []string{`a: links example.com/base "", want v0.1.0`},
			lines:        1,
		},
		{
			name: "too large",
			applications: []consumer.Application{
				{Name: "bare", Files: program(empty)},
				{Name: "a", Files: program("package main\n\nimport \"example.com/base\"\n\nfunc main() { print(base.Large[:1]) }\n"), Requires: map[string]string{"example.com/base": "v0.1.0"}, Baseline: "bare"},
				{Name: "b", Files: program(empty), Baseline: "bear"},
				{Name: "c", Files: program("package main\n\nimport \"example.com/base\"\n\nfunc main() { print(base.Large[:1]) }\n"), Requires: map[string]string{"example.com/base": "v0.1.0"}, Baseline: "bare", Limit: 700_000},
				{Name: "d", Files: program("package main\n\nimport \"example.com/base\"\n\nfunc main() { print(base.Large[:1]) }\n"), Requires: map[string]string{"example.com/base": "v0.1.0"}, Baseline: "bare", Limit: 5_000_000},
			},
			want:  []string{"a: is 1.", "larger than bare, 1.00 MB are allowed", `b: there is no "bear" to compare its size with`, "c: is 1.", "0.70 MB are allowed"},
			lines: 5,
		},
		{
			name: "the limit is about the baseline, not about what is bare",
			applications: []consumer.Application{
				{Name: "bare", Files: program(empty)},
				{Name: "baseline", Files: program("package main\n\nimport \"example.com/base\"\n\nfunc main() { print(base.Large[:1]) }\n"), Requires: map[string]string{"example.com/base": "v0.1.0"}},
				{Name: "a", Files: program("package main\n\nimport \"example.com/base\"\n\nfunc main() { print(base.Large[1:2]) }\n"), Requires: map[string]string{"example.com/base": "v0.1.0"}, Baseline: "baseline", Bare: "bare"},
			},
			lines:   3,
			printed: []string{"0.00 MB (+1.", " MB from bare)\n"},
		},
		{
			name: "one fails to run, one to build; the other is still examined",
			applications: []consumer.Application{
				{Name: "exits", Files: program("package main\n\nimport \"os\"\n\nfunc main() {\n\tprintln(\"why\")\n\tos.Exit(3)\n}\n")},
				{Name: "broken", Files: program("package main\n")},
				{Name: "fine", Files: program(empty)},
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
			for _, part := range test.printed {
				if !strings.Contains(printed.String(), part) {
					t.Errorf("printed %q, want a part %q", printed.String(), part)
				}
			}
			if lines := strings.Count(printed.String(), "\n"); lines != test.lines {
				t.Errorf("printed %d lines, want %d:\n%s", lines, test.lines, printed.String())
			}
		})
	}
}

func TestApplications(t *testing.T) {
	const prefix = "github.com/awsdb/awsdb/"
	files := map[string]string{
		"go.work":            "go 1.25.0\n\nuse (\n\t./core\n\t./pgdriver\n\t./mysqldriver\n\t./failover\n\t./hostmonitor\n\t./awsauth\n\t./iamauth\n\t./secrets\n\t./federated\n)\n",
		"core/go.mod":        "module " + prefix + "core\n\ngo 1.25.0\n",
		"pgdriver/go.mod":    "module " + prefix + "pgdriver\n\ngo 1.25.0\n\nrequire " + prefix + "core v0.3.0\n\nrequire github.com/jackc/pgx/v5 v5.12.0\n",
		"mysqldriver/go.mod": "module " + prefix + "mysqldriver\n\ngo 1.25.0\n\nrequire " + prefix + "core v0.3.0\n\nrequire github.com/go-sql-driver/mysql v1.10.1\n",
		"failover/go.mod":    "module " + prefix + "failover\n\ngo 1.25.0\n\nrequire " + prefix + "core v0.2.0\n",
		"hostmonitor/go.mod": "module " + prefix + "hostmonitor\n\ngo 1.25.0\n\nrequire " + prefix + "core v0.2.0\n",
		"awsauth/go.mod":     "module " + prefix + "awsauth\n\ngo 1.25.0\n",
		"iamauth/go.mod":     "module " + prefix + "iamauth\n\ngo 1.25.0\n",
		"secrets/go.mod":     "module " + prefix + "secrets\n\ngo 1.25.0\n",
		"federated/go.mod":   "module " + prefix + "federated\n\ngo 1.25.0\n",
	}
	applications, err := consumer.Applications(load(t, files))
	if err != nil {
		t.Fatal(err)
	}
	described := make(map[string]string)
	for _, a := range applications {
		var parts []string
		for _, path := range slices.Sorted(maps.Keys(a.Requires)) {
			parts = append(parts, strings.TrimPrefix(path, prefix)+" "+a.Requires[path])
		}
		if a.Baseline != "" {
			parts = append(parts, "than "+a.Baseline)
		}
		if a.Bare != "" {
			parts = append(parts, "than "+a.Bare)
		}
		described[a.Name] = strings.Join(parts, ", ")
	}
	const pgx, mysql = "github.com/jackc/pgx/v5 v5.12.0", "github.com/go-sql-driver/mysql v1.10.1"
	want := map[string]string{
		"bare pgx":                           pgx,
		"pgdriver":                           "core v0.3.0, pgdriver v0.1.0, than bare pgx",
		"pgdriver and failover":              "core v0.3.0, failover v0.1.0, pgdriver v0.1.0, than bare pgx",
		"newer failover, older core":         "core v0.3.0, failover v0.1.1, pgdriver v0.1.0, than bare pgx",
		"newer core, older failover":         "core v0.3.1, failover v0.1.0, pgdriver v0.1.0, than bare pgx",
		"newer pgdriver, older core":         "core v0.3.0, failover v0.1.0, pgdriver v0.1.1, than bare pgx",
		"pgdriver, failover, hostmonitor":    "core v0.3.0, failover v0.1.0, hostmonitor v0.1.0, pgdriver v0.1.0, than pgdriver and failover, than bare pgx",
		"newer hostmonitor, older core":      "core v0.3.0, failover v0.1.0, hostmonitor v0.1.1, pgdriver v0.1.0, than pgdriver and failover, than bare pgx",
		"newer core, older hostmonitor":      "core v0.3.1, failover v0.1.0, hostmonitor v0.1.0, pgdriver v0.1.0, than pgdriver and failover, than bare pgx",
		"pgdriver and hostmonitor":           "core v0.3.0, hostmonitor v0.1.0, pgdriver v0.1.0, than pgdriver, than bare pgx",
		"bare pgxpool":                       pgx,
		"NewPool and failover":               "core v0.3.0, failover v0.1.0, pgdriver v0.1.0, " + pgx + ", than bare pgxpool",
		"NewPool, failover, hostmonitor":     "core v0.3.0, failover v0.1.0, hostmonitor v0.1.0, pgdriver v0.1.0, " + pgx + ", than NewPool and failover, than bare pgxpool",
		"bare go-sql-driver":                 mysql,
		"go-sql-driver, log, certificates":   mysql + ", than bare go-sql-driver",
		"mysqldriver":                        "core v0.3.0, mysqldriver v0.1.0, than go-sql-driver, log, certificates, than bare go-sql-driver",
		"mysqldriver and failover":           "core v0.3.0, failover v0.1.0, mysqldriver v0.1.0, than go-sql-driver, log, certificates, than bare go-sql-driver",
		"mysqldriver, newer failover":        "core v0.3.0, failover v0.1.1, mysqldriver v0.1.0, than go-sql-driver, log, certificates, than bare go-sql-driver",
		"mysqldriver, newer core":            "core v0.3.1, failover v0.1.0, mysqldriver v0.1.0, than go-sql-driver, log, certificates, than bare go-sql-driver",
		"newer mysqldriver, older core":      "core v0.3.0, failover v0.1.0, mysqldriver v0.1.1, than go-sql-driver, log, certificates, than bare go-sql-driver",
		"mysqldriver, failover, hostmonitor": "core v0.3.0, failover v0.1.0, hostmonitor v0.1.0, mysqldriver v0.1.0, than mysqldriver and failover, than go-sql-driver, log, certificates",
		"mysqldriver, newer hostmonitor":     "core v0.3.0, failover v0.1.0, hostmonitor v0.1.1, mysqldriver v0.1.0, than mysqldriver and failover, than go-sql-driver, log, certificates",
		"both, log, certificates":            mysql + ", " + pgx,
		"both drivers and failover":          "core v0.3.0, failover v0.1.0, mysqldriver v0.1.0, pgdriver v0.1.0, than both, log, certificates",
		"both drivers and both plugins":      "core v0.3.0, failover v0.1.0, hostmonitor v0.1.0, mysqldriver v0.1.0, pgdriver v0.1.0, than both drivers and failover, than both, log, certificates",
		"newer mysqldriver, older pgdriver":  "core v0.3.0, failover v0.1.0, mysqldriver v0.1.1, pgdriver v0.1.0, than both, log, certificates",
		"pgdriver and iamauth":               "core v0.3.0, iamauth v0.1.0, pgdriver v0.1.0, than pgdriver, than bare pgx",
		"pgdriver and secrets":               "core v0.3.0, pgdriver v0.1.0, secrets v0.1.0, than pgdriver, than bare pgx",
		"pgdriver and federated/adfs":        "core v0.3.0, federated v0.1.0, pgdriver v0.1.0, than pgdriver, than bare pgx",
		"pgdriver and federated/okta":        "core v0.3.0, federated v0.1.0, pgdriver v0.1.0, than pgdriver, than bare pgx",
		"pgdriver, all credentials":          "core v0.3.0, federated v0.1.0, iamauth v0.1.0, pgdriver v0.1.0, secrets v0.1.0, than pgdriver and iamauth, than bare pgx",
		"mysqldriver and iamauth":            "core v0.3.0, iamauth v0.1.0, mysqldriver v0.1.0, than mysqldriver, than go-sql-driver, log, certificates",
		"mysqldriver and secrets":            "core v0.3.0, mysqldriver v0.1.0, secrets v0.1.0, than mysqldriver, than go-sql-driver, log, certificates",
	}
	if diff := cmp.Diff(want, described); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}

	files["go.work"] = "go 1.25.0\n\nuse (\n\t./core\n\t./pgdriver\n\t./mysqldriver\n)\n"
	if _, err := consumer.Applications(load(t, files)); err == nil {
		t.Error("no error without failover")
	}
}
