package sqlengine

import "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"

// Front is what the server around a session does for it, on the session's goroutine. Any of it may be nil: a statement
// or function that needs it then fails with SQLSTATE 0A000, and what nobody listens to is dropped.
type Front struct {
	// Warn sends the client a warning that fails nothing.
	Warn func(code, message string)
	// Ended is called when the open transaction has been committed or rolled back.
	Ended func()
	// Local runs a statement that the engine has no part in: Listen, Unlisten, Discard, Deallocate, and every type of
	// statement that package syntax does not have.
	Local func(syntax.Stmt) (*Result, error)
	// CopyIn supplies the rows of COPY FROM, each with a value for every one of the fields.
	CopyIn func(stmt *syntax.Copy, fields []Field) ([][]any, error)
	// Deliver hands on the notifications of a transaction that has been committed.
	Deliver func([]Notification)

	// Cancel ends the statement that another session is running, Terminate the session; false when there is none.
	Cancel, Terminate func(pid uint32) bool
	// Address is the server's end of the connection.
	Address func() (host string, port int)

	// State is the front's own, for the functions of its dialect to find it: see [Session.Front].
	State any
}

// Notification is a NOTIFY on its way.
type Notification struct {
	Channel, Payload string
	PID              uint32 // of the session that sent it
}

// maxPayload is the limit of the real server, in bytes.
const maxPayload = 7999

// notify queues a notification, to be delivered when the open transaction is committed.
func (s *Session) notify(channel, payload string) error {
	if !s.Host().Writable() {
		return Errorf("25006", "cannot execute NOTIFY during recovery")
	}
	if channel == "" {
		return Errorf("22023", "channel name cannot be empty")
	}
	if len(payload) > maxPayload {
		return Errorf("22023", "payload string too long")
	}
	n := Notification{Channel: channel, Payload: payload, PID: s.PID}
	for _, queued := range s.tx.notifications {
		if queued == n {
			return nil
		}
	}
	s.tx.notifications = append(s.tx.notifications, n)
	return nil
}

// warn sends a warning if there is somebody to send it.
func (s *Session) warn(code, message string) {
	if s.config.Front.Warn != nil {
		s.config.Front.Warn(code, message)
	}
}

// address is the server's end of the connection as SQL values, NULL when there is none.
func (s *Session) address() (host, port any) {
	if s.config.Front.Address == nil {
		return nil, nil
	}
	h, p := s.config.Front.Address()
	return h, int64(p)
}

// signal calls one of the front's functions about another session.
func signal(send func(pid uint32) bool, pid any) (any, error) {
	if send == nil {
		return nil, Errorf("0A000", "there are no other sessions here")
	}
	return send(uint32(pid.(int64))), nil
}
