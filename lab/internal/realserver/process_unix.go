//go:build unix

package realserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// AccountOf returns the account servers run under: the caller's own, and for root the system's user of that name.
func AccountOf(name string) (Account, error) {
	if os.Geteuid() != 0 {
		return Account{}, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return Account{}, fmt.Errorf("the servers do not run as root, and there is no user %s to run them as: %w", name, err)
	}
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return Account{}, err
	}
	gid, err := strconv.Atoi(found.Gid)
	if err != nil {
		return Account{}, err
	}
	return Account{name: name, drop: true, uid: uid, gid: gid}, nil
}

func (a Account) attributes() *syscall.SysProcAttr {
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

// Signal sends a signal to the first process. That it has ended is no error.
func (p *Process) Signal(signal syscall.Signal) error { return send(p.pid, signal) }

func send(pid int, signal syscall.Signal) error {
	if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending %s to process %d: %w", signal, pid, err)
	}
	return nil
}
