package pgserver

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/pgserver/syntax"
)

// Values of expressions are, by type: bool; int64 for all integers and oid; float64; decimal; string for the text types,
// uuid, json and regproc; []byte; time.Time for date, timestamp and timestamptz; pgtype.Interval; []any for
// arrays; nil for NULL.

// oid is the identifier of a type.
type oid = uint32

// Identifiers of types that pgtype has no constant for.
const (
	regprocOID  oid = 24
	voidOID     oid = 2278
	regclassOID oid = 2205
	anyOID      oid = 0 // any type, or not known yet
)

// category groups the types that convert into each other by themselves.
type category uint8

const (
	otherCategory category = iota
	numericCategory
	stringCategory
	timeCategory
	arrayCategory
)

type typeInfo struct {
	name     string // as the server calls it in messages
	category category
	rank     int // within the category: the common type is the one of the higher rank
	size     int16
	array    oid
}

var typeInfos = map[oid]typeInfo{
	pgtype.BoolOID:             {name: "boolean", size: 1, array: pgtype.BoolArrayOID},
	pgtype.Int2OID:             {name: "smallint", category: numericCategory, rank: 1, size: 2, array: pgtype.Int2ArrayOID},
	pgtype.Int4OID:             {name: "integer", category: numericCategory, rank: 2, size: 4, array: pgtype.Int4ArrayOID},
	pgtype.OIDOID:              {name: "oid", category: numericCategory, rank: 3, size: 4, array: pgtype.OIDArrayOID},
	pgtype.Int8OID:             {name: "bigint", category: numericCategory, rank: 4, size: 8, array: pgtype.Int8ArrayOID},
	pgtype.NumericOID:          {name: "numeric", category: numericCategory, rank: 5, size: -1, array: pgtype.NumericArrayOID},
	pgtype.Float4OID:           {name: "real", category: numericCategory, rank: 6, size: 4, array: pgtype.Float4ArrayOID},
	pgtype.Float8OID:           {name: "double precision", category: numericCategory, rank: 7, size: 8, array: pgtype.Float8ArrayOID},
	pgtype.UnknownOID:          {name: "unknown", category: stringCategory, size: -2, array: pgtype.TextArrayOID},
	pgtype.NameOID:             {name: "name", category: stringCategory, rank: 1, size: 64, array: pgtype.NameArrayOID},
	pgtype.BPCharOID:           {name: "character", category: stringCategory, rank: 2, size: -1, array: pgtype.BPCharArrayOID},
	pgtype.VarcharOID:          {name: "character varying", category: stringCategory, rank: 3, size: -1, array: pgtype.VarcharArrayOID},
	pgtype.TextOID:             {name: "text", category: stringCategory, rank: 4, size: -1, array: pgtype.TextArrayOID},
	pgtype.DateOID:             {name: "date", category: timeCategory, rank: 1, size: 4, array: pgtype.DateArrayOID},
	pgtype.TimestampOID:        {name: "timestamp without time zone", category: timeCategory, rank: 2, size: 8, array: pgtype.TimestampArrayOID},
	pgtype.TimestamptzOID:      {name: "timestamp with time zone", category: timeCategory, rank: 3, size: 8, array: pgtype.TimestamptzArrayOID},
	pgtype.IntervalOID:         {name: "interval", size: 16, array: pgtype.IntervalArrayOID},
	pgtype.ByteaOID:            {name: "bytea", size: -1, array: pgtype.ByteaArrayOID},
	pgtype.UUIDOID:             {name: "uuid", size: 16, array: pgtype.UUIDArrayOID},
	pgtype.JSONOID:             {name: "json", size: -1, array: pgtype.JSONArrayOID},
	pgtype.JSONBOID:            {name: "jsonb", size: -1, array: pgtype.JSONBArrayOID},
	regprocOID:                 {name: "regproc", size: 4},
	regclassOID:                {name: "regclass", size: 4},
	voidOID:                    {name: "void", size: 4},
	pgtype.BoolArrayOID:        {name: "boolean[]", category: arrayCategory, size: -1},
	pgtype.Int2ArrayOID:        {name: "smallint[]", category: arrayCategory, size: -1},
	pgtype.Int4ArrayOID:        {name: "integer[]", category: arrayCategory, size: -1},
	pgtype.OIDArrayOID:         {name: "oid[]", category: arrayCategory, size: -1},
	pgtype.Int8ArrayOID:        {name: "bigint[]", category: arrayCategory, size: -1},
	pgtype.NumericArrayOID:     {name: "numeric[]", category: arrayCategory, size: -1},
	pgtype.Float4ArrayOID:      {name: "real[]", category: arrayCategory, size: -1},
	pgtype.Float8ArrayOID:      {name: "double precision[]", category: arrayCategory, size: -1},
	pgtype.NameArrayOID:        {name: "name[]", category: arrayCategory, size: -1},
	pgtype.BPCharArrayOID:      {name: "character[]", category: arrayCategory, size: -1},
	pgtype.VarcharArrayOID:     {name: "character varying[]", category: arrayCategory, size: -1},
	pgtype.TextArrayOID:        {name: "text[]", category: arrayCategory, size: -1},
	pgtype.DateArrayOID:        {name: "date[]", category: arrayCategory, size: -1},
	pgtype.TimestampArrayOID:   {name: "timestamp without time zone[]", category: arrayCategory, size: -1},
	pgtype.TimestamptzArrayOID: {name: "timestamp with time zone[]", category: arrayCategory, size: -1},
	pgtype.IntervalArrayOID:    {name: "interval[]", category: arrayCategory, size: -1},
	pgtype.ByteaArrayOID:       {name: "bytea[]", category: arrayCategory, size: -1},
	pgtype.UUIDArrayOID:        {name: "uuid[]", category: arrayCategory, size: -1},
	pgtype.JSONArrayOID:        {name: "json[]", category: arrayCategory, size: -1},
	pgtype.JSONBArrayOID:       {name: "jsonb[]", category: arrayCategory, size: -1},
}

