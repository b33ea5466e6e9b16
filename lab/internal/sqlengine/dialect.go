package sqlengine

import "maps"

// Dialect is what the SQL of a front has of its own. Sessions only read it, so one value may serve many; it must not be
// changed once a session uses it. The keys of its maps are lower case, "schema.name", and without the schema for what
// is in SystemSchema.
type Dialect struct {
	// Functions are the functions that give a value, one entry per signature. The aggregates, and coalesce, greatest,
	// least and nullif, are part of the engine and not found here.
	Functions map[string][]*Function
	// TableFunctions are the functions that give rows.
	TableFunctions map[string]*TableFunction
	// Views are the system's read-only tables. They hide tables of the same name.
	Views map[string]*View
	// SystemSchema is where functions and views need no schema; empty when there is no such schema.
	SystemSchema string
	// Settings may be nil: then there are none.
	Settings Settings
	// Version is the default of Config.Version.
	Version string

	// Convert, if set, makes the dialect a lenient one, as MySQL's is: where no cast is written it makes a value of type
	// from one of type to; stored says that the value goes into a column, where nothing may get lost. v is never nil;
	// texts without a type are of type unknown. In a lenient dialect, moreover, names of columns are found whatever their
	// case, serial columns number NULL and 0, sums of integers are numeric, and rows must be as wide as their columns.
	Convert func(v any, from, to OID, stored bool) (any, error)
}

// Function is one signature of a function.
type Function struct {
	Args     []OID    // AnyOID takes anything
	Optional int      // how many of the last arguments may be left out
	Variadic bool     // the last argument may be repeated
	Result   OID      // AnyOID: the type of the first argument
	Lax      bool     // called with NULLs, too; the others give NULL
	Flavors  []Flavor // where it exists; nil: everywhere
	Call     func(e *Execution, args []any) (any, error)
}

// TableFunction is a function that returns rows. Of its Function, Call and Result are not used.
type TableFunction struct {
	Function
	Columns []Field
	Rows    func(e *Execution, args []any) ([][]any, error)
}

// View is a read-only table of the system.
type View struct {
	Flavors []Flavor // where it exists; nil: everywhere
	Columns []Field
	Rows    func(e *Execution) [][]any
}

// Settings are the settings, or system variables, of a dialect. Names arrive in lower case.
type Settings interface {
	// Value is what a session sees. It asks [Session.Kept] for what the session has set.
	Value(s *Session, name string) (value string, ok bool)
	// Set checks a value and stores it with [Session.Keep].
	Set(s *Session, name, value string, scope Scope) error
	// Names are the names of all settings, sorted.
	Names(s *Session) []string
	// ReadOnly reports whether the session's transactions are read-only unless they say otherwise.
	ReadOnly(s *Session) bool
}

// PostgreSQL is a new value of the dialect of PostgreSQL, for the caller to extend.
func PostgreSQL() *Dialect {
	d := &Dialect{
		Functions: map[string][]*Function{}, TableFunctions: maps.Clone(tableFunctions), Views: maps.Clone(systemViews),
		SystemSchema: "pg_catalog", Settings: postgresSettings{}, Version: "16.4",
	}
	for _, group := range []map[string][]*Function{sessionFunctions, timeFunctions, textFunctions, mathFunctions, clusterFunctions} {
		maps.Copy(d.Functions, group)
	}
	return d
}

// key is the name under which the maps of a dialect have something.
func (d *Dialect) key(schema, name string) string {
	if schema == "" || schema == d.SystemSchema {
		return name
	}
	return schema + "." + name
}
