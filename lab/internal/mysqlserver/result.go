package mysqlserver

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// declared are the types of arguments as far as they have one. Texts take the type of their surroundings, as clients send
// everything as text that is not a number.
func declared(args []any) []sqlengine.OID {
	types := make([]sqlengine.OID, len(args))
	for i, v := range args {
		switch v.(type) {
		case int64:
			types[i] = pgtype.Int8OID
		case float64:
			types[i] = pgtype.Float8OID
		case time.Time:
			types[i] = pgtype.TimestampOID
		}
	}
	return types
}

// bind makes arguments values of the types a statement wants.
func bind(types []sqlengine.OID, args []any) ([]any, error) {
	values := make([]any, len(args))
	own := declared(args)
	for i, v := range args {
		values[i] = v
		if v == nil || i >= len(types) || own[i] == types[i] {
			continue
		}
		var err error
		if values[i], err = convert(v, own[i], types[i], true); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// columnsOf describes fields; nil when there are none.
func columnsOf(fields []sqlengine.Field, origins []*sqlengine.Origin, s *session) []column {
	if fields == nil {
		return nil
	}
	columns := make([]column, len(fields))
	for i, f := range fields {
		c := columnOf(f.Type)
		if i < len(origins) && origins[i] != nil {
			c = declaredColumn(c, origins[i])
			c.schema = s.database
		}
		if c.charset == utf8mb4 && s.server.mariadb() {
			c.charset = utf8mb4MariaDB
		}
		c.name = f.Name
		columns[i] = c
	}
	return columns
}

// columnOf describes an expression.
func columnOf(t sqlengine.OID) column {
	c := column{charset: binaryCharset, flags: flagBinary}
	switch t {
	case pgtype.BoolOID, pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		c.typ, c.length = typeLongLong, 21
	case pgtype.NumericOID:
		c.typ, c.length, c.decimals = typeNewDecimal, 67, 4
	case pgtype.Float4OID:
		c.typ, c.length, c.decimals = typeFloat, 12, notFixed
	case pgtype.Float8OID:
		c.typ, c.length, c.decimals = typeDouble, 23, notFixed
	case pgtype.ByteaOID:
		c.typ, c.length = typeVarString, 65535
	case pgtype.DateOID:
		c.typ, c.length = typeDate, 10
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		c.typ, c.length, c.decimals = typeDateTime, 26, 6
	case pgtype.JSONOID:
		c.typ, c.length, c.flags = typeJSON, 1<<32-1, flagBinary|flagBlob
	default:
		c.typ, c.length, c.charset, c.flags = typeVarString, 65535, utf8mb4, 0
	}
	return c
}

// integerTypes are the types of integers by what a column was declared as.
var integerTypes = map[string]column{
	"tinyint": {typ: typeTiny, length: 4}, "smallint": {typ: typeShort, length: 6}, "mediumint": {typ: typeInt24, length: 9},
	"int": {typ: typeLong, length: 11}, "bigint": {typ: typeLongLong, length: 20}, "year": {typ: typeYear, length: 4},
}

// largeTypes are the sizes of texts and blobs, bytes.
var largeTypes = map[string]uint32{"tiny": 1<<8 - 1, "": 1<<16 - 1, "medium": 1<<24 - 1, "long": 1<<32 - 1}

// declaredColumn describes a column of a table.
func declaredColumn(c column, o *sqlengine.Origin) column {
	c.table, c.origin = o.Table, o.Name
	base, _, _ := strings.Cut(o.Declared, "(")
	base, _, _ = strings.Cut(base, " ")
	size := 0
	if len(o.Mods) > 0 {
		size = o.Mods[0]
	}
	prefix, isText := strings.CutSuffix(base, "text")
	blobPrefix, isBlob := strings.CutSuffix(base, "blob")
	switch {
	case integerTypes[base].typ != 0:
		c.typ, c.length = integerTypes[base].typ, integerTypes[base].length
		if o.Declared == "tinyint(1)" {
			c.length = 1
		}
	case isText:
		c.typ, c.length, c.flags = typeBlob, largeTypes[prefix], flagBlob
	case isBlob:
		c.typ, c.length, c.flags = typeBlob, largeTypes[blobPrefix], flagBlob|flagBinary
	case base == "varchar":
		c.length = uint32(4 * size)
	case base == "char", base == "uuid":
		c.typ, c.length = typeString, uint32(4*max(size, 1))
	case base == "enum":
		c.typ, c.flags = typeString, flagEnum
	case base == "set":
		c.typ, c.flags = typeString, flagSet
	case base == "binary":
		c.typ = typeString
	case base == "time":
		c.typ, c.length, c.charset, c.flags = typeTime, 10, binaryCharset, flagBinary
	case base == "decimal" && len(o.Mods) == 2:
		c.length, c.decimals = uint32(size+2), byte(o.Mods[1])
	case base == "datetime", base == "timestamp":
		if base == "timestamp" {
			c.typ = typeTimestamp
		}
		c.decimals, c.fixedPrecision = byte(size), true
	}
	for flag, set := range map[uint16]bool{flagNotNull: o.NotNull, flagPrimaryKey: o.Primary, flagUniqueKey: o.Unique && !o.Primary,
		flagAutoIncrement: o.Serial, flagUnsigned: strings.Contains(o.Declared, "unsigned")} {
		if set {
			c.flags |= flag
		}
	}
	return c
}

// rowsOf makes rows of the engine rows for the client. MySQL knows no infinity.
func rowsOf(columns []column, rows [][]any) ([][]any, error) {
	out := make([][]any, len(rows))
	for i, row := range rows {
		out[i] = make([]any, len(row))
		for j, v := range row {
			v = plain(v)
			if s, ok := v.(string); ok && columns[j].typ == typeTime {
				v = timeOfDay(s)
			}
			if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
				return nil, errorf(1690, "22003", "DOUBLE value is out of range in '%s'", columns[j].name)
			}
			out[i][j] = v
		}
	}
	return out, nil
}

// fitFractions gives expressions of time no decimals when none of their values needs them.
func fitFractions(r *result) {
	for i := range r.columns {
		c := &r.columns[i]
		if c.typ != typeDateTime || c.fixedPrecision {
			continue
		}
		c.decimals = 0
		for _, row := range r.rows {
			if t, ok := row[i].(time.Time); ok && t.Nanosecond() != 0 {
				c.decimals = 6
				break
			}
		}
	}
}

// timeOfDay reads [-]hours:minutes[:seconds[.fraction]].
func timeOfDay(s string) time.Duration {
	rest, negative := strings.CutPrefix(strings.TrimSpace(s), "-")
	var total time.Duration
	unit := time.Hour
	for part := range strings.SplitSeq(rest, ":") {
		n, _ := strconv.ParseFloat(part, 64)
		total += time.Duration(n * float64(unit))
		unit /= 60
	}
	if negative {
		return -total
	}
	return total.Round(time.Microsecond)
}
