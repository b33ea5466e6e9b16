package upstream

// golang-migrate starts its servers in containers. The package dktesting of
// testdata is where ours are instead, a fresh database for each test.

func migratePostgreSQLSuite() Suite {
	return migrateSuite("migrate-postgresql", "database/pgx/v5", []Edit{
		{Old: `sql.Open(`, New: `dktesting.OpenPostgreSQL(`, Files: "module/database/pgx/v5/pgx.go"},
		{Old: `_ "github.com/jackc/pgx/v5/stdlib"`, New: `"github.com/golang-migrate/migrate/v4/dktesting"`, Files: "module/database/pgx/v5/pgx.go"},
		{Old: `sql.Open("pgx",`, New: `dktesting.OpenPostgreSQL("pgx",`},
		{Old: `	"database/sql"` + "\n", New: ""},
	})
}

func migrateMySQLSuite() Suite {
	return migrateSuite("migrate-mysql", "database/mysql", []Edit{
		{Old: `root:root@tcp(%v:%v)/public`, New: testUser + ":" + testPassword + `@tcp(%v:%v)/public`},
		{Old: `sql.Open(`, New: `dktesting.OpenMySQL(`, Files: "module/database/mysql/mysql.go"},
		{Old: `"github.com/golang-migrate/migrate/v4/database"`, New: `"github.com/golang-migrate/migrate/v4/database"; "github.com/golang-migrate/migrate/v4/dktesting"`, Files: "module/database/mysql/mysql.go"},
	})
}

func migrateSuite(name, folderName string, edits []Edit) Suite {
	return Suite{
		Name:     name,
		Module:   "github.com/golang-migrate/migrate/v4",
		Package:  folderName,
		Requires: []string{},
		Hooks:    folder("migrate"),
		Edits: append(edits,
			Edit{Old: `"github.com/dhui/dktest"`, New: `dktest "github.com/golang-migrate/migrate/v4/dktesting"`},
		),
		Env: func(at place) []string {
			at.plugins = "" // they come from pluginsVariable
			return []string{"POSTGRESQL=" + at.postgresqlURL(nil), "MARIADB=" + at.mysqlDSN()}
		},
	}
}
