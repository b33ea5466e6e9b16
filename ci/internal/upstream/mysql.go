package upstream

func mysqlSuite() Suite {
	return Suite{
		Driver:  "awsmysql",
		Module:  "github.com/go-sql-driver/mysql",
		Package: ".",
		Hooks:   folder("mysql"),
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
			{Old: "err != expectErr", New: "isNot(err, expectErr)"},
			{Old: `strings.HasPrefix(err.Error(), "Error 1045")`, New: `strings.Contains(err.Error(), "Error 1045")`},
			{Old: "conn.(*mysqlConn)", New: "Unwrap(conn).(*mysqlConn)"},
			{Old: "conn.(driver.Execer)", New: "Unwrap(conn).(driver.Execer)"},
			{Old: "conn.(driver.Queryer)", New: "Unwrap(conn).(driver.Queryer)"},
		},
		Serve: serveMariaDB,
	}
}
