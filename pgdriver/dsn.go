package pgdriver

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
)

// pythonScheme is how SQLAlchemy names the Python wrapper's dialect in a URL.
const pythonScheme = "postgresql+aws_wrapper_psycopg://"

// parseDSN lets pgx parse the connection string and takes awsdb's keys out of
// what pgx would send to the server.
func parseDSN(dsn string) (*pgx.ConnConfig, core.Settings, error) {
	if len(dsn) > len(pythonScheme) && strings.EqualFold(dsn[:len(pythonScheme)], pythonScheme) {
		dsn = "postgresql://" + dsn[len(pythonScheme):]
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, core.Settings{}, fmt.Errorf("%w: %w", core.ErrConfig, err)
	}
	settings, err := core.TakeSettings(cfg.RuntimeParams)
	return cfg, settings, err
}
