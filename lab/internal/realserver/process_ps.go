//go:build unix && !linux

package realserver

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// endWithParent can do nothing here: a test process that is killed leaves its servers running.
func endWithParent(*syscall.SysProcAttr) {}

// listProcesses returns every process that ps shows.
func listProcesses() ([]Member, error) {
	output, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,stat=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var all []Member
	for line := range strings.Lines(string(output)) {
		var m Member
		var state string
		if _, err := fmt.Sscan(line, &m.pid, &m.parent, &state); err == nil {
			m.state = state[0]
			all = append(all, m)
		}
	}
	return all, nil
}

// stopped says whether a process has stopped.
func stopped(m Member) bool { return m.state == 'T' }
