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

// bench is a temporary workspace: our modules where they are, and a copy of the
// bare driver's in the place of the downloaded one.
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
	version, err := requiredVersion(work, b.suite.Module)
	if err != nil {
		return err
	}
	b.sources = path.Join(b.suite.Module, b.suite.Package) + " " + version
	downloaded, err := download(ctx, work.Root, b.suite.Module+"@"+version)
	if err != nil {
		return err
	}
	if err := copyTree(b.moduleDir(), os.DirFS(downloaded)); err != nil {
		return err
	}
	return b.writeWorkspace(work)
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

// writeWorkspace writes a go.work like the repository's, with the copy.
func (b *bench) writeWorkspace(work *workspace.Workspace) error {
	var text strings.Builder
	fmt.Fprintf(&text, "go %s\n\nuse ./module\n", work.Go)
	for _, module := range work.Modules {
		fmt.Fprintf(&text, "use %q\nreplace %s %s => %q\n", module.Dir, module.Path, module.Version, module.Dir)
	}
	if err := os.WriteFile(b.workFile(), []byte(text.String()), 0o644); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(work.Root, "go.work.sum"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "go.work.sum"), sums, 0o644)
}

func (b *bench) workFile() string { return filepath.Join(b.dir, "go.work") }

// redirect makes the tests use our driver.
func (b *bench) redirect() error {
	files, err := filepath.Glob(filepath.Join(b.packageDir(), "*_test.go"))
	if err != nil {
		return err
	}
	found := make([]bool, len(b.suite.Edits))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text := string(content)
		for i, edit := range b.suite.Edits {
			found[i] = found[i] || strings.Contains(text, edit.Old)
			text = strings.ReplaceAll(text, edit.Old, edit.New)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for i, edit := range b.suite.Edits {
		if !found[i] {
			return fmt.Errorf("%q is not in the tests of %s any more: see how they open connections now", edit.Old, b.sources)
		}
	}
	return copyTree(b.packageDir(), b.suite.Hooks)
}

// command returns a command that runs in the bench. It has a process group of
// its own: an interrupt from the terminal is for us, and ctx ends its children, too.
func (b *bench) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second // for output of processes that outlive it
	command.Env = append(os.Environ(), "GOWORK="+b.workFile(), "GOFLAGS=", "PWD="+dir)
	return command
}
