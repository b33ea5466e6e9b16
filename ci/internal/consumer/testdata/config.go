package main

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
)

func wrongParameter(d database) error {
	return wantConfig(d.name, d.dsn+"&failover_timeout_sek=3", "failover_timeout_sek")
}

// wantConfig: the DSN must be refused, and the error name part and keep the
// password to itself.
func wantConfig(driver, dsn, part string) error {
	_, err := sql.Open(driver, dsn)
	switch {
	case err == nil:
		return fmt.Errorf("%s: a DSN that is wrong about %s was accepted", driver, part)
	case !errors.Is(err, core.ErrConfig):
		return fmt.Errorf("%s: not an ErrConfig: %w", driver, err)
	case !strings.Contains(err.Error(), part):
		return fmt.Errorf("%s: does not name %s: %w", driver, part, err)
	case strings.Contains(err.Error(), password):
		return fmt.Errorf("%s: the error has the password in it", driver)
	}
	return nil
}
