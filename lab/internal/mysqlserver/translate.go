package mysqlserver

import (
	"errors"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// asError makes any error one for the client.
func (s *session) asError(err error) *Error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure
	}
	var bad *syntax.Error
	if errors.As(err, &bad) {
		return &Error{Number: bad.Number, State: bad.State, Message: bad.Message}
	}
	if errors.Is(err, sqlengine.ErrLockTimeout) {
		return errorf(1205, "HY000", "Lock wait timeout exceeded; try restarting transaction")
	}
	var cause *sqlengine.Error
	if errors.As(err, &cause) {
		return s.translate(cause)
	}
	return errorf(1105, "HY000", "%v", err)
}

// translate says in MySQL's words what the engine says in PostgreSQL's.
func (s *session) translate(e *sqlengine.Error) *Error {
	if translated := s.translateName(e); translated != nil {
		return translated
	}
	switch e.Code {
	case "23505":
		return errorf(1062, "23000", "Duplicate entry '%s' for key '%s'", e.Subject, keyName(e.Table, e.Constraint))
	case "23502":
		return errorf(1048, "23000", "Column '%s' cannot be null", e.Column)
	case "23514":
		return errorf(3819, "HY000", "Check constraint '%s' is violated.", e.Constraint)
	case "22003":
		return errorf(1264, "22003", "Out of range value for column '%s' at row 1", e.Column)
	case "22001":
		return errorf(1406, "22001", "Data too long for column '%s' at row 1", e.Column)
	case "22P02":
		return errorf(1366, "HY000", "Incorrect value: %s", e.Message)
	case "22007", "22008":
		return errorf(1292, "22007", "Incorrect datetime value: %s", e.Message)
	case "21000":
		return errorf(1242, "21000", "Subquery returns more than 1 row")
	case "21S01":
		return errorf(1136, "21S01", "Column count doesn't match value count at row 1")
	case "25006":
		return s.readOnlyError(false)
	case "40P01", "40001":
		return errorf(1213, "40001", "Deadlock found when trying to get lock; try restarting transaction")
	case "55P03":
		return errorf(3572, "HY000", "Statement aborted because lock(s) could not be acquired immediately and NOWAIT is set.")
	case "57014":
		return interrupted()
	case "42601":
		return errorf(1064, "42000", "You have an error in your SQL syntax: %s", e.Message)
	case "42803":
		return errorf(1055, "42000", "Expression is not in GROUP BY clause and contains nonaggregated column, which is incompatible with sql_mode=only_full_group_by: %s", e.Message)
	case "42501":
		return errorf(1142, "42000", "command denied to user '%s'@'%s': %s", s.user, s.clientHost(), e.Message)
	case "0A000":
		return errorf(1235, "42000", "This version of MySQL doesn't yet support this: %s", e.Message)
	}
	return errorf(1105, "HY000", "%s", e.Message)
}

// translateName is translate for errors about something by its name.
func (s *session) translateName(e *sqlengine.Error) *Error {
	switch e.Code {
	case "42P01":
		if e.Column != "" { // an unknown table before a column
			return errorf(1054, "42S22", "Unknown column '%s' in 'field list'", e.Column)
		}
		if name, ok := strings.CutPrefix(e.Table, "information_schema."); ok {
			return errorf(1109, "42S02", "Unknown table '%s' in information_schema", strings.ToUpper(name))
		}
		return errorf(1146, "42S02", "Table '%s' doesn't exist", s.qualified(e.Table))
	case "42P07":
		return errorf(1050, "42S01", "Table already exists: %s", e.Message)
	case "42703":
		return errorf(1054, "42S22", "Unknown column '%s' in 'field list'", e.Column)
	case "42702":
		return errorf(1052, "23000", "Column '%s' in field list is ambiguous", e.Column)
	case "42701":
		return errorf(1110, "42000", "Column '%s' specified twice", e.Column)
	case "42P16":
		return errorf(1068, "42000", "Multiple primary key defined")
	case "42P10":
		return errorf(1054, "42S22", "Unknown column in 'order clause': %s", e.Message)
	case "42883":
		if e.Subject == "" {
			return errorf(1210, "HY000", "Incorrect arguments: %s", e.Message)
		}
		if e.Detail != "" {
			return errorf(1582, "42000", "Incorrect parameter count in the call to native function '%s'", e.Subject)
		}
		return errorf(1305, "42000", "FUNCTION %s does not exist", s.qualified(e.Subject))
	case "3B001":
		return errorf(1305, "42000", "SAVEPOINT %s does not exist", e.Subject)
	}
	return nil
}

// qualified is a name with its database.
func (s *session) qualified(name string) string {
	if strings.Contains(name, ".") {
		return name
	}
	return s.database + "." + name
}

func keyName(table, key string) string { return table + "." + key }

// readOnlyError is why nothing can be written now.
func (s *session) readOnlyError(definition bool) *Error {
	switch {
	case s.host().Writable():
		return errorf(1792, "25006", "Cannot execute statement in a READ ONLY transaction.")
	case s.server.aurora() && definition:
		return errorf(1836, "HY000", "Running in read-only mode")
	case s.server.mariadb():
		return errorf(1290, "HY000", "The MariaDB server is running with the --read-only option so it cannot execute this statement")
	case s.server.aurora():
		return errorf(1290, "HY000", "The MySQL server is running with the --read-only option so it cannot execute this statement")
	}
	return errorf(1290, "HY000", "The MySQL server is running with the --super-read-only option so it cannot execute this statement")
}
