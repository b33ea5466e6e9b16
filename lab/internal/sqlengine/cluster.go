package sqlengine

import (
	"crypto/md5"
	"slices"
	"sort"
	"time"
)

// masterSession marks the writer in the status functions of Aurora.
const masterSession = "MASTER_SESSION_ID"

// Resource is the DBI resource id.
func (s InstanceStatus) Resource() string {
	if s.ResourceID != "" {
		return s.ResourceID
	}
	return s.ID
}

// SessionID is what the status functions of Aurora tell the writer by: the writer's mark, or something that looks like a UUID and is the same for the same instance.
func (s InstanceStatus) SessionID() string {
	if s.Writer {
		return masterSession
	}
	sum := md5.Sum([]byte(s.ID))
	return formatUUID(sum[:])
}

var aurora = []Flavor{AuroraPG, GlobalAuroraPG}

// clusterFunctions are the functions by which a client recognizes and questions a cluster.
var clusterFunctions = map[string][]*Function{
	"aurora_db_instance_identifier": {{Result: tText, Flavors: aurora, Call: func(e *Execution, _ []any) (any, error) {
		return e.session.Host().ID(), nil
	}}},
	"aurora_version": {{Result: tText, Flavors: aurora, Call: func(e *Execution, _ []any) (any, error) {
		return e.session.Version() + ".1", nil // Aurora's own patch level
	}}},
	"rds_tools.multi_az_db_cluster_source_dbi_resource_id": {{Result: tText, Flavors: []Flavor{MultiAZPG}, Call: func(e *Execution, _ []any) (any, error) {
		for _, s := range e.session.Host().Status() {
			if s.Writer {
				return s.Resource(), nil
			}
		}
		return nil, nil
	}}},
	"rds_tools.dbi_resource_id": {{Result: tText, Flavors: []Flavor{MultiAZPG}, Call: func(e *Execution, _ []any) (any, error) {
		own := e.session.Host().ID()
		for _, s := range e.session.Host().Status() {
			if s.ID == own {
				return s.Resource(), nil
			}
		}
		return own, nil
	}}},
}

// tableFunctions are the functions that return rows, by name, pg_catalog's without their schema.
var tableFunctions = map[string]*TableFunction{
	"generate_series": {
		Function: Function{Args: []OID{tBig, tBig, tBig}, Optional: 1},
		Columns:  []Field{{"generate_series", tBig}},
		Rows:     generateSeries,
	},
	"unnest": {
		Function: Function{Args: []OID{AnyOID}},
		Columns:  []Field{{"unnest", AnyOID}},
		Rows: func(_ *Execution, args []any) ([][]any, error) {
			list, _ := args[0].([]any)
			rows := make([][]any, len(list))
			for i, v := range list {
				rows[i] = []any{v}
			}
			return rows, nil
		},
	},
	"aurora_replica_status": {
		Function: Function{Flavors: aurora},
		Columns: []Field{{"server_id", tText}, {"session_id", tText}, {"cpu", tFloat}, {"replica_lag_in_msec", tFloat},
			{"last_update_timestamp", tTime}},
		Rows: auroraReplicaStatus,
	},
	"aurora_global_db_status": {
		Function: Function{Flavors: []Flavor{GlobalAuroraPG}},
		Columns: []Field{{"aws_region", tText}, {"highest_lsn_written", tBig}, {"durability_lag_in_msec", tFloat},
			{"rpo_lag_in_msec", tFloat}, {"last_lag_calculation_time", tTime}},
		Rows: auroraGlobalStatus,
	},
	"aurora_global_db_instance_status": {
		Function: Function{Flavors: []Flavor{GlobalAuroraPG}},
		Columns:  []Field{{"server_id", tText}, {"session_id", tText}, {"aws_region", tText}, {"visibility_lag_in_msec", tFloat}},
		Rows: func(e *Execution, _ []any) ([][]any, error) {
			var rows [][]any
			for _, s := range e.session.Host().Status() {
				var lag any
				if !s.Writer {
					lag = s.LagMillis
				}
				rows = append(rows, []any{s.ID, s.SessionID(), s.Region, lag})
			}
			return rows, nil
		},
	},
	"rds_tools.show_topology": {
		Function: Function{Args: []OID{tText}, Optional: 1, Flavors: []Flavor{MultiAZPG}},
		Columns:  []Field{{"id", tText}, {"endpoint", tText}, {"port", tInt}},
		Rows: func(e *Execution, _ []any) ([][]any, error) {
			var rows [][]any
			for _, s := range e.session.Host().Status() {
				rows = append(rows, []any{s.Resource(), s.Endpoint, int64(s.Port)})
			}
			return rows, nil
		},
	},
}

// auroraReplicaStatus lists the instances; in a global database those of the own region only.
func auroraReplicaStatus(e *Execution, _ []any) ([][]any, error) {
	host := e.session.Host()
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
		rows = append(rows, []any{s.ID, s.SessionID(), s.CPU, lag, updated})
	}
	return rows, nil
}

func auroraGlobalStatus(e *Execution, _ []any) ([][]any, error) {
	seen := map[string]bool{}
	var regions []string
	for _, s := range e.session.Host().Status() {
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

func generateSeries(_ *Execution, args []any) ([][]any, error) {
	step := int64(1)
	if len(args) == 3 {
		step, _ = args[2].(int64)
	}
	if step == 0 {
		return nil, Errorf("22023", "step size cannot equal zero")
	}
	first, ok1 := args[0].(int64)
	last, ok2 := args[1].(int64)
	if !ok1 || !ok2 {
		return nil, nil
	}
	var rows [][]any
	for n := first; step > 0 && n <= last || step < 0 && n >= last; {
		if len(rows) == maxSeries {
			return nil, Errorf("54000", "generate_series of more than %d rows is not supported", maxSeries)
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
