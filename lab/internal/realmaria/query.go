package realmaria

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Exec runs a statement on an instance as superuser, in Options.Database and a session of its own. It is for the test's own
// preparations: it is not among the node's Statements. What is written on a reader stays there.
func (c *Cluster) Exec(ctx context.Context, name, statement string, arguments ...any) error {
	s, err := c.administer(ctx, name)
	if err != nil {
		return err
	}
	defer s.hangUp()
	_, err = s.ExecContext(ctx, statement, arguments...)
	return err
}

// Query runs a query as Exec does, and returns all its rows, with values as Rows has them.
func (c *Cluster) Query(ctx context.Context, name, query string, arguments ...any) ([][]any, error) {
	s, err := c.administer(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.hangUp()
	statement, err := s.PrepareContext(ctx, query) // the binary protocol has the types
	if err != nil {
		return nil, err
	}
	defer statement.Close()
	rows, err := statement.QueryContext(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return collect(rows)
}

// administer connects to an instance as Exec says.
func (c *Cluster) administer(ctx context.Context, name string) (*session, error) {
	n, err := c.find(name)
	if err != nil {
		return nil, err
	}
	variables := map[string]string{"sql_log_off": "1"}
	if n != c.primary.Load() {
		variables["sql_log_bin"] = "0"
	}
	return c.dial(ctx, n, n.port, c.options.Database, variables)
}

// Rows returns the content of a table on the primary, "orders" or "app.orders": values as int64 (uint64 beyond that), float64,
// string, []byte, time.Time or nil, where decimals, times of day and everything else with a text of its own are strings. It is nil if there
// is no such table.
func (c *Cluster) Rows(ctx context.Context, table string) ([][]any, error) {
	var name []string
	for part := range strings.SplitSeq(table, ".") {
		name = append(name, quoteName(part))
	}
	rows, err := c.Query(ctx, c.Primary(), "select * from "+strings.Join(name, "."))
	var refused *mysql.MySQLError
	const noSuchTable = 1146 // ER_NO_SUCH_TABLE
	if errors.As(err, &refused) && refused.Number == noSuchTable {
		return nil, nil
	}
	return rows, err
}

func collect(rows *sql.Rows) ([][]any, error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	all := [][]any{}
	for rows.Next() {
		row, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		for i := range row {
			row[i] = plain(row[i], columns[i].DatabaseTypeName())
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// binaryTypes are the column types whose values are bytes and not text, as the driver calls them.
var binaryTypes = []string{"BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BIT", "GEOMETRY"}

// plain is a value as Rows gives it.
func plain(value any, columnType string) any {
	switch value := value.(type) {
	case float32:
		return float64(value)
	case []byte:
		if columnType == "UNSIGNED BIGINT" {
			if number, err := strconv.ParseUint(string(value), 10, 64); err == nil {
				return number
			}
		}
		if !slices.Contains(binaryTypes, columnType) {
			return string(value)
		}
	}
	return value
}

// DropSessions ends all sessions of clients on an instance: they are closed without a word.
func (c *Cluster) DropSessions(ctx context.Context, name string) error {
	n, err := c.find(name)
	if err != nil {
		return err
	}
	s, err := c.open(ctx, n)
	if err != nil {
		return err
	}
	defer s.hangUp()
	return s.dropSessions(ctx)
}

func (s *session) dropSessions(ctx context.Context) error {
	rows, err := s.QueryContext(ctx, "select id from information_schema.processlist where user not in ('"+superuser+"', 'system user', 'event_scheduler')")
	if err != nil {
		return err
	}
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			rows.Close()
			return err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		_, err := s.ExecContext(ctx, fmt.Sprintf("kill connection %d", id))
		var refused *mysql.MySQLError
		const noSuchThread = 1094 // ER_NO_SUCH_THREAD
		if err != nil && !(errors.As(err, &refused) && refused.Number == noSuchThread) {
			return err
		}
	}
	return nil
}
