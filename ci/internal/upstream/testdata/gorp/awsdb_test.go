package gorp_test

import (
	"database/sql"
	"errors"

	"awsdb.test/redirect"
)

// openDriver stands in for sql.Open. The tests choose by the driver's name what
// they do; they shall not do anything else with ours.
func openDriver(name, dsn string) (*sql.DB, error) {
	if name == "mysql" {
		name = redirect.MySQL()
	}
	return sql.Open(name, dsn)
}

// isNot stands in for comparisons of what the bare driver returns unwrapped.
func isNot(err, target error) bool { return !errors.Is(err, target) }
