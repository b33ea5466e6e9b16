package realpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// Limits of the control plane.
const (
	attachLimit = 8 * time.Second  // for a standby to stream from its primary
	startLimit  = 30 * time.Second // for a server to accept connections
)

// open connects to the node as superuser. Its statements stay out of the node's log.
func (c *Cluster) open(ctx context.Context, n *node, database string) (*pgx.Conn, error) {
	// Everything the environment could change is given here or overwritten below.
	config, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=postgres sslmode=disable connect_timeout=5", n.port, superuser))
	if err != nil {
		return nil, err
	}
	config.Database, config.Password, config.Fallbacks = database, c.password, nil
	config.RuntimeParams = map[string]string{"application_name": "awsdb control plane", "log_statement": "none"}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", n.name, err)
	}
	return connection, nil
}

// hangUp closes a connection of the control plane even when its context has ended.
func hangUp(connection *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = connection.Close(ctx)
}

// Connect opens a session on an instance as superuser, in Options.Database. It is for the test's own preparations: what
// is sent there is not among the node's Statements.
func (c *Cluster) Connect(ctx context.Context, name string) (*pgx.Conn, error) {
	n, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return c.open(ctx, n, c.options.Database)
}

// Exec runs a statement on an instance in a session of its own, as Connect opens it.
func (c *Cluster) Exec(ctx context.Context, name, sql string, arguments ...any) error {
	connection, err := c.Connect(ctx, name)
	if err != nil {
		return err
	}
	defer hangUp(connection)
	_, err = connection.Exec(ctx, sql, arguments...)
	return err
}

// Query runs a query on an instance in a session of its own, as Connect opens it, and returns all its rows.
func (c *Cluster) Query(ctx context.Context, name, sql string, arguments ...any) ([][]any, error) {
	connection, err := c.Connect(ctx, name)
	if err != nil {
		return nil, err
	}
	defer hangUp(connection)
	rows, err := connection.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
}

// scalar returns the one value a query gives.
func scalar[T any](ctx context.Context, connection *pgx.Conn, sql string, arguments ...any) (T, error) {
	var value T
	err := connection.QueryRow(ctx, sql, arguments...).Scan(&value)
	return value, err
}

// setSystem writes settings to the node's postgresql.auto.conf and makes its processes read them.
func setSystem(ctx context.Context, connection *pgx.Conn, settings map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if _, err := connection.Exec(ctx, "alter system set "+name+" = "+quoteLiteral(settings[name])); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	_, err := connection.Exec(ctx, "select pg_reload_conf()")
	return err
}

// quoteLiteral writes text as an SQL literal; the servers run with standard_conforming_strings.
func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// awaitReady waits until the node accepts a connection.
func (c *Cluster) awaitReady(ctx context.Context, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var last error
	err := realserver.Poll(ctx, func() (bool, error) {
		p := n.server.Running()
		if p == nil {
			return false, fmt.Errorf("the server ended while it started: %s", n.fatality())
		}
		connection, err := c.open(ctx, n, "postgres")
		if err != nil {
			last = err
			return false, nil
		}
		hangUp(connection)
		return true, nil
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("the server accepts no connection: %w", errors.Join(err, last))
	}
	return err
}

// awaitAttached waits until the named standbys stream from the node behind connection, and returns those that do. That some
// do not within attachLimit is no error.
func awaitAttached(ctx context.Context, connection *pgx.Conn, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	limited, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	var attached []string
	err := realserver.Poll(limited, func() (bool, error) {
		rows, err := connection.Query(ctx, "select application_name from pg_stat_replication where state = 'streaming'")
		if err != nil {
			return false, err
		}
		streaming, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return false, err
		}
		attached = attached[:0]
		for _, name := range names {
			if slices.Contains(streaming, name) {
				attached = append(attached, name)
			}
		}
		return len(attached) == len(names), nil
	})
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = nil
	}
	return attached, err
}
