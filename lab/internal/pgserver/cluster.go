package pgserver

import (
	"crypto/md5"
	"slices"
	"sort"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/pgserver/syntax"
)

// masterSession marks the writer in the status functions of Aurora.
const masterSession = "MASTER_SESSION_ID"

func (s InstanceStatus) resource() string {
	if s.ResourceID != "" {
		return s.ResourceID
	}
	return s.ID
}

// sessionID is the writer's mark, or something that looks like a UUID and is the same for the same instance.
func (s InstanceStatus) sessionID() string {
	if s.Writer {
		return masterSession
	}
	sum := md5.Sum([]byte(s.ID))
	return formatUUID(sum[:])
}

var aurora = []Flavor{AuroraPG, GlobalAuroraPG}

// clusterFunctions are the functions by which a client recognizes and questions a cluster.
var clusterFunctions = map[string][]*function{
	"aurora_db_instance_identifier": {{result: tText, flavors: aurora, call: func(f *frame, _ []any) (any, error) {
		return f.session.host().ID(), nil
	}}},
	"aurora_version": {{result: tText, flavors: aurora, call: func(f *frame, _ []any) (any, error) {
		return f.session.server.version() + ".1", nil // Aurora's own patch level
	}}},
	"rds_tools.multi_az_db_cluster_source_dbi_resource_id": {{result: tText, flavors: []Flavor{MultiAZPG}, call: func(f *frame, _ []any) (any, error) {
		for _, s := range f.session.host().Status() {
			if s.Writer {
				return s.resource(), nil
			}
		}
		return nil, nil
	}}},
	"rds_tools.dbi_resource_id": {{result: tText, flavors: []Flavor{MultiAZPG}, call: func(f *frame, _ []any) (any, error) {
		own := f.session.host().ID()
		for _, s := range f.session.host().Status() {
			if s.ID == own {
				return s.resource(), nil
			}
		}
		return own, nil
	}}},
}

// tableFunction is a function that returns rows.
type tableFunction struct {
	function // of which call is not used
	columns  []field
	rows     func(f *frame, args []any) ([][]any, error)
}

// tableFunctions are the functions that return rows, by name, pg_catalog's without their schema.
var tableFunctions = map[string]*tableFunction{
	"generate_series": {
		function: function{args: []oid{tBig, tBig, tBig}, optional: 1},
		columns:  []field{{"generate_series", tBig}},
		rows:     generateSeries,
	},
	"unnest": {
		function: function{args: []oid{anyOID}},
		columns:  []field{{"unnest", anyOID}},
		rows: func(_ *frame, args []any) ([][]any, error) {
			list, _ := args[0].([]any)
			rows := make([][]any, len(list))
			for i, v := range list {
				rows[i] = []any{v}
			}
			return rows, nil
		},
	},
	"aurora_replica_status": {
		function: function{flavors: aurora},
		columns: []field{{"server_id", tText}, {"session_id", tText}, {"cpu", tFloat}, {"replica_lag_in_msec", tFloat},
			{"last_update_timestamp", tTime}},
		rows: auroraReplicaStatus,
	},
	"aurora_global_db_status": {
		function: function{flavors: []Flavor{GlobalAuroraPG}},
		columns: []field{{"aws_region", tText}, {"highest_lsn_written", tBig}, {"durability_lag_in_msec", tFloat},
			{"rpo_lag_in_msec", tFloat}, {"last_lag_calculation_time", tTime}},
		rows: auroraGlobalStatus,
	},
	"aurora_global_db_instance_status": {
		function: function{flavors: []Flavor{GlobalAuroraPG}},
		columns:  []field{{"server_id", tText}, {"session_id", tText}, {"aws_region", tText}, {"visibility_lag_in_msec", tFloat}},
		rows: func(f *frame, _ []any) ([][]any, error) {
			var rows [][]any
			for _, s := range f.session.host().Status() {
				var lag any
				if !s.Writer {
					lag = s.LagMillis
				}
				rows = append(rows, []any{s.ID, s.sessionID(), s.Region, lag})
			}
			return rows, nil
		},
	},
	"rds_tools.show_topology": {
		function: function{args: []oid{tText}, optional: 1, flavors: []Flavor{MultiAZPG}},
		columns:  []field{{"id", tText}, {"endpoint", tText}, {"port", tInt}},
		rows: func(f *frame, _ []any) ([][]any, error) {
			var rows [][]any
			for _, s := range f.session.host().Status() {
				rows = append(rows, []any{s.resource(), s.Endpoint, int64(s.Port)})
			}
			return rows, nil
		},
	},
}

