package mysqlserver

import "fmt"

// Error is an error as the server reports it to its client.
type Error struct {
	Number  uint16 // 1213
	State   string // SQLSTATE, "40001"; empty: HY000
	Message string
	// Fatal also ends the session.
	Fatal bool
}

// Error gives the number, the SQLSTATE and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("Error %d (%s): %s", e.Number, e.state(), e.Message)
}

func (e *Error) state() string {
	if len(e.State) == 5 {
		return e.State
	}
	return "HY000"
}

func errorf(number uint16, state, format string, args ...any) *Error {
	return &Error{Number: number, State: state, Message: fmt.Sprintf(format, args...)}
}

// packet is the error as a packet; before the client's capabilities are known it has no SQLSTATE.
func (e *Error) packet(withState bool) []byte {
	b := []byte{0xff, byte(e.Number), byte(e.Number >> 8)}
	if withState {
		b = append(append(b, '#'), e.state()...)
	}
	return append(b, e.Message...)
}
