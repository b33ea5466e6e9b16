package sqlengine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// timeLayouts are the forms of a timestamp that are understood, most specific first.
var timeLayouts = []string{
	"2006-01-02 15:04:05.999999999Z07:00:00",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999Z07",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04",
	"2006-01-02",
}

// parseTime reads a date or a timestamp; what has no zone is UTC, the only time zone of this server.
func parseTime(t OID, s string) (any, error) {
	candidate := s
	if len(s) > 10 && (s[10] == 'T' || s[10] == 't') {
		candidate = s[:10] + " " + s[11:]
	}
	if clock, ok := strings.CutSuffix(candidate, " UTC"); ok {
		candidate = clock
	}
	for _, layout := range timeLayouts {
		if parsed, err := time.Parse(layout, candidate); err == nil {
			return truncateTime(t, parsed), nil
		}
	}
	return nil, Errorf("22007", "invalid input syntax for type %s: \"%s\"", typeName(t), s)
}

// truncateTime brings a time to the resolution of its type: a day, or a microsecond.
func truncateTime(t OID, v time.Time) time.Time {
	v = v.UTC()
	if t == pgtype.DateOID {
		return time.Date(v.Year(), v.Month(), v.Day(), 0, 0, 0, 0, time.UTC)
	}
	return v.Truncate(time.Microsecond)
}

func formatTime(t OID, v time.Time) string {
	v = v.UTC()
	switch t {
	case pgtype.DateOID:
		return v.Format("2006-01-02")
	case pgtype.TimestampOID:
		return v.Format("2006-01-02 15:04:05.999999")
	}
	return v.Format("2006-01-02 15:04:05.999999") + "+00"
}

// Lengths by which intervals are compared, as in PostgreSQL.
const (
	microsPerDay  = 24 * 60 * 60 * 1_000_000
	daysPerMonth  = 30
	monthsPerYear = 12
)

func intervalMicros(i pgtype.Interval) int64 {
	return i.Microseconds + (int64(i.Days)+int64(i.Months)*daysPerMonth)*microsPerDay
}

func newInterval(months, days int32, micros int64) pgtype.Interval {
	return pgtype.Interval{Months: months, Days: days, Microseconds: micros, Valid: true}
}

// intervalUnits give the size of a unit as months, days or microseconds.
var intervalUnits = map[string]struct{ months, days, micros float64 }{
	"microsecond": {micros: 1}, "us": {micros: 1}, "usec": {micros: 1},
	"millisecond": {micros: 1e3}, "ms": {micros: 1e3}, "msec": {micros: 1e3},
	"second": {micros: 1e6}, "sec": {micros: 1e6}, "s": {micros: 1e6},
	"minute": {micros: 6e7}, "min": {micros: 6e7}, "m": {micros: 6e7},
	"hour": {micros: 36e8}, "hr": {micros: 36e8}, "h": {micros: 36e8},
	"day": {days: 1}, "d": {days: 1}, "week": {days: 7}, "w": {days: 7},
	"month": {months: 1}, "mon": {months: 1}, "year": {months: 12}, "yr": {months: 12}, "y": {months: 12},
}

// parseInterval reads "1 day 2 hours", "-5s", "01:02:03.5" and mixtures.
func parseInterval(s string) (any, error) {
	bad := Errorf("22007", "invalid input syntax for type interval: \"%s\"", s)
	var months, days, micros float64
	fields := strings.Fields(strings.ToLower(s))
	if len(fields) == 0 {
		return nil, bad
	}
	for i := 0; i < len(fields); i++ {
		field := fields[i]
		if strings.Contains(field, ":") {
			m, ok := parseClock(field)
			if !ok {
				return nil, bad
			}
			micros += m
			continue
		}
		n := strings.IndexFunc(field, func(r rune) bool { return 'a' <= r && r <= 'z' })
		unit := "second"
		switch {
		case n >= 0:
			field, unit = field[:n], field[n:]
		case i+1 < len(fields):
			i++
			unit = fields[i]
		}
		amount, err := strconv.ParseFloat(field, 64)
		u, known := intervalUnits[unit]
		if !known {
			u, known = intervalUnits[strings.TrimSuffix(unit, "s")]
		}
		if err != nil || !known || math.Abs(amount) > 1e15 {
			return nil, bad
		}
		months, days, micros = months+amount*u.months, days+amount*u.days, micros+amount*u.micros
	}
	wholeDays := math.Trunc(days)
	micros += (days - wholeDays) * microsPerDay
	return newInterval(int32(months), int32(wholeDays), int64(math.Round(micros))), nil
}

// parseClock reads [-]hh:mm[:ss[.ffffff]] as microseconds.
func parseClock(s string) (float64, bool) {
	sign := 1.0
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		s, sign = rest, -1
	}
	total, unit := 0.0, 36e8
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return 0, false
	}
	for _, part := range parts {
		f, err := strconv.ParseFloat(part, 64)
		if err != nil || f < 0 {
			return 0, false
		}
		total += f * unit
		unit /= 60
	}
	return sign * total, true
}

func formatInterval(i pgtype.Interval) string {
	var parts []string
	add := func(n int32, unit string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit)
		case n != 0:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit))
		}
	}
	add(i.Months/monthsPerYear, "year")
	add(i.Months%monthsPerYear, "mon")
	add(i.Days, "day")
	if i.Microseconds != 0 || len(parts) == 0 {
		micros, sign := i.Microseconds, ""
		if micros < 0 {
			micros, sign = -micros, "-"
		}
		seconds := micros / 1e6
		clock := fmt.Sprintf("%s%02d:%02d:%02d", sign, seconds/3600, seconds/60%60, seconds%60)
		if fraction := micros % 1e6; fraction != 0 {
			clock += strings.TrimRight(fmt.Sprintf(".%06d", fraction), "0")
		}
		parts = append(parts, clock)
	}
	return strings.Join(parts, " ")
}

// addInterval adds i to t, or subtracts it with sign -1.
func addInterval(t time.Time, i pgtype.Interval, sign int) time.Time {
	t = t.AddDate(0, sign*int(i.Months), sign*int(i.Days))
	return t.Add(time.Duration(sign) * time.Duration(i.Microseconds) * time.Microsecond)
}
