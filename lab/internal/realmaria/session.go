package realmaria

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// Limits of the control plane.
const (
	attachLimit = 8 * time.Second  // for a reader to follow its primary
	startLimit  = 30 * time.Second // for a server to accept connections
)

// A session is a connection of the control plane.
type session struct {
	*sql.Conn
	pool *sql.DB
}

// hangUp closes the connection.
func (s *session) hangUp() {
	_ = s.Close() // it was used, and its fate changes nothing
	_ = s.pool.Close()
}

// open connects to the node as superuser. What is written there stays on the node. Statements are not logged.
func (c *Cluster) open(ctx context.Context, n *node) (*session, error) {
	return c.dial(ctx, n, n.port, "", map[string]string{"sql_log_off": "1", "sql_log_bin": "0"})
}

func (c *Cluster) dial(ctx context.Context, n *node, port int, database string, variables map[string]string) (*session, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd = superuser, c.template.Password
	config.Net, config.Addr, config.DBName = "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), database
	config.Timeout, config.Params = 5*time.Second, variables
	config.ParseTime, config.InterpolateParams, config.Logger = true, true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	connection, err := pool.Conn(ctx)
	if err != nil {
		_ = pool.Close() // it has no connection
		return nil, fmt.Errorf("connecting to %s: %w", n.name, err)
	}
	return &session{connection, pool}, nil
}

// run executes statements one after the other.
func (s *session) run(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := s.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", firstWords(statement), err)
		}
	}
	return nil
}

// firstWords says which statement it was, without what may be secret in it.
func firstWords(statement string) string {
	words := strings.Fields(statement)
	return strings.Join(words[:min(3, len(words))], " ")
}

// sequence returns the number of the last transaction of a GTID position, 0 for none: all transactions of a cluster are in
// one replication domain, where numbers only grow.
func sequence(position string) (uint64, error) {
	if position == "" {
		return 0, nil
	}
	parts := strings.Split(position, "-")
	if len(parts) != 3 || parts[0] != "0" {
		return 0, fmt.Errorf("GTID position %q is not of one domain", position)
	}
	return strconv.ParseUint(parts[2], 10, 64)
}

// written returns the number of the last transaction a server has, its own or another's.
func (s *session) written(ctx context.Context) (uint64, error) {
	return s.position(ctx, "@@global.gtid_binlog_pos")
}

// applied returns the number of the last transaction that a reader has taken over.
func (s *session) applied(ctx context.Context) (uint64, error) {
	return s.position(ctx, "@@global.gtid_slave_pos")
}

func (s *session) position(ctx context.Context, variable string) (uint64, error) {
	var position string
	if err := s.QueryRowContext(ctx, "select "+variable).Scan(&position); err != nil {
		return 0, err
	}
	return sequence(position)
}

// following is how a server replicates.
type following struct {
	receiver string // what becomes of receiving: Yes, No, or Connecting
	port     int    // of the source
	received uint64 // number of the last transaction it has got; it confirms no other
	confirms bool   // it is one that commits wait for
}

// following returns how the server replicates; all zero if it does not.
func (s *session) following(ctx context.Context) (following, error) {
	columns, err := s.row(ctx, "show slave status")
	if err != nil || columns == nil {
		return following{}, err
	}
	f := following{receiver: columns["Slave_IO_Running"]}
	if f.port, err = strconv.Atoi(columns["Master_Port"]); err != nil {
		return following{}, err
	}
	if f.received, err = sequence(columns["Gtid_IO_Pos"]); err != nil {
		return following{}, err
	}
	status, err := s.row(ctx, "show global status like 'Rpl_semi_sync_slave_status'")
	f.confirms = status["Value"] == "ON"
	return f, err
}

// row returns the only row of a result by column, or nil if there is none. NULL is "".
func (s *session) row(ctx context.Context, query string) (map[string]string, error) {
	rows, err := s.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, errors.Join(err, rows.Err())
	}
	values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return nil, err
	}
	result := make(map[string]string, len(names))
	for i, name := range names {
		result[name] = values[i].String
	}
	return result, rows.Err()
}

// quoteLiteral writes text as an SQL literal; the control plane's sessions have the default sql_mode.
func quoteLiteral(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(text) + "'"
}

// quoteName writes text as an SQL identifier.
func quoteName(text string) string { return "`" + strings.ReplaceAll(text, "`", "``") + "`" }

// awaitReady waits until the node's server accepts a connection on the port.
func (c *Cluster) awaitReady(ctx context.Context, n *node, server *realserver.Server, port int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var last error
	err := realserver.Poll(ctx, func() (bool, error) {
		if server.Running() == nil {
			return false, fmt.Errorf("the server ended while it started: %s", n.fatality())
		}
		s, err := c.dial(ctx, n, port, "", nil)
		if err != nil {
			last = err
			return false, nil
		}
		s.hangUp()
		return true, nil
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("the server accepts no connection: %w", errors.Join(err, last))
	}
	return err
}