// elements maps each array type to the type of its elements.
var elements = func() map[oid]oid {
	m := map[oid]oid{}
	for element, info := range typeInfos {
		if info.array != 0 && element != pgtype.UnknownOID {
			m[info.array] = element
		}
	}
	return m
}()

// typeNames are the names a type may be written with.
var typeNames = map[string]oid{
	"bool": pgtype.BoolOID, "boolean": pgtype.BoolOID,
	"int2": pgtype.Int2OID, "smallint": pgtype.Int2OID,
	"int": pgtype.Int4OID, "int4": pgtype.Int4OID, "integer": pgtype.Int4OID,
	"int8": pgtype.Int8OID, "bigint": pgtype.Int8OID, "oid": pgtype.OIDOID,
	"numeric": pgtype.NumericOID, "decimal": pgtype.NumericOID,
	"float4": pgtype.Float4OID, "real": pgtype.Float4OID,
	"float": pgtype.Float8OID, "float8": pgtype.Float8OID, "double precision": pgtype.Float8OID,
	"text": pgtype.TextOID, "name": pgtype.NameOID, "varchar": pgtype.VarcharOID,
	"character varying": pgtype.VarcharOID, "char": pgtype.BPCharOID, "character": pgtype.BPCharOID, "bpchar": pgtype.BPCharOID,
	"date": pgtype.DateOID, "timestamp": pgtype.TimestampOID, "timestamp without time zone": pgtype.TimestampOID,
	"timestamptz": pgtype.TimestamptzOID, "timestamp with time zone": pgtype.TimestamptzOID,
	"interval": pgtype.IntervalOID, "bytea": pgtype.ByteaOID, "uuid": pgtype.UUIDOID,
	"json": pgtype.JSONOID, "jsonb": pgtype.JSONBOID, "regproc": regprocOID, "regprocedure": regprocOID, "regclass": regclassOID,
}

func typeName(t oid) string {
	if info, ok := typeInfos[t]; ok {
		return info.name
	}
	return "unknown"
}

// resolveType finds the type that SQL names.
func resolveType(t syntax.Type) (oid, error) {
	id, ok := typeNames[t.Name]
	if !ok {
		return 0, errorf("42704", "type \"%s\" does not exist", t.Name)
	}
	if t.Array {
		array := typeInfos[id].array
		if array == 0 {
			return 0, errorf("0A000", "arrays of type %s are not supported", t.Name)
		}
		return array, nil
	}
	return id, nil
}

func categoryOf(t oid) category { return typeInfos[t].category }

func isInteger(t oid) bool {
	return t == pgtype.Int2OID || t == pgtype.Int4OID || t == pgtype.Int8OID || t == pgtype.OIDOID
}

func isFloat(t oid) bool { return t == pgtype.Float4OID || t == pgtype.Float8OID }

// commonType is the type two operands meet in; false when they do not.
func commonType(a, b oid) (oid, bool) {
	switch {
	case a == b:
		return a, true
	case a == pgtype.UnknownOID || a == anyOID:
		return b, true
	case b == pgtype.UnknownOID || b == anyOID:
		return a, true
	}
	ia, ib := typeInfos[a], typeInfos[b]
	if ia.category != ib.category || ia.category == otherCategory || ia.category == arrayCategory {
		return 0, false
	}
	if ia.category == stringCategory {
		return pgtype.TextOID, true
	}
	if ia.rank > ib.rank {
		return a, true
	}
	return b, true
}

// implicit reports whether a value of type from converts to type to without a cast, as when it is assigned to a column.
func implicit(from, to oid) bool {
	if from == to || from == pgtype.UnknownOID || from == anyOID {
		return true
	}
	a, b := categoryOf(from), categoryOf(to)
	if b == stringCategory { // assignment casts to text exist for every type
		return true
	}
	if from == pgtype.JSONOID && to == pgtype.JSONBOID || from == pgtype.JSONBOID && to == pgtype.JSONOID {
		return true
	}
	if to == regprocOID || to == regclassOID {
		return a == stringCategory
	}
	return a == b && a != otherCategory && a != arrayCategory
}
