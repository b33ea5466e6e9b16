package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
)

// server is a real PostgreSQL server behind an instance. Its clients connect to the instance's own listener, and
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
	var copies sync.WaitGroup
	copies.Go(func() {
		select {
		case <-client.Killed():
		case <-served:
		}
		upstream.Close()
	})
	copies.Go(func() { s.toServer(upstream.(*net.TCPConn), client) })
	if _, err := io.Copy(client, upstream); errors.Is(err, syscall.ECONNRESET) {
		client.Reset()
	}
	client.Close()
	close(served)
	copies.Wait()
}

// toServer passes on what the client sends, and the end of it.
func (s *server) toServer(upstream *net.TCPConn, client *gate.Conn) {
	if _, err := io.Copy(upstream, client); err != nil {
		upstream.Close()
		return
	}
	_ = upstream.CloseWrite() // fails when the server was faster
}

// drop ends the sessions on a server that can hear of it.
func (s *server) drop() {
	if !s.healthy() {
		return
	}
	ctx, cancel := context.WithTimeout(s.cluster.life, controlLimit)
	defer cancel()
	s.check("dropping the sessions of", s.cluster.real.Exec(ctx, s.id, `select pg_terminate_backend(pid)
		from pg_stat_activity where backend_type = 'client backend' and usename <> current_user`))
}

func (s *server) crash() {
	s.gate.Kill()
	s.frozen.Store(false)
	s.check("killing", s.cluster.real.Kill(s.id))
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
	s.gate.Kill()
	s.frozen.Store(false)
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
	received, err := s.cluster.real.Statements(s.id)
	s.check("reading the statements of", err)
	s.mu.Lock()
	received = received[min(s.forgotten, len(received)):]
	s.mu.Unlock()
	s.cluster.mu.Lock()
	promotions := slices.Clone(s.cluster.promotions)
	s.cluster.mu.Unlock()
	statements := make([]Statement, len(received))
	for n, r := range received {
		statements[n] = Statement{
			Conn: uint64(r.Process), User: r.User, SQL: r.SQL, Args: arguments(r.Parameters), Ran: true, At: r.Time,
			Writer: writerAt(promotions, r.Time) == s.id,
		}
	}
	return statements
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

// arguments takes apart how a server prints bound parameters: $1 = 'it”s', $2 = NULL.
func arguments(printed string) []any {
	var values []any
	for printed != "" {
		_, rest, ok := strings.Cut(printed, " = ")
		if !ok {
			return values
		}
		if printed, ok = strings.CutPrefix(rest, "NULL"); ok {
			values = append(values, nil)
			continue
		}
		value := ""
		value, printed = quoted(rest)
		values = append(values, value)
	}
	return values
}

// quoted reads the literal at the start of text, in which a quote stands twice, and returns what follows it.
func quoted(text string) (value, rest string) {
	var b strings.Builder
	text = strings.TrimPrefix(text, "'")
	for {
		part, after, ok := strings.Cut(text, "'")
		b.WriteString(part)
		if !ok || !strings.HasPrefix(after, "'") {
			return b.String(), after
		}
		b.WriteByte('\'')
		text = after[1:]
	}
}
