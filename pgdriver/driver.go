package pgdriver

import (
	"database/sql"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
)

// Name is what the driver is registered as with database/sql.
const Name = "awspg"

func init() { sql.Register(Name, Driver{}) }

// Driver is the database/sql driver "awspg".
type Driver struct{}

var _ driver.DriverContext = Driver{}

// OpenConnector implements driver.DriverContext: the connection string is parsed
// once, and every mistake in it is reported in one error matching
// core.ErrConfig. Nothing is opened.
func (Driver) OpenConnector(dsn string) (driver.Connector, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	k, err := newConnector(cfg, options{})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// Open implements driver.Driver for code that does not know driver.Connector.
// Each connection then has a cluster of its own; database/sql never calls it.
func (d Driver) Open(dsn string) (driver.Conn, error) {
	k, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return k.(*core.Connector).OpenSole()
}

// Unwrap returns the pgx connection under driverConn, which is what the function
// given to sql.Conn.Raw receives, also when other wrappers with a method Unwrap
// or Raw lie between. ok is false when there is none.
func Unwrap(driverConn any) (conn *pgx.Conn, ok bool) {
	for driverConn != nil {
		switch c := driverConn.(type) {
		case interface{ Conn() *pgx.Conn }:
			return c.Conn(), true
		case interface{ Unwrap() driver.Conn }:
			driverConn = c.Unwrap()
		case interface{ Raw() driver.Conn }:
			driverConn = c.Raw()
		default:
			return nil, false
		}
	}
	return nil, false
}
