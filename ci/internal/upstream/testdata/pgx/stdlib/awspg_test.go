package stdlib_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/pgdriver"
)

var plugins = os.Getenv("AWSDB_PLUGINS")

// openName stands in for sql.Open. The tests' connection string is a URL with parameters.
func openName(_, dsn string) (*sql.DB, error) {
	return sql.Open(pgdriver.Name, dsn+"&plugins="+plugins)
}

// openConfig stands in for stdlib.OpenDB.
func openConfig(config pgx.ConnConfig, options ...stdlib.OptionOpenDB) *sql.DB {
	if len(options) > 0 {
		return sql.OpenDB(refusing{errors.New("awspg takes no option of stdlib")})
	}
	connector, err := pgdriver.NewConnector(&config, pgdriver.WithParams(map[string]string{"plugins": plugins}))
	if err != nil {
		return sql.OpenDB(refusing{err})
	}
	return sql.OpenDB(connector)
}

// native stands in for what reaches into stdlib's connection.
func native(driverConn any) *pgx.Conn {
	conn, ok := pgdriver.Unwrap(driverConn)
	if !ok {
		panic("there is no pgx connection")
	}
	return conn
}

// refusing is a connector that fails.
type refusing struct{ err error }

func (r refusing) Connect(context.Context) (driver.Conn, error) { return nil, r.err }
func (r refusing) Driver() driver.Driver                        { return pgdriver.Driver{} }
