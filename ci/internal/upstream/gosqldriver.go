package upstream

func goSQLDriverSuite() Suite {
	return Suite{
		Name:     "go-sql-driver",
		Module:   "github.com/go-sql-driver/mysql",
		Package:  ".",
		Separate: true,
		Hooks:    folder("gosqldriver"),
		Edits: []Edit{
			{Old: "sql.Open(", New: "openName(", Opens: true},
			{Old: "= NewConnector(", New: "= newOurConnector(", Opens: true},
			{Old: "md := &MySQLDriver{}", New: "md := OpenDirectly()", Opens: true},
			{Old: "RegisterDialContext(", New: "registerOurDialer("},
			// What our errors wrap is found by errors.Is and in their text.
			{Old: "err != context.Canceled", New: "isNot(err, context.Canceled)"},
			{Old: "err != context.DeadlineExceeded", New: "isNot(err, context.DeadlineExceeded)"},
			{Old: "hijack.connErr != context.DeadlineExceeded", New: "isNot(hijack.connErr, context.DeadlineExceeded)"},
			{Old: "err != driver.ErrBadConn", New: "isNot(err, driver.ErrBadConn)"},
			{Old: "switch err := tx.Commit(); err {", New: "switch err := bare(tx.Commit(), context.Canceled); err {"},
			{Old: "err != expectErr", New: "isNot(err, expectErr)"},
			{Old: `strings.HasPrefix(err.Error(), "Error 1045")`, New: `strings.Contains(err.Error(), "Error 1045")`},
			{Old: "conn.(*mysqlConn)", New: "Unwrap(conn).(*mysqlConn)"},
			{Old: "conn.(driver.Execer)", New: "Unwrap(conn).(driver.Execer)"},
			{Old: "conn.(driver.Queryer)", New: "Unwrap(conn).(driver.Queryer)"},
		},
		Env: func(at place) []string {
			return []string{
				"MYSQL_TEST_USER=" + testUser,
				"MYSQL_TEST_PASS=" + testPassword,
				"MYSQL_TEST_ADDR=" + at.mariadb,
				"MYSQL_TEST_DBNAME=" + at.database,
				"MYSQL_TEST_CONCURRENT=1",
			}
		},
		Explained: map[string]string{
			"TestConnectorObeysDialTimeouts":   "the dialer of the test panics without the caller's context; with plugins, the topology monitor dials too, in a context of its own",
			"TestConnectorTimeoutsWatchCancel": "the dialer of the test writes a variable without a lock; with plugins, the monitors dial too, at the same time",
		},
	}
}
