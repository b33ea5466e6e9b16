package rules_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/rules"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const goodModule = "module example.com/a\n\ngo 1.25.0\n"

func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string // over a clean tree; an empty text removes the file
		want  []string
	}{
		{name: "a clean tree"},
		{
			name:  "no licence",
			files: map[string]string{"LICENSE": ""},
			want:  []string{"LICENSE: is missing: no one may use code without a licence"},
		},
		{
			name:  "replace, exclude and toolchain",
			files: map[string]string{"a/go.mod": goodModule + "toolchain go1.26.0\nreplace example.com/b => ../b\nexclude example.com/c v1.0.0\n"},
			want: []string{
				"a/go.mod: has a replace directive: the workspace already replaces our own modules",
				"a/go.mod: has a toolchain directive: leave the choice to the user",
				"a/go.mod: has an exclude directive, which no user of the module sees",
			},
		},
		{
			name:  "another language version",
			files: map[string]string{"a/go.mod": "module example.com/a\n\ngo 1.26.0\n"},
			want:  []string{"a/go.mod: must say go 1.25.0 as go.work does; a dependency that asks for more is too new"},
		},
		{
			name:  "a checksum of an own module",
			files: map[string]string{"a/go.sum": "example.com/a v0.1.0 h1:x=\n"},
			want:  []string{"a/go.sum: has a checksum of example.com/a, which is not published yet: run ci/tidy"},
		},
		{
			name:  "a checksum of another module whose path begins alike",
			files: map[string]string{"a/go.sum": "example.com/ab v0.1.0 h1:x=\n"},
		},
		{
			name:  "a module that go.work does not list",
			files: map[string]string{"b/go.mod": "module example.com/b\n\ngo 1.25.0\n"},
			want:  []string{"b/go.mod: is not listed in go.work: nothing would test this module"},
		},
		{
			name: "meaningless package names, also of tests",
			files: map[string]string{
				"a/x/x.go":      "package util\n",
				"a/y/y_test.go": "package helpers_test\n",
			},
			want: []string{
				"a/x/x.go: package util: name a package after what it does",
				"a/y/y_test.go: package helpers: name a package after what it does",
			},
		},
		{
			name: "waiting",
			files: map[string]string{
				"a/x.go": "package a\n\nimport clock \"time\"\n\nfunc f() {\n\tclock.Sleep(1)\n\t<-clock.After(1)\n}\n\nvar g = clock.Tick\n",
			},
			want: []string{
				"a/x.go:10: time.Tick cannot be stopped: select on a timer and the context, or end the line with //ci:wait reason",
				"a/x.go:6: time.Sleep cannot be stopped: select on a timer and the context, or end the line with //ci:wait reason",
				"a/x.go:7: time.After cannot be stopped: select on a timer and the context, or end the line with //ci:wait reason",
			},
		},
		{
			name: "waiting where it is the point",
			files: map[string]string{
				"a/x.go":           "package a\n\nimport \"time\"\n\nfunc f() {\n\ttime.Sleep(1) //ci:wait paces the demo\n}\n",
				"a/x_test.go":      "package a\n\nimport \"time\"\n\nfunc g() { time.Sleep(1) }\n",
				"cmd/app/main.go":  "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(1) }\n",
				"conformance/x.go": "package conformance\n\nimport \"time\"\n\nfunc Wait() { time.Sleep(1) }\n",
				"a/other.go":       "package a\n\nfunc h() { time.Sleep(1) }\n\nvar time interface{ Sleep(int) }\n",
				"a/testdata/x.go":  "package util\n",
				"a/_old/x.go":      "package util\n",
				".tools/x/util.go": "package util\n",
			},
		},
		{
			name:  "permission to wait without a reason",
			files: map[string]string{"a/x.go": "package a\n\nimport \"time\"\n\nfunc f() {\n\ttime.Sleep(1) //ci:wait \n}\n"},
			want:  []string{"a/x.go:6: time.Sleep cannot be stopped: select on a timer and the context, or end the line with //ci:wait reason"},
		},
		{
			name: "the text of an error",
			files: map[string]string{
				"a/x.go":      "package a\n\nimport \"strings\"\n\nfunc f(err error) bool {\n\treturn strings.Contains(err.Error(), \"lost\")\n}\n",
				"a/x_test.go": "package a\n\nimport \"strings\"\n\nfunc g(err error) bool { return strings.Contains(err.Error(), \"lost\") }\n",
				"a/y.go":      "package a\n\nimport \"strings\"\n\nfunc h(text string) bool { return strings.Contains(text, \"lost\") }\n",
				"a/z.go":      "package a\n\nimport \"strings\"\n\nfunc i(err error) bool {\n\treturn strings.HasPrefix(strings.ToLower(err.Error()), \"lost\") ||\n\t\terr.Error() == strings.TrimSpace(err.Error())\n}\n",
			},
			want: []string{
				"a/x.go:6: strings.Contains looks into the text of an error: use errors.Is or errors.As",
				"a/z.go:6: strings.HasPrefix looks into the text of an error: use errors.Is or errors.As",
				"a/z.go:7: == compares the text of an error: use errors.Is or errors.As",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			work, err := workspace.Load(writeTree(t, test.files))
			if err != nil {
				t.Fatal(err)
			}
			got, err := rules.Check(work)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckSyntaxError(t *testing.T) {
	work, err := workspace.Load(writeTree(t, map[string]string{"a/x.go": "package\n"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := rules.Check(work)
	if err != nil || len(got) != 1 {
		t.Errorf("got %q, %v, want one violation", got, err)
	}
}

func writeTree(t *testing.T, changes map[string]string) string {
	t.Helper()
	files := map[string]string{
		"LICENSE":  "free",
		"go.work":  "go 1.25.0\n\nuse ./a\n",
		"a/go.mod": goodModule,
		"a/a.go":   "package a\n",
	}
	for name, text := range changes {
		files[name] = text
	}
	root := t.TempDir()
	for name, text := range files {
		if text == "" {
			continue
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
