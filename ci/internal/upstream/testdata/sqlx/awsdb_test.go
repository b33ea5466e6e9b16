package sqlx

import (
	"database/sql"

	"awsdb.test/redirect"
)

// connectMySQL stands in for Connect. The tests, like sqlx itself, know a driver
// by its name.
func connectMySQL(dsn string) (*DB, error) {
	db, err := sql.Open(redirect.MySQL(), dsn)
	if err != nil {
		return nil, err
	}
	named := NewDb(db, "mysql")
	return named, named.Ping()
}
