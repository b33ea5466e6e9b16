package realserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// An Account is who servers run as. Database servers refuse to run as root, so root runs them as a user of their own.
type Account struct {
	name     string
	drop     bool // whether to change to uid and gid at all
	uid, gid int
}

// Adopt gives path to the account.
func (a Account) Adopt(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// checkReachable reports a directory on the way to path that the account may not pass. The servers' own message for
// that does not name the culprit.
func (a Account) checkReachable(path string) error {
	if !a.drop {
		return nil
	}
	for directory := filepath.Dir(path); ; directory = filepath.Dir(directory) {
		info, err := os.Stat(directory)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("user %s cannot pass directory %s: chmod o+x it, or set TMPDIR to another directory", a.name, directory)
		}
		if directory == filepath.Dir(directory) {
			return nil
		}
	}
}

// MakeRoot makes a temporary directory that the account owns and can reach, for everything a cluster writes. The path is
// there to be removed even with an error.
func (a Account) MakeRoot(pattern string) (string, error) {
	root, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", err
	}
	if err := a.checkReachable(root); err != nil {
		return root, err
	}
	return root, a.Adopt(root)
}

// Environment is what every server program gets: nothing of the caller's own variables or locale.
func Environment(extra ...string) []string {
	return append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C", "TZ=UTC"}, extra...)
}

// Command prepares a program to run under the account.
func (a Account) Command(ctx context.Context, directory, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = directory
	command.Env = Environment()
	command.SysProcAttr = a.attributes()
	return command
}

// Run runs a program to its end and returns its error with the last lines of what it printed.
func Run(command *exec.Cmd) error {
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	// As in Start; here the thread only has to live as long as this call.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Run(); err != nil {
		text := bytes.TrimSpace(output.Bytes())
		return fmt.Errorf("%s: %w: %s", filepath.Base(command.Path), err, text[max(0, len(text)-400):])
	}
	return nil
}
