package pgserver

import (
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Fate is what becomes of a statement. The zero value runs it.
type Fate struct {
	action action
	rows   int              // for cutAfterRows
	delay  time.Duration    // wait this long first
	err    *sqlengine.Error // for fail
}

type action uint8

const (
	run action = iota
	cutBefore
	cutAfter
	cutAfterRows
	hangBefore
	hangAfter
	fail
)

// Run lets the statement run. It is the zero Fate.
func Run() Fate { return Fate{} }

// CutBefore drops the connection without running the statement.
func CutBefore() Fate { return Fate{action: cutBefore} }

// CutAfter runs the statement, commits it unless a transaction block is open, and drops the connection
// before any answer.
func CutAfter() Fate { return Fate{action: cutAfter} }

// CutAfterRows is CutAfter with the first n rows of the answer sent.
func CutAfterRows(n int) Fate { return Fate{action: cutAfterRows, rows: n} }

// HangBefore never runs the statement and never answers; the session stays until the connection goes.
func HangBefore() Fate { return Fate{action: hangBefore} }

// HangAfter runs the statement, commits it unless a transaction block is open, and never answers; the
// session stays until the connection goes.
func HangAfter() Fate { return Fate{action: hangAfter} }

// Delay runs the statement after d. A cancel request ends the wait, the statement does not run then.
func Delay(d time.Duration) Fate { return Fate{delay: d} }

// Fail answers with err instead of running the statement. Severity FATAL also ends the session.
func Fail(err *sqlengine.Error) Fate { return Fate{action: fail, err: err} }
