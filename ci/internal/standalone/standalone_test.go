package standalone_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/standalone"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string // over a tree that is fine
		want  []string          // parts of the error
	}{
		{name: "fine"},
		{
			name:  "a forgotten requirement, which the workspace hides",
			files: map[string]string{"b/go.mod": "module example.com/b\n\ngo 1.25.0\n"},
			want:  []string{"b: go build", "example.com/a"},
		},
		{
			name:  "a file of another module",
			files: map[string]string{"b/b.go": "package b\n\nimport _ \"embed\"\n\n//go:embed shared.txt\nvar Text string\n"},
			want:  []string{"b: go build", "shared.txt"},
		},
		{
			name: "a test that does not compile; every module is looked at",
			files: map[string]string{
				"a/a_test.go": "package a\n\nvar x int = \"\"\n",
				"b/b_test.go": "package b\n\nvar x int = \"\"\n",
			},
			want: []string{"a: go vet", "b: go vet"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{
				"go.work":  "go 1.25.0\n\nuse (\n\t./a\n\t./b\n)\n",
				"a/go.mod": "module example.com/a\n\ngo 1.25.0\n",
				"a/a.go":   "package a\n",
				"b/go.mod": "module example.com/b\n\ngo 1.25.0\n\nrequire example.com/a v0.1.0\n",
				"b/b.go":   "package b\n\nimport _ \"example.com/a\"\n",
			}
			for name, text := range test.files {
				files[name] = text
			}
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
			err = standalone.Check(t.Context(), work)
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
