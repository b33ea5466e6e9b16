package readme_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/readme"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	text := strings.Join([]string{
		"# Title",
		"<!-- ci: run -->",
		"```go",
		"package main",
		"```",
		"text",
		"  ````sh title",
		"```",
		"<!-- ci: run -->",
		"````",
		"~~~",
		"plain",
		"~~~",
	}, "\n")
	got, err := readme.Parse("README.md", text)
	if err != nil {
		t.Fatal(err)
	}
	want := []readme.Block{
		{Place: "README.md:3", Language: "go", Mark: "run", Text: "package main\n"},
		{Place: "README.md:7", Language: "sh", Text: "```\n<!-- ci: run -->\n"},
		{Place: "README.md:11", Text: "plain\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
	if _, err := readme.Parse("README.md", "```go\n"); err == nil {
		t.Error("an open block is no error")
	}
}

const program = "```go\npackage main\n\nimport _ \"example.com/a\"\n\nfunc main() {}\n```\n"

func TestCheck(t *testing.T) {
	t.Setenv("GOWORK", "off") // as ci/test runs it; commands in the clone must not see it
	tests := []struct {
		name         string
		root, module string   // README files; empty for none
		page         string   // in docs; empty for none
		want         []string // parts of the error
	}{
		{name: "a program", root: program},
		{name: "no README", want: []string{"README.md: no such file"}},
		{name: "a README without a program", root: "# Title\n", want: []string{"shows no complete Go program"}},
		{
			name: "a program that does not build, in the README of a module",
			root: program, module: "\n```go\npackage main\n\nimport _ \"example.com/a/gone\"\n\nfunc main() {}\n```\n",
			want: []string{"a/README.md:2", "example.com/a/gone"},
		},
		{
			name: "a program that does not build, in a page of docs",
			root: program, page: "\n```go\npackage main\n\nimport _ \"example.com/a/gone\"\n\nfunc main() {}\n```\n",
			want: []string{"docs/page.md:2", "example.com/a/gone"},
		},
		{
			name: "fragments",
			root: program + "```go\nimport _ \"example.com/a\"\n\nimport (\n\t\"fmt\"\n)\n\nfmt.Println(1)\n```\n```go\ntype x struct{}\n```\n```go\nx := 1\n```\n",
		},
		{
			name: "a fragment that is no Go",
			root: program + "```go\nx := ...\n```\n",
			want: []string{"README.md:8: is no Go"},
		},
		{
			name: "a test",
			root: program + "```go\npackage a_test\n\nimport (\n\t\"testing\"\n\n\t_ \"example.com/a\"\n)\n\nfunc TestX(t *testing.T) { t.Log(1) }\n```\n",
		},
		{
			name: "a program that is run",
			root: program + "<!-- ci: run -->\n```go\npackage main\n\nfunc main() { panic(\"on purpose\") }\n```\n",
			want: []string{"README.md:9: ./program", "on purpose"},
		},
		{
			name: "shell commands that are run in the clone",
			root: program + "<!-- ci: run -->\n```sh\ntest -f go.work\ngo list example.com/a\n```\n",
		},
		{
			name: "shell commands that are run outside and fail",
			root: program + "<!-- ci: run outside -->\n```sh\ntest ! -e go.work\ngo list -m example.com/a@latest\necho wrong\nfalse\n```\n",
			want: []string{"README.md:9", "exit status 1", "example.com/a v0.1.1\nwrong"},
		},
		{name: "shell commands without a mark", root: program + "```sh\nfalse\n```\n"},
		{
			name: "a mark with a mistake",
			root: program + "<!-- ci: runn -->\n```sh\ntrue\n```\n",
			want: []string{`the mark "runn" means nothing`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			work, err := workspace.Load(writeTree(t, map[string]string{
				"go.work":      "go 1.25.0\n\nuse ./a\n",
				"a/go.mod":     "module example.com/a\n\ngo 1.25.0\n",
				"a/a.go":       "package a\n",
				"README.md":    test.root,
				"docs/page.md": test.page,
				"a/README.md":  test.module,
			}))
			if err != nil {
				t.Fatal(err)
			}
			err = readme.Check(t.Context(), work)
			if len(test.want) == 0 && err != nil {
				t.Errorf("error is %v", err)
			}
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error is %v, want one with %q", err, part)
				}
			}
		})
	}
}

func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
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
