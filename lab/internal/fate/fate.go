// Package fate says what becomes of the statements that the lab's servers receive.
package fate

import (
	"net"
	"time"
)

// Statement is one statement as an instance received it.
type Statement struct {
	Conn     uint64    // number of the connection, unique within the server, starting at 1
	User     string    // who sent it
	SQL      string    // its text, without the terminating semicolon
	Args     []any     // the bound parameters as bool, int64, float64, string, []byte, time.Time or nil
	InTx     bool      // inside a transaction block
	Writable bool      // the instance was the writer at that moment
	At       time.Time // when it was received
}

// Fate is what becomes of a statement. The zero value runs it.
type Fate struct {
	Action Action
	Rows   int           // for CutAfterRows
	Delay  time.Duration // wait this long first
	Err    error         // for Fail
}

// Action is what a server does with a statement.
type Action uint8

// The actions; the functions of the same names say what they mean.
const (
	ActionRun Action = iota
	ActionCutBefore
	ActionCutAfter
	ActionCutAfterRows
	ActionHangBefore
	ActionHangAfter
	ActionFail
)

// Run lets the statement run. It is the zero Fate.
func Run() Fate { return Fate{} }

// CutBefore drops the connection without running the statement.
func CutBefore() Fate { return Fate{Action: ActionCutBefore} }

// CutAfter runs the statement, commits it unless a transaction is open, and drops the connection before any
// answer.
func CutAfter() Fate { return Fate{Action: ActionCutAfter} }

// CutAfterRows is CutAfter with the first n rows of the answer sent.
func CutAfterRows(n int) Fate { return Fate{Action: ActionCutAfterRows, Rows: n} }

// HangBefore never runs the statement and never answers; the session stays until the connection goes.
func HangBefore() Fate { return Fate{Action: ActionHangBefore} }

// HangAfter runs the statement, commits it unless a transaction is open, and never answers; the session
// stays until the connection goes.
func HangAfter() Fate { return Fate{Action: ActionHangAfter} }

// Delay runs the statement after d. A cancel request ends the wait, the statement does not run then.
func Delay(d time.Duration) Fate { return Fate{Delay: d} }

// Fail answers with err, an *Error of the server's package, instead of running the statement.
func Fail(err error) Fate { return Fate{Action: ActionFail, Err: err} }

// Cut breaks a connection as a crash does: with a reset, if the connection has such a thing.
func Cut(conn net.Conn) {
	switch conn := conn.(type) {
	case interface{ Reset() }:
		conn.Reset()
	case *net.TCPConn:
		_ = conn.SetLinger(0) // Close sends RST
	}
	_ = conn.Close()
}
