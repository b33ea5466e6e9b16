package sqlengine

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

func badText(t OID, s string) error {
	return Errorf("22P02", "invalid input syntax for type %s: \"%s\"", typeName(t), s)
}

// ParseText reads the text form of a value of type t.
func ParseText(t OID, s string) (any, error) {
	trimmed := strings.TrimSpace(s)
	switch t {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.UnknownOID, RegprocOID, RegclassOID, VoidOID, AnyOID:
		return s, nil
	case pgtype.BoolOID:
		return parseBool(trimmed)
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		n, err := strconv.ParseInt(trimmed, 10, 64)
		if err == nil {
			return checkRange(t, n)
		}
		if strings.Trim(strings.TrimLeft(trimmed, "+-"), "0123456789") == "" && trimmed != "" && strings.Trim(trimmed, "+-") != "" {
			return nil, Errorf("22003", "value \"%s\" is out of range for type %s", s, typeName(t))
		}
		return nil, badText(t, s)
	case pgtype.Float4OID, pgtype.Float8OID:
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil {
			return nil, badText(t, s)
		}
		return f, nil
	case pgtype.NumericOID:
		d, ok := ParseDecimal(trimmed)
		if !ok {
			return nil, badText(t, s)
		}
		return d, nil
	case pgtype.TimestamptzOID, pgtype.TimestampOID, pgtype.DateOID:
		return parseTime(t, trimmed)
	case pgtype.IntervalOID:
		return parseInterval(trimmed)
	case pgtype.ByteaOID:
		if h, ok := strings.CutPrefix(s, `\x`); ok {
			b, err := hex.DecodeString(h)
			if err != nil {
				return nil, Errorf("22023", "invalid hexadecimal data")
			}
			return b, nil
		}
		return []byte(s), nil
	case pgtype.UUIDOID:
		compact := strings.ReplaceAll(strings.Trim(strings.ToLower(trimmed), "{}"), "-", "")
		if b, err := hex.DecodeString(compact); err == nil && len(b) == 16 {
			return formatUUID(b), nil
		}
		return nil, badText(t, s)
	case pgtype.JSONOID, pgtype.JSONBOID:
		return parseJSON(t, s)
	}
	if element, ok := elements[t]; ok {
		return parseArray(element, s)
	}
	return nil, Errorf("0A000", "input of type %s is not supported", typeName(t))
}

func parseBool(s string) (any, error) {
	switch strings.ToLower(s) {
	case "t", "true", "y", "yes", "on", "1", "tr", "tru":
		return true, nil
	case "f", "false", "n", "no", "off", "0", "fa", "fal", "fals":
		return false, nil
	}
	return nil, badText(pgtype.BoolOID, s)
}

func parseJSON(t OID, s string) (any, error) {
	if !json.Valid([]byte(s)) {
		return nil, badText(pgtype.JSONOID, s)
	}
	if t == pgtype.JSONOID {
		return s, nil
	}
	var v any
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, badText(t, s)
	}
	return formatJSON(v), nil
}

// formatJSON writes jsonb as the server prints it: a space after each colon and comma, keys by length and then bytes.
func formatJSON(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v any) {
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSON(b, k)
			b.WriteString(": ")
			writeJSON(b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	default:
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(v) // cannot fail for a scalar
		b.WriteString(strings.TrimSpace(out.String()))
	}
}

func parseArray(element OID, s string) (any, error) {
	malformed := Errorf("22P02", "malformed array literal: \"%s\"", s)
	body := strings.TrimSpace(s)
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return nil, malformed
	}
	body = body[1 : len(body)-1]
	list := []any{}
	for body != "" {
		var item string
		isQuoted := strings.HasPrefix(body, `"`)
		if isQuoted {
			var b strings.Builder
			i := 1
			for ; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' && i+1 < len(body) {
					i++
				}
				b.WriteByte(body[i])
			}
			if i >= len(body) {
				return nil, malformed
			}
			item, body = b.String(), body[i+1:]
		} else {
			n := strings.IndexByte(body, ',')
			if n < 0 {
				n = len(body)
			}
			item, body = strings.TrimSpace(body[:n]), body[n:]
		}
		if !isQuoted && strings.EqualFold(item, "null") {
			list = append(list, nil)
		} else {
			v, err := ParseText(element, item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		if body != "" {
			if body[0] != ',' || len(body) == 1 {
				return nil, malformed
			}
			body = body[1:]
		}
	}
	return list, nil
}

