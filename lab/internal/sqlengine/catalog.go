package sqlengine

import (
	"slices"
	"sort"

	"github.com/jackc/pgx/v5/pgtype"
)

// systemViews are the catalog of PostgreSQL.
var systemViews = map[string]*View{
	"pg_settings": {Columns: []Field{{"name", tText}, {"setting", tText}}, Rows: func(e *Execution) [][]any {
		var rows [][]any
		for _, name := range e.session.settingNames() {
			value, _ := e.session.Setting(name)
			rows = append(rows, []any{name, value})
		}
		return rows
	}},
	"pg_proc": {Columns: []Field{{"oid", pgtype.OIDOID}, {"proname", tName}, {"pronamespace", pgtype.OIDOID}}, Rows: procRows},
	"pg_type": {Columns: []Field{{"oid", pgtype.OIDOID}, {"typname", tName}}, Rows: func(*Execution) [][]any {
		var rows [][]any
		for _, name := range sortedKeys(typeNames) {
			rows = append(rows, []any{int64(typeNames[name]), name})
		}
		return rows
	}},
	"pg_extension": {Columns: []Field{{"extname", tName}}, Rows: func(*Execution) [][]any { return [][]any{{"plpgsql"}} }},
	"information_schema.tables": {Columns: []Field{{"table_catalog", tName}, {"table_schema", tName}, {"table_name", tName}, {"table_type", tText}},
		Rows: func(e *Execution) [][]any {
			var rows [][]any
			for _, t := range e.Tables() {
				rows = append(rows, []any{e.session.Database, t.Schema, t.Name, "BASE TABLE"})
			}
			return rows
		}},
	"pg_tables": {Columns: []Field{{"schemaname", tName}, {"tablename", tName}}, Rows: func(e *Execution) [][]any {
		var rows [][]any
		for _, t := range e.Tables() {
			rows = append(rows, []any{t.Schema, t.Name})
		}
		return rows
	}},
	"information_schema.columns": {Columns: []Field{{"table_schema", tName}, {"table_name", tName}, {"column_name", tName},
		{"ordinal_position", tInt}, {"data_type", tText}, {"is_nullable", tText}}, Rows: columnRows},
}

// procSchema is the oid of pg_catalog.
const procSchema = 11

func procRows(e *Execution) [][]any {
	flavor := e.session.flavor()
	var names []string
	for name, list := range e.session.dialect().Functions {
		if slices.ContainsFunc(list, func(fn *Function) bool { return fn.exists(flavor) }) {
			names = append(names, name)
		}
	}
	for name, fn := range e.session.dialect().TableFunctions {
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

func columnRows(e *Execution) [][]any {
	var rows [][]any
	for _, t := range e.Tables() {
		for i, col := range t.Columns {
			nullable := "YES"
			if col.NotNull {
				nullable = "NO"
			}
			rows = append(rows, []any{t.Schema, t.Name, col.Name, int64(i + 1), typeName(col.Type), nullable})
		}
	}
	return rows
}
