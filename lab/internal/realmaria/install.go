package realmaria

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotInstalled is in the chain of the error that Start returns on a machine without the MariaDB server programs.
var ErrNotInstalled = errors.New("MariaDB server programs not found")

// An installation is where the MariaDB server programs are.
type installation struct {
	server  string // mariadbd
	install string // mariadb-install-db
	version string // as mariadbd --version prints it
}

// findInstallation looks in PATH, in the directories of system programs, which PATH often lacks, and in $AWSDB_MARIADB_BIN.
func findInstallation(ctx context.Context) (installation, error) {
	directories := filepath.SplitList(os.Getenv("PATH"))
	return firstInstallation(ctx, append(directories, "/usr/sbin", "/usr/local/sbin", os.Getenv("AWSDB_MARIADB_BIN")))
}

// firstInstallation returns the first of each program in the directories; Debian has the server and the others in
// different ones.
func firstInstallation(ctx context.Context, directories []string) (installation, error) {
	found := installation{server: program(directories, "mariadbd"), install: program(directories, "mariadb-install-db")}
	if found.server == "" || found.install == "" {
		return installation{}, fmt.Errorf("realmaria: %w: no directory has mariadbd or mariadb-install-db; install the package mariadb-server "+
			"(apt-get install mariadb-server, brew install mariadb), or set AWSDB_MARIADB_BIN to the directory that has them", ErrNotInstalled)
	}
	output, err := exec.CommandContext(ctx, found.server, "--no-defaults", "--version").Output()
	if err != nil {
		return installation{}, fmt.Errorf("realmaria: asking %s for its version: %w", found.server, err)
	}
	found.version = strings.TrimSpace(string(output))
	return found, nil
}

func program(directories []string, name string) string {
	for _, directory := range directories {
		if !filepath.IsAbs(directory) {
			continue
		}
		if path, err := exec.LookPath(filepath.Join(directory, name)); err == nil {
			return path
		}
	}
	return ""
}
