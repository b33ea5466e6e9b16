package tidy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/tidy"
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

const (
	bareGoWork = "go 1.25.0\n\nuse (\n\t./app\n\t./core\n\t./driver\n)\n"
	tidyGoWork = bareGoWork + "\nreplace example.com/core v0.1.0 => ./core\n\nreplace example.com/driver v0.1.0 => ./driver\n"
	coreMod    = "module example.com/core\n\ngo 1.25.0\n"
	tidyDriver = "module example.com/driver\n\ngo 1.25.0\n\nrequire example.com/core v0.1.0\n"
	tidyApp    = "module example.com/app\n\ngo 1.25.0\n\nrequire example.com/driver v0.1.0\n\nrequire example.com/core v0.1.0 // indirect\n"
)

// tidyTree is an application on a driver on a core.
func tidyTree() map[string]string {
	return map[string]string{
		"go.work":          tidyGoWork,
		"core/go.mod":      coreMod,
		"core/core.go":     "package core\n",
		"driver/go.mod":    tidyDriver,
		"driver/driver.go": "package driver\n\nimport _ \"example.com/core\"\n",
		"app/go.mod":       tidyApp,
		"app/main.go":      "package main\n\nimport _ \"example.com/driver\"\n\nfunc main() {}\n",
	}
}

func TestCheck(t *testing.T) {
	work, err := workspace.Load(writeTree(t, tidyTree()))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := tidy.Check(t.Context(), work)
	if err != nil || len(changes) > 0 {
		t.Errorf("a tidy workspace has %d changes, error %v", len(changes), err)
	}
}

func TestCheckLeavesFilesAlone(t *testing.T) {
	tree := tidyTree()
	tree["core/go.mod"] = coreMod + "\nrequire example.com/driver v0.1.0\n"
	tree["go.work"] = bareGoWork + "\nreplace (\n\texample.com/core v0.1.0 => ./core\n\texample.com/core v0.0.9 => ./core\n\texample.com/other v1.0.0 => ./other\n)\n"
	root := writeTree(t, tree)
	work, err := workspace.Load(root)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := tidy.Check(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for _, change := range changes {
		if err := change.Print(&printed); err != nil {
			t.Fatal(err)
		}
	}
	want := filepath.Join(root, "go.work") + "\n+ replace example.com/driver v0.1.0 => ./driver\n" +
		filepath.Join(root, "core", "go.mod") + "\n- require example.com/driver v0.1.0\n"
	if diff := cmp.Diff(want, printed.String()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if got := read(t, filepath.Join(root, "core", "go.mod")); got != tree["core/go.mod"] {
		t.Errorf("Check changed go.mod to %q", got)
	}
}

func TestWrite(t *testing.T) {
	tree := tidyTree()
	tree["driver/go.mod"] = "module example.com/driver\n\ngo 1.25.0\n\nrequire (\n\texample.com/core v0.1.0\n\texample.com/app v0.1.0\n)\n"
	tree["app/go.mod"] = "module example.com/app\n\ngo 1.25.0\n\nrequire example.com/driver v0.1.0\n"
	tree["app/go.sum"] = "example.com/driver v0.1.0 h1:x=\n"
	tree["go.work"] = bareGoWork + "\nreplace example.com/core v0.1.0 => ./elsewhere\n"
	root := writeTree(t, tree)
	changes, err := tidy.Write(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) == 0 {
		t.Error("no change is reported")
	}
	// The requirement of the application was there to begin with.
	wantGoWork := bareGoWork + "\nreplace example.com/app v0.1.0 => ./app\n" + strings.TrimPrefix(tidyGoWork, bareGoWork)
	for name, want := range map[string]string{"go.work": wantGoWork, "core/go.mod": coreMod, "driver/go.mod": tidyDriver, "app/go.mod": tidyApp} {
		if diff := cmp.Diff(want, read(t, filepath.Join(root, filepath.FromSlash(name)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "app", "go.sum")); !os.IsNotExist(err) {
		t.Errorf("a go.sum with nothing but own modules is still there: %v", err)
	}
}

func TestWriteFailure(t *testing.T) {
	tree := tidyTree()
	tree["core/core.go"] = "package core\n\nimport _ \"example.com/driver/missing\"\n"
	_, err := tidy.Write(t.Context(), writeTree(t, tree))
	if err == nil || !strings.Contains(err.Error(), "core: go mod tidy") {
		t.Errorf("error is %v, want one that names the module", err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
