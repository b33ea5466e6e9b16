package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// bench is a temporary workspace: our modules where they are, copies of modules
// with public tests in the place of the downloaded ones, and the package
// redirect, which the tests' edits may use.
type bench struct {
	suite   Suite
	dir     string
	sources string // import path and version of the tests
}

func newBench(ctx context.Context, work *workspace.Workspace, suite Suite) (*bench, error) {
	dir, err := os.MkdirTemp("", "awsdb-upstream-")
	if err != nil {
		return nil, err
	}
	b := &bench{suite: suite, dir: dir}
	if err := b.fill(ctx, work); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close removes the bench.
func (b *bench) Close() error { return os.RemoveAll(b.dir) }

func (b *bench) moduleDir() string { return filepath.Join(b.dir, "module") }

func (b *bench) packageDir() string {
	return filepath.Join(b.moduleDir(), filepath.FromSlash(b.suite.Package))
}

func (b *bench) fill(ctx context.Context, work *workspace.Workspace) error {
	version, err := b.copyModule(ctx, work, b.suite.Module, b.moduleDir())
	if err != nil {
		return err
	}
	b.sources = path.Join(b.suite.Module, b.suite.Package) + " " + version
	copies := []string{"module", "redirect"}
	if b.suite.Beside != "" {
		if _, err := b.copyModule(ctx, work, b.suite.Beside, filepath.Join(b.dir, "beside")); err != nil {
			return err
		}
		copies = append(copies, "beside")
	}
	if b.suite.Requires != nil {
		if err := writeModule(b.moduleDir(), b.suite.Module, work.Go, b.suite.Requires); err != nil {
			return err
		}
	}
	if err := b.writeRedirect(work); err != nil {
		return err
	}
	return writeWorkspace(b.dir, work, copies)
}

// copyModule copies a module out of the module cache, and returns its version.
func (b *bench) copyModule(ctx context.Context, work *workspace.Workspace, module, to string) (version string, err error) {
	version, pinned := pinnedVersions[module]
	if !pinned {
		if version, err = requiredVersion(work, module); err != nil {
			return "", err
		}
	}
	downloaded, err := download(ctx, work.Root, module+"@"+version)
	if err != nil {
		return "", err
	}
	return version, copyTree(to, os.DirFS(downloaded))
}

// writeRedirect makes the package redirect a module of the bench.
func (b *bench) writeRedirect(work *workspace.Workspace) error {
	dir := filepath.Join(b.dir, "redirect")
	if err := copyTree(dir, folder("redirect")); err != nil {
		return err
	}
	return writeModule(dir, "awsdb.test/redirect", work.Go, nil)
}

// writeModule writes a go.mod. What it does not require comes from the other
// modules of the workspace.
func writeModule(dir, module, goVersion string, requires []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "module %s\n\ngo %s\n", module, goVersion)
	for _, required := range requires {
		fmt.Fprintf(&text, "require %s\n", required)
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text.String()), 0o644)
}

// requiredVersion returns the version of a module that the workspace asks for.
// All its modules agree on one.
func requiredVersion(work *workspace.Workspace, module string) (string, error) {
	for _, own := range work.Modules {
		for _, requirement := range own.File.Require {
			if requirement.Mod.Path == module {
				return requirement.Mod.Version, nil
			}
		}
	}
	return "", fmt.Errorf("no module of the workspace requires %s", module)
}

// download returns the folder of a module in the module cache. Run in our
// workspace, the go command knows the module's checksum.
func download(ctx context.Context, root, module string) (string, error) {
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	command.Dir = root
	command.Env = append(os.Environ(), "GOWORK=", "PWD="+root)
	command.Stderr = &stderr
	output, err := command.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(output, &answer); err == nil {
		err = jsonErr
	}
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w\n%s%s", module, err, answer.Error, stderr.String())
	}
	return answer.Dir, nil
}

// copyTree copies files without their permissions: those in a module cache are
// read-only.
func copyTree(to string, from fs.FS) error {
	return fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

// writeWorkspace writes a go.work like the repository's into dir, with folders
// below it.
func writeWorkspace(dir string, work *workspace.Workspace, folders []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "go %s\n\n", work.Go)
	for _, folder := range folders {
		fmt.Fprintf(&text, "use ./%s\n", folder)
	}
	for _, module := range work.Modules {
		fmt.Fprintf(&text, "use %q\nreplace %s %s => %q\n", module.Dir, module.Path, module.Version, module.Dir)
	}
	if err := os.WriteFile(workFile(dir), []byte(text.String()), 0o644); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(work.Root, "go.work.sum"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.work.sum"), sums, 0o644)
}

func workFile(dir string) string { return filepath.Join(dir, "go.work") }

// redirect makes the tests use our driver.
func (b *bench) redirect() error {
	for _, edit := range b.suite.Edits {
		pattern := filepath.Join(b.packageDir(), "*_test.go")
		if edit.Files != "" {
			pattern = filepath.Join(b.dir, filepath.FromSlash(edit.Files))
		}
		if err := edit.apply(pattern); err != nil {
			return fmt.Errorf("%w of %s any more: see how they open connections now", err, b.sources)
		}
	}
	if b.suite.Hooks == nil {
		return nil
	}
	return copyTree(b.moduleDir(), b.suite.Hooks)
}

// apply edits the files that match a pattern.
func (e Edit) apply(pattern string) error {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Contains(content, []byte(e.Old)) {
			continue
		}
		found = true
		if err := os.WriteFile(file, bytes.ReplaceAll(content, []byte(e.Old), []byte(e.New)), 0o644); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%q is not in the tests", e.Old)
	}
	return nil
}

// command returns a command that runs in the bench.
func (b *bench) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	return command(ctx, b.dir, dir, name, args...)
}

// command returns a command that runs in dir and uses the workspace of another
// folder. It has a process group of its own: an interrupt from the terminal is
// for us, and ctx ends its children, too.
func command(ctx context.Context, workspaceDir, dir, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second // for output of processes that outlive it
	command.Env = append(os.Environ(), "GOWORK="+workFile(workspaceDir), "GOFLAGS=", "PWD="+dir)
	return command
}
