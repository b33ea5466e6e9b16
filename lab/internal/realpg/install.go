package realpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is in the chain of the error that Start returns on a machine without the PostgreSQL server programs.
var ErrNotInstalled = errors.New("PostgreSQL server programs not found")

// requiredPrograms are looked for together: Debian keeps initdb and postgres out of PATH but puts a wrapper of
// pg_basebackup into it, so programs of one directory only are sure to fit each other.
var requiredPrograms = []string{"postgres", "initdb", "pg_basebackup"}

// An installation is one directory of PostgreSQL server programs.
type installation struct {
	directory string
	version   string // as postgres --version prints it
}

func (i installation) program(name string) string { return filepath.Join(i.directory, name) }

// findInstallation looks in PATH, then in the newest /usr/lib/postgresql/*/bin, then in $AWSDB_PG_BIN.
func findInstallation(ctx context.Context) (installation, error) {
	candidates := filepath.SplitList(os.Getenv("PATH"))
	candidates = append(candidates, packaged("/usr/lib/postgresql")...)
	if directory := os.Getenv("AWSDB_PG_BIN"); directory != "" {
		candidates = append(candidates, directory)
	}
	return firstInstallation(ctx, candidates)
}

// firstInstallation returns the first of the directories that has all programs.
func firstInstallation(ctx context.Context, directories []string) (installation, error) {
	for _, directory := range directories {
		if !filepath.IsAbs(directory) || !hasPrograms(directory) {
			continue
		}
		found := installation{directory: directory}
		output, err := exec.CommandContext(ctx, found.program("postgres"), "--version").Output()
		if err != nil {
			return installation{}, fmt.Errorf("realpg: asking %s for its version: %w", found.program("postgres"), err)
		}
		found.version = strings.TrimSpace(string(output))
		return found, nil
	}
	return installation{}, fmt.Errorf("realpg: %w: no directory has all of %s; install the package postgresql (apt-get install postgresql, "+
		"brew install postgresql), or set AWSDB_PG_BIN to the directory that has them", ErrNotInstalled, strings.Join(requiredPrograms, ", "))
}

// packaged lists the program directories of Debian's packages below root, newest major version first.
func packaged(root string) []string {
	directories, _ := filepath.Glob(filepath.Join(root, "*", "bin")) // the pattern is constant, so it is not malformed
	major := func(directory string) int {
		number, _ := strconv.Atoi(filepath.Base(filepath.Dir(directory))) // 0 for a strange name: last
		return number
	}
	slices.SortFunc(directories, func(a, b string) int { return cmp.Compare(major(b), major(a)) })
	return directories
}

func hasPrograms(directory string) bool {
	for _, name := range requiredPrograms {
		if _, err := exec.LookPath(filepath.Join(directory, name)); err != nil {
			return false
		}
	}
	return true
}
