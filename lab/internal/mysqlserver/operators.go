package mysqlserver

import (
	"math"
	"math/big"
	"math/rand/v2"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// operatorFunctions are what package syntax makes of operators and conditions.
var operatorFunctions = map[string][]*sqlengine.Function{
	"truth": pure(tBool, func(a []any) any { return toFloat(a[0]) != 0 }, sqlengine.AnyOID),
	"divide": append(
		pure(tNumeric, func(a []any) any {
			l, r := toRat(a[0]), toRat(a[1])
			if r.Sign() == 0 {
				return nil
			}
			return decimal(new(big.Rat).Quo(l, r), scale(a[0])+4)
		}, tNumeric, tNumeric),
		pure(tFloat, func(a []any) any {
			if a[1] == 0.0 {
				return nil
			}
			return a[0].(float64) / a[1].(float64)
		}, tFloat, tFloat)...),
	"div": one(tBig, func(_ *sqlengine.Execution, a []any) (any, error) {
		l, r := toRat(a[0]), toRat(a[1])
		if r.Sign() == 0 {
			return nil, nil
		}
		q := new(big.Rat).Quo(l, r)
		n := new(big.Int).Quo(q.Num(), q.Denom())
		if !n.IsInt64() {
			return nil, errorf(1690, "22003", "BIGINT value is out of range in 'DIV'")
		}
		return n.Int64(), nil
	}, sqlengine.AnyOID, sqlengine.AnyOID),
	"mod": append(append(
		pure(tBig, func(a []any) any {
			l, r := a[0].(int64), a[1].(int64)
			switch r {
			case 0:
				return nil
			case -1: // not the smallest number divided by -1, which overflows
				return int64(0)
			}
			return l % r
		}, tBig, tBig),
		pure(tNumeric, func(a []any) any {
			l, r := toRat(a[0]), toRat(a[1])
			if r.Sign() == 0 {
				return nil
			}
			q := new(big.Rat).Quo(l, r)
			whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
			return decimal(l.Sub(l, whole.Mul(whole, r)), max(scale(a[0]), scale(a[1])))
		}, tNumeric, tNumeric)...),
		pure(tFloat, func(a []any) any {
			if a[1] == 0.0 {
				return nil
			}
			return math.Mod(a[0].(float64), a[1].(float64))
		}, tFloat, tFloat)...),
	"bit_and_of": bits(func(a, b uint64) uint64 { return a & b }),
	"bit_or_of":  bits(func(a, b uint64) uint64 { return a | b }),
	"bit_xor_of": bits(func(a, b uint64) uint64 { return a ^ b }),
	"shift_left": bits(func(a, b uint64) uint64 { return a << b }),
	"shift_right": bits(func(a, b uint64) uint64 {
		return a >> b
	}),
	"bit_not": pure(tBig, func(a []any) any { return ^a[0].(int64) }, tBig),
}

// bits makes a function of two integers. Results are signed here, as the engine has no unsigned numbers.
func bits(f func(a, b uint64) uint64) []*sqlengine.Function {
	return pure(tBig, func(a []any) any { return int64(f(uint64(a[0].(int64)), uint64(a[1].(int64)))) }, tBig, tBig)
}

// numbers makes a function that maps each kind of number to itself, and texts to floating point numbers.
func numbers(integer func(int64) int64, exact func(*big.Rat) (*big.Rat, int), float func(float64) float64) []*sqlengine.Function {
	list := pure(tFloat, func(a []any) any { return float(toFloat(a[0])) }, tText)
	list = append(list, pure(tBig, func(a []any) any { return integer(a[0].(int64)) }, tBig)...)
	list = append(list, pure(tNumeric, func(a []any) any {
		r, digits := exact(toRat(a[0]))
		if digits < 0 {
			digits = scale(a[0])
		}
		return decimal(r, digits)
	}, tNumeric)...)
	return append(list, pure(tFloat, func(a []any) any { return float(a[0].(float64)) }, tFloat)...)
}

func same(n int64) int64 { return n }

// floorRat is the largest integer not above r.
func floorRat(r *big.Rat) *big.Rat {
	n := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean, and the denominator is positive
	return new(big.Rat).SetInt(n)
}

// roundTo rounds half away from zero to so many digits, of which there may be less than none.
func roundTo(r *big.Rat, digits int) *big.Rat {
	if digits >= 0 {
		out, _ := new(big.Rat).SetString(r.FloatString(min(digits, 30)))
		return out
	}
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(-digits, 60))), nil))
	out, _ := new(big.Rat).SetString(new(big.Rat).Quo(r, unit).FloatString(0))
	return out.Mul(out, unit)
}

