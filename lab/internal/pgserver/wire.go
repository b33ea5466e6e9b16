package pgserver

import (
	"fmt"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// The formats of values on the wire.
const (
	textFormat   = 0
	binaryFormat = 1
)

func rowDescription(fields []field, formats []int16) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(fields))}
	for i, f := range fields {
		d.Fields[i] = pgproto3.FieldDescription{Name: []byte(f.name), DataTypeOID: f.typ, DataTypeSize: typeInfos[f.typ].size,
			TypeModifier: -1, Format: format(formats, i)}
	}
	return d
}

func (s *session) dataRow(fields []field, row []any, formats []int16) (*pgproto3.DataRow, error) {
	d := &pgproto3.DataRow{Values: make([][]byte, len(row))}
	for i, v := range row {
		if v == nil {
			continue
		}
		var err error
		if d.Values[i], err = s.encode(fields[i].typ, format(formats, i), v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// encode writes a value that is not NULL.
func (s *session) encode(t oid, format int16, v any) ([]byte, error) {
	if format == textFormat {
		return append([]byte{}, formatText(t, v)...), nil
	}
	switch t {
	case voidOID:
		return []byte{}, nil
	case pgtype.JSONOID:
		return []byte(v.(string)), nil
	case pgtype.JSONBOID:
		return append([]byte{1}, v.(string)...), nil // 1 is the version of the format
	case regprocOID, regclassOID:
		return nil, errorf("0A000", "no binary output of type %s", typeName(t))
	}
	out, err := s.types.Encode(t, binaryFormat, encodable(t, v), []byte{})
	if err != nil {
		return nil, errorf("XX000", "cannot encode %s: %v", typeName(t), err)
	}
	return out, nil
}

// encodable is a value as pgtype wants it.
func encodable(t oid, v any) any {
	switch x := v.(type) {
	case string:
		if t == pgtype.UUIDOID {
			var u pgtype.UUID
			_ = u.Scan(x) // it is one
			return u
		}
	case []any:
		list := make([]any, len(x))
		for i, e := range x {
			list[i] = encodable(elements[t], e)
		}
		return list
	}
	return v
}

// decode reads a parameter; nil is NULL.
func (s *session) decode(t oid, format int16, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	if format == textFormat {
		return parseText(known(t), string(raw))
	}
	switch {
	case t == pgtype.JSONOID:
		return parseText(t, string(raw))
	case t == pgtype.JSONBOID && len(raw) > 0:
		return parseText(t, string(raw[1:]))
	case categoryOf(t) == stringCategory:
		return string(raw), nil
	}
	codec, ok := s.types.TypeForOID(t)
	if !ok {
		return nil, errorf("0A000", "binary input of type %d is not supported", t)
	}
	v, err := codec.Codec.DecodeValue(s.types, t, binaryFormat, raw)
	if err != nil {
		return nil, errorf("22P03", "incorrect binary data format in bind parameter: %v", err)
	}
	return imported(t, v)
}

// known is t, or text for types that are not simulated.
func known(t oid) oid {
	if _, ok := typeInfos[t]; !ok {
		return tText
	}
	return t
}

// imported makes what pgtype decoded one of our values.
func imported(t oid, v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, []byte, pgtype.Interval:
		return v, nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case time.Time:
		return truncateTime(t, v), nil
	case [16]byte:
		return formatUUID(v[:]), nil
	case pgtype.Numeric:
		return decimalFromNumeric(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			var err error
			if list[i], err = imported(elements[t], e); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		return formatJSON(v), nil
	}
	return nil, errorf("0A000", "values like %s of type %s are not supported", fmt.Sprint(v), typeName(t))
}

func decimalFromNumeric(n pgtype.Numeric) (any, error) {
	if n.NaN || n.InfinityModifier != pgtype.Finite || n.Int == nil {
		return nil, errorf("0A000", "NaN and infinity are not supported for numeric")
	}
	if n.Exp > 0 {
		return decimal{new(big.Int).Mul(n.Int, pow10(int(n.Exp))), 0}, nil
	}
	return decimal{n.Int, int(-n.Exp)}, nil
}
