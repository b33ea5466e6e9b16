package sqlengine

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Short names of types, for the table of functions.
const (
	tBool     = OID(pgtype.BoolOID)
	tInt      = OID(pgtype.Int4OID)
	tBig      = OID(pgtype.Int8OID)
	tFloat    = OID(pgtype.Float8OID)
	tNumeric  = OID(pgtype.NumericOID)
	tText     = OID(pgtype.TextOID)
	tName     = OID(pgtype.NameOID)
	tTime     = OID(pgtype.TimestamptzOID)
	tInterval = OID(pgtype.IntervalOID)
	tUUID     = OID(pgtype.UUIDOID)
	tBytes    = OID(pgtype.ByteaOID)
)

// one makes the entry of a function with one signature.
func one(result OID, call func(e *Execution, args []any) (any, error), args ...OID) []*Function {
	return []*Function{{Args: args, Result: result, Call: call}}
}

func text(v any) string { s, _ := v.(string); return s }

var sessionFunctions = map[string][]*Function{
	"pg_is_in_recovery": one(tBool, func(e *Execution, _ []any) (any, error) { return !e.session.Host().Writable(), nil }),
	"version": one(tText, func(e *Execution, _ []any) (any, error) {
		return "PostgreSQL " + e.session.Version() + " on x86_64-pc-linux-gnu, simulated by awsdb/lab", nil
	}),
	"current_user":     one(tName, func(e *Execution, _ []any) (any, error) { return e.session.User, nil }),
	"session_user":     one(tName, func(e *Execution, _ []any) (any, error) { return e.session.User, nil }),
	"user":             one(tName, func(e *Execution, _ []any) (any, error) { return e.session.User, nil }),
	"current_database": one(tName, func(e *Execution, _ []any) (any, error) { return e.session.Database, nil }),
	"current_catalog":  one(tName, func(e *Execution, _ []any) (any, error) { return e.session.Database, nil }),
	"current_schema":   one(tName, func(*Execution, []any) (any, error) { return "public", nil }),
	"pg_backend_pid":   one(tInt, func(e *Execution, _ []any) (any, error) { return int64(e.session.PID), nil }),
	"inet_server_addr": one(tText, func(e *Execution, _ []any) (any, error) {
		host, _ := e.session.address()
		return host, nil
	}),
	"inet_server_port": one(tInt, func(e *Execution, _ []any) (any, error) {
		_, port := e.session.address()
		return port, nil
	}),
	"current_setting": {{Args: []OID{tText, tBool}, Optional: 1, Result: tText, Call: func(e *Execution, args []any) (any, error) {
		value, ok := e.session.Setting(text(args[0]))
		if !ok {
			if len(args) == 2 && args[1] == true {
				return nil, nil
			}
			return nil, Errorf("42704", "unrecognized configuration parameter \"%s\"", args[0])
		}
		return value, nil
	}}},
	"set_config": {{Args: []OID{tText, tText, tBool}, Result: tText, Lax: true, Call: func(e *Execution, args []any) (any, error) {
		return text(args[1]), e.session.Set(text(args[0]), text(args[1]), scopeOf(args[2] == true))
	}}},
	"to_regproc": one(RegprocOID, func(e *Execution, args []any) (any, error) {
		if e.session.hasFunction(text(args[0])) {
			return args[0], nil
		}
		return nil, nil
	}, tText),
	"to_regclass": one(RegclassOID, func(e *Execution, args []any) (any, error) {
		if relationExists(e, text(args[0])) {
			return args[0], nil
		}
		return nil, nil
	}, tText),
	"pg_notify": {{Args: []OID{tText, tText}, Result: VoidOID, Lax: true, Call: func(e *Execution, args []any) (any, error) {
		return "", e.session.notify(text(args[0]), text(args[1]))
	}}},
	"pg_sleep": one(VoidOID, func(e *Execution, args []any) (any, error) {
		return "", e.Sleep(time.Duration(args[0].(float64) * float64(time.Second)))
	}, tFloat),
	"pg_sleep_for": one(VoidOID, func(e *Execution, args []any) (any, error) {
		return "", e.Sleep(time.Duration(intervalMicros(args[0].(pgtype.Interval))) * time.Microsecond)
	}, tInterval),
	"pg_cancel_backend": one(tBool, func(e *Execution, args []any) (any, error) {
		return signal(e.session.config.Front.Cancel, args[0])
	}, tInt),
	"pg_terminate_backend": one(tBool, func(e *Execution, args []any) (any, error) {
		return signal(e.session.config.Front.Terminate, args[0])
	}, tInt),
}

