package mysqlserver

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// convert makes a value of type from one of type to, the way MySQL does in strict mode: what goes into a column must be a
// proper value of it, elsewhere a text is the number it starts with.
func convert(v any, from, to sqlengine.OID, stored bool) (any, error) {
	switch to {
	case pgtype.BoolOID:
		return toFloat(v) != 0, nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return toInteger(v, to, stored)
	case pgtype.Float4OID, pgtype.Float8OID:
		if s, ok := texts(v); ok && stored && !numeric(s) {
			return nil, incorrect("DOUBLE", s)
		}
		return toFloat(v), nil
	case pgtype.NumericOID:
		if s, ok := texts(v); ok && stored && !numeric(s) {
			return nil, incorrect("DECIMAL", s)
		}
		return toDecimal(v), nil
	case pgtype.ByteaOID:
		return []byte(toText(v, from)), nil
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		t, ok := toTime(v)
		if !ok {
			return nil, errorf(1292, "22007", "Incorrect datetime value: '%s'", toText(v, from))
		}
		if to == pgtype.DateOID {
			return t.Truncate(24 * time.Hour), nil
		}
		return t, nil
	case pgtype.JSONOID:
		document, err := sqlengine.ParseText(pgtype.JSONOID, toText(v, from))
		if err != nil {
			return nil, errorf(3140, "22032", "Invalid JSON text: \"Invalid value.\" at position 0 in value for column.")
		}
		return document, nil
	case pgtype.UUIDOID:
		return sqlengine.ParseText(to, toText(v, from))
	}
	return toText(v, from), nil
}

func incorrect(typ, value string) error {
	return errorf(1366, "HY000", "Incorrect %s value: '%s'", typ, value)
}

// texts gives a value that is text or bytes as text.
func texts(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// numeric reports whether all of a text is a number.
func numeric(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && len(prefix(s)) == len(s)
}

// prefix is the number that a text starts with.
func prefix(s string) string {
	i, digits := 0, 0
	take := func(set string) {
		if i < len(s) && strings.IndexByte(set, s[i]) >= 0 {
			i++
		}
	}
	run := func() int {
		start := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i - start
	}
	take("+-")
	digits = run()
	take(".")
	digits += run()
	if digits == 0 {
		return ""
	}
	mark := i
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		take("+-")
		if run() == 0 {
			i = mark
		}
	}
	return s[:i]
}

func toFloat(v any) float64 {
	switch v := v.(type) {
	case bool:
		if v {
			return 1
		}
	case int64:
		return float64(v)
	case float64:
		return v
	case sqlengine.Decimal:
		f, _ := strconv.ParseFloat(v.String(), 64)
		return f
	case time.Time:
		f, _ := strconv.ParseFloat(v.Format("20060102150405.999999"), 64)
		return f
	}
	if s, ok := texts(v); ok {
		f, _ := strconv.ParseFloat(prefix(strings.TrimSpace(s)), 64)
		return min(max(f, -math.MaxFloat64), math.MaxFloat64)
	}
	return 0
}

// exactRange is where texts and floating point numbers are read exactly; beyond, their exponent would make them huge.
const exactRange = 1e300

// toRat is a number without loss; texts are the number they start with.
func toRat(v any) *big.Rat {
	r := new(big.Rat)
	switch v := v.(type) {
	case int64:
		return r.SetInt64(v)
	case sqlengine.Decimal:
		r.SetString(v.String())
	case bool, time.Time:
		r.SetFloat64(toFloat(v))
	default:
		f := toFloat(v)
		magnitude := math.Abs(f)
		if math.IsNaN(f) || magnitude > exactRange || magnitude < 1/exactRange {
			r.SetFloat64(min(max(f, -math.MaxFloat64), math.MaxFloat64)) // of NaN: nothing
			break
		}
		s, ok := texts(v)
		if !ok {
			s = strconv.FormatFloat(f, 'e', -1, 64) // as it is written, not as it is stored
		}
		r.SetString(prefix(strings.TrimSpace(s)))
	}
	return r
}

// decimal makes a number one with so many digits after the point, rounded half away from zero.
func decimal(r *big.Rat, scale int) sqlengine.Decimal {
	d, _ := sqlengine.ParseDecimal(r.FloatString(max(scale, 0)))
	return d
}

// scale is how many digits a number has after the point.
func scale(v any) int {
	switch v := v.(type) {
	case sqlengine.Decimal:
		_, fraction, _ := strings.Cut(v.String(), ".")
		return len(fraction)
	case int64, bool:
		return 0
	}
	s := strconv.FormatFloat(toFloat(v), 'f', -1, 64)
	_, fraction, _ := strings.Cut(s, ".")
	return min(len(fraction), 30)
}

func toDecimal(v any) sqlengine.Decimal {
	if d, ok := v.(sqlengine.Decimal); ok {
		return d
	}
	if s, ok := texts(v); ok {
		if d, ok := sqlengine.ParseDecimal(prefix(strings.TrimSpace(s))); ok {
			return d
		}
	}
	return decimal(toRat(v), scale(v))
}

// toInteger rounds half away from zero.
func toInteger(v any, to sqlengine.OID, stored bool) (any, error) {
	if s, ok := texts(v); ok && stored && !numeric(s) {
		return nil, incorrect("integer", s)
	}
	n, ok := v.(int64)
	if !ok {
		if n, ok = rounded(v); !ok {
			return nil, outOfRange()
		}
	}
	low, high := int64(math.MinInt64), int64(math.MaxInt64)
	switch to {
	case pgtype.Int2OID:
		low, high = math.MinInt16, math.MaxInt16
	case pgtype.Int4OID:
		low, high = math.MinInt32, math.MaxInt32
	}
	if n < low || n > high {
		return nil, outOfRange()
	}
	return n, nil
}

func outOfRange() error { return errorf(1264, "22003", "Out of range value for column") }

// rounded is the nearest integer; false when it has more than 64 bits.
func rounded(v any) (int64, bool) {
	n, err := strconv.ParseInt(toRat(v).FloatString(0), 10, 64)
	return n, err == nil
}

// toText writes a value as MySQL does.
func toText(v any, from sqlengine.OID) string {
	c := column{}
	switch from {
	case pgtype.DateOID:
		c.typ = typeDate
	case pgtype.Float4OID:
		c.typ = typeFloat
	}
	return string(text(c, plain(v)))
}

// plain is a value of the engine as the functions for rows want it.
func plain(v any) any {
	if d, ok := v.(sqlengine.Decimal); ok {
		return d.String()
	}
	return v
}

// timeLayouts are the ways to write a point in time.
var timeLayouts = []string{time.DateTime, time.DateOnly, "2006-01-02T15:04:05", "2006-1-2 15:4:5", "2006-1-2", "2006-01-02 15:04", "20060102150405",
	"20060102", time.RFC3339}

// toTime reads a point in time; false when it is none, as 0000-00-00 is in strict mode.
func toTime(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case int64, float64, sqlengine.Decimal:
		return toTime(toText(v, 0))
	}
	s, _ := texts(v)
	s = strings.TrimSpace(s)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Round(time.Microsecond), true
		}
	}
	return time.Time{}, false
}
