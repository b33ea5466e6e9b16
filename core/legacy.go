package core

import "database/sql/driver"

// legacy is what a driver has beside the interfaces that take contexts:
// database/sql does not use it, but code that reaches for the driver's connection
// with sql.Conn.Raw does; go-sql-driver documents it as the way to its results.
type legacy interface {
	driver.Execer  //nolint:staticcheck // deprecated; see above
	driver.Queryer //nolint:staticcheck // deprecated; see above
}

// legacyConn is a Conn over a driver that has these interfaces.
type legacyConn struct {
	*Conn
	native legacy
}

// Exec implements driver.Execer.
func (c *legacyConn) Exec(query string, args []driver.Value) (driver.Result, error) {
	call := Call{OpExec, query}
	ctx, err := c.begin(c.connector.ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	result, err := c.native.Exec(query, args)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return result, nil
}

// Query implements driver.Queryer.
func (c *legacyConn) Query(query string, args []driver.Value) (driver.Rows, error) {
	call := Call{OpQuery, query}
	ctx, err := c.begin(c.connector.ctx, call)
	if err != nil {
		return nil, err
	}
	sent := c.link.Written()
	rows, err := c.native.Query(query, args)
	if err = c.end(ctx, call, sent, err); err != nil {
		return nil, err
	}
	return c.wrapRows(ctx, query, rows), nil
}

// handOut is the connection as database/sql gets it: it has the interfaces that
// the driver's has, and no others.
func (c *Conn) handOut() driver.Conn {
	if l, ok := c.Native.(legacy); ok {
		return &legacyConn{c, l}
	}
	return c
}

// FromRaw returns the connection behind driverConn, which is what the function given
// to sql.Conn.Raw receives, also when other wrappers with a method Unwrap or Raw lie
// between; nil if it is not one of awsdb's.
func FromRaw(driverConn any) *Conn {
	for driverConn != nil {
		switch c := driverConn.(type) {
		case interface{ self() *Conn }:
			return c.self()
		case interface{ Unwrap() driver.Conn }:
			driverConn = c.Unwrap()
		case interface{ Raw() driver.Conn }:
			driverConn = c.Raw()
		default:
			return nil
		}
	}
	return nil
}

func (c *Conn) self() *Conn { return c }
