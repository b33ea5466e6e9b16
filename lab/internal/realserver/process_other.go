//go:build !unix

package realserver

import (
	"errors"
	"syscall"
)

var errUnsupported = errors.New("real servers need a Unix system: run the tests on Linux or macOS")

// AccountOf cannot run servers here.
func AccountOf(string) (Account, error) { return Account{}, errUnsupported }

func (Account) attributes() *syscall.SysProcAttr { return nil }

// Signal cannot reach servers here.
func (*Process) Signal(syscall.Signal) error { return errUnsupported }

func suspend(int) error   { return errUnsupported }
func resume(int) error    { return errUnsupported }
func destroy(int) error   { return errUnsupported }
func stopped(Member) bool { return false }

func listProcesses() ([]Member, error) { return nil, errUnsupported }
