package mysqlserver

import (
	"cmp"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Server serves the sessions of one instance. All methods are safe for concurrent use.
type Server struct {
	config      Config
	credentials credentials
	dialect     *sqlengine.Dialect

	mu          sync.Mutex
	sessions    map[uint64]*session   // logged in, by number
	connecting  map[net.Conn]struct{} // not logged in yet
	connections uint64                // how many there have been
}

// New makes a server. It starts nothing; give it connections with ServeConn.
func New(config Config) *Server {
	s := &Server{config: config, dialect: newDialect(), sessions: map[uint64]*session{}, connecting: map[net.Conn]struct{}{}}
	s.credentials.init(config.Key)
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

	salt := newSalt()
	wire, answer, sequence := s.startup(conn, number, salt)
	if wire == nil {
		return
	}
	session := newSession(s, conn, wire, number)
	defer session.close()
	if !session.login(answer, salt, sequence) {
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

// register makes a session visible to KILL and Terminate.
func (s *Server) register(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.number] = session
}

func (s *Server) unregister(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.number)
}

func (s *Server) find(number uint64) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[number]
}

// Terminate ends every session as an orderly shutdown does: a running statement is answered with error 1053, then the
// connection is closed; idle connections and those not logged in are just closed. It does not wait for the sessions to
// end.
func (s *Server) Terminate() {
	sessions := s.list()
	s.mu.Lock()
	connecting := make([]net.Conn, 0, len(s.connecting))
	for conn := range s.connecting {
		connecting = append(connecting, conn)
	}
	s.mu.Unlock()
	for _, session := range sessions {
		session.end(shutdown())
	}
	for _, conn := range connecting {
		_ = conn.Close()
	}
}

// list are the sessions logged in, by number.
func (s *Server) list() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.sessions), func(a, b *session) int { return cmp.Compare(a.number, b.number) })
}

// shutdown is what a running statement is answered with when its session is ended from outside.
func shutdown() *Error {
	return &Error{Number: 1053, State: "08S01", Message: "Server shutdown in progress", Fatal: true}
}

// Sessions is the number of sessions logged in.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
