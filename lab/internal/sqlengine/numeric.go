package sqlengine

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// Decimal is a value of type numeric: coefficient / 10^scale. It is immutable.
type Decimal struct {
	coefficient *big.Int
	scale       int
}

// maxScale bounds what a literal such as 1e-999999 may ask for.
const maxScale = 1000

var ten = big.NewInt(10)

func pow10(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

func decimalOf(n int64) Decimal { return Decimal{coefficient: big.NewInt(n)} }

// ParseDecimal reads digits with an optional point and exponent.
func ParseDecimal(s string) (Decimal, bool) {
	s = strings.TrimSpace(s)
	exponent := 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || n > maxScale || n < -maxScale {
			return Decimal{}, false
		}
		s, exponent = s[:i], n
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits := strings.TrimLeft(whole+fraction, "+-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" || strings.ContainsAny(fraction, "+-") {
		return Decimal{}, false
	}
	coefficient, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return Decimal{}, false
	}
	scale := len(fraction) - exponent
	if scale < 0 {
		coefficient.Mul(coefficient, pow10(-scale))
		scale = 0
	}
	return Decimal{coefficient, scale}, true
}

func decimalFromFloat(f float64) Decimal {
	d, _ := ParseDecimal(strconv.FormatFloat(f, 'g', 15, 64))
	if d.coefficient == nil {
		return decimalOf(0)
	}
	return d
}

func (d Decimal) String() string {
	s := new(big.Int).Abs(d.coefficient).String()
	if d.scale > 0 {
		if len(s) <= d.scale {
			s = strings.Repeat("0", d.scale-len(s)+1) + s
		}
		s = s[:len(s)-d.scale] + "." + s[len(s)-d.scale:]
	}
	if d.coefficient.Sign() < 0 {
		s = "-" + s
	}
	return s
}

func (d Decimal) float() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64)
	return f
}

// rescale rounds half away from zero, or pads, to the given scale.
func (d Decimal) rescale(scale int) Decimal {
	switch {
	case scale == d.scale:
		return d
	case scale > d.scale:
		return Decimal{new(big.Int).Mul(d.coefficient, pow10(scale-d.scale)), scale}
	}
	unit := pow10(d.scale - scale)
	half := new(big.Int).Rsh(unit, 1)
	abs := new(big.Int).Abs(d.coefficient)
	abs.Add(abs, half).Quo(abs, unit)
	if d.coefficient.Sign() < 0 {
		abs.Neg(abs)
	}
	return Decimal{abs, scale}
}

// integer rounds to an int64, false when it does not fit.
func (d Decimal) integer() (int64, bool) {
	r := d.rescale(0).coefficient
	return r.Int64(), r.IsInt64()
}

func (d Decimal) compare(o Decimal) int {
	scale := max(d.scale, o.scale)
	return d.rescale(scale).coefficient.Cmp(o.rescale(scale).coefficient)
}

// canonical is the same text for equal values of different scale.
func (d Decimal) canonical() string {
	s := d.String()
	if d.scale > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

func (d Decimal) add(o Decimal) Decimal {
	scale := max(d.scale, o.scale)
	return Decimal{new(big.Int).Add(d.rescale(scale).coefficient, o.rescale(scale).coefficient), scale}
}

func (d Decimal) negate() Decimal { return Decimal{new(big.Int).Neg(d.coefficient), d.scale} }

func (d Decimal) multiply(o Decimal) Decimal {
	return Decimal{new(big.Int).Mul(d.coefficient, o.coefficient), d.scale + o.scale}
}

// divide gives at least 16 digits after the point, as the real server does for small numbers; o is not zero.
func (d Decimal) divide(o Decimal) Decimal {
	scale := max(16, d.scale, o.scale)
	numerator := new(big.Int).Mul(d.coefficient, pow10(scale+1+o.scale))
	quotient := numerator.Quo(numerator, new(big.Int).Mul(o.coefficient, pow10(d.scale)))
	return Decimal{quotient, scale + 1}.rescale(scale)
}

// remainder takes the sign of d; o is not zero.
func (d Decimal) remainder(o Decimal) Decimal {
	scale := max(d.scale, o.scale)
	return Decimal{new(big.Int).Rem(d.rescale(scale).coefficient, o.rescale(scale).coefficient), scale}
}

func (d Decimal) isZero() bool { return d.coefficient.Sign() == 0 }

// NumericValue lets pgtype encode it.
func (d Decimal) NumericValue() (pgtype.Numeric, error) {
	return pgtype.Numeric{Int: d.coefficient, Exp: -int32(d.scale), Valid: true}, nil
}

func decimalFromNumeric(n pgtype.Numeric) (any, error) {
	if n.NaN || n.InfinityModifier != pgtype.Finite || n.Int == nil {
		return nil, Errorf("0A000", "NaN and infinity are not supported for numeric")
	}
	if n.Exp > 0 {
		return Decimal{new(big.Int).Mul(n.Int, pow10(int(n.Exp))), 0}, nil
	}
	return Decimal{n.Int, int(-n.Exp)}, nil
}
