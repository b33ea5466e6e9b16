package mysqlserver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/awsdb/awsdb/lab/internal/intake"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// session is one connection. Its goroutine is the one that called Server.ServeConn; only the fields marked so are
// touched by others.
type session struct {
	server       *Server
	raw          net.Conn // as given to ServeConn
	wire         net.Conn // raw, or TLS on it
	intake       *intake.Intake
	packets      *packets
	number       uint64
	capabilities uint32

	user, database string

	ctx  context.Context         // done when the connection or the session ends
	stop context.CancelCauseFunc // from any goroutine

	statements    map[uint32]*prepared
	lastStatement uint32

	cancelMu sync.Mutex
	cancel   context.CancelCauseFunc // of the running statement; guarded by cancelMu

	state
}

// errOver ends a session about which there is nothing more to say to the client.
var errOver = errors.New("session over")

// errGone is the cause when the client's connection ended.
var errGone = errors.New("client connection gone")

func newSession(server *Server, raw, wire net.Conn, number uint64) *session {
	s := &session{server: server, raw: raw, wire: wire, number: number, statements: map[uint32]*prepared{}}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.intake = intake.New(wire, func() { s.stop(errGone) })
	s.packets = &packets{in: s, out: wire}
	s.state = newState(s)
	return s
}

// close ends what the session has started, after its connection is closed.
func (s *session) close() {
	s.rollback()
	s.server.unregister(s)
	s.stop(errOver)
	_ = s.raw.Close() // not through TLS, whose farewell could block
	<-s.intake.Done()
}

func (s *session) host() sqlengine.Host { return s.server.config.Host }

// encrypted reports whether the connection is under TLS.
func (s *session) encrypted() bool {
	_, ok := s.wire.(*tls.Conn)
	return ok
}

// end ends the session with a message to its running statement, from any goroutine. No other statement runs afterwards.
func (s *session) end(reason *Error) { s.stop(reason) }

// ended reports whether end was called.
func (s *session) ended() bool {
	var reason *Error
	return errors.As(context.Cause(s.ctx), &reason)
}

// cancelStatement ends the running statement, if any, from any goroutine.
func (s *session) cancelStatement() {
	s.cancelMu.Lock()
	defer s.cancelMu.Unlock()
	if s.cancel != nil {
		s.cancel(interrupted())
	}
}

// interrupted is what a statement ended by KILL QUERY is answered with.
func interrupted() *Error {
	return errorf(1317, "70100", "Query execution was interrupted")
}

// statementContext is the context of one statement; call done after it.
func (s *session) statementContext() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(s.ctx)
	s.cancelMu.Lock()
	s.cancel = cancel
	s.cancelMu.Unlock()
	return ctx, func() {
		s.cancelMu.Lock()
		s.cancel = nil
		s.cancelMu.Unlock()
		cancel(nil)
	}
}

// Read supplies the bytes the client sent. While it waits, the session is idle, and ends without a word if it is to.
func (s *session) Read(p []byte) (int, error) {
	for {
		n, err := s.intake.Take(p)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-s.intake.Ready():
		case <-s.ctx.Done():
			if !errors.Is(context.Cause(s.ctx), errGone) {
				return 0, errOver
			}
			// The connection has ended, so there is an error to take now.
		}
	}
}

// serve answers commands until the session ends.
func (s *session) serve() {
	for {
		packet, err := s.packets.readCommand()
		if err != nil {
			var failure *Error
			if errors.As(err, &failure) {
				s.fatal(failure)
			}
			return
		}
		if s.ended() { // while it was idle: the packet came too late
			return
		}
		if err := s.command(packet); err != nil {
			return
		}
	}
}

// fatal sends an error that ends the session.
func (s *session) fatal(err *Error) {
	if s.packets.write(err.packet(true)) == nil {
		_ = s.packets.flush() // the connection is closed next
	}
}

// isReport reports whether an error is for the client rather than the end of the session.
func isReport(err error) bool { return !errors.Is(err, errOver) && !errors.Is(err, errConnection) }

// report sends the error of a command. The error it returns ends the session.
func (s *session) report(err error) error {
	if !isReport(err) {
		return err
	}
	var failure *Error
	if s.ctx.Err() != nil && errors.As(context.Cause(s.ctx), &failure) { // the session ends, not only the statement
		s.fatal(failure)
		return errOver
	}
	if errors.Is(err, errGone) {
		return errOver
	}
	failure = s.asError(err)
	if failure.Fatal {
		s.fatal(failure)
		return errOver
	}
	if err := s.packets.write(failure.packet(true)); err != nil {
		return err
	}
	return s.packets.flush()
}

// hang answers nothing until the connection goes or the session is ended.
func (s *session) hang() error {
	<-s.ctx.Done()
	var reason *Error
	if errors.As(context.Cause(s.ctx), &reason) {
		s.fatal(reason)
	}
	return errOver
}
