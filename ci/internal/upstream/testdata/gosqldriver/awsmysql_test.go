package mysql_test

import (
	"database/sql"
	"database/sql/driver"
	"os"

	"github.com/go-sql-driver/mysql"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/mysqldriver"
)

func init() {
	mysql.OpenName = func(dsn string) (*sql.DB, error) {
		return sql.Open(mysqldriver.Name, withPlugins(dsn))
	}
	mysql.OpenConfig = func(cfg *mysql.Config) (driver.Connector, error) {
		return mysqldriver.NewConnector(cfg, mysqldriver.WithParams(map[string]string{"plugins": plugins}))
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

// withPlugins extends a connection string of the tests, which all have parameters.
func withPlugins(dsn string) string { return dsn + "&plugins=" + plugins }

var plugins = os.Getenv("AWSDB_PLUGINS")

// directly is our driver for a test that opens a connection without a pool.
type directly struct{}

// Open implements driver.Driver.
func (directly) Open(dsn string) (driver.Conn, error) {
	return mysqldriver.Driver{}.Open(withPlugins(dsn))
}