func transactionTime(e *Execution, _ []any) (any, error) {
	return e.tx.started.UTC().Truncate(time.Microsecond), nil
}

func clockTime(*Execution, []any) (any, error) {
	return time.Now().UTC().Truncate(time.Microsecond), nil
}

func datePart(_ *Execution, args []any) (any, error) { return timeField(text(args[0]), args[1]) }

func extract(_ *Execution, args []any) (any, error) {
	v, err := timeField(text(args[0]), args[1])
	if err != nil {
		return nil, err
	}
	d := decimalFromFloat(v.(float64))
	switch args[0] {
	case "epoch", "second":
		d = decimalOf(int64(math.Round(v.(float64) * 1e6)))
		d.scale = 6
	}
	return d, nil
}

var timeFunctions = map[string][]*Function{
	"now":                   one(tTime, transactionTime),
	"transaction_timestamp": one(tTime, transactionTime),
	"current_timestamp":     one(tTime, transactionTime),
	"localtimestamp":        one(pgtype.TimestampOID, transactionTime),
	"current_date": one(pgtype.DateOID, func(e *Execution, _ []any) (any, error) {
		return truncateTime(pgtype.DateOID, e.tx.started), nil
	}),
	"clock_timestamp":     one(tTime, clockTime),
	"statement_timestamp": one(tTime, clockTime),
	"extract":             append(one(tNumeric, extract, tText, tInterval), one(tNumeric, extract, tText, tTime)...),
	"date_part":           append(one(tFloat, datePart, tText, tInterval), one(tFloat, datePart, tText, tTime)...),
	"date_trunc": one(tTime, func(_ *Execution, args []any) (any, error) {
		return truncateTo(text(args[0]), args[1].(time.Time))
	}, tText, tTime),
	"to_timestamp": one(tTime, func(_ *Execution, args []any) (any, error) {
		return time.UnixMicro(int64(args[0].(float64) * 1e6)).UTC(), nil
	}, tFloat),
	"timezone": one(AnyOID, func(_ *Execution, args []any) (any, error) {
		if zone := strings.ToUpper(text(args[0])); zone != "UTC" && zone != "GMT" {
			return nil, Errorf("0A000", "no time zone but UTC is supported")
		}
		return args[1], nil
	}, tText, tTime),
}

func timeField(name string, v any) (any, error) {
	if i, ok := v.(pgtype.Interval); ok {
		switch name {
		case "epoch":
			return float64(intervalMicros(i)) / 1e6, nil
		case "day":
			return float64(i.Days), nil
		case "hour":
			return float64(i.Microseconds / 36e8), nil
		case "minute":
			return float64(i.Microseconds / 6e7 % 60), nil
		case "second":
			return float64(i.Microseconds%6e7) / 1e6, nil
		}
		return nil, Errorf("22023", "unit \"%s\" not recognized for type interval", name)
	}
	t := v.(time.Time)
	switch name {
	case "epoch":
		return float64(t.UnixMicro()) / 1e6, nil
	case "year":
		return float64(t.Year()), nil
	case "month":
		return float64(t.Month()), nil
	case "day":
		return float64(t.Day()), nil
	case "hour":
		return float64(t.Hour()), nil
	case "minute":
		return float64(t.Minute()), nil
	case "second":
		return float64(t.Second()) + float64(t.Nanosecond())/1e9, nil
	case "dow":
		return float64(t.Weekday()), nil
	case "doy":
		return float64(t.YearDay()), nil
	}
	return nil, Errorf("22023", "unit \"%s\" not recognized for type timestamp with time zone", name)
}

func truncateTo(unit string, t time.Time) (any, error) {
	switch unit {
	case "second":
		return t.Truncate(time.Second), nil
	case "minute":
		return t.Truncate(time.Minute), nil
	case "hour":
		return t.Truncate(time.Hour), nil
	case "day":
		return truncateTime(pgtype.DateOID, t), nil
	case "month":
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC), nil
	case "year":
		return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC), nil
	}
	return nil, Errorf("22023", "unit \"%s\" not recognized for type timestamp with time zone", unit)
}

