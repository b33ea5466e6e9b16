package mysqldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// Error numbers that mean something for hosts and connections; MySQL's Server
// Error Message Reference, and MariaDB's for 1927.
const (
	errTooManyConnections     = 1040
	errAccessDenied           = 1045
	errServerShutdown         = 1053
	errAbortingConnection     = 1152
	errNetReadError           = 1158
	errNetReadInterrupted     = 1159
	errNetErrorOnWrite        = 1160
	errNetWriteInterrupted    = 1161
	errNewAbortingConnection  = 1184
	errTooManyUserConnections = 1203
	errUserLimitReached       = 1226
	errOptionPrevents         = 1290
	errAccessDeniedNoPassword = 1698
	errReadOnlyTransaction    = 1792
	errReadOnlyMode           = 1836
	errConnectionKilled       = 1927
	errServerOffline          = 3032
	errClientTimeout          = 4031
)

// Classify implements core.Engine. It looks at types and numbers. The driver
// makes ErrInvalidConn of every fault of its socket, so that there the Link is
// asked for the cause: by core, which sees Link.Lost.
func (e *engine) Classify(err error, _ core.Dialect) core.Fault { return classify(err) }

func classify(err error) core.Fault {
	if err == nil {
		return core.FaultNone
	}
	if server := (*mysql.MySQLError)(nil); errors.As(err, &server) {
		return classifyServer(server)
	}
	switch {
	case errors.As(err, new(*core.LostError)):
		return core.FaultLink
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.FaultCanceled
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, mysql.ErrPktSync), errors.Is(err, mysql.ErrPktSyncMul):
		return core.FaultClosed // the driver has closed the socket
	case core.IsNetworkError(err):
		return core.FaultLink
	}
	return core.FaultNone
}

func classifyServer(e *mysql.MySQLError) core.Fault {
	switch e.Number {
	case errReadOnlyMode, errReadOnlyTransaction:
		return core.FaultReadOnly
	case errOptionPrevents:
		if preventedByReadOnly(e.Message) {
			return core.FaultReadOnly
		}
		return core.FaultNone
	case errAccessDenied, errAccessDeniedNoPassword:
		return core.FaultLogin
	case errTooManyConnections, errTooManyUserConnections, errUserLimitReached:
		return core.FaultBusy
	case errServerShutdown, errAbortingConnection, errNewAbortingConnection, errServerOffline,
		errNetReadError, errNetReadInterrupted, errNetErrorOnWrite, errNetWriteInterrupted,
		errConnectionKilled, errClientTimeout:
		return core.FaultShutdown
	}
	if string(e.SQLState[:]) == "28000" {
		return core.FaultLogin
	}
	return core.FaultNone
}

// preventedByReadOnly tells which option error 1290 is about. The option is the
// message's only argument, and stays as it is in every language of the server's
// messages; no other field of the error has it. --secure-file-priv,
// --skip-grant-tables and others are reported by the same number.
func preventedByReadOnly(message string) bool {
	outside := func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz-_", r) }
	for word := range strings.FieldsFuncSeq(message, outside) { // Chinese has no spaces around it
		switch strings.ReplaceAll(word, "_", "-") {
		case "--read-only", "--super-read-only", "--innodb-read-only":
			return true
		}
	}
	return false
}
