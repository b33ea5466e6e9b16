package realserver

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// settleLimit bounds how long processes that got a signal nobody can refuse may take to show its effect.
const settleLimit = 10 * time.Second

// A Process is a running server: its first process and the descendants of that.
type Process struct {
	pid  int
	done chan struct{} // closed when the first process has been waited for
}

// Exited says whether the first process has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Await waits at most limit for the first process to exit and says whether it did.
func (p *Process) Await(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// Start starts a server. The kernel kills it when its parent *thread* ends, not the parent process, so one
// goroutine with an OS thread of its own starts it, waits for it and ends with it.
func Start(command *exec.Cmd) (*Process, error) {
	started := make(chan error, 1)
	p := &Process{done: make(chan struct{})}
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

// A Member is one process of a server.
type Member struct {
	pid, parent int
	state       byte // as ps prints it: T is stopped, Z is dead but not waited for
}

// Tree returns the process and its living descendants.
func Tree(first int) ([]Member, error) {
	all, err := listProcesses()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	inside := map[int]bool{first: true}
	for grown := true; grown; { // the list is in no particular order
		grown = false
		for _, m := range all {
			if inside[m.parent] && !inside[m.pid] {
				inside[m.pid], grown = true, true
			}
		}
	}
	var found []Member
	for _, m := range all {
		if inside[m.pid] && m.state != 'Z' {
			found = append(found, m)
		}
	}
	return found, nil
}

// Freeze stops the whole server. The first process comes first, so that no new child appears, and the rounds go on until
// every process is seen stopped: a signal is delivered some time after it was sent.
func (p *Process) Freeze() ([]Member, error) {
	if err := suspend(p.pid); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(settleLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) { //ci:wait bounded by settleLimit
		if p.Exited() {
			return nil, errors.New("the server has exited")
		}
		members, err := p.Tree()
		if err != nil {
			return nil, err
		}
		frozen := true
		for _, m := range members {
			if !stopped(m) {
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

// Thaw resumes the whole server.
func (p *Process) Thaw() error {
	members, err := p.Tree()
	if err != nil {
		return err
	}
	for _, m := range members {
		_ = resume(m.pid)
	}
	return nil
}

// Kill ends the whole server at once. It is frozen first: a child forked between listing and killing would be adopted by
// another process and never be found. When Kill returns, no process of the server has a socket or a file open.
func (p *Process) Kill() error {
	members, err := p.Freeze()
	if err != nil {
		if p.Exited() {
			return nil
		}
		return err
	}
	for _, m := range members {
		_ = destroy(m.pid)
	}
	if !p.Await(settleLimit) {
		return fmt.Errorf("the server was not killed after %s", settleLimit)
	}
	for deadline := time.Now().Add(settleLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) { //ci:wait bounded by settleLimit
		if alive, err := AnyAlive(members); !alive || err != nil {
			return err
		}
	}
	return fmt.Errorf("a process of the server was not killed after %s", settleLimit)
}

// AnyAlive says whether one of the processes still runs.
func AnyAlive(members []Member) (bool, error) {
	all, err := listProcesses()
	if err != nil {
		return false, fmt.Errorf("listing processes: %w", err)
	}
	wanted := make(map[int]bool, len(members))
	for _, m := range members {
		wanted[m.pid] = true
	}
	for _, m := range all {
		if wanted[m.pid] && m.state != 'Z' {
			return true, nil
		}
	}
	return false, nil
}

// Tree returns the first process and its living descendants.
func (p *Process) Tree() ([]Member, error) { return Tree(p.pid) }

// ID returns the id of the first process.
func (p *Process) ID() int { return p.pid }
