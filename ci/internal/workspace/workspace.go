// Package workspace reads go.work and tells which modules the repository
// holds, in which order they depend on each other, and which version of each
// one the others ask for. Nothing here is kept by hand: a folder that go.work
// lists is a module that CI tests, packs and builds.
package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// FirstVersion is the version of a module that no other module of the
// workspace requires.
const FirstVersion = "v0.1.0"

// Module is one folder that go.work lists.
type Module struct {
	// Path is the module path, such as github.com/awsdb/awsdb/core.
	Path string
	// Folder is the slash-separated path below the root, such as "cmd/awsdb".
	Folder string
	// Dir is the absolute path of the folder.
	Dir string
	// Version is the highest version of this module that another one
	// requires, or FirstVersion. A module zip of this version satisfies them all.
	Version string
	// File is the parsed go.mod.
	File *modfile.File
}

// Workspace is a repository with a go.work file.
type Workspace struct {
	// Root is the absolute path of the folder that holds go.work.
	Root string
	// Go is the go.work file's go directive, such as "1.25.0".
	Go string
	// Modules lists the modules, each one after those that it requires. Where
	// modules require each other (a test-only dependency), go.work decides.
	Modules []Module
}

// Find returns the closest folder at or above dir that holds a go.work file.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := start; ; at = filepath.Dir(at) {
		_, err := os.Stat(filepath.Join(at, "go.work"))
		if err == nil {
			return at, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.work in %s or above it: run this inside the repository", start)
		}
	}
}

// Load reads root/go.work and the go.mod of every folder it lists.
func Load(root string) (*Workspace, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(root, "go.work")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(path, data, nil)
	if err != nil {
		return nil, err
	}
	if work.Go == nil {
		return nil, fmt.Errorf("%s: has no go directive", path)
	}
	modules := make([]Module, 0, len(work.Use))
	for _, use := range work.Use {
		module, err := loadModule(root, use.Path)
		if err != nil {
			return nil, err
		}
		modules = append(modules, module)
	}
	chooseVersions(modules)
	return &Workspace{Root: root, Go: work.Go.Version, Modules: dependenciesFirst(modules)}, nil
}

// Module returns the module with the given path.
func (w *Workspace) Module(path string) (Module, bool) {
	for _, module := range w.Modules {
		if module.Path == path {
			return module, true
		}
	}
	return Module{}, false
}

func loadModule(root, folder string) (Module, error) {
	dir := filepath.Join(root, filepath.FromSlash(folder))
	path := filepath.Join(dir, "go.mod")
	data, err := os.ReadFile(path)
	if err != nil {
		return Module{}, fmt.Errorf("go.work lists %s: %w", folder, err)
	}
	file, err := modfile.Parse(path, data, nil)
	if err != nil {
		return Module{}, err
	}
	if file.Module == nil {
		return Module{}, fmt.Errorf("%s: has no module directive", path)
	}
	below, err := filepath.Rel(root, dir)
	if err != nil {
		return Module{}, err
	}
	return Module{
		Path:   file.Module.Mod.Path,
		Folder: filepath.ToSlash(below),
		Dir:    dir,
		File:   file,
	}, nil
}

func chooseVersions(modules []Module) {
	required := make(map[string]string)
	for _, module := range modules {
		for _, requirement := range module.File.Require {
			mod := requirement.Mod
			// semver.Compare orders the empty string before every version.
			if semver.Compare(mod.Version, required[mod.Path]) > 0 {
				required[mod.Path] = mod.Version
			}
		}
	}
	for i := range modules {
		modules[i].Version = FirstVersion
		if version := required[modules[i].Path]; version != "" {
			modules[i].Version = version
		}
	}
}

// dependenciesFirst walks the requirements depth first. A cycle ends where it
// began: modules may require each other, since Go only forbids import cycles.
func dependenciesFirst(modules []Module) []Module {
	byPath := make(map[string]Module, len(modules))
	for _, module := range modules {
		byPath[module.Path] = module
	}
	ordered := make([]Module, 0, len(modules))
	seen := make(map[string]bool, len(modules))
	var visit func(module Module)
	visit = func(module Module) {
		if seen[module.Path] {
			return
		}
		seen[module.Path] = true
		for _, requirement := range module.File.Require {
			if dependency, ours := byPath[requirement.Mod.Path]; ours {
				visit(dependency)
			}
		}
		ordered = append(ordered, module)
	}
	for _, module := range modules {
		visit(module)
	}
	return ordered
}
