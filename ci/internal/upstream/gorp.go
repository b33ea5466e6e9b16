package upstream

func gorpPostgreSQLSuite() Suite {
	return gorpSuite("gorp-postgresql", func(at place) []string {
		return []string{"GORP_TEST_DIALECT=postgres", "GORP_TEST_DSN=" + at.postgresqlURL(nil)}
	})
}

func gorpMySQLSuite() Suite {
	return gorpSuite("gorp-mysql", func(at place) []string {
		return []string{"GORP_TEST_DIALECT=mysql", "GORP_TEST_DSN=" + at.mysqlDSN()}
	})
}

func gorpSuite(name string, env func(at place) []string) Suite {
	return Suite{
		Name:    name,
		Module:  "github.com/go-gorp/gorp/v3",
		Package: ".",
		Tags:    "integration",
		Edits: []Edit{
			{Old: `_ "github.com/lib/pq"`, New: ``},
			{Old: `_ "github.com/mattn/go-sqlite3"`, New: ``},
			{Old: `sql.Open(driver, dsn)`, New: `openDriver(driver, dsn)`},
			{Old: `err.Error() != "pq: canceling statement due to user request"`, New: `isNot(err, context.DeadlineExceeded)`},
			{Old: `err != context.DeadlineExceeded`, New: `isNot(err, context.DeadlineExceeded)`},
		},
		Hooks: folder("gorp"),
		Env:   env,
	}
}
