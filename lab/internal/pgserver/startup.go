package pgserver

import (
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// startup answers what comes before the startup message and gives the connection to go on with, under TLS if that was
// asked for, and the parameters of the startup message. Without them the connection is done.
func (s *Server) startup(conn net.Conn) (net.Conn, map[string]string) {
	for {
		backend := pgproto3.NewBackend(conn, conn)
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return nil, nil
		}
		switch message := message.(type) {
		case *pgproto3.SSLRequest:
			if _, encrypted := conn.(*tls.Conn); encrypted || s.config.TLS == nil {
				if _, err := conn.Write([]byte{'N'}); err != nil {
					return nil, nil
				}
				continue
			}
			if _, err := conn.Write([]byte{'S'}); err != nil {
				return nil, nil
			}
			secure := tls.Server(conn, s.config.TLS)
			if err := secure.Handshake(); err != nil {
				return nil, nil
			}
			conn = secure
		case *pgproto3.GSSEncRequest:
			if _, err := conn.Write([]byte{'N'}); err != nil {
				return nil, nil
			}
		case *pgproto3.CancelRequest:
			s.cancelRequest(message.ProcessID, message.SecretKey)
			return nil, nil
		case *pgproto3.StartupMessage:
			return conn, maps.Clone(message.Parameters)
		}
	}
}

// login authenticates the user and greets the client; false ends the connection.
func (s *session) login(parameters map[string]string) bool {
	err := s.admit(parameters)
	if err == nil {
		s.greet()
		if s.backend.Flush() == nil {
			return true
		}
		s.server.unregister(s)
		return false
	}
	if !errors.Is(err, errConnection) {
		s.fatal(err)
	}
	return false
}

// encrypted reports whether the connection is under TLS.
func (s *session) encrypted() bool {
	_, ok := s.wire.(*tls.Conn)
	return ok
}

// errConnection says that the connection failed, so there is nobody to tell.
var errConnection = errors.New("connection lost")

func (s *session) admit(parameters map[string]string) error {
	config := s.server.config
	s.user, s.database = parameters["user"], parameters["database"]
	if s.user == "" {
		return sqlengine.Errorf("28000", "no PostgreSQL user name specified in startup packet")
	}
	if s.database == "" {
		s.database = s.user
	}
	if config.RequireTLS && !s.encrypted() {
		return s.insecure()
	}
	if err := s.authenticate(); err != nil {
		return err
	}
	if config.Login != nil {
		if err := config.Login(s.user); err != nil {
			var refusal *sqlengine.Error
			if errors.As(err, &refusal) {
				return refusal
			}
			return sqlengine.Errorf("28000", "%v", err)
		}
	}
	if config.Database != "" && s.database != config.Database {
		return sqlengine.Errorf("3D000", "database \"%s\" does not exist", s.database)
	}
	s.open()
	return s.startupSettings(parameters)
}

// startupSettings takes the settings a client asked for at login.
func (s *session) startupSettings(parameters map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		switch name {
		case "user", "database", "replication":
			continue
		case "options":
			if err := s.startupOptions(parameters[name]); err != nil {
				return err
			}
			continue
		}
		if strings.HasPrefix(name, "_pq_.") {
			continue
		}
		if err := s.engine.Set(name, parameters[name], sqlengine.AtLogin); err != nil {
			return err
		}
	}
	return nil
}

// startupOptions reads "-c name=value --name=value".
func (s *session) startupOptions(options string) error {
	fields := strings.Fields(options)
	for i := 0; i < len(fields); i++ {
		pair := fields[i]
		switch {
		case pair == "-c" && i+1 < len(fields):
			i++
			pair = fields[i]
		case strings.HasPrefix(pair, "-c"):
			pair = pair[2:]
		case strings.HasPrefix(pair, "--"):
			pair = strings.ReplaceAll(pair[2:], "-", "_")
		default:
			return sqlengine.Errorf("42601", "invalid command-line argument for server process: %s", pair)
		}
		name, value, _ := strings.Cut(pair, "=")
		if err := s.engine.Set(name, value, sqlengine.AtLogin); err != nil {
			return err
		}
	}
	return nil
}

// greet sends what follows a successful login.
func (s *session) greet() {
	s.server.register(s)
	s.backend.Send(&pgproto3.AuthenticationOk{})
	s.reportSettings()
	s.backend.Send(&pgproto3.BackendKeyData{ProcessID: s.pid, SecretKey: s.secret[:]})
	s.backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

// reportedSettings are told to the client at login and whenever they change.
var reportedSettings = []string{"application_name", "client_encoding", "DateStyle", "default_transaction_read_only",
	"in_hot_standby", "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "server_version",
	"session_authorization", "standard_conforming_strings", "TimeZone"}

// reportSettings tells the client the settings that it does not know yet.
func (s *session) reportSettings() {
	for i, name := range reportedSettings {
		value, _ := s.engine.Setting(name)
		if !s.reportedOnce || s.reported[i] != value {
			s.reported[i] = value
			s.backend.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
		}
	}
	s.reportedOnce = true
}
