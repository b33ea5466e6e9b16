package mysqldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// detect asks what there is. What the server refuses to tell counts as absent;
// what the network refuses is an error.
func detect(ctx context.Context, n core.Native, endpoint core.Endpoint, log *slog.Logger) (core.Dialect, error) {
	if endpoint.Kind == core.EndpointGlobalWriter {
		return global, nil
	}
	_, err := ask(ctx, n, `SELECT @@aurora_version`)
	switch {
	case err == nil:
		return detectGlobal(ctx, n)
	case !refusedByServer(err): // ER_UNKNOWN_SYSTEM_VARIABLE means: not Aurora
		return nil, err
	}
	rows, err := ask(ctx, n, `SELECT @@version, @@version_comment, @@report_host`)
	switch {
	case err == nil:
	case refusedByServer(err):
		return community, nil // something that speaks MySQL's protocol
	default:
		return nil, err
	}
	version, comment, reportHost := rows[0][0].value, rows[0][1].value, rows[0][2].value
	if reportHost != "" {
		if is, err := hasRDSTopology(ctx, n, log); is || err != nil {
			return multiAZ, err
		}
	}
	switch {
	case strings.EqualFold(comment, "Source distribution"):
		return rds, nil
	case strings.Contains(strings.ToLower(version), "mariadb"):
		return mariaDB, nil
	}
	return community, nil
}

// detectGlobal tells a member of a Global Database from a cluster of its own.
func detectGlobal(ctx context.Context, n core.Native) (core.Dialect, error) {
	regions, err := ask(ctx, n, `SELECT AWS_REGION FROM information_schema.aurora_global_db_status`)
	if err != nil && !refusedByServer(err) {
		return nil, err
	}
	if len(regions) > 1 {
		return global, nil
	}
	return aurora, nil
}

// ER_TABLEACCESS_DENIED_ERROR.
const errTableAccessDenied = 1142

// hasRDSTopology tells a Multi-AZ cluster from a single RDS instance. Without the
// right to ask, it stays a plain instance, and says so once.
func hasRDSTopology(ctx context.Context, n core.Native, log *slog.Logger) (bool, error) {
	rows, err := ask(ctx, n, `SELECT id FROM mysql.rds_topology`)
	var server *mysql.MySQLError
	switch {
	case err == nil:
		return len(rows) > 0, nil
	case !refusedByServer(err):
		return false, err
	case errors.As(err, &server) && server.Number == errTableAccessDenied:
		log.Warn("no permission to ask whether this is a Multi-AZ cluster; failover is inactive: "+
			"GRANT SELECT ON mysql.rds_topology TO the user, and REPLICATION CLIENT", "error", err)
	}
	return false, nil
}

// refusedByServer tells that the server answered, with an ordinary error.
func refusedByServer(err error) bool {
	return errors.As(err, new(*mysql.MySQLError)) && classify(err) == core.FaultNone
}

// text is a value as the text protocol gives it.
type text struct {
	value string
	valid bool // not NULL
}

// ask runs one of our own statements, which have no arguments: COM_QUERY, one
// round trip.
func ask(ctx context.Context, n core.Native, query string) ([][]text, error) {
	_, rows, err := askColumns(ctx, n, query)
	return rows, err
}

func askColumns(ctx context.Context, n core.Native, query string) (columns []string, rows [][]text, err error) {
	result, err := n.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	columns = result.Columns()
	values := make([]driver.Value, len(columns))
	for {
		if err := result.Next(values); errors.Is(err, io.EOF) {
			return columns, rows, nil
		} else if err != nil {
			return nil, nil, err
		}
		row := make([]text, len(values))
		for i, v := range values {
			row[i] = textOf(v)
		}
		rows = append(rows, row)
	}
}

func textOf(v driver.Value) text {
	switch v := v.(type) {
	case nil:
		return text{}
	case []byte:
		return text{string(v), true}
	case time.Time: // with parseTime
		return text{v.Format(time.RFC3339Nano), true}
	}
	return text{fmt.Sprint(v), true}
}
