package realserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A Server is one server of a cluster, in all its lives. The zero value is one that has not been launched.
type Server struct {
	mu      sync.Mutex // guards everything; never held over I/O
	process *Process
	frozen  bool
	lost    time.Time // when a fault took it away; zero while it is up
}

// Up says whether the server runs and is not frozen. A server that crashed by itself is not up.
func (s *Server) Up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && !s.process.Exited() && !s.frozen
}

// Running returns the server's process, or nil when it has ended.
func (s *Server) Running() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || s.process.Exited() {
		return nil
	}
	return s.process
}

// Frozen says whether the server was frozen.
func (s *Server) Frozen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frozen
}

// LostSince returns when a fault took the server away; zero while it is up.
func (s *Server) LostSince() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Mark records that the server was frozen or ended by a fault.
func (s *Server) Mark(frozen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = frozen
	if s.lost.IsZero() {
		s.lost = time.Now()
	}
}

// Restored records that the server is up, as p.
func (s *Server) Restored(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process, s.frozen, s.lost = p, false, time.Time{}
}

// Launch starts the server, which appends what it prints to a log file.
func (s *Server) Launch(command *exec.Cmd, logFile string) error {
	log, err := os.OpenFile(logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	p, err := Start(command)
	if err != nil {
		return err
	}
	s.Restored(p)
	return nil
}

// Kill ends the server at once; sockets are closed by the kernel, unread data makes that a reset. A server that is down
// is marked as lost.
func (s *Server) Kill() error {
	if p := s.Running(); p != nil {
		if err := p.Kill(); err != nil {
			return fmt.Errorf("killing: %w", err)
		}
	}
	s.Mark(false)
	return nil
}

// Halt stops all processes of a server that is about to be killed: it does nothing more, and hears no more of its clients,
// whose connections are still there. A server that is down is halted.
func (s *Server) Halt() error {
	p := s.Running()
	if p == nil {
		return nil
	}
	if _, err := p.Freeze(); err != nil && !p.Exited() {
		return fmt.Errorf("stopping: %w", err)
	}
	return nil
}

// Freeze stops all processes of the server: its sockets stay open and silent.
func (s *Server) Freeze() error {
	p := s.Running()
	if p == nil {
		return errors.New("stopping: it is not running")
	}
	if _, err := p.Freeze(); err != nil {
		return fmt.Errorf("stopping: %w", err)
	}
	s.Mark(true)
	return nil
}

// Shutdown asks the server by a signal to end in an orderly way, and waits for that no longer than limit.
func (s *Server) Shutdown(signal syscall.Signal, limit time.Duration) error {
	if s.Frozen() {
		return errors.New("shutting down: it is stopped, so it cannot hear: continue or kill it")
	}
	if p := s.Running(); p != nil {
		if err := p.Signal(signal); err != nil {
			return err
		}
		if !p.Await(limit) {
			return fmt.Errorf("shutting down: it still runs after %s", limit)
		}
	}
	s.Mark(false)
	return nil
}

// Snapshot calls work while the server stands still: nothing changes in its files, and what is there is what a crash at that
// moment would have left.
func (s *Server) Snapshot(work func() error) error {
	p := s.Running()
	if p == nil {
		return errors.New("it is not running")
	}
	if _, err := p.Freeze(); err != nil {
		return err
	}
	err := work()
	if s.Frozen() { // by a fault, and so it stays
		return err
	}
	err = errors.Join(err, p.Thaw())
	if s.Frozen() && !p.Exited() { // a fault came in between
		_, frozen := p.Freeze()
		err = errors.Join(err, frozen)
	}
	return err
}
