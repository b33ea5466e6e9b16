package sqlengine

import "fmt"

// Error is an error as a server reports it to its client.
type Error struct {
	Severity   string // ERROR, or FATAL, which ends the session; default ERROR
	Code       string // SQLSTATE, "57P01"
	Message    string
	Detail     string
	Constraint string // name of the violated constraint
	Table      string
	Column     string
	Subject    string // what it is about otherwise: a function, a savepoint, the values of a key
	Position   int    // of a syntax error: character in the statement, from 1; 0: none
}

// Error gives the message and the SQLSTATE.
func (e *Error) Error() string { return fmt.Sprintf("%s (SQLSTATE %s)", e.Message, e.Code) }

// Errorf makes an Error of a SQLSTATE and a message.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
