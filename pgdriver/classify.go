package pgdriver

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

// SQLSTATEs that mean something for hosts and connections; PostgreSQL's manual,
// appendix A.
const (
	stateInvalidPassword      = "28P01"
	stateInvalidAuthorization = "28000"
	stateReadOnly             = "25006"
	stateTooManyConnections   = "53300"
	stateAdminShutdown        = "57P01"
	stateCrashShutdown        = "57P02"
	stateCannotConnectNow     = "57P03"
)

// Classify implements core.Engine. It looks at types and codes only, never at
// texts.
func (e *engine) Classify(err error, d core.Dialect) core.Fault { return classify(err, d) }

func classify(err error, d core.Dialect) core.Fault {
	if err == nil {
		return core.FaultNone
	}
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) {
		return classifyServer(err, pgErr, d)
	}
	switch {
	case errors.As(err, new(*core.LostError)):
		return core.FaultLink
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.FaultCanceled
	case errors.Is(err, pgconn.ErrConnClosed):
		return core.FaultClosed
	case core.IsNetworkError(err):
		return core.FaultLink
	}
	return core.FaultNone
}

// classifyServer judges what the server said. Only FATAL and PANIC end a
// connection: an ERROR of class 08 or 58 comes from a foreign server or a
// missing file, and says nothing about this host.
func classifyServer(err error, e *pgconn.PgError, d core.Dialect) core.Fault {
	switch e.Code {
	case stateReadOnly:
		return core.FaultReadOnly
	case stateInvalidPassword:
		return core.FaultLogin
	case stateInvalidAuthorization:
		if d != nil && d.Code() == multiAZ.Code() {
			return core.FaultShutdown // a rebooting Multi-AZ instance refuses logins for a moment
		}
		return core.FaultLogin
	case stateTooManyConnections:
		return core.FaultBusy
	case stateAdminShutdown, stateCrashShutdown, stateCannotConnectNow:
		return core.FaultShutdown
	}
	severity := e.SeverityUnlocalized
	if severity == "" {
		severity = e.Severity
	}
	if severity != "FATAL" && severity != "PANIC" {
		return core.FaultNone
	}
	if errors.As(err, new(*pgconn.ConnectError)) {
		switch e.Code[:min(2, len(e.Code))] {
		case "08", "58", "99", "F0":
			return core.FaultShutdown
		}
		return core.FaultNone // a login the server has reasons to refuse: no such database, no right to connect
	}
	return core.FaultShutdown
}