func checkRange(t OID, n int64) (any, error) {
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	switch t {
	case pgtype.Int2OID:
		low, high = math.MinInt16, math.MaxInt16
	case pgtype.Int4OID:
		low, high = math.MinInt32, math.MaxInt32
	case pgtype.OIDOID:
		low, high = 0, math.MaxUint32
	}
	if n < low || n > high {
		return nil, Errorf("22003", "%s out of range", typeName(t))
	}
	return n, nil
}

// FormatText writes the text form of a value of type t.
func FormatText(t OID, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "t"
		}
		return "f"
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(t, v)
	case Decimal:
		return v.String()
	case []byte:
		return `\x` + hex.EncodeToString(v)
	case time.Time:
		return formatTime(t, v)
	case pgtype.Interval:
		return formatInterval(v)
	case []any:
		return formatArray(elements[t], v)
	}
	return fmt.Sprint(v)
}

func formatFloat(t OID, f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	bits := 64
	if t == pgtype.Float4OID {
		bits = 32
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e15) {
		return strconv.FormatFloat(f, 'e', -1, bits)
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

func formatArray(element OID, list []any) string {
	parts := make([]string, len(list))
	for i, v := range list {
		if v == nil {
			parts[i] = "NULL"
			continue
		}
		s := FormatText(element, v)
		if s == "" || strings.EqualFold(s, "null") || strings.ContainsAny(s, "{},\"\\ \t\n\r") {
			s = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		parts[i] = s
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func formatUUID(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// compare orders two values of the same type that are not NULL.
func compare(a, b any) int {
	switch x := a.(type) {
	case bool:
		y := b.(bool)
		switch {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	case int64:
		return cmp.Compare(x, b.(int64))
	case float64: // NaN is greater than everything
		y := b.(float64)
		return -cmp.Compare(-x, -y)
	case Decimal:
		return x.compare(b.(Decimal))
	case string:
		return strings.Compare(x, b.(string))
	case []byte:
		return bytes.Compare(x, b.([]byte))
	case time.Time:
		return x.Compare(b.(time.Time))
	case pgtype.Interval:
		return cmp.Compare(intervalMicros(x), intervalMicros(b.(pgtype.Interval)))
	case []any:
		y := b.([]any)
		for i := range min(len(x), len(y)) {
			if c := compareNulls(x[i], y[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(x), len(y))
	}
	panic(fmt.Sprintf("values of type %T have no order", a))
}

// compareNulls orders with NULL after everything, equal to itself.
func compareNulls(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compare(a, b)
}

// keyOf is a string that is equal for equal lists of values of the same types, for grouping and unique keys.
func keyOf(values []any) string {
	var b strings.Builder
	for _, v := range values {
		var s string
		switch v := v.(type) {
		case nil:
			b.WriteString("~;")
			continue
		case Decimal:
			s = v.canonical()
		case time.Time:
			s = strconv.FormatInt(v.UnixMicro(), 10)
		case float64:
			s = formatFloat(pgtype.Float8OID, v+0) // no negative zero
		case pgtype.Interval:
			s = strconv.FormatInt(intervalMicros(v), 10)
		case []any:
			s = keyOf(v)
		default:
			s = FormatText(AnyOID, v)
		}
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	return b.String()
}

// Import makes a Go value, as package pgtype decodes them for a parameter of type t or as a driver's client sends them, a
// value of the engine: nil for NULL, bool, int64, float64, [Decimal], string (also for uuid and the types of JSON),
// []byte, time.Time in UTC, pgtype.Interval, or []any for arrays. It does not convert one kind to another.
func Import(t OID, v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, int64, float64, Decimal, string, []byte, pgtype.Interval:
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
			if list[i], err = Import(elements[t], e); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		return formatJSON(v), nil
	}
	return nil, Errorf("0A000", "values like %s of type %s are not supported", fmt.Sprint(v), typeName(t))
}

// Plain is a value without the types of this package and pgtype, as [Store.Rows] shows it: Decimal and intervals are
// strings, bytes are copied.
func Plain(v any) any {
	switch v := v.(type) {
	case Decimal:
		return v.String()
	case pgtype.Interval:
		return formatInterval(v)
	case []byte:
		return bytes.Clone(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = Plain(v[i])
		}
		return list
	}
	return v
}
