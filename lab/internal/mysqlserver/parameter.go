package mysqlserver

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// parameters reads the arguments of COM_STMT_EXECUTE: a bit for each NULL, the types if they have changed, the values.
// types are those of the execution before; long holds values sent beforehand.
func parameters(r *reader, count int, types []byte, long map[int][]byte) (args []any, used []byte, err error) {
	malformed := errorf(1210, "HY000", "Incorrect arguments to mysqld_stmt_execute")
	if count == 0 {
		return nil, types, nil
	}
	nulls := r.bytes((count + 7) / 8)
	if r.fixed(1) == 1 {
		types = append([]byte{}, r.bytes(2*count)...)
	}
	if r.broken || len(types) != 2*count {
		return nil, nil, malformed
	}
	args = make([]any, count)
	for i := range args {
		value, sent := long[i]
		switch {
		case sent:
			args[i] = string(value)
		case nulls[i/8]&(1<<(i%8)) != 0:
		default:
			args[i] = parameter(r, types[2*i], types[2*i+1]&0x80 != 0)
		}
	}
	if r.broken {
		return nil, nil, malformed
	}
	return args, types, nil
}

// parameter reads one value.
func parameter(r *reader, typ byte, unsigned bool) any {
	signed := func(bytes int) any {
		n := r.fixed(bytes)
		if unsigned {
			if n > math.MaxInt64 {
				return strconv.FormatUint(n, 10)
			}
			return int64(n)
		}
		shift := 64 - 8*bytes
		return int64(n<<shift) >> shift
	}
	switch typ {
	case typeNull:
		return nil
	case typeTiny:
		return signed(1)
	case typeShort, typeYear:
		return signed(2)
	case typeLong, typeInt24:
		return signed(4)
	case typeLongLong:
		return signed(8)
	case typeFloat:
		return float64(math.Float32frombits(uint32(r.fixed(4))))
	case typeDouble:
		return math.Float64frombits(r.fixed(8))
	case typeDate, typeDateTime, typeTimestamp:
		return timeParameter(r)
	case typeTime:
		return durationParameter(r)
	}
	return string(r.counted())
}

func timeParameter(r *reader) any {
	part := reader{data: r.bytes(int(r.fixed(1)))}
	if len(part.data) == 0 {
		return "0000-00-00"
	}
	year, month, day := int(part.fixed(2)), time.Month(part.fixed(1)), int(part.fixed(1))
	var hour, minute, second, micros int
	if len(part.data) > 0 {
		hour, minute, second = int(part.fixed(1)), int(part.fixed(1)), int(part.fixed(1))
	}
	if len(part.data) > 0 {
		micros = int(part.fixed(4))
	}
	r.broken = r.broken || part.broken
	return time.Date(year, month, day, hour, minute, second, micros*1000, time.UTC)
}

// durationParameter is a time of day, as text.
func durationParameter(r *reader) any {
	part := reader{data: r.bytes(int(r.fixed(1)))}
	if len(part.data) == 0 {
		return "00:00:00"
	}
	sign := ""
	if part.fixed(1) == 1 {
		sign = "-"
	}
	days := part.fixed(4)
	hours, minutes, seconds := part.fixed(1), part.fixed(1), part.fixed(1)
	s := fmt.Sprintf("%s%02d:%02d:%02d", sign, days*24+hours, minutes, seconds)
	if len(part.data) > 0 {
		s += fmt.Sprintf(".%06d", part.fixed(4))
	}
	r.broken = r.broken || part.broken
	return s
}