// textFunction makes a function from text to text.
func textFunction(apply func(string) string) []*Function {
	return one(tText, func(_ *Execution, args []any) (any, error) { return apply(text(args[0])), nil }, tText)
}

// trimFunction makes btrim, ltrim and rtrim.
func trimFunction(trim func(s, cutset string) string) []*Function {
	return []*Function{{Args: []OID{tText, tText}, Optional: 1, Result: tText, Call: func(_ *Execution, args []any) (any, error) {
		if len(args) == 1 {
			return trim(text(args[0]), " "), nil
		}
		return trim(text(args[0]), text(args[1])), nil
	}}}
}

var textFunctions = map[string][]*Function{
	"length": append(one(tInt, func(_ *Execution, args []any) (any, error) { return int64(len([]rune(text(args[0])))), nil }, tText),
		one(tInt, func(_ *Execution, args []any) (any, error) { return int64(len(args[0].([]byte))), nil }, tBytes)...),
	"char_length":  one(tInt, func(_ *Execution, args []any) (any, error) { return int64(len([]rune(text(args[0])))), nil }, tText),
	"octet_length": one(tInt, func(_ *Execution, args []any) (any, error) { return int64(len(text(args[0]))), nil }, tText),
	"lower":        textFunction(strings.ToLower),
	"upper":        textFunction(strings.ToUpper),
	"btrim":        trimFunction(strings.Trim),
	"ltrim":        trimFunction(strings.TrimLeft),
	"rtrim":        trimFunction(strings.TrimRight),
	"reverse": textFunction(func(s string) string {
		r := []rune(s)
		slices.Reverse(r)
		return string(r)
	}),
	"quote_ident":   textFunction(func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }),
	"quote_literal": textFunction(func(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }),
	"md5": textFunction(func(s string) string {
		sum := md5.Sum([]byte(s))
		return hex.EncodeToString(sum[:])
	}),
	"concat": {{Args: []OID{AnyOID}, Optional: 1, Variadic: true, Result: tText, Lax: true, Call: func(_ *Execution, args []any) (any, error) {
		var b strings.Builder
		for _, v := range args {
			if v != nil {
				b.WriteString(FormatText(AnyOID, v))
			}
		}
		return b.String(), nil
	}}},
	"repeat": one(tText, func(_ *Execution, args []any) (any, error) {
		n := max(args[1].(int64), 0)
		if n*int64(len(text(args[0]))) > 1<<30 || n > 1<<30 {
			return nil, Errorf("54000", "requested length too large")
		}
		return strings.Repeat(text(args[0]), int(n)), nil
	}, tText, tInt),
	"replace": one(tText, func(_ *Execution, args []any) (any, error) {
		if args[1] == "" {
			return args[0], nil
		}
		return strings.ReplaceAll(text(args[0]), text(args[1]), text(args[2])), nil
	}, tText, tText, tText),
	"strpos": one(tInt, func(_ *Execution, args []any) (any, error) {
		before, _, found := strings.Cut(text(args[0]), text(args[1]))
		if !found {
			return int64(0), nil
		}
		return int64(len([]rune(before))) + 1, nil
	}, tText, tText),
	"starts_with": one(tBool, func(_ *Execution, args []any) (any, error) {
		return strings.HasPrefix(text(args[0]), text(args[1])), nil
	}, tText, tText),
	"substring": {{Args: []OID{tText, tInt, tInt}, Optional: 1, Result: tText, Call: substring}},
	"substr":    {{Args: []OID{tText, tInt, tInt}, Optional: 1, Result: tText, Call: substring}},
	"left": one(tText, func(e *Execution, args []any) (any, error) {
		return substring(e, []any{args[0], int64(1), max(args[1].(int64), 0)})
	}, tText, tInt),
	"right": one(tText, func(e *Execution, args []any) (any, error) {
		return substring(e, []any{args[0], int64(len([]rune(text(args[0])))) - max(args[1].(int64), 0) + 1})
	}, tText, tInt),
	"split_part": one(tText, func(_ *Execution, args []any) (any, error) {
		parts := strings.Split(text(args[0]), text(args[1]))
		if n := args[2].(int64); n >= 1 && n <= int64(len(parts)) {
			return parts[n-1], nil
		}
		return "", nil
	}, tText, tText, tInt),
	"gen_random_uuid": one(tUUID, func(*Execution, []any) (any, error) {
		var b [16]byte
		_, _ = rand.Read(b[:]) // never fails
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		return formatUUID(b[:]), nil
	}),
}

