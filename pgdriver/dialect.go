package pgdriver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

// dialect is one kind of PostgreSQL service. Every name in its statements is
// qualified, operators included, so that no search_path can change what they
// mean.
type dialect struct {
	code     string
	identity string // one row: instance id or endpoint, pg_is_in_recovery()
	topology string // "" if there is none
	instance func(row [][]byte) (core.Instance, error)
}

var (
	aurora = &dialect{
		code:     "aurora-pg",
		identity: `SELECT pg_catalog.aurora_db_instance_identifier(), pg_catalog.pg_is_in_recovery()`,
		topology: `SELECT server_id, session_id, last_update_timestamp, pg_catalog.now() FROM pg_catalog.aurora_replica_status()`,
		instance: auroraInstance,
	}
	global = &dialect{
		code:     "global-aurora-pg",
		identity: `SELECT pg_catalog.aurora_db_instance_identifier(), pg_catalog.pg_is_in_recovery()`,
		topology: `SELECT server_id, session_id, aws_region FROM pg_catalog.aurora_global_db_instance_status()`,
		instance: globalInstance,
	}
	multiAZ = &dialect{
		code: "rds-multi-az-pg-cluster",
		identity: `SELECT t.endpoint, pg_catalog.pg_is_in_recovery() FROM rds_tools.show_topology('awsdb') AS t ` +
			`WHERE t.id OPERATOR(pg_catalog.=) rds_tools.dbi_resource_id()`,
		topology: `SELECT id, endpoint, rds_tools.multi_az_db_cluster_source_dbi_resource_id() FROM rds_tools.show_topology('awsdb')`,
		instance: multiAZInstance,
	}
	rds       = &dialect{code: "rds-pg", identity: plainIdentity}
	community = &dialect{code: "pg", identity: plainIdentity}
)

const plainIdentity = `SELECT NULL, pg_catalog.pg_is_in_recovery()`

// dialects in the order in which they are tried. An Aurora probe also succeeds
// on a member of a Global Database, so global comes first (spec 2.2).
var dialects = []*dialect{global, aurora, multiAZ, rds, community}

// otherCodes are the spellings of other wrappers.
var otherCodes = map[string]*dialect{"multi-az-pg": multiAZ, "rds-multi-az-pg": multiAZ}

func dialectByCode(code string) core.Dialect {
	code = strings.ToLower(strings.ReplaceAll(code, "_", "-"))
	for _, d := range dialects {
		if d.code == code {
			return d
		}
	}
	if d := otherCodes[code]; d != nil {
		return d
	}
	return nil
}

func dialectCodes() []string {
	var codes []string
	for _, d := range dialects {
		codes = append(codes, d.code)
	}
	return codes
}

// Code implements core.Dialect.
func (d *dialect) Code() string { return d.code }

// Clustered implements core.Dialect.
func (d *dialect) Clustered() bool { return d.topology != "" }

// Identify implements core.Dialect.
func (d *dialect) Identify(ctx context.Context, n core.Native) (core.Identity, error) {
	rows, err := ask(ctx, n, d.identity)
	if err != nil {
		return core.Identity{}, err
	}
	if len(rows) != 1 || len(rows[0]) != 2 {
		return core.Identity{}, fmt.Errorf("identity: %d rows instead of one", len(rows))
	}
	id := core.Identity{ID: firstLabel(string(rows[0][0])), Role: core.RoleWriter}
	if string(rows[0][1]) == "t" {
		id.Role = core.RoleReader
	}
	return id, nil
}

// AcceptsWrites implements core.WriteProber. A server in recovery has
// transaction_read_only on, whatever its sessions set: that is what refuses their
// writes with SQLSTATE 25006. So "off" means a writer; "on" may also be the
// session's own setting.
func (d *dialect) AcceptsWrites(ctx context.Context, n core.Native) (bool, error) {
	rows, err := ask(ctx, n, `SHOW transaction_read_only`)
	if err != nil {
		return false, err
	}
	return len(rows) == 1 && string(rows[0][0]) == "off", nil
}

// Topology implements core.Dialect.
func (d *dialect) Topology(ctx context.Context, n core.Native) ([]core.Instance, error) {
	if !d.Clustered() {
		return nil, nil
	}
	rows, err := ask(ctx, n, d.topology)
	if err != nil {
		return nil, err
	}
	instances := make([]core.Instance, 0, len(rows))
	for _, row := range rows {
		i, err := d.instance(row)
		if err != nil {
			return nil, err
		}
		instances = append(instances, i)
	}
	return instances, nil
}

