package lab

import (
	"time"

	"github.com/awsdb/awsdb/lab/internal/fate"
)

// Statement is one statement as an instance received it. What is special about those of real servers is in
// parentheses. Args of MySQL have the types the driver sends: go-sql-driver makes a bool a number, and strings of []byte
// and time.Time.
type Statement struct {
	Conn   uint64    // number of the connection, counting those of one process from 1 (the server's own number for it)
	User   string    // who sent it
	SQL    string    // the text, without the terminating semicolon (as it was sent; with MariaDB as the proxy has rewritten it)
	Args   []any     // the bound parameters as bool, int64, float64, string, []byte, time.Time or nil (string or nil)
	InTx   bool      // inside a transaction block (not known: false)
	Writer bool      // the instance was the writer at that moment (a reader may seem so some 10 ms too early)
	Ran    bool      // it was given to the server to execute, not kept from it by a Fate or a crash (true)
	At     time.Time // when it was received (to the millisecond)
}

// Fate is what becomes of a statement, decided by the function given to [Instance.OnStatement]. The zero value
// runs it.
type Fate struct {
	fate    fate.Fate
	failure failure // for Fail and FailFatal
}

// failure is an error that a server is made to answer with.
type failure struct {
	code, message string
	fatal         bool
}

// Run lets the statement run. It is the zero Fate.
func Run() Fate { return Fate{} }

// CutBefore resets the connection without running the statement.
func CutBefore() Fate { return Fate{fate: fate.CutBefore()} }

// CutAfter runs the statement, commits it unless a transaction block is open, and resets the connection before
// any answer.
func CutAfter() Fate { return Fate{fate: fate.CutAfter()} }

// CutAfterRows is CutAfter with the first n rows of the answer sent.
func CutAfterRows(n int) Fate { return Fate{fate: fate.CutAfterRows(n)} }

// HangBefore never runs the statement and never answers.
func HangBefore() Fate { return Fate{fate: fate.HangBefore()} }

// HangAfter runs the statement, commits it unless a transaction block is open, and never answers.
func HangAfter() Fate { return Fate{fate: fate.HangAfter()} }

// Delay runs the statement after d. A cancel request or KILL QUERY ends the wait; the statement does not run then.
func Delay(d time.Duration) Fate { return Fate{fate: fate.Delay(d)} }

// Fail answers with an error instead of running the statement. code is a SQLSTATE, "40001"; with MySQL it is the
// number of the error, "1213", which is sent with the SQLSTATE that belongs to it.
func Fail(code, message string) Fate {
	return Fate{fate: fate.Fail(nil), failure: failure{code, message, false}}
}

// FailFatal is Fail with an error that also ends the session.
func FailFatal(code, message string) Fate {
	return Fate{fate: fate.Fail(nil), failure: failure{code, message, true}}
}

// runs reports whether the statement is executed.
func (f Fate) runs() bool {
	switch f.fate.Action {
	case fate.ActionCutBefore, fate.ActionHangBefore, fate.ActionFail:
		return false
	}
	return true
}

// LoginError refuses a login, returned by a function given to [Instance.OnLogin].
type LoginError struct {
	Code    string // SQLSTATE, "53300" for too many connections; with MySQL the number of the error, "1040"
	Message string
}

// Error gives the message and the code.
func (e *LoginError) Error() string { return e.Message + " (" + e.Code + ")" }

// OnStatement has f decide what becomes of each statement the instance receives from now on, before it runs;
// nil ends that. f may be called from several goroutines at once. It may cause faults: after a Crash the
// statement does not run, after a Freeze it runs when the instance is healed.
//
// It panics in a cluster of real servers: they cannot be interrupted at a statement.
func (i *Instance) OnStatement(f func(Statement) Fate) {
	i.cluster.mustSimulate("OnStatement")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.onStatement = f
}

// OnLogin has f see the user of each login whose password was right, and refuse it by an error, best a
// *LoginError; nil ends that. It panics in a cluster of real servers.
func (i *Instance) OnLogin(f func(user string) error) {
	i.cluster.mustSimulate("OnLogin")
	i.mu.Lock()
	defer i.mu.Unlock()
	i.onLogin = f
}

// Statements are all statements the instance has received since Start or ResetStatements, in order: each
// execution is one, what never arrived is none. Those of a real server are read from its log.
func (i *Instance) Statements() []Statement { return i.backend().statements() }

// ResetStatements forgets the statements received so far. Long-running programs call it now and then: they are
// all kept.
func (i *Instance) ResetStatements() {
	received := len(i.backend().statements())
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cluster.real != nil {
		i.forgotten += received
		return
	}
	i.statements = nil
}
