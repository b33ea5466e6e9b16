package upstream

func pgxSuite() Suite {
	return Suite{
		Name:     "pgx",
		Module:   "github.com/jackc/pgx/v5",
		Package:  "stdlib",
		Separate: true,
		Hooks:    folder("pgx"),
		Edits: []Edit{
			{Old: "stdlib.OpenDB(", New: "openConfig(", Opens: true},
			{Old: "sql.Open(", New: "openName(", Opens: true},
			{Old: "driverConn.(*stdlib.Conn).Conn()", New: "native(driverConn)"},
		},
		Env: func(at place) []string {
			at.plugins = "" // they come from pluginsVariable: pgx's own functions parse this string, too
			return []string{"PGX_TEST_DATABASE=" + at.postgresqlURL(nil)}
		},
		Explained: map[string]string{
			"TestOptionBeforeAfterConnect":           "awspg has WithOnConnect, and nothing before a connect: there it changes the configuration itself, from host to host",
			"TestOptionShouldPing_HookCalledOnReuse": "awspg looks at the socket instead of sending a ping",
			"TestRegisterConnConfig":                 "awspg takes a *pgx.ConnConfig by NewConnector; it registers nothing for the whole process",
			"TestResetSessionHookCalled":             "awspg has no option that runs code each time a connection is reused",
		},
	}
}