func substring(_ *Execution, args []any) (any, error) {
	r := []rune(text(args[0]))
	start, stop := args[1].(int64)-1, int64(len(r))
	if len(args) == 3 {
		if args[2].(int64) < 0 {
			return nil, Errorf("22011", "negative substring length not allowed")
		}
		stop = min(stop, start+args[2].(int64))
	}
	start = min(max(start, 0), int64(len(r)))
	return string(r[start:max(stop, start)]), nil
}

// numeric makes a function with one signature for integers, one for numeric and one for floats.
func numeric(integer func(int64) int64, exact func(Decimal) Decimal, float func(float64) float64) []*Function {
	return []*Function{
		{Args: []OID{tInt}, Result: tInt, Call: func(_ *Execution, args []any) (any, error) { return integer(args[0].(int64)), nil }},
		{Args: []OID{tBig}, Result: tBig, Call: func(_ *Execution, args []any) (any, error) { return integer(args[0].(int64)), nil }},
		{Args: []OID{tNumeric}, Result: tNumeric, Call: func(_ *Execution, args []any) (any, error) { return exact(args[0].(Decimal)), nil }},
		{Args: []OID{tFloat}, Result: tFloat, Call: func(_ *Execution, args []any) (any, error) { return float(args[0].(float64)), nil }},
	}
}

func same(n int64) int64 { return n }

var mathFunctions = map[string][]*Function{
	"abs": numeric(func(n int64) int64 { return max(n, -n) }, func(d Decimal) Decimal {
		if d.coefficient.Sign() < 0 {
			return d.negate()
		}
		return d
	}, math.Abs),
	"ceil":  numeric(same, func(d Decimal) Decimal { return decimalFromFloat(math.Ceil(d.float())) }, math.Ceil),
	"floor": numeric(same, func(d Decimal) Decimal { return decimalFromFloat(math.Floor(d.float())) }, math.Floor),
	"round": append(numeric(same, func(d Decimal) Decimal { return d.rescale(0) }, math.RoundToEven),
		one(tNumeric, func(_ *Execution, args []any) (any, error) {
			return args[0].(Decimal).rescale(int(min(max(args[1].(int64), 0), maxScale))), nil
		}, tNumeric, tInt)...),
	"sqrt": one(tFloat, func(_ *Execution, args []any) (any, error) {
		if args[0].(float64) < 0 {
			return nil, Errorf("2201F", "cannot take square root of a negative number")
		}
		return math.Sqrt(args[0].(float64)), nil
	}, tFloat),
	"power": one(tFloat, func(_ *Execution, args []any) (any, error) {
		return math.Pow(args[0].(float64), args[1].(float64)), nil
	}, tFloat, tFloat),
	"random": one(tFloat, func(*Execution, []any) (any, error) { return mathrand.Float64(), nil }),
	"mod": one(tBig, func(_ *Execution, args []any) (any, error) {
		return integerArithmetic(tBig, "%", args[0].(int64), args[1].(int64))
	}, tBig, tBig),
	"array_length": {{Args: []OID{AnyOID, tInt}, Result: tInt, Call: func(_ *Execution, args []any) (any, error) {
		list, ok := args[0].([]any)
		if !ok || len(list) == 0 || args[1] != int64(1) {
			return nil, nil
		}
		return int64(len(list)), nil
	}}},
	"hashtext": one(tInt, func(_ *Execution, args []any) (any, error) {
		sum := md5.Sum([]byte(text(args[0])))
		return int64(int32(uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3]))), nil
	}, tText),
	"pg_size_pretty": one(tText, func(_ *Execution, args []any) (any, error) { return fmt.Sprintf("%d bytes", args[0]), nil }, tBig),
}
