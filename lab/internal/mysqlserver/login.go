package mysqlserver

import (
	"errors"
	"net"
)

// login authenticates the user and greets the client; false ends the connection.
func (s *session) login(answer response, salt []byte, sequence uint8) bool {
	s.capabilities, s.user, s.database = answer.capabilities, answer.user, answer.database
	s.packets.sequence = sequence
	if err := s.admit(answer, salt); err != nil {
		var refusal *Error
		if errors.As(err, &refusal) {
			s.fatal(refusal)
		}
		return false
	}
	if err := s.sendOK(&result{}, false); err != nil {
		return false
	}
	s.server.register(s)
	if err := s.packets.flush(); err != nil {
		return false
	}
	if s.capabilities&clientCompress != 0 { // from the next packet on
		s.packets.compression = &compression{in: s}
	}
	return true
}

func (s *session) admit(answer response, salt []byte) error {
	config := s.server.config
	if config.RequireTLS && !s.encrypted() {
		return insecure()
	}
	if err := s.authenticate(answer.plugin, answer.auth, salt); err != nil {
		return err
	}
	if config.Login != nil {
		if err := config.Login(s.user); err != nil {
			var refusal *Error
			if errors.As(err, &refusal) {
				return refusal
			}
			return errorf(1045, "28000", "%v", err)
		}
	}
	return s.checkDatabase(s.database)
}

// checkDatabase reports whether there is a database; having selected none is fine, too.
func (s *session) checkDatabase(name string) error {
	if only := s.server.config.Database; name != "" && only != "" && name != only && !systemDatabase(name) {
		return errorf(1049, "42000", "Unknown database '%s'", name)
	}
	return nil
}

// clientHost is the client's address for messages.
func (s *session) clientHost() string {
	host, _, err := net.SplitHostPort(s.raw.RemoteAddr().String())
	if err != nil {
		return "localhost"
	}
	return host
}
