package sqlengine

import (
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

func arithmetic(op string, l, r node) (node, error) {
	if l.literal != nil && r.literal != nil || categoryOf(l.typ) != numericCategory && l.typ != pgtype.UnknownOID ||
		categoryOf(r.typ) != numericCategory && r.typ != pgtype.UnknownOID || l.typ == pgtype.UnknownOID && r.typ == pgtype.UnknownOID {
		return node{}, noOperator(l.typ, op, r.typ)
	}
	left, right := l.typ, r.typ
	t, l, r, err := meet(op, l, r)
	if err != nil {
		return node{}, err
	}
	if op == "^" && isInteger(t) {
		t = pgtype.Float8OID
		l, r = converted(l, t), converted(r, t)
	}
	switch {
	case isInteger(t):
		if strings.Contains("+-*/%&|#<<>>", op) {
			return strict(t, l, r, func(a, b any) (any, error) { return integerArithmetic(t, op, a.(int64), b.(int64)) }), nil
		}
	case isFloat(t):
		if strings.Contains("+-*/^", op) {
			return strict(t, l, r, func(a, b any) (any, error) { return floatArithmetic(op, a.(float64), b.(float64)) }), nil
		}
	case strings.Contains("+-*/%", op):
		return strict(t, l, r, func(a, b any) (any, error) { return decimalArithmetic(op, a.(Decimal), b.(Decimal)) }), nil
	}
	return node{}, noOperator(left, op, right)
}

func divisionByZero() error { return Errorf("22012", "division by zero") }

func integerArithmetic(t OID, op string, a, b int64) (any, error) {
	overflow := Errorf("22003", "%s out of range", typeName(t))
	var n int64
	switch op {
	case "+":
		if n = a + b; (n > a) != (b > 0) {
			return nil, overflow
		}
	case "-":
		if n = a - b; (n < a) != (b > 0) {
			return nil, overflow
		}
	case "*":
		if n = a * b; a != 0 && (n/a != b || a == -1 && b == math.MinInt64) {
			return nil, overflow
		}
	case "/", "%":
		if b == 0 {
			return nil, divisionByZero()
		}
		if a == math.MinInt64 && b == -1 {
			return nil, overflow
		}
		if n = a / b; op == "%" {
			n = a % b
		}
	case "&":
		n = a & b
	case "|":
		n = a | b
	case "#":
		n = a ^ b
	case "<<":
		n = a << (uint64(b) & 63)
	case ">>":
		n = a >> (uint64(b) & 63)
	}
	return checkRange(t, n)
}

func floatArithmetic(op string, a, b float64) (any, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "^":
		return math.Pow(a, b), nil
	}
	if b == 0 {
		return nil, divisionByZero()
	}
	return a / b, nil
}

func decimalArithmetic(op string, a, b Decimal) (any, error) {
	switch op {
	case "+":
		return a.add(b), nil
	case "-":
		return a.add(b.negate()), nil
	case "*":
		return a.multiply(b), nil
	}
	if b.isZero() {
		return nil, divisionByZero()
	}
	if op == "%" {
		return a.remainder(b), nil
	}
	return a.divide(b), nil
}

// timeArithmetic compiles + and - with times and intervals, and interval * number; false when it is none of these.
func timeArithmetic(op string, l, r node) (node, bool) {
	isTime := func(t OID) bool { return categoryOf(t) == timeCategory }
	sign := 1
	if op == "-" {
		sign = -1
	}
	switch {
	case op == "+" && l.typ == pgtype.IntervalOID && isTime(r.typ):
		return timeArithmetic(op, r, l)
	case (op == "+" || op == "-") && isTime(l.typ) && (r.typ == pgtype.IntervalOID || r.literal != nil && op == "+"):
		if r.literal != nil {
			var err error
			if r, err = coerce(r, pgtype.IntervalOID); err != nil {
				return node{}, false
			}
		}
		t := l.typ
		if t == pgtype.DateOID {
			t = pgtype.TimestampOID
		}
		return strict(t, l, r, func(a, b any) (any, error) {
			return addInterval(a.(time.Time), b.(pgtype.Interval), sign), nil
		}), true
	case (op == "+" || op == "-") && l.typ == pgtype.DateOID && isInteger(r.typ):
		return strict(pgtype.DateOID, l, r, func(a, b any) (any, error) {
			return a.(time.Time).AddDate(0, 0, sign*int(b.(int64))), nil
		}), true
	case op == "-" && l.typ == pgtype.DateOID && r.typ == pgtype.DateOID:
		return strict(pgtype.Int4OID, l, r, func(a, b any) (any, error) {
			return int64(a.(time.Time).Sub(b.(time.Time)) / (24 * time.Hour)), nil
		}), true
	case op == "-" && isTime(l.typ) && isTime(r.typ):
		return strict(pgtype.IntervalOID, l, r, func(a, b any) (any, error) {
			micros := a.(time.Time).Sub(b.(time.Time)).Microseconds()
			return newInterval(0, int32(micros/microsPerDay), micros%microsPerDay), nil
		}), true
	case (op == "+" || op == "-") && l.typ == pgtype.IntervalOID && r.typ == pgtype.IntervalOID:
		return strict(pgtype.IntervalOID, l, r, func(a, b any) (any, error) {
			x, y := a.(pgtype.Interval), b.(pgtype.Interval)
			s := int32(sign)
			return newInterval(x.Months+s*y.Months, x.Days+s*y.Days, x.Microseconds+int64(s)*y.Microseconds), nil
		}), true
	case op == "*" && categoryOf(l.typ) == numericCategory && r.typ == pgtype.IntervalOID:
		return timeArithmetic(op, r, l)
	case op == "*" && l.typ == pgtype.IntervalOID && categoryOf(r.typ) == numericCategory:
		return strict(pgtype.IntervalOID, l, converted(r, pgtype.Float8OID), func(a, b any) (any, error) {
			i, n := a.(pgtype.Interval), b.(float64)
			days := float64(i.Days) * n
			micros := float64(i.Microseconds)*n + (days-math.Trunc(days))*microsPerDay
			return newInterval(int32(float64(i.Months)*n), int32(days), int64(micros)), nil
		}), true
	}
	return node{}, false
}
