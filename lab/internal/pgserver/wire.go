package pgserver

import (
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// The formats of values on the wire.
const (
	textFormat   = 0
	binaryFormat = 1
)

func rowDescription(fields []sqlengine.Field, formats []int16) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(fields))}
	for i, f := range fields {
		var size int16
		if t, ok := sqlengine.TypeOf(f.Type); ok {
			size = t.Size
		}
		d.Fields[i] = pgproto3.FieldDescription{Name: []byte(f.Name), DataTypeOID: f.Type, DataTypeSize: size,
			TypeModifier: -1, Format: format(formats, i)}
	}
	return d
}

func (s *session) dataRow(fields []sqlengine.Field, row []any, formats []int16) (*pgproto3.DataRow, error) {
	d := &pgproto3.DataRow{Values: make([][]byte, len(row))}
	for i, v := range row {
		if v == nil {
			continue
		}
		var err error
		if d.Values[i], err = s.encode(fields[i].Type, format(formats, i), v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// encode writes a value that is not NULL.
func (s *session) encode(t sqlengine.OID, format int16, v any) ([]byte, error) {
	if format == textFormat {
		return append([]byte{}, sqlengine.FormatText(t, v)...), nil
	}
	info, _ := sqlengine.TypeOf(t)
	switch t {
	case sqlengine.VoidOID:
		return []byte{}, nil
	case pgtype.JSONOID:
		return []byte(v.(string)), nil
	case pgtype.JSONBOID:
		return append([]byte{1}, v.(string)...), nil // 1 is the version of the format
	case sqlengine.RegprocOID, sqlengine.RegclassOID:
		return nil, sqlengine.Errorf("0A000", "no binary output of type %s", info.Name)
	}
	out, err := s.types.Encode(t, binaryFormat, encodable(t, v), []byte{})
	if err != nil {
		return nil, sqlengine.Errorf("XX000", "cannot encode %s: %v", info.Name, err)
	}
	return out, nil
}

// encodable is a value as pgtype wants it.
func encodable(t sqlengine.OID, v any) any {
	switch x := v.(type) {
	case string:
		if t == pgtype.UUIDOID {
			var u pgtype.UUID
			_ = u.Scan(x) // it is one
			return u
		}
	case []any:
		info, _ := sqlengine.TypeOf(t)
		list := make([]any, len(x))
		for i, e := range x {
			list[i] = encodable(info.Element, e)
		}
		return list
	}
	return v
}

// decode reads a parameter; nil is NULL.
func (s *session) decode(t sqlengine.OID, format int16, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	info, simulated := sqlengine.TypeOf(t)
	if format == textFormat {
		if !simulated {
			t = pgtype.TextOID
		}
		return sqlengine.ParseText(t, string(raw))
	}
	switch {
	case t == pgtype.JSONOID:
		return sqlengine.ParseText(t, string(raw))
	case t == pgtype.JSONBOID && len(raw) > 0:
		return sqlengine.ParseText(t, string(raw[1:]))
	case info.Textual:
		return string(raw), nil
	}
	codec, ok := s.types.TypeForOID(t)
	if !ok {
		return nil, sqlengine.Errorf("0A000", "binary input of type %d is not supported", t)
	}
	v, err := codec.Codec.DecodeValue(s.types, t, binaryFormat, raw)
	if err != nil {
		return nil, sqlengine.Errorf("22P03", "incorrect binary data format in bind parameter: %v", err)
	}
	return sqlengine.Import(t, v)
}
