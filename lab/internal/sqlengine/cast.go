package sqlengine

import (
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// convert turns a value of type from into one of type to; NULL stays NULL. Whether the conversion is allowed
// without a cast is the caller's concern.
func convert(v any, from, to OID) (any, error) {
	if v == nil || from == to || to == AnyOID {
		return v, nil
	}
	if s, ok := v.(string); ok && (categoryOf(from) == stringCategory || from == AnyOID) {
		return ParseText(to, s)
	}
	switch {
	case categoryOf(to) == stringCategory:
		if b, ok := v.(bool); ok { // a cast says true, output says t
			return map[bool]string{true: "true", false: "false"}[b], nil
		}
		return FormatText(from, v), nil
	case isInteger(to):
		return toInteger(v, from, to)
	case isFloat(to):
		switch v := v.(type) {
		case int64:
			return float64(v), nil
		case float64:
			if to == pgtype.Float4OID {
				return float64(float32(v)), nil
			}
			return v, nil
		case Decimal:
			return v.float(), nil
		}
	case to == pgtype.NumericOID:
		switch v := v.(type) {
		case int64:
			return decimalOf(v), nil
		case float64:
			return decimalFromFloat(v), nil
		}
	case to == pgtype.BoolOID:
		if n, ok := v.(int64); ok {
			return n != 0, nil
		}
	case categoryOf(to) == timeCategory:
		if t, ok := v.(time.Time); ok {
			return truncateTime(to, t), nil
		}
	case to == pgtype.JSONOID || to == pgtype.JSONBOID:
		if s, ok := v.(string); ok {
			return ParseText(to, s)
		}
	}
	if list, ok := v.([]any); ok && elements[to] != 0 {
		out := make([]any, len(list))
		for i, e := range list {
			var err error
			if out[i], err = convert(e, elements[from], elements[to]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, Errorf("42846", "cannot cast type %s to %s", typeName(from), typeName(to))
}

func toInteger(v any, from, to OID) (any, error) {
	switch v := v.(type) {
	case int64:
		return checkRange(to, v)
	case float64:
		if r := math.RoundToEven(v); r >= -math.MaxInt64 && r < math.MaxInt64 {
			return checkRange(to, int64(r))
		}
		return nil, Errorf("22003", "%s out of range", typeName(to))
	case Decimal:
		n, ok := v.integer()
		if !ok {
			return nil, Errorf("22003", "%s out of range", typeName(to))
		}
		return checkRange(to, n)
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	}
	return nil, Errorf("42846", "cannot cast type %s to %s", typeName(from), typeName(to))
}

// limitType applies the modifiers of numeric(p, s), varchar(n) and char(n). An explicit cast cuts a long string, an
// assignment refuses it.
func limitType(v any, t OID, mods []int, explicit bool) (any, error) {
	if v == nil || len(mods) == 0 {
		return v, nil
	}
	switch x := v.(type) {
	case Decimal:
		scale := 0
		if len(mods) > 1 {
			scale = mods[1]
		}
		x = x.rescale(scale)
		if x.coefficient.CmpAbs(pow10(mods[0])) >= 0 {
			return nil, Errorf("22003", "numeric field overflow")
		}
		return x, nil
	case time.Time:
		if mods[0] >= 0 && mods[0] < 6 {
			return x.Round(time.Second / time.Duration(pow10(mods[0]).Int64())), nil
		}
	case string:
		if t != pgtype.VarcharOID && t != pgtype.BPCharOID {
			return v, nil
		}
		runes := []rune(x)
		if len(runes) > mods[0] {
			if !explicit && strings.TrimRight(string(runes[mods[0]:]), " ") != "" {
				return nil, Errorf("22001", "value too long for type %s(%d)", typeName(t), mods[0])
			}
			return string(runes[:mods[0]]), nil
		}
	}
	return v, nil
}
