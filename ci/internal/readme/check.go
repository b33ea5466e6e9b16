package readme

import (
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

	"github.com/awsdb/awsdb/ci/internal/sandbox"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// fileName is what a folder's page is called.
const fileName = "README.md"

// runTimeout bounds how long a marked block may run, which is a guard against
// hanging only.
const runTimeout = 5 * time.Minute

// Check looks at README.md in the root of the workspace, which must show a
// complete Go program, at the pages in its folder docs, and at README.md in
// every module that has one. The error tells of all that is wrong.
func Check(ctx context.Context, work *workspace.Workspace) (err error) {
	box, err := sandbox.New(ctx, work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	c := &checker{box: box, work: work}
	failures := c.checkFile(ctx, fileName)
	if failures == nil && c.programs == 0 {
		failures = errors.New("README.md: shows no complete Go program")
	}
	pages, err := fs.Glob(os.DirFS(work.Root), "docs/*.md")
	if err != nil {
		return err
	}
	for _, page := range pages {
		failures = errors.Join(failures, c.checkFile(ctx, page))
	}
	for _, module := range work.Modules {
		err := c.checkFile(ctx, path.Join(module.Folder, fileName))
		if !errors.Is(err, os.ErrNotExist) {
			failures = errors.Join(failures, err)
		}
	}
	return failures
}

type checker struct {
	box      *sandbox.Sandbox
	work     *workspace.Workspace
	programs int // complete Go programs seen; also numbers their folders
}

// checkFile checks the file of a name relative to the root.
func (c *checker) checkFile(ctx context.Context, name string) error {
	text, err := os.ReadFile(filepath.Join(c.work.Root, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	blocks, err := Parse(name, string(text))
	if err != nil {
		return err
	}
	var failures error
	for _, block := range blocks {
		if err := c.checkBlock(ctx, path.Dir(name), block); err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", block.Place, err))
		}
	}
	return failures
}

func (c *checker) checkBlock(ctx context.Context, folder string, block Block) error {
	isShell := block.Language == "sh" || block.Language == "bash"
	switch {
	case block.Mark == "run" && isShell:
		return runInClone(ctx, filepath.Join(c.work.Root, filepath.FromSlash(folder)), block.Text)
	case block.Mark == "run outside" && isShell:
		dir, err := c.newFolder()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, runTimeout)
		defer cancel()
		_, err = c.box.Run(ctx, dir, "bash", "-euo", "pipefail", "-c", block.Text)
		return err
	case block.Language == "go" && (block.Mark == "" || block.Mark == "run"):
		return c.checkGo(ctx, block)
	case block.Mark != "":
		return fmt.Errorf("the mark %q means nothing for the language %q", block.Mark, block.Language)
	}
	return nil
}

func (c *checker) checkGo(ctx context.Context, block Block) error {
	packageName, complete := block.complete()
	if !complete {
		if block.Mark != "" {
			return errors.New("only a complete program can be run")
		}
		return block.checkFragment()
	}
	dir, err := c.newFolder()
	if err != nil {
		return err
	}
	if err := c.writeModule(dir, block.Text); err != nil {
		return err
	}
	if packageName != "main" {
		_, err := c.box.Go(ctx, dir, "vet", "-mod=mod", ".")
		return err
	}
	if _, err := c.box.Go(ctx, dir, "build", "-mod=mod", "-o", "program", "."); err != nil || block.Mark == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	_, err = c.box.Run(ctx, dir, "./program")
	return err
}

func (c *checker) newFolder() (string, error) {
	c.programs++
	return c.box.Folder(fmt.Sprintf("readme/%d", c.programs))
}

// writeModule makes a module of one file that may import all of ours, and with
// them what they require.
func (c *checker) writeModule(dir, text string) error {
	goMod := "module example.com/readme\n\ngo " + c.work.Go + "\n\n"
	for _, module := range c.work.Modules {
		goMod += fmt.Sprintf("require %s %s\n", module.Path, module.Version)
	}
	sums, err := c.box.Sums()
	if err != nil {
		return err
	}
	name := "main.go"
	if strings.Contains(text, "\"testing\"") {
		name = "main_test.go"
	}
	for name, content := range map[string][]byte{name: []byte(text), "go.mod": []byte(goMod), "go.sum": sums} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func runInClone(ctx context.Context, dir, script string) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=", "PWD="+dir) // find go.work in the clone
	command.WaitDelay = time.Second                           // for output of processes that outlive the script
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s%w\n%s", script, err, output)
	}
	return nil
}
