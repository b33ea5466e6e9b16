package pgdriver

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
)

// pythonScheme is how SQLAlchemy names the Python wrapper's dialect in a URL.
const pythonScheme = "postgresql+aws_wrapper_psycopg://"

// ParseDSN makes a configuration for NewConnector of everything that sql.Open takes
// with "awspg". pgx's own parser reads it; what pgx does not know is left in
// RuntimeParams, awsdb's keys among it. The error matches core.ErrConfig.
func ParseDSN(dsn string) (*pgx.ConnConfig, error) {
	if len(dsn) > len(pythonScheme) && strings.EqualFold(dsn[:len(pythonScheme)], pythonScheme) {
		dsn = "postgresql://" + dsn[len(pythonScheme):]
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", core.ErrConfig, err)
	}
	return cfg, nil
}
