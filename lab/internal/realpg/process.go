package realpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// settleLimit bounds how long processes that got a signal nobody can refuse may take to show its effect.
const settleLimit = 10 * time.Second

// An account is who the servers run as. PostgreSQL refuses to run as root, so root runs it as user postgres.
type account struct {
	drop     bool // whether to change to uid and gid at all
	uid, gid int
}

// adopt gives path to the account.
func (a account) adopt(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// checkReachable reports a directory on the way to path that the account may not pass. The servers' own message for
// that does not name the culprit.
func (a account) checkReachable(path string) error {
	if !a.drop {
		return nil
	}
	for directory := filepath.Dir(path); ; directory = filepath.Dir(directory) {
		info, err := os.Stat(directory)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("user postgres cannot pass directory %s: chmod o+x it, or set TMPDIR to another directory", directory)
		}
		if directory == filepath.Dir(directory) {
			return nil
		}
	}
}

// environment is what every PostgreSQL program gets: nothing of the caller's PG* variables or locale.
func environment(extra ...string) []string {
	return append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}, extra...)
}

// A process is a running postmaster.
type process struct {
	pid  int
	done chan struct{} // closed when the postmaster has been waited for
}

func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await waits at most limit for the postmaster to exit and says whether it did.
func (p *process) await(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// startProcess starts a postmaster. The kernel kills it when its parent *thread* ends, not the parent process, so one
// goroutine with an OS thread of its own starts it, waits for it and ends with it.
func startProcess(command *exec.Cmd) (*process, error) {
	started := make(chan error, 1)
	p := &process{done: make(chan struct{})}
	go func() {
		defer close(p.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := command.Start(); err != nil {
			started <- err
			return
		}
		p.pid = command.Process.Pid
		started <- nil
		_ = command.Wait() // how a server ended is its log's business
	}()
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// run runs a program to its end and returns its error with the last lines of what it printed.
func run(command *exec.Cmd) error {
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	// As in startProcess; here the thread only has to live as long as this call.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Run(); err != nil {
		text := bytes.TrimSpace(output.Bytes())
		return fmt.Errorf("%s: %w: %s", filepath.Base(command.Path), err, text[max(0, len(text)-400):])
	}
	return nil
}

// A member is one process of a server: the postmaster or a descendant of it.
type member struct {
	pid, parent int
	state       byte // as ps prints it: T is stopped, Z is dead but not waited for
}

// tree returns the postmaster and its living descendants.
func tree(postmaster int) ([]member, error) {
	all, err := listProcesses()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	inside := map[int]bool{postmaster: true}
	for grown := true; grown; { // the list is in no particular order
		grown = false
		for _, m := range all {
			if inside[m.parent] && !inside[m.pid] {
				inside[m.pid], grown = true, true
			}
		}
	}
	var found []member
	for _, m := range all {
		if inside[m.pid] && m.state != 'Z' {
			found = append(found, m)
		}
	}
	return found, nil
}

// freeze stops the whole server. The postmaster comes first, so that no new child appears, and the rounds go on until
// every process is seen stopped: a signal is delivered some time after it was sent.
func (p *process) freeze() ([]member, error) {
	if err := suspend(p.pid); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(settleLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) { //ci:wait bounded by settleLimit
		if p.exited() {
			return nil, errors.New("the server has exited")
		}
		members, err := tree(p.pid)
		if err != nil {
			return nil, err
		}
		frozen := true
		for _, m := range members {
			if m.state != 'T' {
				frozen = false
				_ = suspend(m.pid) // it may be gone by now; the next round sees
			}
		}
		if frozen {
			return members, nil
		}
	}
	return nil, fmt.Errorf("the server was not stopped after %s", settleLimit)
}

// thaw resumes the whole server.
func (p *process) thaw() error {
	members, err := tree(p.pid)
	if err != nil {
		return err
	}
	for _, m := range members {
		_ = resume(m.pid)
	}
	return nil
}

// kill ends the whole server at once. It is frozen first: a child forked between listing and killing would be adopted by
// another process and never be found. When kill returns, no process of the server has a socket or a file open.
func (p *process) kill() error {
	members, err := p.freeze()
	if err != nil {
		if p.exited() {
			return nil
		}
		return err
	}
	for _, m := range members {
		_ = destroy(m.pid)
	}
	if !p.await(settleLimit) {
		return fmt.Errorf("the server was not killed after %s", settleLimit)
	}
	for deadline := time.Now().Add(settleLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) { //ci:wait bounded by settleLimit
		all, err := listProcesses()
		if err != nil {
			return err
		}
		if !anyAlive(all, members) {
			return nil
		}
	}
	return fmt.Errorf("a process of the server was not killed after %s", settleLimit)
}

func anyAlive(all, members []member) bool {
	wanted := make(map[int]bool, len(members))
	for _, m := range members {
		wanted[m.pid] = true
	}
	for _, m := range all {
		if wanted[m.pid] && m.state != 'Z' {
			return true
		}
	}
	return false
}

// command prepares a PostgreSQL program to run under the account.
func (a account) command(ctx context.Context, directory, program string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir = directory
	command.Env = environment()
	command.SysProcAttr = a.attributes()
	return command
}
