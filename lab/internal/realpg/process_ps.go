//go:build unix && !linux

package realpg

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// endWithParent can do nothing here: a test process that is killed leaves its servers running.
func endWithParent(*syscall.SysProcAttr) {}

// listProcesses returns every process that ps shows.
func listProcesses() ([]member, error) {
	output, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,stat=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var all []member
	for line := range strings.Lines(string(output)) {
		var m member
		var state string
		if _, err := fmt.Sscan(line, &m.pid, &m.parent, &state); err == nil {
			m.state = state[0]
			all = append(all, m)
		}
	}
	return all, nil
}
