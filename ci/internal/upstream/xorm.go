package upstream

func xormPostgreSQLSuite() Suite {
	return xormSuite("xorm-postgresql", func(at place) []string {
		return []string{"-db=postgres", "-conn_str=" + at.postgresqlURL(nil), "-show_sql=false"}
	})
}

func xormMySQLSuite() Suite {
	return xormSuite("xorm-mysql", func(at place) []string {
		return []string{"-db=mysql", "-conn_str=" + at.mysqlDSN(), "-show_sql=false"}
	})
}

func xormSuite(name string, arguments func(at place) []string) Suite {
	return Suite{
		Name:    name,
		Module:  "xorm.io/xorm",
		Package: "tests",
		Requires: []string{
			"github.com/goccy/go-json v0.8.1",
			"github.com/json-iterator/go v1.1.12",
			"github.com/shopspring/decimal v1.3.1",
			"github.com/stretchr/testify v1.8.4",
			"github.com/syndtr/goleveldb v1.0.0",
			"xorm.io/builder v0.3.11-0.20220531020008-1bd24a7dc978",
		},
		Edits: []Edit{
			{Old: `_ "gitee.com/travelliu/dm"`, New: ``},
			{Old: `_ "github.com/jackc/pgx/v4/stdlib"`, New: ``},
			{Old: `_ "github.com/lib/pq"`, New: `_ "awsdb.test/redirect"`},
			{Old: `_ "github.com/mattn/go-sqlite3"`, New: ``},
			{Old: `_ "github.com/microsoft/go-mssqldb"`, New: ``},
			{Old: `_ "github.com/ziutek/mymysql/godrv"`, New: ``},
			{Old: `_ "modernc.org/sqlite"`, New: ``},
			{Old: `sql.Open(dbType,`, New: `sql.Open(driverOf(dbType),`, Files: "module/tests/tests.go"},
			{Old: `testEngine, err = xorm.NewEngine(dbType, connStr)`, New: `testEngine, err = xorm.NewEngine(driverOf(dbType), connStr)`, Files: "module/tests/tests.go"},
		},
		Hooks:     folder("xorm"),
		Arguments: arguments,
	}
}