// cutTo drops what is after so many digits.
func cutTo(r *big.Rat, digits int) *big.Rat {
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(max(digits, -digits), 60))), nil))
	if digits < 0 {
		unit.Inv(unit)
	}
	scaled := new(big.Rat).Mul(r, unit)
	whole := new(big.Rat).SetInt(new(big.Int).Quo(scaled.Num(), scaled.Denom()))
	return whole.Quo(whole, unit)
}

// digits makes ROUND and TRUNCATE of two arguments.
func digits(f func(*big.Rat, int) *big.Rat) []*sqlengine.Function {
	list := pure(tFloat, func(a []any) any {
		out, _ := f(toRat(a[0]), int(a[1].(int64))).Float64()
		return out
	}, tText, tBig)
	list = append(list, one(tBig, func(_ *sqlengine.Execution, a []any) (any, error) {
		if a[1].(int64) >= 0 {
			return a[0], nil
		}
		n, ok := rounded(decimal(f(toRat(a[0]), int(a[1].(int64))), 0))
		if !ok {
			return nil, errorf(1690, "22003", "BIGINT value is out of range")
		}
		return n, nil
	}, tBig, tBig)...)
	list = append(list, pure(tNumeric, func(a []any) any {
		n := int(a[1].(int64))
		return decimal(f(toRat(a[0]), n), min(n, max(scale(a[0]), n), 30))
	}, tNumeric, tBig)...)
	return append(list, pure(tFloat, func(a []any) any {
		out, _ := f(toRat(a[0]), int(a[1].(int64))).Float64()
		return out
	}, tFloat, tBig)...)
}

// real makes a function of a floating point number; what is no number is NULL.
func real(f func(float64) float64) []*sqlengine.Function {
	return pure(tFloat, func(a []any) any {
		if v := f(a[0].(float64)); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
		return nil
	}, tFloat)
}

var mathFunctions = map[string][]*sqlengine.Function{
	"abs": numbers(func(n int64) int64 { return max(n, -n) }, func(r *big.Rat) (*big.Rat, int) { return r.Abs(r), -1 }, math.Abs),
	"ceil": numbers(same, func(r *big.Rat) (*big.Rat, int) {
		r = floorRat(r.Neg(r))
		return r.Neg(r), 0
	}, math.Ceil),
	"floor":     numbers(same, func(r *big.Rat) (*big.Rat, int) { return floorRat(r), 0 }, math.Floor),
	"round":     append(digits(roundTo), numbers(same, func(r *big.Rat) (*big.Rat, int) { return r, 0 }, math.Round)...),
	"truncate":  digits(cutTo),
	"sign":      pure(tBig, func(a []any) any { return int64(toRat(a[0]).Sign()) }, sqlengine.AnyOID),
	"sqrt":      real(math.Sqrt),
	"exp":       real(math.Exp),
	"ln":        real(math.Log),
	"log":       real(math.Log),
	"log2":      real(math.Log2),
	"log10":     real(math.Log10),
	"pow":       pure(tFloat, func(a []any) any { return math.Pow(a[0].(float64), a[1].(float64)) }, tFloat, tFloat),
	"pi":        pure(tFloat, func([]any) any { return math.Pi }),
	"rand":      optional(1, pure(tFloat, func([]any) any { return rand.Float64() }, tBig)),
	"any_value": pure(sqlengine.AnyOID, func(a []any) any { return a[0] }, sqlengine.AnyOID),
}
