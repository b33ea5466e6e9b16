package tidy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// checkGoWork returns what has to change in go.work. For every version that
// one of our modules requires of another it has a line
//
//	replace github.com/awsdb/awsdb/core v0.1.0 => ./core
//
// The go command builds from ./core in any case, since go.work uses it. But it
// also reads the go.mod file of the version that is required, and fails when it
// cannot download that because it is not published. Unlike a replace directive
// in go.mod these lines hide nothing from a build without the workspace, and no
// user ever sees them. Lines that nothing requires any more do no harm and stay.
func checkGoWork(work *workspace.Workspace) ([]Change, error) {
	path := filepath.Join(work.Root, "go.work")
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := modfile.ParseWork(path, old, nil)
	if err != nil {
		return nil, err
	}
	wanted := ownRequirements(work)
	for _, replace := range slices.Clone(file.Replace) {
		folder, required := wanted[replace.Old]
		switch {
		case required && replace.New.Path == folder:
			delete(wanted, replace.Old)
		case required:
			if err := file.DropReplace(replace.Old.Path, replace.Old.Version); err != nil {
				return nil, err
			}
		}
	}
	for _, required := range sortedVersions(wanted) {
		if err := file.AddReplace(required.Path, required.Version, wanted[required], ""); err != nil {
			return nil, err
		}
	}
	file.Cleanup()
	file.SortBlocks()
	tidy := modfile.Format(file.Syntax)
	if string(tidy) == string(old) {
		return nil, nil
	}
	return []Change{{Path: path, Old: old, Tidy: tidy}}, nil
}

// ownRequirements maps each version of an own module that another one requires
// to the module's folder, as go.work writes it.
func ownRequirements(work *workspace.Workspace) map[module.Version]string {
	folders := make(map[module.Version]string)
	for _, requiring := range work.Modules {
		for _, requirement := range requiring.File.Require {
			if required, own := work.Module(requirement.Mod.Path); own {
				folders[requirement.Mod] = "./" + required.Folder
			}
		}
	}
	return folders
}

func sortedVersions(versions map[module.Version]string) []module.Version {
	sorted := make([]module.Version, 0, len(versions))
	for version := range versions {
		sorted = append(sorted, version)
	}
	slices.SortFunc(sorted, func(a, b module.Version) int {
		return strings.Compare(a.String(), b.String())
	})
	return sorted
}
