// Package rules checks the house rules that no linter knows: what a go.mod may
// say, how packages are called, and what code may not do.
package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// Check returns one line for each violation below the workspace's root, sorted
// by file. The error says what could not be read.
func Check(work *workspace.Workspace) ([]string, error) {
	c := &checker{work: work}
	if _, err := os.Stat(filepath.Join(work.Root, "LICENSE")); err != nil {
		c.report("LICENSE", "is missing: no one may use code without a licence")
	}
	for _, module := range work.Modules {
		if err := c.checkModule(module); err != nil {
			return nil, err
		}
	}
	if err := filepath.WalkDir(work.Root, c.visit); err != nil {
		return nil, err
	}
	sort.Strings(c.violations)
	return c.violations, nil
}

type checker struct {
	work       *workspace.Workspace
	violations []string
}

func (c *checker) report(place, format string, arguments ...any) {
	c.violations = append(c.violations, place+": "+fmt.Sprintf(format, arguments...))
}

func (c *checker) checkModule(module workspace.Module) error {
	place := module.Folder + "/go.mod"
	file := module.File
	if len(file.Replace) > 0 {
		c.report(place, "has a replace directive: the workspace already replaces our own modules")
	}
	if len(file.Exclude) > 0 {
		c.report(place, "has an exclude directive, which no user of the module sees")
	}
	if file.Toolchain != nil {
		c.report(place, "has a toolchain directive: leave the choice to the user")
	}
	if file.Go == nil || file.Go.Version != c.work.Go {
		c.report(place, "must say go %s as go.work does; a dependency that asks for more is too new", c.work.Go)
	}
	sums, err := os.ReadFile(filepath.Join(module.Dir, "go.sum"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, own := range c.work.Modules {
		if bytes.Contains(sums, []byte(own.Path+" ")) {
			c.report(module.Folder+"/go.sum", "has a checksum of %s, which is not published yet: run ci/tidy", own.Path)
		}
	}
	return nil
}

func (c *checker) visit(path string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name := entry.Name()
	if entry.IsDir() {
		// Folders that the go command ignores, too.
		hidden := strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
		if path != c.work.Root && (hidden || name == "testdata" || name == "vendor") {
			return fs.SkipDir
		}
		return nil
	}
	below, err := filepath.Rel(c.work.Root, path)
	if err != nil {
		return err
	}
	place := filepath.ToSlash(below)
	if name == "go.mod" && !c.listed(filepath.Dir(path)) {
		c.report(place, "is not listed in go.work: nothing would test this module")
	}
	if strings.HasSuffix(name, ".go") {
		return c.checkSource(path, place)
	}
	return nil
}

func (c *checker) listed(dir string) bool {
	for _, module := range c.work.Modules {
		if module.Dir == dir {
			return true
		}
	}
	return false
}