// writerSession is the session id of the writer's row in Aurora's status
// functions.
const writerSession = "MASTER_SESSION_ID"

func auroraInstance(row [][]byte) (core.Instance, error) {
	i := core.Instance{ID: string(row[0]), Writer: string(row[1]) == writerSession}
	if row[2] == nil {
		return i, nil
	}
	updated, err := parseTime(row[2])
	if err != nil {
		return i, err
	}
	now, err := parseTime(row[3])
	if err != nil {
		return i, err
	}
	i.UpdatedAt, i.Age = updated, now.Sub(updated)
	return i, nil
}

func globalInstance(row [][]byte) (core.Instance, error) {
	return core.Instance{ID: string(row[0]), Writer: string(row[1]) == writerSession, Region: string(row[2])}, nil
}

func multiAZInstance(row [][]byte) (core.Instance, error) {
	endpoint := string(row[1])
	return core.Instance{ID: firstLabel(endpoint), Endpoint: endpoint, Writer: string(row[0]) == string(row[2])}, nil
}

func firstLabel(endpoint string) string {
	label, _, _ := strings.Cut(endpoint, ".")
	return label
}

// parseTime reads a timestamptz in ISO format.
func parseTime(text []byte) (time.Time, error) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999999-07", "2006-01-02 15:04:05.999999999-07:00"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("last_update_timestamp %q is not an ISO time", text)
}

// detect asks what there is, in one round trip for most databases. What the
// server refuses to tell counts as absent; what the network refuses is an error.
func detect(ctx context.Context, n core.Native, endpoint core.Endpoint, log *slog.Logger) (core.Dialect, error) {
	switch endpoint.Kind {
	case core.EndpointGlobalWriter:
		return global, nil
	case core.EndpointShardGroup:
		return aurora, nil
	}
	rows, err := ask(ctx, n, `SELECT pg_catalog.current_setting('rds.extensions', true), `+
		`pg_catalog.to_regproc('pg_catalog.aurora_replica_status') IS NOT NULL, `+
		`pg_catalog.to_regproc('pg_catalog.aurora_global_db_status') IS NOT NULL AND `+
		`pg_catalog.to_regproc('pg_catalog.aurora_global_db_instance_status') IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	extensions, hasAurora, hasGlobal := string(rows[0][0]), string(rows[0][1]) == "t", string(rows[0][2]) == "t"
	if hasGlobal {
		members, err := ask(ctx, n, `SELECT aws_region FROM pg_catalog.aurora_global_db_status()`)
		if err != nil && !refusedByServer(err) {
			return nil, err
		}
		if len(members) > 1 {
			return global, nil
		}
	}
	switch {
	case hasAurora:
		return aurora, nil
	case strings.Contains(extensions, "rds_tools"):
		return detectMultiAZ(ctx, n, log)
	}
	return community, nil
}

// detectMultiAZ tells a Multi-AZ cluster from a single RDS instance. Without the
// right to ask, it stays a plain instance, and says so once.
func detectMultiAZ(ctx context.Context, n core.Native, log *slog.Logger) (core.Dialect, error) {
	rows, err := ask(ctx, n, `SELECT rds_tools.multi_az_db_cluster_source_dbi_resource_id()`)
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		if len(rows) == 1 && rows[0][0] != nil {
			return multiAZ, nil
		}
	case !refusedByServer(err):
		return nil, err
	case errors.As(err, &pgErr) && pgErr.Code == "42501":
		log.Warn("no permission to ask whether this is a Multi-AZ cluster; failover is inactive: "+
			"CREATE EXTENSION rds_tools, GRANT USAGE ON SCHEMA rds_tools and EXECUTE on its functions to the user", "error", err)
	}
	return rds, nil
}

// refusedByServer tells that the server answered, with an ordinary error.
func refusedByServer(err error) bool {
	return errors.As(err, new(*pgconn.PgError)) && classify(err, nil) == core.FaultNone
}

// ask runs one of our own statements: unnamed, one round trip, text results, no
// trace in the statement cache.
func ask(ctx context.Context, n core.Native, sql string) ([][][]byte, error) {
	c, ok := n.(interface{ Conn() *pgx.Conn })
	if !ok {
		return nil, fmt.Errorf("connection of type %T is not pgdriver's", n)
	}
	result := c.Conn().PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	return result.Rows, result.Err
}
