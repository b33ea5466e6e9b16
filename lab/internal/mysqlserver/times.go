package mysqlserver

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// now is the time in UTC, with as many digits of a second as asked for.
func now(a []any) any {
	digits := int64(0)
	if len(a) > 0 {
		digits = min(max(a[0].(int64), 0), 6)
	}
	return time.Now().UTC().Truncate(time.Second / time.Duration(math.Pow10(int(digits))))
}

func today([]any) any { return time.Now().UTC().Truncate(24 * time.Hour) }

func timeNow([]any) any { return time.Now().UTC().Format(time.TimeOnly) }

// part makes a function of a point in time.
func part(f func(time.Time) int) []*sqlengine.Function {
	return pure(tBig, func(a []any) any { return int64(f(a[0].(time.Time))) }, tTime)
}

// addUnits adds n units of time; false when that leads out of the years MySQL knows.
func addUnits(t time.Time, n float64, unit string) (time.Time, bool) {
	const most = 1e12 // microseconds are many
	if math.IsNaN(n) || math.Abs(n) > most*1e6 || unit != "microsecond" && math.Abs(n) > most {
		return t, false
	}
	out := add(t, n, unit)
	return out, out.Year() >= 0 && out.Year() <= 9999
}

func add(t time.Time, n float64, unit string) time.Time {
	whole := int(math.Round(n))
	switch unit {
	case "year":
		return addMonths(t, 12*whole)
	case "quarter":
		return addMonths(t, 3*whole)
	case "month":
		return addMonths(t, whole)
	case "week":
		return t.AddDate(0, 0, 7*whole)
	case "day":
		return t.AddDate(0, 0, whole)
	case "hour":
		return addSeconds(t, 3600*whole, 0)
	case "minute":
		return addSeconds(t, 60*whole, 0)
	case "microsecond":
		return addSeconds(t, 0, whole)
	}
	seconds, fraction := math.Modf(n)
	return addSeconds(t, int(seconds), int(math.Round(fraction*1e6)))
}

// addSeconds goes further than a time.Duration can.
func addSeconds(t time.Time, seconds, micros int) time.Time {
	return time.UnixMicro(t.UnixMicro() + int64(seconds)*1e6 + int64(micros)).UTC()
}

// addMonths stays in the month it comes to: a month after January 31 is the last day of February.
func addMonths(t time.Time, n int) time.Time {
	out := t.AddDate(0, n, 0)
	if out.Day() != t.Day() {
		out = out.AddDate(0, 0, -out.Day())
	}
	return out
}

// adding makes DATE_ADD, or DATE_SUB. With whole days, a date stays a date, and a text that is one, too.
func adding(sign float64, days bool) []*sqlengine.Function {
	add := func(a []any) any {
		if out, ok := addUnits(a[0].(time.Time), sign*a[1].(float64), a[2].(string)); ok {
			return out
		}
		return nil
	}
	list := pure(tText, func(a []any) any {
		t, ok := toTime(a[0])
		if !ok {
			return nil
		}
		out, ok := addUnits(t, sign*a[1].(float64), a[2].(string))
		if !ok {
			return nil
		}
		digits := 0
		if out.Nanosecond() != 0 {
			digits = 6
		}
		return formatTime(out, days && len(a[0].(string)) <= len(time.DateOnly), digits)
	}, tText, tFloat, tText)
	if days {
		list = append(list, pure(tDate, add, tDate, tFloat, tText)...)
	}
	return append(list, pure(tTime, add, tTime, tFloat, tText)...)
}

// difference is how many whole units of time are between two points.
func difference(a []any) any {
	unit, from, to := a[0].(string), a[1].(time.Time), a[2].(time.Time)
	months := func() int64 {
		n := (to.Year()-from.Year())*12 + int(to.Month()) - int(from.Month())
		for n > 0 && addMonths(from, n).After(to) {
			n--
		}
		for n < 0 && addMonths(from, n).Before(to) {
			n++
		}
		return int64(n)
	}
	switch unit {
	case "year":
		return months() / 12
	case "quarter":
		return months() / 3
	case "month":
		return months()
	}
	units := map[string]time.Duration{"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute,
		"second": time.Second, "microsecond": time.Microsecond}
	return int64(to.Sub(from) / units[unit])
}

