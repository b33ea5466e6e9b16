package mysqlserver

import "fmt"

// Error is an error as the server reports it to its client.
type Error struct {
	Number  uint16 // 1213
	State   string // SQLSTATE, "40001"; empty: the one that goes with the number
	Message string
	// Fatal also ends the session.
	Fatal bool
}

// Error gives the number, the SQLSTATE and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("Error %d (%s): %s", e.Number, e.state(), e.Message)
}

// states are the SQLSTATEs of numbers other than HY000.
var states = map[uint16]string{
	1040: "08004", 1044: "42000", 1045: "28000", 1047: "08S01", 1048: "23000", 1049: "42000", 1050: "42S01", 1053: "08S01", 1054: "42S22", 1062: "23000",
	1064: "42000", 1146: "42S02", 1153: "08S01", 1156: "08S01", 1159: "08S01", 1161: "08S01", 1184: "08S01", 1203: "42000", 1213: "40001", 1227: "42000",
	1317: "70100", 1406: "22001", 1451: "23000", 1452: "23000", 1586: "23000", 1792: "25006", 1927: "70100",
}

func (e *Error) state() string {
	if len(e.State) == 5 {
		return e.State
	}
	if state := states[e.Number]; state != "" {
		return state
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
