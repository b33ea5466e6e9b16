package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func writeTree(t *testing.T, files map[string]string) string {
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
	return root
}

func goMod(path string, requirements ...string) string {
	text := "module " + path + "\n\ngo 1.25.0\n"
	for _, requirement := range requirements {
		text += "\nrequire " + requirement + "\n"
	}
	return text
}

func TestLoad(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  []string // folder@version, in order
	}{
		{
			name: "dependencies come first, whatever go.work says",
			files: map[string]string{
				"go.work":       "go 1.25.0\n\nuse (\n\t./app\n\t./driver\n\t./core\n)\n",
				"app/go.mod":    goMod("example.com/app", "example.com/driver v0.1.0"),
				"driver/go.mod": goMod("example.com/driver", "example.com/core v0.1.0", "example.com/other v1.9.0"),
				"core/go.mod":   goMod("example.com/core"),
			},
			want: []string{"core@v0.1.0", "driver@v0.1.0", "app@v0.1.0"},
		},
		{
			name: "the highest version that is required",
			files: map[string]string{
				"go.work":        "go 1.25.0\n\nuse ./cmd/app\nuse ./b\nuse ./core\n",
				"cmd/app/go.mod": goMod("example.com/cmd/app", "example.com/core v0.10.0", "example.com/b v0.1.3"),
				"b/go.mod":       goMod("example.com/b", "example.com/core v0.9.1"),
				"core/go.mod":    goMod("example.com/core"),
			},
			want: []string{"core@v0.10.0", "b@v0.1.3", "cmd/app@v0.1.0"},
		},
		{
			name: "modules that require each other",
			files: map[string]string{
				"go.work":  "go 1.25.0\n\nuse (\n\t./a\n\t./b\n)\n",
				"a/go.mod": goMod("example.com/a", "example.com/b v0.1.0"),
				"b/go.mod": goMod("example.com/b", "example.com/a v0.1.0"),
			},
			want: []string{"b@v0.1.0", "a@v0.1.0"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			loaded, err := workspace.Load(writeTree(t, test.files))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, module := range loaded.Modules {
				got = append(got, module.Folder+"@"+module.Version)
				if want := filepath.Join(loaded.Root, filepath.FromSlash(module.Folder)); module.Dir != want {
					t.Errorf("dir of %s is %s, want %s", module.Path, module.Dir, want)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
			if loaded.Go != "1.25.0" {
				t.Errorf("go directive is %q", loaded.Go)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no go.work", map[string]string{}, "go.work"},
		{"no go directive", map[string]string{"go.work": "use ./a\n", "a/go.mod": goMod("example.com/a")}, "no go directive"},
		{"listed folder without a module", map[string]string{"go.work": "go 1.25.0\nuse ./gone\n"}, "go.work lists ./gone"},
		{"no module directive", map[string]string{"go.work": "go 1.25.0\nuse ./a\n", "a/go.mod": "go 1.25.0\n"}, "no module directive"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := workspace.Load(writeTree(t, test.files))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	root := writeTree(t, map[string]string{"go.work": "go 1.25.0\n", "a/b/file": ""})
	got, err := workspace.Find(filepath.Join(root, "a", "b"))
	if err != nil || got != root {
		t.Errorf("got %q, %v, want %q", got, err, root)
	}
	if _, err := workspace.Find(t.TempDir()); err == nil {
		t.Error("no error outside a workspace")
	}
}

func TestModule(t *testing.T) {
	root := writeTree(t, map[string]string{"go.work": "go 1.25.0\nuse ./a\n", "a/go.mod": goMod("example.com/a")})
	loaded, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if module, ok := loaded.Module("example.com/a"); !ok || module.Folder != "a" {
		t.Errorf("got %+v, %v", module, ok)
	}
	if _, ok := loaded.Module("example.com/b"); ok {
		t.Error("found a module that is not there")
	}
}
