//go:build !unix

package realpg

import (
	"errors"
	"syscall"
)

var errUnsupported = errors.New("real servers need a Unix system: run the tests on Linux or macOS")

func serverAccount() (account, error) { return account{}, errUnsupported }

func (account) attributes() *syscall.SysProcAttr { return nil }

func suspend(int) error           { return errUnsupported }
func resume(int) error            { return errUnsupported }
func destroy(int) error           { return errUnsupported }
func shutdownFast(int) error      { return errUnsupported }
func shutdownImmediate(int) error { return errUnsupported }

func listProcesses() ([]member, error) { return nil, errUnsupported }