// auroraReplicaStatus lists the instances; in a global database those of the own region only.
func auroraReplicaStatus(f *frame, _ []any) ([][]any, error) {
	host := f.session.host()
	status := host.Status()
	if host.Flavor() == GlobalAuroraPG {
		if own := slices.IndexFunc(status, func(s InstanceStatus) bool { return s.ID == host.ID() }); own >= 0 {
			region := status[own].Region
			status = slices.DeleteFunc(slices.Clone(status), func(s InstanceStatus) bool { return s.Region != region })
		}
	}
	var rows [][]any
	for _, s := range status {
		var updated any
		if !s.LastUpdate.IsZero() {
			updated = s.LastUpdate.UTC().Truncate(time.Microsecond)
		}
		var lag any
		if !s.Writer {
			lag = s.LagMillis
		}
		rows = append(rows, []any{s.ID, s.sessionID(), s.CPU, lag, updated})
	}
	return rows, nil
}

func auroraGlobalStatus(f *frame, _ []any) ([][]any, error) {
	seen := map[string]bool{}
	var regions []string
	for _, s := range f.session.host().Status() {
		if !seen[s.Region] {
			seen[s.Region] = true
			regions = append(regions, s.Region)
		}
	}
	sort.Strings(regions)
	var rows [][]any
	for _, region := range regions {
		rows = append(rows, []any{region, int64(1), nil, nil, nil})
	}
	return rows, nil
}

// maxSeries bounds generate_series, which is held in memory.
const maxSeries = 1_000_000

func generateSeries(_ *frame, args []any) ([][]any, error) {
	step := int64(1)
	if len(args) == 3 {
		step, _ = args[2].(int64)
	}
	if step == 0 {
		return nil, errorf("22023", "step size cannot equal zero")
	}
	first, ok1 := args[0].(int64)
	last, ok2 := args[1].(int64)
	if !ok1 || !ok2 {
		return nil, nil
	}
	var rows [][]any
	for n := first; step > 0 && n <= last || step < 0 && n >= last; {
		if len(rows) == maxSeries {
			return nil, errorf("54000", "generate_series of more than %d rows is not supported", maxSeries)
		}
		rows = append(rows, []any{n})
		next := n + step
		if (next > n) != (step > 0) { // overflow
			break
		}
		n = next
	}
	return rows, nil
}

// tableFunction compiles a function in FROM. A function of one value supplies one row.
func (c *compiler) tableFunction(x syntax.Call, outer *scope) (*source, error) {
	fn := tableFunctions[functionKey(x.Schema, x.Name)]
	sc := &scope{outer: outer}
	if fn == nil {
		n, err := c.call(sc, x, anyOID)
		if err != nil {
			return nil, err
		}
		return &source{columns: []scopeColumn{{name: x.Name, typ: n.typ}}, rows: func(f *frame) ([]record, error) {
			v, err := n.eval(&frame{execution: f.execution, outer: f})
			return []record{{values: []any{v}}}, err
		}}, nil
	}
	nodes := make([]node, len(x.Args))
	for i, arg := range x.Args {
		n, err := c.expression(sc, arg, expectedArg([]*function{&fn.function}, i, len(x.Args)))
		if err != nil {
			return nil, err
		}
		nodes[i] = n
	}
	if !fn.exists(c.session.flavor()) || !fn.accepts(nodes) {
		return nil, errorf("42883", "function %s(%s) does not exist", callName(x), typeList(nodes))
	}
	for i := range nodes {
		var err error
		if nodes[i], err = coerce(nodes[i], fn.args[i]); err != nil {
			return nil, err
		}
	}
	src := &source{rows: func(f *frame) ([]record, error) {
		args, err := evalAll(&frame{execution: f.execution, outer: f}, nodes)
		if err != nil {
			return nil, err
		}
		rows, err := fn.rows(f, args)
		return records(rows), err
	}}
	for _, col := range fn.columns {
		t := col.typ
		switch {
		case t == anyOID && len(nodes) > 0: // unnest
			if t = elements[nodes[0].typ]; t == 0 {
				return nil, errorf("42883", "function %s(%s) does not exist", callName(x), typeList(nodes))
			}
		case col.name == "generate_series" && narrow(x, nodes):
			t = pgtype.Int4OID
		}
		src.columns = append(src.columns, scopeColumn{name: col.name, typ: t})
	}
	return src, nil
}

