package pgserver

import (
	"net"
	"strconv"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// result is the outcome of a statement on its way to the client.
type result struct {
	sqlengine.Result
	copying *transfer // of COPY TO
	copied  [][]byte
}

// tag is what CommandComplete says.
func (r *result) tag() string {
	switch r.Verb {
	case "INSERT":
		return "INSERT 0 " + strconv.Itoa(r.Affected)
	case "SELECT", "UPDATE", "DELETE", "COPY":
		return r.Verb + " " + strconv.Itoa(r.Affected)
	}
	return r.Verb
}

// open makes the session's engine, for a user who is who they say.
func (s *session) open() {
	config := s.server.config
	s.engine = sqlengine.NewSession(sqlengine.Config{
		Store: config.Store, Host: config.Host, Dialect: s.server.dialect,
		Version: config.Version, Settings: config.Settings,
		User: s.user, Database: s.database, PID: s.pid,
		Front: sqlengine.Front{
			Warn:   s.warn,
			Ended:  func() { s.portals = map[string]*portal{} },
			Local:  s.local,
			CopyIn: s.receiveCopy, Deliver: s.server.deliver,
			Cancel: s.server.cancel, Terminate: s.server.terminate,
			Address: s.address,
		},
	})
}

// prepare compiles a statement.
func (s *session) prepare(parsed syntax.Parsed, declared []sqlengine.OID) (*sqlengine.Prepared, error) {
	p, err := s.engine.Prepare(parsed, declared)
	if err != nil {
		return nil, err
	}
	if stmt, ok := parsed.Stmt.(*syntax.Copy); ok {
		_, err = newTransfer(stmt, nil)
	}
	return p, err
}

// local runs the statements that concern what only the protocol knows: prepared statements and listening.
func (s *session) local(stmt syntax.Stmt) (*sqlengine.Result, error) {
	switch stmt := stmt.(type) {
	case syntax.Discard:
		if stmt.What == "ALL" {
			if s.engine.InBlock() {
				return nil, sqlengine.Errorf("25001", "DISCARD ALL cannot run inside a transaction block")
			}
			s.engine.ResetSettings()
			s.statements = map[string]*sqlengine.Prepared{}
			s.unlisten("")
		}
		return &sqlengine.Result{Verb: "DISCARD " + stmt.What}, nil
	case syntax.Deallocate:
		if stmt.Name == "" {
			s.statements = map[string]*sqlengine.Prepared{}
			return &sqlengine.Result{Verb: "DEALLOCATE ALL"}, nil
		}
		if s.statements[stmt.Name] == nil {
			return nil, noStatement(stmt.Name)
		}
		delete(s.statements, stmt.Name)
		return &sqlengine.Result{Verb: "DEALLOCATE"}, nil
	case syntax.Listen:
		s.listen(stmt.Channel)
		return &sqlengine.Result{Verb: "LISTEN"}, nil
	case syntax.Unlisten:
		s.unlisten(stmt.Channel)
		return &sqlengine.Result{Verb: "UNLISTEN"}, nil
	}
	return nil, sqlengine.Errorf("0A000", "this statement is not supported here")
}

func noStatement(name string) error {
	return sqlengine.Errorf("26000", "prepared statement \"%s\" does not exist", name)
}

// address is the server's end of the connection.
func (s *session) address() (host string, port int) {
	host, port = "127.0.0.1", 5432
	if h, _, err := net.SplitHostPort(s.raw.LocalAddr().String()); err == nil {
		host = h
	}
	if addr, ok := s.raw.LocalAddr().(*net.TCPAddr); ok {
		port = addr.Port
	}
	return host, port
}
