package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
)

// Our driver builds on this package, so only external tests can import it: they
// set what follows.
var (
	// OpenName stands in for sql.Open, whatever the driver's name is.
	OpenName func(dsn string) (*sql.DB, error)
	// OpenConfig stands in for NewConnector.
	OpenConfig func(cfg *Config) (driver.Connector, error)
	// OpenDirectly stands in for &MySQLDriver{}.
	OpenDirectly func() driver.Driver
	// Unwrap stands in for what reaches into this package's connection.
	Unwrap func(driverConn any) driver.Conn
)

func openName(_, dsn string) (*sql.DB, error) {
	cfg, err := ParseDSN(dsn)
	if err != nil || ourDialers[cfg.Net] == nil {
		return OpenName(dsn)
	}
	connector, err := newOurConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func newOurConnector(cfg *Config) (driver.Connector, error) {
	if dial := ourDialers[cfg.Net]; dial != nil {
		cfg.Net = "tcp"
		cfg.DialFunc = func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr) }
	}
	return OpenConfig(cfg)
}

// ourDialers has what the tests register for the whole process. Our driver does
// not look there: it is given a dialer with the configuration.
var ourDialers = map[string]DialContextFunc{}

func registerOurDialer(network string, dial DialContextFunc) { ourDialers[network] = dial }

// isNot stands in for comparisons of what the bare driver returns unwrapped.
func isNot(err, target error) bool { return !errors.Is(err, target) }

// bare is target if err wraps it, and else err, for a comparison in a switch.
func bare(err, target error) error {
	if errors.Is(err, target) {
		return target
	}
	return err
}
