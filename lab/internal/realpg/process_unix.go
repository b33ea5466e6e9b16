//go:build unix

package realpg

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// serverAccount returns the account the servers run under.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		return account{}, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres to run it as: %w", err)
	}
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return account{}, err
	}
	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return account{}, err
	}
	return account{drop: true, uid: uid, gid: gid}, nil
}

func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{}
	if a.drop {
		attributes.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	endWithParent(attributes)
	return attributes
}

func suspend(pid int) error { return send(pid, syscall.SIGSTOP) }
func resume(pid int) error  { return send(pid, syscall.SIGCONT) }
func destroy(pid int) error { return send(pid, syscall.SIGKILL) }

// shutdownFast ends every session with an error, writes a checkpoint and sends it to the standbys.
func shutdownFast(pid int) error { return send(pid, syscall.SIGINT) }

// shutdownImmediate exits without a checkpoint, but releases the shared memory that a killed server leaves behind.
func shutdownImmediate(pid int) error { return send(pid, syscall.SIGQUIT) }

func send(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %s to process %d: %w", signal, pid, err)
	}
	return nil
}
