package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
)

// server is a real server behind an instance. Its clients connect to the instance's own listener, and
// their bytes pass the gate on the way to the server and back.
type server struct {
	*Instance
	frozen atomic.Bool // it has got SIGSTOP
}

// serve copies between a client and the server until either ends the connection.
func (s *server) serve(client *gate.Conn) {
	var dialer net.Dialer
	upstream, err := dialer.DialContext(s.cluster.life, "tcp4", s.cluster.real.Addr(s.id))
	if err != nil {
		client.Reset() // the process is gone: nobody listens
		return
	}
	served := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-client.Killed():
		case <-served:
		}
		upstream.Close()
	})
	if err := s.cluster.real.connect(s.id, client, upstream.(*net.TCPConn)); errors.Is(err, syscall.ECONNRESET) {
		client.Reset()
	}
	client.Close()
	close(served)
	watch.Wait()
}

// drop ends the sessions on a server that can hear of it.
func (s *server) drop() {
	if !s.healthy() {
		return
	}
	ctx, cancel := context.WithTimeout(s.cluster.life, controlLimit)
	defer cancel()
	s.check("dropping the sessions of", s.cluster.real.dropSessions(ctx, s.id))
}

func (s *server) crash() {
	s.end()
	s.check("killing", s.cluster.real.Kill(s.id))
}

// end ends all connections of a server that is to be killed. Had it time to learn of that, it would let others have
// what one of its sessions has locked.
func (s *server) end() {
	s.check("halting", s.cluster.real.Halt(s.id))
	s.gate.Kill()
	s.frozen.Store(false)
}

func (s *server) shutdown() {
	s.gate.Stop()
	s.check("shutting down", s.cluster.real.Shutdown(s.id))
}

func (s *server) freeze() {
	s.frozen.Store(true)
	s.check("freezing", s.cluster.real.Stop(s.id))
}

func (s *server) heal() {
	if s.frozen.Swap(false) {
		s.check("continuing", s.cluster.real.Continue(s.id))
	}
	s.gate.Heal()
}

// restartLimit bounds a restart, with the copy of the writer's data it may need.
const restartLimit = time.Minute

func (s *server) restart() {
	s.end()
	ctx, cancel := context.WithTimeout(s.cluster.life, restartLimit)
	defer cancel()
	err := s.cluster.real.Kill(s.id)
	if err == nil {
		err = s.cluster.real.Rejoin(ctx, s.id)
	}
	if err != nil {
		s.quiet()
		s.check("restarting", err)
		return
	}
	s.replace(s)
	s.gate.Restart()
}

func (s *server) close() {} // the cluster ends its servers together

func (s *server) check(doing string, err error) {
	if err != nil {
		s.cluster.fail(fmt.Errorf("lab: %s %s: %w", doing, s.id, err))
	}
}

func (s *server) logins() int {
	logins, err := s.cluster.real.Logins(s.id)
	s.check("counting the logins of", err)
	return logins
}

func (s *server) statements() []Statement {
	received, err := s.cluster.real.received(s.id)
	s.check("reading the statements of", err)
	s.mu.Lock()
	received = received[min(s.forgotten, len(received)):]
	s.mu.Unlock()
	s.cluster.mu.Lock()
	promotions := slices.Clone(s.cluster.promotions)
	s.cluster.mu.Unlock()
	for n := range received {
		received[n].Writer = writerAt(promotions, received[n].At) == s.id
	}
	return received
}

// writerAt is who was the writer at an instant.
func writerAt(promotions []promotion, at time.Time) string {
	writer := ""
	for _, p := range promotions {
		if !p.at.After(at) {
			writer = p.id
		}
	}
	return writer
}
