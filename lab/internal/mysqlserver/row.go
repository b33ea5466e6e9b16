package mysqlserver

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Values of rows are int64, uint64, float64, string, []byte, time.Time, time.Duration for a time of day, bool, which is 1
// or 0, or nil, which is NULL.

// textRow is a row of the text protocol.
func textRow(columns []column, row []any) []byte {
	var b []byte
	for i, v := range row {
		if v == nil {
			b = append(b, 0xfb)
			continue
		}
		b = appendString(b, text(columns[i], v))
	}
	return b
}

// text is a value that is not NULL as text.
func text(c column, v any) []byte {
	switch v := v.(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case uint64:
		return strconv.AppendUint(nil, v, 10)
	case bool:
		if v {
			return []byte{'1'}
		}
		return []byte{'0'}
	case float64:
		return []byte(formatFloat(v, c.typ == typeFloat))
	case time.Time:
		return []byte(formatTime(v, c.typ == typeDate, c.fraction(v)))
	case time.Duration:
		return []byte(formatDuration(v))
	}
	return fmt.Append(nil, v)
}

// fraction is how many digits of a second a time in the column has: as declared, or as many as it needs.
func (c column) fraction(v time.Time) int {
	switch {
	case c.typ == typeDate:
		return 0
	case c.fixedPrecision:
		return int(min(c.decimals, 6))
	case v.Nanosecond()/1000 != 0:
		return 6
	}
	return 0
}

// formatFloat writes a number the way MySQL does: without an exponent up to 15 digits, with a short one beyond.
func formatFloat(v float64, single bool) string {
	bits := 64
	if single {
		bits = 32
	}
	magnitude := math.Abs(v)
	if magnitude != 0 && (magnitude < 1e-15 || magnitude >= 1e15) {
		s := strconv.FormatFloat(v, 'e', -1, bits)
		mantissa, exponent, _ := strings.Cut(s, "e")
		sign := strings.TrimLeft(exponent[:1], "+")
		return mantissa + "e" + sign + strings.TrimLeft(exponent[1:], "0")
	}
	return strconv.FormatFloat(v, 'f', -1, bits)
}

func formatTime(v time.Time, dateOnly bool, fraction int) string {
	if dateOnly {
		return v.Format(time.DateOnly)
	}
	if fraction == 0 {
		return v.Format(time.DateTime)
	}
	return v.Format(time.DateTime + "." + strings.Repeat("0", fraction))
}

// formatDuration writes a time of day, which MySQL lets run from -838 to 838 hours.
func formatDuration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	s := fmt.Sprintf("%s%02d:%02d:%02d", sign, int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
	if micros := d % time.Second / time.Microsecond; micros != 0 {
		s += fmt.Sprintf(".%06d", micros)
	}
	return s
}

// binaryRow is a row of the binary protocol: a bit for each NULL, two bits in, then the values.
func binaryRow(columns []column, row []any) []byte {
	b := make([]byte, 1+(len(row)+7+2)/8, 64)
	for i, v := range row {
		if v == nil {
			b[1+(i+2)/8] |= 1 << ((i + 2) % 8)
			continue
		}
		b = appendBinary(b, columns[i], v)
	}
	return b
}

// appendBinary appends a value that is not NULL.
func appendBinary(b []byte, c column, v any) []byte {
	switch c.typ {
	case typeTiny:
		return append(b, byte(integer(v)))
	case typeShort, typeYear:
		return binary.LittleEndian.AppendUint16(b, uint16(integer(v)))
	case typeLong, typeInt24:
		return binary.LittleEndian.AppendUint32(b, uint32(integer(v)))
	case typeLongLong:
		return binary.LittleEndian.AppendUint64(b, integer(v))
	case typeFloat:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(number(v))))
	case typeDouble:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(number(v)))
	case typeDate, typeDateTime, typeTimestamp:
		if t, ok := v.(time.Time); ok {
			return appendTime(b, t, c.typ == typeDate)
		}
		return append(b, 0) // 0000-00-00
	case typeTime:
		if d, ok := v.(time.Duration); ok {
			return appendDuration(b, d)
		}
		return append(b, 0)
	}
	return appendString(b, text(c, v))
}

func integer(v any) uint64 {
	switch v := v.(type) {
	case int64:
		return uint64(v)
	case uint64:
		return v
	case bool:
		if v {
			return 1
		}
	case float64:
		return uint64(int64(v))
	}
	return 0
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	}
	return 0
}

// appendTime appends a point in time, without the parts at its end that are zero.
func appendTime(b []byte, t time.Time, dateOnly bool) []byte {
	micros := t.Nanosecond() / 1000
	size := byte(11)
	switch {
	case dateOnly || t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && micros == 0:
		size = 4
	case micros == 0:
		size = 7
	}
	b = append(b, size)
	b = binary.LittleEndian.AppendUint16(b, uint16(t.Year()))
	b = append(b, byte(t.Month()), byte(t.Day()))
	if size >= 7 {
		b = append(b, byte(t.Hour()), byte(t.Minute()), byte(t.Second()))
	}
	if size == 11 {
		b = binary.LittleEndian.AppendUint32(b, uint32(micros))
	}
	return b
}

func appendDuration(b []byte, d time.Duration) []byte {
	if d == 0 {
		return append(b, 0)
	}
	negative := byte(0)
	if d < 0 {
		negative, d = 1, -d
	}
	micros := d % time.Second / time.Microsecond
	size := byte(12)
	if micros == 0 {
		size = 8
	}
	b = append(b, size, negative)
	b = binary.LittleEndian.AppendUint32(b, uint32(d/(24*time.Hour)))
	b = append(b, byte(d/time.Hour%24), byte(d/time.Minute%60), byte(d/time.Second%60))
	if size == 12 {
		b = binary.LittleEndian.AppendUint32(b, uint32(micros))
	}
	return b
}
