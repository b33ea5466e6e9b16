package mysqlserver

import (
	"maps"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Short names of types, for the tables of functions and views.
const (
	tBool    = sqlengine.OID(pgtype.BoolOID)
	tBig     = sqlengine.OID(pgtype.Int8OID)
	tFloat   = sqlengine.OID(pgtype.Float8OID)
	tNumeric = sqlengine.OID(pgtype.NumericOID)
	tText    = sqlengine.OID(pgtype.TextOID)
	tTime    = sqlengine.OID(pgtype.TimestampOID)
	tDate    = sqlengine.OID(pgtype.DateOID)
	tBytes   = sqlengine.OID(pgtype.ByteaOID)
	tJSON    = sqlengine.OID(pgtype.JSONOID)
)

// newDialect is what MySQL's SQL has of its own.
func newDialect() *sqlengine.Dialect {
	d := &sqlengine.Dialect{
		Functions: map[string][]*sqlengine.Function{},
		TableFunctions: map[string]*sqlengine.TableFunction{
			"generate_series": sqlengine.PostgreSQL().TableFunctions["generate_series"], // for MariaDB's sequences
		},
		Views:   map[string]*sqlengine.View{},
		Convert: convert,
	}
	for _, group := range []map[string][]*sqlengine.Function{operatorFunctions, textFunctions, mathFunctions, timeFunctions, castFunctions, sessionFunctions} {
		maps.Copy(d.Functions, group)
	}
	for alias, name := range aliases {
		d.Functions[alias] = d.Functions[name]
	}
	for _, group := range []map[string]*sqlengine.View{schemaViews, clusterViews, showViews} {
		maps.Copy(d.Views, group)
	}
	return d
}

// aliases are further names of functions.
var aliases = map[string]string{
	"lcase": "lower", "ucase": "upper", "character_length": "char_length", "octet_length": "length", "ceiling": "ceil", "power": "pow",
	"sysdate": "now", "schema": "database", "session_user": "user", "system_user": "user", "current_user": "user", "dayofmonth": "day", "sha": "sha1",
}

// sessionOf is the session that an expression is evaluated for.
func sessionOf(e *sqlengine.Execution) *session { return e.Session().Front().State.(*session) }

// one makes the entry of a function with one signature.
func one(result sqlengine.OID, call func(e *sqlengine.Execution, args []any) (any, error), args ...sqlengine.OID) []*sqlengine.Function {
	return []*sqlengine.Function{{Args: args, Result: result, Call: call}}
}

// pure makes the entry of a function that cannot fail and depends on its arguments only.
func pure(result sqlengine.OID, call func(args []any) any, args ...sqlengine.OID) []*sqlengine.Function {
	return one(result, func(_ *sqlengine.Execution, a []any) (any, error) { return call(a), nil }, args...)
}

// optional lets the last n arguments be left out.
func optional(n int, list []*sqlengine.Function) []*sqlengine.Function {
	for _, fn := range list {
		fn.Optional = n
	}
	return list
}

// variadic lets the last argument be repeated.
func variadic(list []*sqlengine.Function) []*sqlengine.Function {
	for _, fn := range list {
		fn.Variadic = true
	}
	return list
}

// lax calls a function with NULLs, too.
func lax(list []*sqlengine.Function) []*sqlengine.Function {
	for _, fn := range list {
		fn.Lax = true
	}
	return list
}
