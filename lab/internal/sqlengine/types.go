package sqlengine

import (
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// Values of expressions are, by type: bool; int64 for all integers and oid; float64; Decimal; string for the text types,
// uuid, json and regproc; []byte; time.Time for date, timestamp and timestamptz; pgtype.Interval; []any for
// arrays; nil for NULL.

// OID is the identifier of a type.
type OID = uint32

// Identifiers of types that pgtype has no constant for.
const (
	RegprocOID  OID = 24
	VoidOID     OID = 2278
	RegclassOID OID = 2205
	AnyOID      OID = 0 // any type, or not known yet
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
	array    OID
}

var typeInfos = map[OID]typeInfo{
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
	RegprocOID:                 {name: "regproc", size: 4},
	RegclassOID:                {name: "regclass", size: 4},
	VoidOID:                    {name: "void", size: 4},
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
var elements = func() map[OID]OID {
	m := map[OID]OID{}
	for element, info := range typeInfos {
		if info.array != 0 && element != pgtype.UnknownOID {
			m[info.array] = element
		}
	}
	return m
}()

// typeNames are the names a type may be written with.
var typeNames = map[string]OID{
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
	"json": pgtype.JSONOID, "jsonb": pgtype.JSONBOID, "regproc": RegprocOID, "regprocedure": RegprocOID, "regclass": RegclassOID,
}

// Type is what there is to know about a type outside of the engine.
type Type struct {
	Name    string // "bigint"
	Size    int16  // bytes of its binary form in PostgreSQL, negative when that varies
	Element OID    // of an array; 0: it is none
	Textual bool   // its values are strings
}

// TypeOf describes a type; false when the engine does not have it.
func TypeOf(t OID) (Type, bool) {
	info, ok := typeInfos[t]
	return Type{Name: info.name, Size: info.size, Element: elements[t], Textual: info.category == stringCategory}, ok
}

func typeName(t OID) string {
	if info, ok := typeInfos[t]; ok {
		return info.name
	}
	return "unknown"
}

// resolveType finds the type that SQL names.
func resolveType(t syntax.Type) (OID, error) {
	id, ok := typeNames[t.Name]
	if !ok {
		return 0, Errorf("42704", "type \"%s\" does not exist", t.Name)
	}
	if t.Array {
		array := typeInfos[id].array
		if array == 0 {
			return 0, Errorf("0A000", "arrays of type %s are not supported", t.Name)
		}
		return array, nil
	}
	return id, nil
}

func categoryOf(t OID) category { return typeInfos[t].category }

func isInteger(t OID) bool {
	return t == pgtype.Int2OID || t == pgtype.Int4OID || t == pgtype.Int8OID || t == pgtype.OIDOID
}

func isFloat(t OID) bool { return t == pgtype.Float4OID || t == pgtype.Float8OID }

// commonType is the type two operands meet in; false when they do not.
func commonType(a, b OID) (OID, bool) {
	switch {
	case a == b:
		return a, true
	case a == pgtype.UnknownOID || a == AnyOID:
		return b, true
	case b == pgtype.UnknownOID || b == AnyOID:
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
func implicit(from, to OID) bool {
	if from == to || from == pgtype.UnknownOID || from == AnyOID {
		return true
	}
	a, b := categoryOf(from), categoryOf(to)
	if b == stringCategory { // assignment casts to text exist for every type
		return true
	}
	if from == pgtype.JSONOID && to == pgtype.JSONBOID || from == pgtype.JSONBOID && to == pgtype.JSONOID {
		return true
	}
	if to == RegprocOID || to == RegclassOID {
		return a == stringCategory
	}
	return a == b && a != otherCategory && a != arrayCategory
}
