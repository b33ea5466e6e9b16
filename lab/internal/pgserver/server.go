package pgserver

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"sync"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Server serves the sessions of one instance. All methods are safe for concurrent use.
type Server struct {
	config  Config
	dialect *sqlengine.Dialect
	secrets secrets

	mu          sync.Mutex
	sessions    map[uint32]*session   // logged in, by process id
	connecting  map[net.Conn]struct{} // not logged in yet
	connections uint64                // how many there have been
}

// New makes a server. It starts nothing; give it connections with ServeConn.
func New(config Config) *Server {
	s := &Server{config: config, dialect: sqlengine.PostgreSQL(), sessions: map[uint32]*session{}, connecting: map[net.Conn]struct{}{}}
	_, _ = rand.Read(s.secrets.salt[:]) // never fails
	return s
}

// ServeConn serves one client and returns when its connection has ended, closed. To end it from outside, close
// conn, or use Terminate.
func (s *Server) ServeConn(conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	s.connections++
	number := s.connections
	s.connecting[conn] = struct{}{}
	s.mu.Unlock()
	defer s.forget(conn)

	wire, parameters := s.startup(conn)
	if parameters == nil {
		return
	}
	session := newSession(s, conn, wire, number)
	defer session.close()
	if !session.login(parameters) {
		return
	}
	s.forget(conn)
	session.serve()
}

func (s *Server) forget(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connecting, conn)
}

// firstPID keeps process ids apart from small numbers in traces.
const firstPID = 1000

// register makes a session visible to cancel requests, notifications and Terminate.
func (s *Server) register(session *session) {
	_, _ = rand.Read(session.secret[:]) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.pid] = session
}

func (s *Server) unregister(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[session.pid] == session {
		delete(s.sessions, session.pid)
	}
}

func (s *Server) find(pid uint32) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[pid]
}

// cancelRequest serves a cancel request: it needs the secret of the session.
func (s *Server) cancelRequest(pid uint32, secret []byte) {
	if session := s.find(pid); session != nil && subtle.ConstantTimeCompare(session.secret[:], secret) == 1 {
		session.cancelStatement()
	}
}

func (s *Server) cancel(pid uint32) bool {
	session := s.find(pid)
	if session != nil {
		session.cancelStatement()
	}
	return session != nil
}

func (s *Server) terminate(pid uint32) bool {
	session := s.find(pid)
	if session != nil {
		session.end(terminated("57P01"))
	}
	return session != nil
}

// terminated is the message of a session that is ended from outside.
func terminated(code string) *sqlengine.Error {
	message := "terminating connection due to administrator command"
	switch code {
	case "57P02":
		message = "terminating connection because of crash of another server process"
	case "57P05":
		message = "terminating connection due to idle-session timeout"
	}
	return &sqlengine.Error{Severity: "FATAL", Code: code, Message: message}
}

// Terminate ends every session as a planned restart does: FATAL with the given SQLSTATE ("57P01"), then
// the connection is closed; connections not logged in are just closed. It does not wait for the sessions to end.
func (s *Server) Terminate(code string) {
	s.mu.Lock()
	sessions := make([]*session, 0, len(s.sessions))
	for _, session := range s.sessions {
		sessions = append(sessions, session)
	}
	connecting := make([]net.Conn, 0, len(s.connecting))
	for conn := range s.connecting {
		connecting = append(connecting, conn)
	}
	s.mu.Unlock()
	sortSessions(sessions)
	for _, session := range sessions {
		session.end(terminated(code))
	}
	for _, conn := range connecting {
		_ = conn.Close()
	}
}

// Sessions is the number of sessions logged in.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
