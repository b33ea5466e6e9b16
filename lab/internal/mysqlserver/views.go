package mysqlserver

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/mysqlserver/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// texts makes columns of text.
func textFields(names ...string) []sqlengine.Field {
	fields := make([]sqlengine.Field, len(names))
	for i, name := range names {
		fields[i] = sqlengine.Field{Name: name, Type: tText}
	}
	return fields
}

func withTypes(fields []sqlengine.Field, types map[string]sqlengine.OID) []sqlengine.Field {
	for i := range fields {
		if t, ok := types[fields[i].Name]; ok {
			fields[i].Type = t
		}
	}
	return fields
}

// schemaViews are what describes tables.
var schemaViews = map[string]*sqlengine.View{
	"information_schema.tables": {
		Columns: textFields("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "TABLE_TYPE", "ENGINE", "TABLE_COLLATION", "TABLE_COMMENT"),
		Rows:    tableRows,
	},
	"information_schema.columns": {
		Columns: withTypes(textFields("TABLE_CATALOG", "TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME", "ORDINAL_POSITION", "COLUMN_DEFAULT", "IS_NULLABLE",
			"DATA_TYPE", "CHARACTER_MAXIMUM_LENGTH", "NUMERIC_PRECISION", "NUMERIC_SCALE", "DATETIME_PRECISION", "COLUMN_TYPE", "COLUMN_KEY", "EXTRA",
			"COLUMN_COMMENT"), map[string]sqlengine.OID{"ORDINAL_POSITION": tBig, "CHARACTER_MAXIMUM_LENGTH": tBig, "NUMERIC_PRECISION": tBig,
			"NUMERIC_SCALE": tBig, "DATETIME_PRECISION": tBig}),
		Rows: columnRows,
	},
	"information_schema.schemata": {
		Columns: textFields("CATALOG_NAME", "SCHEMA_NAME", "DEFAULT_CHARACTER_SET_NAME", "DEFAULT_COLLATION_NAME"),
		Rows: func(e *sqlengine.Execution) [][]any {
			var rows [][]any
			for _, name := range sessionOf(e).databases() {
				rows = append(rows, []any{"def", name, "utf8mb4", "utf8mb4_bin"})
			}
			return rows
		},
	},
	"information_schema.processlist": {
		Columns: withTypes(textFields("ID", "USER", "HOST", "DB", "COMMAND", "TIME", "STATE", "INFO"), map[string]sqlengine.OID{"ID": tBig, "TIME": tBig}),
		Rows:    processRows,
	},
	"performance_schema.global_variables":  {Columns: textFields("VARIABLE_NAME", "VARIABLE_VALUE"), Rows: variableRows("global")},
	"performance_schema.session_variables": {Columns: textFields("VARIABLE_NAME", "VARIABLE_VALUE"), Rows: variableRows("session")},
}

// shown is the key of a view that SHOW reads.
func shown(name string) string { return syntax.ShowSchema + "." + name }

// showViews are what SHOW reads.
var showViews = map[string]*sqlengine.View{
	shown("variables"):        {Columns: textFields("Variable_name", "Value"), Rows: variableRows("session")},
	shown("global_variables"): {Columns: textFields("Variable_name", "Value"), Rows: variableRows("global")},
	shown("status"):           {Columns: textFields("Variable_name", "Value"), Rows: statusRows},
	shown("global_status"):    {Columns: textFields("Variable_name", "Value"), Rows: statusRows},
	shown("warnings"): {Columns: withTypes(textFields("Level", "Code", "Message"), map[string]sqlengine.OID{"Code": tBig}),
		Rows: func(*sqlengine.Execution) [][]any { return nil }},
	shown("databases"): {Columns: textFields("Database"), Rows: func(e *sqlengine.Execution) [][]any {
		var rows [][]any
		for _, name := range sessionOf(e).databases() {
			rows = append(rows, []any{name})
		}
		return rows
	}},
	shown("columns"): {Columns: textFields("Table", "Field", "Type", "Null", "Key", "Default", "Extra"), Rows: describeRows},
	shown("processlist"): {Columns: withTypes(textFields("Id", "User", "Host", "db", "Command", "Time", "State", "Info"),
		map[string]sqlengine.OID{"Id": tBig, "Time": tBig}), Rows: processRows},
	shown("engines"): {Columns: textFields("Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"), Rows: func(*sqlengine.Execution) [][]any {
		return [][]any{{"InnoDB", "DEFAULT", "simulated", "YES", "NO", "YES"}}
	}},
	shown("collation"): {Columns: withTypes(textFields("Collation", "Charset", "Id", "Default", "Compiled", "Sortlen", "Pad_attribute"),
		map[string]sqlengine.OID{"Id": tBig, "Sortlen": tBig}), Rows: func(*sqlengine.Execution) [][]any {
		return [][]any{{"utf8mb4_bin", "utf8mb4", int64(46), "", "Yes", int64(1), "PAD SPACE"}}
	}},
	shown("character_set"): {Columns: withTypes(textFields("Charset", "Description", "Default collation", "Maxlen"), map[string]sqlengine.OID{"Maxlen": tBig}),
		Rows: func(*sqlengine.Execution) [][]any {
			return [][]any{{"utf8mb4", "UTF-8 Unicode", "utf8mb4_bin", int64(4)}}
		}},
}

func variableRows(scope string) func(e *sqlengine.Execution) [][]any {
	return func(e *sqlengine.Execution) [][]any {
		s := sessionOf(e)
		var rows [][]any
		for _, name := range s.server.variableNames() {
			v, _ := s.variable(scope, name)
			rows = append(rows, []any{name, v.shown()})
		}
		return rows
	}
}

func statusRows(e *sqlengine.Execution) [][]any {
	s := sessionOf(e)
	cipher := ""
	if s.encrypted() {
		cipher = "TLS_AES_128_GCM_SHA256"
	}
	compression := "OFF"
	if s.packets.compression != nil {
		compression = "ON"
	}
	return [][]any{{"Compression", compression}, {"Ssl_cipher", cipher}, {"Threads_connected", toText(int64(s.server.Sessions()), 0)}, {"Uptime", "1"}}
}

// databases are the databases the session sees, sorted.
func (s *session) databases() []string {
	names := []string{"information_schema", "mysql", "performance_schema"}
	if own := s.ownDatabase(); own != "" {
		names = append(names, own)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ownDatabase is the database that tables are in.
func (s *session) ownDatabase() string { return cmp.Or(s.server.config.Database, s.database) }

func systemDatabase(name string) bool { return syntax.IsSystemSchema(name) }

func tableRows(e *sqlengine.Execution) [][]any {
	s := sessionOf(e)
	var rows [][]any
	for _, t := range e.Tables() {
		rows = append(rows, []any{"def", s.ownDatabase(), t.Name, "BASE TABLE", "InnoDB", "utf8mb4_bin", ""})
	}
	for _, key := range slices.Sorted(maps.Keys(s.server.dialect.Views)) {
		schema, name, _ := strings.Cut(key, ".")
		view := s.server.dialect.Views[key]
		switch {
		case schema == syntax.ShowSchema || len(view.Flavors) > 0 && !slices.Contains(view.Flavors, s.server.flavor()):
		case schema == "information_schema":
			rows = append(rows, []any{"def", schema, strings.ToUpper(name), "SYSTEM VIEW", nil, nil, ""})
		default:
			rows = append(rows, []any{"def", schema, name, "BASE TABLE", "InnoDB", "utf8mb4_bin", ""})
		}
	}
	return rows
}

// typeText is the type of a column as MySQL shows it.
func typeText(c sqlengine.Column) string {
	if c.Declared != "" {
		return c.Declared
	}
	return "text"
}

func keyText(c sqlengine.Column) string {
	switch {
	case c.Primary:
		return "PRI"
	case c.Unique:
		return "UNI"
	}
	return ""
}

func extraText(c sqlengine.Column) string {
	switch {
	case c.Serial:
		return "auto_increment"
	case c.OnUpdate:
		return "DEFAULT_GENERATED on update CURRENT_TIMESTAMP"
	}
	return ""
}

// defaultText is the default of a column, nil: none.
func defaultText(c sqlengine.Column) any {
	switch x := c.Default.(type) {
	case sql.Number:
		return x.Text
	case sql.String:
		return x.Text
	case sql.Call:
		if x.Name == "now" {
			return "CURRENT_TIMESTAMP"
		}
		return x.Name + "()"
	}
	return nil
}

func yesNoText(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

func describeRows(e *sqlengine.Execution) [][]any {
	var rows [][]any
	for _, t := range e.Tables() {
		for _, c := range t.Columns {
			rows = append(rows, []any{t.Name, c.Name, typeText(c), yesNoText(!c.NotNull), keyText(c), defaultText(c), extraText(c)})
		}
	}
	return rows
}

func columnRows(e *sqlengine.Execution) [][]any {
	s := sessionOf(e)
	var rows [][]any
	for _, t := range e.Tables() {
		for i, c := range t.Columns {
			base, _, _ := strings.Cut(typeText(c), "(")
			base, _, _ = strings.Cut(base, " ")
			var length, precision, digits, fraction any
			switch described := columnOf(c.Type); {
			case base == "datetime" || base == "timestamp":
				fraction = int64(c.Mods[0])
			case base == "decimal":
				precision, digits = int64(c.Mods[0]), int64(c.Mods[1])
			case described.typ == typeLongLong:
				precision, digits = int64(declaredColumn(described, &sqlengine.Origin{Column: c}).length), int64(0)
			case described.typ == typeVarString && len(c.Mods) > 0:
				length = int64(c.Mods[0])
			}
			rows = append(rows, []any{"def", s.ownDatabase(), t.Name, c.Name, int64(i + 1), defaultText(c), yesNoText(!c.NotNull), base,
				length, precision, digits, fraction, typeText(c), keyText(c), extraText(c), ""})
		}
	}
	return rows
}

func processRows(e *sqlengine.Execution) [][]any {
	own := sessionOf(e)
	var rows [][]any
	for _, s := range own.server.list() {
		command, info := "Sleep", any(nil)
		if s == own {
			command, info = "Query", "SHOW PROCESSLIST"
		}
		rows = append(rows, []any{int64(s.number), s.user, s.clientHost(), own.ownDatabase(), command, int64(0), "", info})
	}
	return rows
}
