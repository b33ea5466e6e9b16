package mysqldriver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/awsdb/awsdb/core"
)

// dialect is one kind of MySQL service.
type dialect struct {
	code     string
	identity string // one row: instance id or endpoint, read-only?, and @@autocommit if it reads a table
	topology string // "" if there is none
	// instances makes instances of the rows of topology.
	instances func(ctx context.Context, n core.Native, rows [][]text) ([]core.Instance, error)
}

var (
	aurora = &dialect{
		code:      "aurora-mysql",
		identity:  `SELECT @@aurora_server_id, @@innodb_read_only`,
		topology:  `SELECT SERVER_ID, SESSION_ID, LAST_UPDATE_TIMESTAMP, NOW(6) FROM information_schema.replica_host_status`,
		instances: auroraInstances,
	}
	global = &dialect{
		code:      "global-aurora-mysql",
		identity:  `SELECT @@aurora_server_id, @@innodb_read_only`,
		topology:  `SELECT SERVER_ID, SESSION_ID, AWS_REGION FROM information_schema.aurora_global_db_instance_status`,
		instances: globalInstances,
	}
	multiAZ = &dialect{
		code:      "rds-multi-az-mysql-cluster",
		identity:  `SELECT (SELECT endpoint FROM mysql.rds_topology WHERE id = @@server_id LIMIT 1), @@read_only, @@autocommit`,
		topology:  `SELECT id, endpoint, @@server_id FROM mysql.rds_topology`,
		instances: multiAZInstances,
	}
	rds       = &dialect{code: "rds-mysql", identity: plainIdentity}
	community = &dialect{code: "mysql", identity: plainIdentity}
	mariaDB   = &dialect{code: "mariadb", identity: plainIdentity}
)

const plainIdentity = `SELECT NULL, @@read_only`

// dialects in the order in which they are tried. An Aurora probe also succeeds
// on a member of a Global Database, so global comes first (spec 2.2).
var dialects = []*dialect{global, aurora, multiAZ, rds, mariaDB, community}

// otherCodes are the spellings of other wrappers.
var otherCodes = map[string]*dialect{"multi-az-mysql": multiAZ, "rds-multi-az-mysql": multiAZ}

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

// Identify implements core.Dialect. It reads variables of the server only, where it
// can, which costs it less than a query.
func (d *dialect) Identify(ctx context.Context, n core.Native) (core.Identity, error) {
	rows, err := ask(ctx, n, d.identity)
	if err != nil {
		return core.Identity{}, err
	}
	if len(rows) != 1 || len(rows[0]) < 2 {
		return core.Identity{}, fmt.Errorf("identity: %d rows instead of one", len(rows))
	}
	if len(rows[0]) > 2 && isOff(rows[0][2].value) {
		// Reading a table has begun a transaction: the application's first one would see
		// the data as of now.
		if _, err := ask(ctx, n, `ROLLBACK`); err != nil {
			return core.Identity{}, err
		}
	}
	id := core.Identity{ID: firstLabel(rows[0][0].value), Role: core.RoleReader}
	if isOff(rows[0][1].value) {
		id.Role = core.RoleWriter
	}
	return id, nil
}

// isOff reads a variable that is a boolean, or in newer MariaDB an enumeration.
func isOff(value string) bool { return value == "0" || strings.EqualFold(value, "OFF") }

// Topology implements core.Dialect.
func (d *dialect) Topology(ctx context.Context, n core.Native) ([]core.Instance, error) {
	if !d.Clustered() {
		return nil, nil
	}
	rows, err := ask(ctx, n, d.topology)
	if err != nil {
		return nil, err
	}
	return d.instances(ctx, n, rows)
}

// writerSession is the session id of the writer's row in Aurora's status tables.
const writerSession = "MASTER_SESSION_ID"

func auroraInstances(_ context.Context, _ core.Native, rows [][]text) ([]core.Instance, error) {
	instances := make([]core.Instance, 0, len(rows))
	for _, row := range rows {
		i := core.Instance{ID: row[0].value, Writer: row[1].value == writerSession}
		if row[2].valid {
			updated, err := parseTime(row[2].value)
			if err != nil {
				return nil, err
			}
			now, err := parseTime(row[3].value)
			if err != nil {
				return nil, err
			}
			i.UpdatedAt, i.Age = updated, now.Sub(updated)
		}
		instances = append(instances, i)
	}
	return instances, nil
}

func globalInstances(_ context.Context, _ core.Native, rows [][]text) ([]core.Instance, error) {
	instances := make([]core.Instance, 0, len(rows))
	for _, row := range rows {
		instances = append(instances, core.Instance{ID: row[0].value, Writer: row[1].value == writerSession, Region: row[2].value})
	}
	return instances, nil
}

// multiAZInstances asks whom the server replicates from: nobody means that it is
// the writer itself.
func multiAZInstances(ctx context.Context, n core.Native, rows [][]text) ([]core.Instance, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	writer := rows[0][2].value
	source, replica, err := replicationSource(ctx, n)
	if err != nil {
		return nil, err
	}
	if replica {
		writer = source
	}
	instances := make([]core.Instance, 0, len(rows))
	for _, row := range rows {
		endpoint := row[1].value
		instances = append(instances, core.Instance{ID: firstLabel(endpoint), Endpoint: endpoint, Writer: row[0].value == writer})
	}
	return instances, nil
}

// replicationSource reads the columns of SHOW REPLICA STATUS by name: their number
// has changed between versions.
func replicationSource(ctx context.Context, n core.Native) (source string, replica bool, err error) {
	columns, rows, err := askColumns(ctx, n, `SHOW REPLICA STATUS`)
	if err != nil || len(rows) == 0 {
		return "", false, err
	}
	for i, name := range columns {
		if strings.EqualFold(name, "Source_Server_Id") {
			return rows[0][i].value, true, nil
		}
	}
	return "", true, fmt.Errorf("replica status has no column Source_Server_Id")
}

func firstLabel(endpoint string) string {
	label, _, _ := strings.Cut(endpoint, ".")
	return label
}

// parseTime reads a datetime as the text protocol gives it. Both ends of every
// difference come from the same server, so that the time zone does not matter.
func parseTime(value string) (time.Time, error) {
	for _, layout := range []string{time.DateTime, time.RFC3339Nano} {
		if t, err := time.Parse(layout, value); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is not in the form of a datetime", value)
}