// narrow reports whether all arguments were written as literals that fit an integer, so the result is one, too.
func narrow(x syntax.Call, nodes []node) bool {
	for i := range nodes {
		n, ok := x.Args[i].(syntax.Number)
		if !ok || len(n.Text) > 9 {
			return false
		}
	}
	return true
}

// systemView is a read-only table of the catalog.
type systemView struct {
	schema  string
	columns []field
	rows    func(*execution) [][]any
}

// systemViews are the catalog. It is filled by init, as its entries lead back to it, and not changed afterwards.
var systemViews map[string]*systemView

func init() {
	systemViews = map[string]*systemView{
		"pg_settings": {"pg_catalog", []field{{"name", tText}, {"setting", tText}}, func(e *execution) [][]any {
			var rows [][]any
			for _, name := range e.session.settingNames() {
				value, _ := e.session.setting(name)
				rows = append(rows, []any{name, value})
			}
			return rows
		}},
		"pg_proc": {"pg_catalog", []field{{"oid", pgtype.OIDOID}, {"proname", tName}, {"pronamespace", pgtype.OIDOID}}, procRows},
		"pg_type": {"pg_catalog", []field{{"oid", pgtype.OIDOID}, {"typname", tName}}, func(*execution) [][]any {
			var rows [][]any
			for _, name := range sortedKeys(typeNames) {
				rows = append(rows, []any{int64(typeNames[name]), name})
			}
			return rows
		}},
		"pg_extension": {"pg_catalog", []field{{"extname", tName}}, func(*execution) [][]any { return [][]any{{"plpgsql"}} }},
		"tables": {"information_schema", []field{{"table_catalog", tName}, {"table_schema", tName}, {"table_name", tName}, {"table_type", tText}},
			func(e *execution) [][]any {
				var rows [][]any
				for _, name := range visibleTables(e) {
					schema, name := splitSchema(name)
					rows = append(rows, []any{e.session.database, schema, name, "BASE TABLE"})
				}
				return rows
			}},
		"pg_tables": {"pg_catalog", []field{{"schemaname", tName}, {"tablename", tName}}, func(e *execution) [][]any {
			var rows [][]any
			for _, name := range visibleTables(e) {
				schema, name := splitSchema(name)
				rows = append(rows, []any{schema, name})
			}
			return rows
		}},
		"columns": {"information_schema", []field{{"table_schema", tName}, {"table_name", tName}, {"column_name", tName},
			{"ordinal_position", tInt}, {"data_type", tText}, {"is_nullable", tText}}, columnRows},
	}
}

// procSchema is the oid of pg_catalog.
const procSchema = 11

func procRows(e *execution) [][]any {
	flavor := e.session.flavor()
	var names []string
	for name, list := range functions {
		if slices.ContainsFunc(list, func(fn *function) bool { return fn.exists(flavor) }) {
			names = append(names, name)
		}
	}
	for name, fn := range tableFunctions {
		if fn.exists(flavor) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	rows := make([][]any, len(names))
	for i, name := range names {
		_, name = splitSchema(name)
		rows[i] = []any{int64(1000 + i), name, int64(procSchema)}
	}
	return rows
}

func columnRows(e *execution) [][]any {
	var rows [][]any
	for _, full := range visibleTables(e) {
		schema, name := splitSchema(full)
		for i, col := range e.tx.table(e.snap, full).columns {
			nullable := "YES"
			if col.notNull {
				nullable = "NO"
			}
			rows = append(rows, []any{schema, name, col.name, int64(i + 1), typeName(col.typ), nullable})
		}
	}
	return rows
}
