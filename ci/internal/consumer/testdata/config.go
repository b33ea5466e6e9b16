package main

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
)

// checks are about the plugins that are linked in, or are not.
var checks []func(database) error

func run(d database) error {
	var failures error
	for _, check := range checks {
		failures = errors.Join(failures, check(d))
	}
	return errors.Join(failures, wantConfig(d, "failover_timeout_sek=3", "failover_timeout_sek"), connect(d.name, d.dsn+"&plugins=none"))
}

// wantConfig: the DSN with these parameters must be refused, and the error name
// part and keep the password to itself.
func wantConfig(d database, parameters, part string) error {
	_, err := sql.Open(d.name, d.dsn+"&"+parameters)
	switch {
	case err == nil:
		return fmt.Errorf("%s: %s was accepted", d.name, parameters)
	case !errors.Is(err, core.ErrConfig):
		return fmt.Errorf("%s: %s: not an ErrConfig: %w", d.name, parameters, err)
	case !strings.Contains(err.Error(), part):
		return fmt.Errorf("%s: %s: the error does not name %s: %w", d.name, parameters, part, err)
	case strings.Contains(err.Error(), password):
		return fmt.Errorf("%s: %s: the error has the password in it", d.name, parameters)
	}
	return nil
}

// wantOpen: the DSN with these parameters must be accepted.
func wantOpen(d database, parameters string) error {
	db, err := sql.Open(d.name, d.dsn+"&"+parameters)
	if err != nil {
		return err
	}
	return db.Close()
}
