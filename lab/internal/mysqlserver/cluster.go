package mysqlserver

import (
	"slices"
	"strings"
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// auroraVersion is the version of Aurora that the simulated instances run.
const auroraVersion = "3.08.0"

// clusterViews are the tables by which a client questions a cluster.
var clusterViews = map[string]*sqlengine.View{
	"information_schema.replica_host_status": {
		Flavors: aurora,
		Columns: withTypes(textFields("SERVER_ID", "SESSION_ID", "CPU", "REPLICA_LAG_IN_MILLISECONDS", "LAST_UPDATE_TIMESTAMP"),
			map[string]sqlengine.OID{"CPU": tFloat, "REPLICA_LAG_IN_MILLISECONDS": tFloat, "LAST_UPDATE_TIMESTAMP": tTime}),
		Rows: replicaHostRows,
	},
	"information_schema.aurora_global_db_status": {
		Flavors: []sqlengine.Flavor{sqlengine.GlobalAuroraMySQL},
		Columns: withTypes(textFields("AWS_REGION", "HIGHEST_LSN_WRITTEN", "DURABILITY_LAG_IN_MILLISECONDS", "RPO_LAG_IN_MILLISECONDS",
			"LAST_LAG_CALCULATION_TIMESTAMP", "OLDEST_READ_VIEW_TRX_ID"), map[string]sqlengine.OID{"HIGHEST_LSN_WRITTEN": tBig,
			"DURABILITY_LAG_IN_MILLISECONDS": tFloat, "RPO_LAG_IN_MILLISECONDS": tFloat, "LAST_LAG_CALCULATION_TIMESTAMP": tTime, "OLDEST_READ_VIEW_TRX_ID": tBig}),
		Rows: func(e *sqlengine.Execution) [][]any {
			var rows [][]any
			for _, i := range sessionOf(e).host().Status() {
				if !slices.ContainsFunc(rows, func(row []any) bool { return row[0] == i.Region }) {
					rows = append(rows, []any{i.Region, int64(1), nil, nil, nil, nil})
				}
			}
			slices.SortFunc(rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
			return rows
		},
	},
	"information_schema.aurora_global_db_instance_status": {
		Flavors: []sqlengine.Flavor{sqlengine.GlobalAuroraMySQL},
		Columns: withTypes(textFields("SERVER_ID", "SESSION_ID", "AWS_REGION", "VISIBILITY_LAG_IN_MSEC"), map[string]sqlengine.OID{"VISIBILITY_LAG_IN_MSEC": tFloat}),
		Rows: func(e *sqlengine.Execution) [][]any {
			var rows [][]any
			for _, i := range sessionOf(e).host().Status() {
				var lag any
				if !i.Writer {
					lag = i.LagMillis
				}
				rows = append(rows, []any{i.ID, i.SessionID(), i.Region, lag})
			}
			return rows
		},
	},
	"mysql.rds_topology": {
		Flavors: []sqlengine.Flavor{sqlengine.MultiAZMySQL},
		Columns: withTypes(textFields("id", "endpoint", "port"), map[string]sqlengine.OID{"id": tBig, "port": tBig}),
		Rows: func(e *sqlengine.Execution) [][]any {
			var rows [][]any
			for _, i := range sessionOf(e).host().Status() {
				rows = append(rows, []any{int64(serverNumber(i)), i.Endpoint, int64(i.Port)})
			}
			return rows
		},
	},
	shown("replica_status"): {Columns: replicaFields("Source", "Replica"), Rows: replicaStatusRows},
	shown("slave_status"):   {Columns: replicaFields("Master", "Slave"), Rows: replicaStatusRows},
}

// replicaHostRows lists the instances; in a global database those of the own region only.
func replicaHostRows(e *sqlengine.Execution) [][]any {
	s := sessionOf(e)
	region := s.server.own().Region
	var rows [][]any
	for _, i := range s.host().Status() {
		if s.server.flavor() == sqlengine.GlobalAuroraMySQL && i.Region != region {
			continue
		}
		var updated any
		if !i.LastUpdate.IsZero() {
			updated = i.LastUpdate.UTC().Truncate(time.Microsecond)
		}
		lag := i.LagMillis
		if i.Writer {
			lag = 0
		}
		rows = append(rows, []any{i.ID, i.SessionID(), i.CPU, lag, updated})
	}
	return rows
}

// replicaColumns are the columns of SHOW REPLICA STATUS in their order, S and R standing for Source and Replica.
const replicaColumns = `R_IO_State S_Host S_User S_Port Connect_Retry S_Log_File Read_S_Log_Pos Relay_Log_File Relay_Log_Pos Relay_S_Log_File
	R_IO_Running R_SQL_Running Replicate_Do_DB Replicate_Ignore_DB Replicate_Do_Table Replicate_Ignore_Table Replicate_Wild_Do_Table
	Replicate_Wild_Ignore_Table Last_Errno Last_Error Skip_Counter Exec_S_Log_Pos Relay_Log_Space Until_Condition Until_Log_File Until_Log_Pos
	S_SSL_Allowed S_SSL_CA_File S_SSL_CA_Path S_SSL_Cert S_SSL_Cipher S_SSL_Key Seconds_Behind_S S_SSL_Verify_Server_Cert Last_IO_Errno
	Last_IO_Error Last_SQL_Errno Last_SQL_Error Replicate_Ignore_Server_Ids S_Server_Id S_UUID`

// replicaFields names the columns in the old or the new words.
func replicaFields(source, replica string) []sqlengine.Field {
	var fields []sqlengine.Field
	for _, name := range strings.Fields(replicaColumns) {
		parts := strings.Split(name, "_")
		for i, part := range parts {
			switch part {
			case "S":
				parts[i] = source
			case "R":
				parts[i] = replica
			}
		}
		f := sqlengine.Field{Name: strings.Join(parts, "_"), Type: tText}
		switch name {
		case "S_Port", "S_Server_Id", "Seconds_Behind_S", "Last_Errno", "Last_IO_Errno", "Last_SQL_Errno":
			f.Type = tBig
		}
		fields = append(fields, f)
	}
	return fields
}

// replicaStatusRows is one row on an instance that replicates from the writer.
func replicaStatusRows(e *sqlengine.Execution) [][]any {
	s := sessionOf(e).server
	source, ok := s.sourceOf()
	if !ok {
		return nil
	}
	values := map[string]any{
		"R_IO_State": "Waiting for source to send event", "S_Host": source.Endpoint, "S_User": "rdsrepladmin", "S_Port": int64(source.Port),
		"R_IO_Running": "Yes", "R_SQL_Running": "Yes", "Seconds_Behind_S": int64(s.own().LagMillis / 1000), "Last_Errno": int64(0),
		"Last_IO_Errno": int64(0), "Last_SQL_Errno": int64(0), "S_Server_Id": int64(serverNumber(source)), "S_UUID": serverUUID(source.ID),
	}
	var row []any
	for _, name := range strings.Fields(replicaColumns) {
		v, ok := values[name]
		if !ok {
			v = ""
		}
		row = append(row, v)
	}
	return [][]any{row}
}
