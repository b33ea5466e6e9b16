// Package tidy runs `go mod tidy` for modules that require siblings that are
// not published yet, which the go command cannot do on its own.
package tidy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/awsdb/awsdb/ci/internal/sandbox"
	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// rounds bounds how often Write starts again because a changed go.mod changes
// what is tidy for the modules that require it. The longest chain of modules
// is shorter than that.
const rounds = 5

// Change is a file that is not tidy.
type Change struct {
	Path      string // absolute
	Old, Tidy []byte // Tidy is empty when the file is not needed
}

// Check returns what `go mod tidy` would change in the go.mod and go.sum files
// of the workspace, and what go.work lacks to build with them. Checksums of the workspace's own modules are left out, see
// sandbox.StripOwnSums. A module that cannot be made tidy is an error, after
// the others have been looked at.
func Check(ctx context.Context, work *workspace.Workspace) (changes []Change, err error) {
	box, err := sandbox.New(ctx, work)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	changes, failures := checkGoWork(work)
	for _, module := range work.Modules {
		changed, err := checkModule(ctx, box, work, module)
		changes = append(changes, changed...)
		failures = errors.Join(failures, err)
	}
	return changes, failures
}

// Write makes the workspace in root tidy and returns all that it changed.
func Write(ctx context.Context, root string) ([]Change, error) {
	var all []Change
	for range rounds {
		work, err := workspace.Load(root)
		if err != nil {
			return all, err
		}
		changes, failures := Check(ctx, work)
		for _, change := range changes {
			if err := change.write(); err != nil {
				return all, errors.Join(failures, err)
			}
		}
		all = append(all, changes...)
		if len(changes) == 0 {
			return all, failures
		}
		// A failure may have come from a file that is better now: look again.
	}
	return all, fmt.Errorf("the modules are not tidy after %d rounds", rounds)
}

func checkModule(ctx context.Context, box *sandbox.Sandbox, work *workspace.Workspace, module workspace.Module) ([]Change, error) {
	dir, err := box.Extract(module)
	if err != nil {
		return nil, err
	}
	if _, err := box.Go(ctx, dir, "mod", "tidy"); err != nil {
		return nil, fmt.Errorf("%s: %w", module.Folder, err)
	}
	var changes []Change
	for _, name := range []string{"go.mod", "go.sum"} {
		tidy, err := readIfPresent(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if name == "go.sum" {
			tidy = sandbox.StripOwnSums(tidy, work)
		}
		path := filepath.Join(module.Dir, name)
		old, err := readIfPresent(path)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(old, tidy) {
			changes = append(changes, Change{Path: path, Old: old, Tidy: tidy})
		}
	}
	return changes, nil
}

func readIfPresent(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return content, err
}

func (c Change) write() error {
	if len(c.Tidy) == 0 {
		return os.Remove(c.Path)
	}
	return os.WriteFile(c.Path, c.Tidy, 0o644)
}

// Print writes the lines that go and those that come. Their order carries no
// meaning in go.mod and go.sum, so a line that only moved is not printed.
func (c Change) Print(w io.Writer) error {
	text := c.Path + "\n" + missing("-", c.Old, c.Tidy) + missing("+", c.Tidy, c.Old)
	_, err := io.WriteString(w, text)
	return err
}

// missing returns the lines of a that b has not, each behind a mark.
func missing(mark string, a, b []byte) string {
	present := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		present[strings.TrimSpace(line)] = true
	}
	var lines strings.Builder
	for line := range strings.Lines(string(a)) {
		if line = strings.TrimSpace(line); line != "" && !present[line] {
			lines.WriteString(mark + " " + line + "\n")
		}
	}
	return lines.String()
}
