// Package sandbox runs the go command as somebody would who downloads our
// modules: outside the workspace, from packed modules, with a module cache of
// its own. The cache has to be its own because the content of a version that
// is not published yet changes with every edit, while the go command rightly
// believes that a version never changes.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/awsdb/awsdb/ci/internal/pack"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// Sandbox is a temporary folder with packed modules and a module cache.
type Sandbox struct {
	dir     string
	proxy   string
	work    *workspace.Workspace
	ownSums []byte // the go.sum lines of the packed modules
	env     []string
}

// New packs every module of the workspace into a new sandbox. The caller must
// Close it.
func New(ctx context.Context, work *workspace.Workspace) (*Sandbox, error) {
	dir, err := os.MkdirTemp("", "awsdb-ci-")
	if err != nil {
		return nil, err
	}
	s := &Sandbox{dir: dir, proxy: filepath.Join(dir, "proxy"), work: work}
	if err := s.fill(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close removes the sandbox and all that was built in it.
func (s *Sandbox) Close() error {
	return os.RemoveAll(s.dir)
}

func (s *Sandbox) fill(ctx context.Context) error {
	if err := pack.Write(s.proxy, s.work); err != nil {
		return err
	}
	sums, err := packedSums(s.proxy, s.work)
	if err != nil {
		return err
	}
	s.ownSums = sums
	machine, err := machineSettings(ctx)
	if err != nil {
		return err
	}
	s.env = environment(s.proxy, filepath.Join(s.dir, "modules"), ownPatterns(s.work), machine)
	return nil
}

// Folder makes a new folder inside the sandbox, outside of any module.
func (s *Sandbox) Folder(name string) (string, error) {
	dir := filepath.Join(s.dir, "work", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o755)
}

// Extract unpacks a module of the workspace as a user would get it and returns
// the folder. Its go.sum file has the checksums of the packed siblings, as if
// they had been published before it.
func (s *Sandbox) Extract(packed workspace.Module) (string, error) {
	dir, err := s.Folder(path.Join("extracted", packed.Folder, "module"))
	if err != nil {
		return "", err
	}
	versions, err := pack.Folder(s.proxy, packed.Path)
	if err != nil {
		return "", err
	}
	archive := filepath.Join(versions, packed.Version+".zip")
	if err := zip.Unzip(dir, module.Version{Path: packed.Path, Version: packed.Version}, archive); err != nil {
		return "", err
	}
	if err := makeWritable(dir); err != nil {
		return "", err
	}
	return dir, s.completeSums(dir)
}

// makeWritable gives the owner the right to write every file below dir. They
// are unpacked read-only, as a module cache has them.
func makeWritable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return os.Chmod(path, 0o644)
	})
}

// Go runs the go command in dir and returns what it printed to standard output.
func (s *Sandbox) Go(ctx context.Context, dir string, args ...string) (string, error) {
	return s.Run(ctx, dir, "go", args...)
}

// Run runs a program in dir, with the sandbox as the environment of any go
// command it calls, and returns what it printed to standard output. The error
// holds all that it printed.
func (s *Sandbox) Run(ctx context.Context, dir, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	command.WaitDelay = time.Second // for output of processes that outlive it
	command.Env = append(os.Environ(), s.env...)
	command.Env = append(command.Env, "PWD="+dir)
	command.Stdout = &stdout
	command.Stderr = &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, strings.TrimRight(stdout.String()+stderr.String(), "\n"))
	}
	return stdout.String(), nil
}
