package upstream

import (
	"context"
	"fmt"
	"path/filepath"
)

func postgresqlSuite() Suite {
	return Suite{
		Driver:  "awspg",
		Module:  "github.com/jackc/pgx/v5",
		Package: "stdlib",
		Hooks:   folder("pgx"),
		Edits: []Edit{
			{Old: "stdlib.OpenDB(", New: "openConfig(", Opens: true},
			{Old: "sql.Open(", New: "openName(", Opens: true},
			{Old: "driverConn.(*stdlib.Conn).Conn()", New: "native(driverConn)"},
		},
		Serve: servePostgreSQL,
		Explained: map[string]string{
			"TestOptionBeforeAfterConnect":           "awspg has WithOnConnect, and nothing before a connect: there it changes the configuration itself, from host to host",
			"TestOptionShouldPing_HookCalledOnReuse": "awspg looks at the socket instead of sending a ping",
			"TestRegisterConnConfig":                 "awspg takes a *pgx.ConnConfig by NewConnector; it registers nothing for the whole process",
			"TestResetSessionHookCalled":             "awspg has no option that runs code each time a connection is reused",
		},
	}
}

// servePostgreSQL starts a server with the lab. That is a module of the
// workspace, which ours does not depend on, so the server is a program of its own.
func servePostgreSQL(ctx context.Context, b *bench) (*server, error) {
	if err := copyTree(b.dir, folder("postgresql")); err != nil {
		return nil, err
	}
	program := filepath.Join(b.dir, "postgresql")
	build := b.command(ctx, b.moduleDir(), "go", "build", "-o", program, filepath.Join(b.dir, "main.go"))
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build a PostgreSQL server: %w\n%s", err, output)
	}
	return startProgram(b, program)
}
