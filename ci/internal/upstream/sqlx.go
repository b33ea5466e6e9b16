package upstream

// sqlxSuite runs on both databases at once.
func sqlxSuite() Suite {
	return Suite{
		Name:     "sqlx",
		Module:   "github.com/jmoiron/sqlx",
		Package:  ".",
		Requires: []string{},
		Hooks:    folder("sqlx"),
		Edits: []Edit{
			{Old: `_ "github.com/lib/pq"`, New: ``},
			{Old: `_ "github.com/mattn/go-sqlite3"`, New: ``},
			{Old: `Connect("mysql", mydsn)`, New: `connectMySQL(mydsn)`},
		},
		Env: func(at place) []string {
			return []string{
				"SQLX_POSTGRES_DSN=" + at.postgresqlURL(nil),
				"SQLX_MYSQL_DSN=" + at.mysqlDSN(),
				"SQLX_SQLITE_DSN=skip",
			}
		},
	}
}