// dateFormat is DATE_FORMAT.
func dateFormat(a []any) any {
	t, format := a[0].(time.Time), a[1].(string)
	layouts := map[byte]string{'Y': "2006", 'y': "06", 'm': "01", 'c': "1", 'd': "02", 'e': "2", 'H': "15", 'h': "03", 'I': "03", 'l': "3", 'i': "04",
		's': "05", 'S': "05", 'f': "000000", 'p': "PM", 'T': time.TimeOnly, 'r': "03:04:05 PM", 'M': "January", 'b': "Jan", 'W': "Monday", 'a': "Mon"}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch c := format[i]; c {
		case 'f':
			b.WriteString(t.Format(".000000")[1:])
		case 'k':
			b.WriteString(strconv.Itoa(t.Hour()))
		case 'j':
			b.WriteString(t.Format("002"))
		case 'w':
			b.WriteString(strconv.Itoa(int(t.Weekday())))
		default:
			if layout, ok := layouts[c]; ok {
				b.WriteString(t.Format(layout))
			} else {
				b.WriteByte(c)
			}
		}
	}
	return b.String()
}

var timeFunctions = map[string][]*sqlengine.Function{
	"now": optional(1, pure(tTime, now, tBig)), "utc_timestamp": optional(1, pure(tTime, now, tBig)),
	"curdate": pure(tDate, today), "utc_date": pure(tDate, today),
	"curtime": optional(1, pure(tText, timeNow, tBig)), "utc_time": optional(1, pure(tText, timeNow, tBig)),
	"unix_timestamp": append(pure(tBig, func([]any) any { return time.Now().Unix() }),
		pure(tNumeric, func(a []any) any {
			t := a[0].(time.Time)
			if t.Nanosecond() == 0 {
				return toDecimal(t.Unix())
			}
			d, _ := sqlengine.ParseDecimal(strconv.FormatInt(t.UnixMicro(), 10) + "e-6")
			return d
		}, tTime)...),
	"from_unixtime": pure(tTime, func(a []any) any {
		const last = 32536771199 // seconds, the end of what MySQL takes
		if n := a[0].(float64); n >= 0 && n <= last {
			return time.UnixMicro(int64(math.Round(n * 1e6))).UTC()
		}
		return nil
	}, tFloat),
	"year": part(time.Time.Year), "month": part(func(t time.Time) int { return int(t.Month()) }), "day": part(time.Time.Day),
	"hour": part(time.Time.Hour), "minute": part(time.Time.Minute), "second": part(time.Time.Second),
	"microsecond": part(func(t time.Time) int { return t.Nanosecond() / 1000 }),
	"quarter":     part(func(t time.Time) int { return int(t.Month()+2) / 3 }),
	"week":        part(func(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }),
	"dayofyear":   part(time.Time.YearDay), "dayofweek": part(func(t time.Time) int { return int(t.Weekday()) + 1 }),
	"weekday":   part(func(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }),
	"dayname":   pure(tText, func(a []any) any { return a[0].(time.Time).Weekday().String() }, tTime),
	"monthname": pure(tText, func(a []any) any { return a[0].(time.Time).Month().String() }, tTime),
	"date":      pure(tDate, func(a []any) any { return a[0].(time.Time).Truncate(24 * time.Hour) }, tTime),
	"time":      pure(tText, func(a []any) any { return a[0].(time.Time).Format(time.TimeOnly) }, tTime),
	"date_add":  adding(1, false), "date_sub": adding(-1, false), "date_add_days": adding(1, true), "date_sub_days": adding(-1, true),
	"timestampdiff": pure(tBig, difference, tText, tTime, tTime),
	"datediff": pure(tBig, func(a []any) any {
		return int64(a[0].(time.Time).Sub(a[1].(time.Time)) / (24 * time.Hour))
	}, tDate, tDate),
	"date_format": pure(tText, dateFormat, tTime, tText),
}

// casting makes a function that converts a value of any type as a cast does, not as a column does.
func casting(to sqlengine.OID) []*sqlengine.Function {
	return one(to, func(_ *sqlengine.Execution, a []any) (any, error) { return a[0], nil }, to)
}

var castFunctions = map[string][]*sqlengine.Function{
	"cast_signed": casting(tBig), "cast_unsigned": casting(tBig), "cast_char": casting(tText), "cast_decimal": casting(tNumeric),
	"cast_double": casting(tFloat), "cast_date": casting(tDate), "cast_json": casting(tJSON), "cast_binary": casting(tBytes),
	"cast_year": part(time.Time.Year),
	"cast_time": append(pure(tText, func(a []any) any { return formatDuration(timeOfDay(a[0].(string))) }, tText),
		pure(tText, func(a []any) any { return a[0].(time.Time).Format(time.TimeOnly) }, tTime)...),
	"cast_datetime": optional(1, pure(tTime, func(a []any) any {
		digits := int64(6)
		if len(a) == 2 {
			digits = min(max(a[1].(int64), 0), 6)
		}
		return a[0].(time.Time).Round(time.Second / time.Duration(math.Pow10(int(digits))))
	}, tTime, tBig)),
}
