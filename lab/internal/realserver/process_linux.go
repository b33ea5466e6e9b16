package realserver

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// endWithParent makes the kernel kill the process when the thread that started it ends, so that not even a killed test
// process leaves a server behind. The server's children notice the death of their postmaster themselves.
func endWithParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }

// listProcesses returns every process that /proc shows.
func listProcesses() ([]Member, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []Member
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		fields := statFields(filepath.Join("/proc", entry.Name(), "stat"))
		if len(fields) < 2 {
			continue // it has just ended
		}
		parent, err := strconv.Atoi(string(fields[1]))
		if err != nil {
			continue
		}
		all = append(all, Member{pid: pid, parent: parent, state: fields[0][0]})
	}
	return all, nil
}

// statFields returns the state, the parent and what follows in a stat file; nothing if there is no such file.
func statFields(path string) [][]byte {
	stat, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	// The second field, the program's name in parentheses, may contain anything; the rest follows its last ')'.
	return bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
}

// stopped says whether all threads of a process have stopped: its own state is that of one thread.
func stopped(m Member) bool {
	if m.state != 'T' {
		return false
	}
	tasks, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(m.pid), "task", "*", "stat")) // the pattern is well-formed
	for _, task := range tasks {
		if fields := statFields(task); len(fields) > 0 && fields[0][0] != 'T' {
			return false
		}
	}
	return true
}
