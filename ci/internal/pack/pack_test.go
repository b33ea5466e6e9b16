package pack_test

import (
	"archive/zip"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/ci/internal/pack"
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

func zipNames(t *testing.T, path string) []string {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	var names []string
	for _, file := range archive.File {
		names = append(names, file.Name)
	}
	sort.Strings(names)
	return names
}

func TestWrite(t *testing.T) {
	work := load(t, map[string]string{
		"go.work":              "go 1.25.0\nuse (\n\t./Outer\n\t./Outer/inner\n)\n",
		"LICENSE":              "of the repository",
		"Outer/go.mod":         "module example.com/Outer\n\ngo 1.25.0\n",
		"Outer/outer.go":       "package outer\n",
		"Outer/inner/go.mod":   "module example.com/Outer/inner\n\ngo 1.25.0\n\nrequire example.com/Outer v0.2.9\n",
		"Outer/inner/LICENSE":  "its own",
		"Outer/inner/inner.go": "package inner\n",
		"Outer/vendor/x/x.go":  "package x\n",
	})
	dir := t.TempDir()
	if err := pack.Write(dir, work); err != nil {
		t.Fatal(err)
	}

	outer := filepath.Join(dir, "example.com", "!outer", "@v")
	list, err := os.ReadFile(filepath.Join(outer, "list"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("v0.2.9\nv0.2.10\n", string(list)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	info, err := os.ReadFile(filepath.Join(outer, "v0.2.10.info"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"Version":"v0.2.10"}`, string(info)); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	want := []string{
		"example.com/Outer@v0.2.10/LICENSE",
		"example.com/Outer@v0.2.10/go.mod",
		"example.com/Outer@v0.2.10/outer.go",
	}
	if diff := cmp.Diff(want, zipNames(t, filepath.Join(outer, "v0.2.10.zip"))); diff != "" {
		t.Errorf("files of the outer module (-want +got):\n%s", diff)
	}

	inner := filepath.Join(dir, "example.com", "!outer", "inner", "@v")
	goMod, err := os.ReadFile(filepath.Join(inner, "v0.1.1.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("module example.com/Outer/inner\n\ngo 1.25.0\n\nrequire example.com/Outer v0.2.9\n", string(goMod)); diff != "" {
		t.Errorf("go.mod (-want +got):\n%s", diff)
	}
	want = []string{
		"example.com/Outer/inner@v0.1.0/LICENSE",
		"example.com/Outer/inner@v0.1.0/go.mod",
		"example.com/Outer/inner@v0.1.0/inner.go",
	}
	if diff := cmp.Diff(want, zipNames(t, filepath.Join(inner, "v0.1.0.zip"))); diff != "" {
		t.Errorf("files of the inner module (-want +got):\n%s", diff)
	}
}

func TestNextPatch(t *testing.T) {
	tests := []struct {
		version, want string
		wantErr       bool
	}{
		{version: "v0.1.0", want: "v0.1.1"},
		{version: "v1.12.9", want: "v1.12.10"},
		{version: "v1.2.3-rc.1", wantErr: true},
		{version: "v1.2.3+build", wantErr: true},
		{version: "v1.2", wantErr: true},
		{version: "1.2.3", wantErr: true},
		{version: "", wantErr: true},
	}
	for _, test := range tests {
		got, err := pack.NextPatch(test.version)
		if got != test.want || (err != nil) != test.wantErr {
			t.Errorf("NextPatch(%q) = %q, %v, want %q, error %v", test.version, got, err, test.want, test.wantErr)
		}
	}
}
