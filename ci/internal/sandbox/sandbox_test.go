package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeWorkspace holds a library, an application of it, and no dependency that
// would have to be downloaded.
func fakeWorkspace(t *testing.T, answer string) *workspace.Workspace {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.work":     "go 1.25.0\nuse (\n\t./app\n\t./lib\n)\n",
		"go.work.sum": "example.org/x v1.0.0 h1:work=\n",
		"lib/go.mod":  "module example.com/lib\n\ngo 1.25.0\n",
		"lib/go.sum":  "example.org/y v1.0.0 h1:y=\nexample.org/x v1.0.0 h1:work=\n",
		"lib/lib.go":  "package lib\n\nconst Answer = \"" + answer + "\"\n",
		"app/go.mod":  "module example.com/app\n\ngo 1.25.0\n\nrequire example.com/lib v0.1.0\n",
		"app/main.go": "package main\n\nimport \"example.com/lib\"\n\nfunc main() { print(lib.Answer) }\n",
	} {
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

func newSandbox(t *testing.T, work *workspace.Workspace) *Sandbox {
	t.Helper()
	box, err := New(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(box.dir); !os.IsNotExist(err) {
			t.Errorf("the sandbox is still there: %v", err)
		}
	})
	return box
}

func TestSandboxBuildsFromPackedModules(t *testing.T) {
	// The same version with two contents: the second sandbox must not see the
	// first one's.
	for _, answer := range []string{"first", "second"} {
		work := fakeWorkspace(t, answer)
		box := newSandbox(t, work)
		app, _ := work.Module("example.com/app")
		dir, err := box.Extract(app)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"go.mod", "go.sum", "main.go"} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm()&0o200 == 0 {
				t.Errorf("%s has mode %v: an ordinary user cannot change it", name, info.Mode())
			}
		}
		if _, err := box.Go(t.Context(), dir, "build", "-o", "app", "."); err != nil {
			t.Fatal(err)
		}
		_, err = box.Run(t.Context(), dir, "./app")
		if err != nil {
			t.Fatal(err)
		}
		listed, err := box.Go(t.Context(), dir, "list", "-m", "all")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("example.com/app\nexample.com/lib v0.1.0\n", listed); diff != "" {
			t.Errorf("modules (-want +got):\n%s", diff)
		}
		source, err := box.Go(t.Context(), dir, "list", "-f", "{{.Dir}}", "example.com/lib")
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(source), "lib.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), answer) {
			t.Errorf("built from %q, want the content %q", text, answer)
		}
	}
}

func TestSandboxRunReportsFailure(t *testing.T) {
	box := newSandbox(t, fakeWorkspace(t, "x"))
	dir, err := box.Folder("a/b")
	if err != nil {
		t.Fatal(err)
	}
	_, err = box.Go(t.Context(), dir, "build", "example.com/lib/missing")
	if err == nil || !strings.Contains(err.Error(), "go build example.com/lib/missing") {
		t.Errorf("error is %v, want one that names the command", err)
	}
	if _, err := box.Folder("a/b"); err == nil {
		t.Error("the same folder twice must be an error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := box.Go(ctx, dir, "version"); err == nil {
		t.Error("a cancelled context must be an error")
	}
}

func TestEnvironment(t *testing.T) {
	got := environment("/tmp/a b", "/cache", []string{"example.com/a", "example.com/b"}, settings{
		GOPROXY:    "https://proxy.example|direct",
		GONOSUMDB:  "corp.example/*",
		GOMODCACHE: "/modules",
	})
	want := []string{
		"GOWORK=off",
		"GOPRIVATE=",
		"GONOPROXY=none",
		"GOPROXY=file:///tmp/a%20b,file:///modules/cache/download,https://proxy.example|direct",
		"GONOSUMDB=corp.example/*,example.com/a,example.com/b",
		"GOMODCACHE=/cache",
		"GOFLAGS=-trimpath -modcacherw -buildvcs=false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestSums(t *testing.T) {
	work := fakeWorkspace(t, "x")
	got, err := newSandbox(t, work).Sums()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(got)) {
		name, _, _ := strings.Cut(line, " h1:")
		names = append(names, name)
	}
	want := []string{
		"example.com/app v0.1.0", "example.com/app v0.1.0/go.mod",
		"example.com/app v0.1.1", "example.com/app v0.1.1/go.mod",
		"example.com/lib v0.1.0", "example.com/lib v0.1.0/go.mod",
		"example.com/lib v0.1.1", "example.com/lib v0.1.1/go.mod",
		"example.org/x v1.0.0", "example.org/y v1.0.0",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}

func TestStripOwnSums(t *testing.T) {
	sums := "example.com/lib v0.1.0 h1:a=\nexample.com/lib v0.1.0/go.mod h1:b=\nexample.com/library v1.0.0 h1:c=\n"
	got := StripOwnSums([]byte(sums), fakeWorkspace(t, "x"))
	if diff := cmp.Diff("example.com/library v1.0.0 h1:c=\n", string(got)); diff != "" {
		t.Errorf("stripped (-want +got):\n%s", diff)
	}
}
