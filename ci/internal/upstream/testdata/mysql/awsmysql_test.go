package mysql_test

import (
	"database/sql"
	"database/sql/driver"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/mysqldriver"
)

func init() {
	mysql.OpenName = func(dsn string) (*sql.DB, error) {
		return sql.Open(mysqldriver.Name, withoutPlugins(dsn))
	}
	mysql.OpenConfig = func(cfg *mysql.Config) (driver.Connector, error) {
		return mysqldriver.NewConnector(cfg, mysqldriver.WithParams(map[string]string{"plugins": "none"}))
	}
	mysql.OpenDirectly = func() driver.Driver { return directly{} }
	mysql.Unwrap = func(driverConn any) driver.Conn {
		conn, ok := mysqldriver.Unwrap(driverConn)
		if !ok {
			panic("there is no connection of go-sql-driver")
		}
		return conn
	}
}

// withoutPlugins extends a connection string of the tests, which all have parameters.
func withoutPlugins(dsn string) string { return dsn + "&plugins=none" }

// directly is our driver for a test that opens a connection without a pool.
type directly struct{}

// Open implements driver.Driver.
func (directly) Open(dsn string) (driver.Conn, error) {
	return mysqldriver.Driver{}.Open(withoutPlugins(dsn))
}
