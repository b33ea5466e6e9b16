package sqlengine

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

func noOperator(left OID, op string, right OID) error {
	return Errorf("42883", "operator does not exist: %s %s %s", typeName(left), op, typeName(right))
}

func (c *compiler) unary(sc *scope, x syntax.Unary, want OID) (node, error) {
	if x.Op == "NOT" {
		n, err := c.condition(sc, x.X, "NOT")
		if err != nil {
			return node{}, err
		}
		return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
			v, err := n.eval(f)
			if b, ok := v.(bool); ok {
				return !b, err
			}
			return nil, err
		}}, nil
	}
	if number, ok := x.X.(syntax.Number); ok && x.Op == "-" {
		if n, err := c.expression(sc, syntax.Number{Text: "-" + number.Text}, want); err == nil {
			return n, nil
		}
	}
	n, err := c.expression(sc, x.X, want)
	if err != nil || x.Op == "+" {
		return n, err
	}
	if categoryOf(n.typ) != numericCategory && n.typ != pgtype.IntervalOID {
		return node{}, Errorf("42883", "operator does not exist: %s %s", x.Op, typeName(n.typ))
	}
	return node{typ: n.typ, eval: func(f *frame) (any, error) {
		v, err := n.eval(f)
		switch v := v.(type) {
		case int64:
			if v == math.MinInt64 {
				return nil, Errorf("22003", "bigint out of range")
			}
			return -v, err
		case float64:
			return -v, err
		case Decimal:
			return v.negate(), err
		case pgtype.Interval:
			return newInterval(-v.Months, -v.Days, -v.Microseconds), err
		}
		return nil, err
	}}, nil
}

func (c *compiler) binary(sc *scope, x syntax.Binary) (node, error) {
	switch x.Op {
	case "AND", "OR":
		return c.logic(sc, x)
	case "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM":
		if l, ok := x.L.(syntax.Row); ok {
			return c.compareRows(sc, x.Op, l, x.R)
		}
		l, r, err := c.pair(sc, x.L, x.R)
		if err != nil {
			return node{}, err
		}
		if l, r, err = c.comparable(l, r); err != nil {
			return node{}, err
		}
		return comparison(x.Op, l, r)
	case "||":
		return c.concat(sc, x)
	case "->", "->>":
		return c.jsonField(sc, x)
	case "~", "~*", "!~", "!~*":
		return c.matches(sc, x)
	}
	l, r, err := c.pair(sc, x.L, x.R)
	if err != nil {
		return node{}, err
	}
	if times, ok := timeArithmetic(x.Op, l, r); ok && !c.lenient() {
		return times, nil
	}
	if l, r, err = c.calculable(l, r); err != nil {
		return node{}, err
	}
	return arithmetic(x.Op, l, r)
}

// logic is AND and OR with three values.
func (c *compiler) logic(sc *scope, x syntax.Binary) (node, error) {
	l, err := c.condition(sc, x.L, x.Op)
	if err != nil {
		return node{}, err
	}
	r, err := c.condition(sc, x.R, x.Op)
	if err != nil {
		return node{}, err
	}
	decisive := x.Op == "OR" // the value that decides whatever the other one is
	return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
		a, err := l.eval(f)
		if err != nil || a == decisive {
			return a, err
		}
		b, err := r.eval(f)
		if err != nil || b == decisive {
			return b, err
		}
		if a == nil || b == nil {
			return nil, nil
		}
		return !decisive, nil
	}}, nil
}

// compareRows is (a, b) = (c, d), and <>.
func (c *compiler) compareRows(sc *scope, op string, l syntax.Row, right syntax.Expr) (node, error) {
	r, ok := right.(syntax.Row)
	if !ok || len(r.Elements) != len(l.Elements) {
		return node{}, Errorf("42601", "unequal number of entries in row expressions")
	}
	if op != "=" && op != "<>" {
		return node{}, Errorf("0A000", "comparing rows with %s is not supported", op)
	}
	var all syntax.Expr = syntax.Bool{Value: true}
	for i := range l.Elements {
		all = syntax.Binary{Op: "AND", L: all, R: syntax.Binary{Op: "=", L: l.Elements[i], R: r.Elements[i]}}
	}
	if op == "<>" {
		all = syntax.Unary{Op: "NOT", X: all}
	}
	return c.expression(sc, all, pgtype.BoolOID)
}

// meet converts two operands to their common type.
func meet(op string, l, r node) (OID, node, node, error) {
	t, ok := commonType(l.typ, r.typ)
	if !ok {
		return 0, l, r, noOperator(l.typ, op, r.typ)
	}
	if t == pgtype.UnknownOID {
		t = pgtype.TextOID
	}
	l, err := coerce(l, t)
	if err != nil {
		return 0, l, r, err
	}
	r, err = coerce(r, t)
	return t, l, r, err
}

func comparison(op string, l, r node) (node, error) {
	t, l, r, err := meet(op, l, r)
	if err != nil {
		return node{}, err
	}
	if t == pgtype.JSONOID {
		return node{}, noOperator(t, op, t)
	}
	test := comparisonTest(op)
	return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
		a, err := l.eval(f)
		if err != nil {
			return nil, err
		}
		b, err := r.eval(f)
		if err != nil {
			return nil, err
		}
		if op == "IS DISTINCT FROM" {
			return compareNulls(a, b) != 0, nil
		}
		if a == nil || b == nil {
			return nil, nil
		}
		return test(compare(a, b)), nil
	}}, nil
}

func comparisonTest(op string) func(int) bool {
	switch op {
	case "=":
		return func(c int) bool { return c == 0 }
	case "<":
		return func(c int) bool { return c < 0 }
	case "<=":
		return func(c int) bool { return c <= 0 }
	case ">":
		return func(c int) bool { return c > 0 }
	case ">=":
		return func(c int) bool { return c >= 0 }
	}
	return func(c int) bool { return c != 0 }
}

// strict evaluates both operands and gives NULL if either is.
func strict(t OID, l, r node, apply func(a, b any) (any, error)) node {
	return node{typ: t, eval: func(f *frame) (any, error) {
		a, err := l.eval(f)
		if err != nil {
			return nil, err
		}
		b, err := r.eval(f)
		if err != nil || a == nil || b == nil {
			return nil, err
		}
		return apply(a, b)
	}}
}

func (c *compiler) concat(sc *scope, x syntax.Binary) (node, error) {
	l, r, err := c.pair(sc, x.L, x.R)
	if err != nil {
		return node{}, err
	}
	if l.typ == pgtype.ByteaOID && r.typ == pgtype.ByteaOID {
		return strict(l.typ, l, r, func(a, b any) (any, error) {
			return append(append([]byte{}, a.([]byte)...), b.([]byte)...), nil
		}), nil
	}
	if elements[l.typ] != 0 && l.typ == r.typ {
		return strict(l.typ, l, r, func(a, b any) (any, error) {
			return append(append([]any{}, a.([]any)...), b.([]any)...), nil
		}), nil
	}
	if categoryOf(l.typ) != stringCategory && categoryOf(r.typ) != stringCategory {
		return node{}, noOperator(l.typ, "||", r.typ)
	}
	l, r = converted(l, pgtype.TextOID), converted(r, pgtype.TextOID)
	return strict(pgtype.TextOID, l, r, func(a, b any) (any, error) { return a.(string) + b.(string), nil }), nil
}

func (c *compiler) is(sc *scope, x syntax.Is) (node, error) {
	want := tBool
	if x.What == "NULL" {
		want = AnyOID
	}
	n, err := c.expression(sc, x.X, want)
	if err != nil {
		return node{}, err
	}
	if want != AnyOID {
		if n, err = coerce(n, pgtype.BoolOID); err != nil {
			return node{}, err
		}
	}
	var match any
	switch x.What {
	case "TRUE":
		match = true
	case "FALSE":
		match = false
	}
	return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
		v, err := n.eval(f)
		if err != nil {
			return nil, err
		}
		if match == nil {
			return (v == nil) != x.Not, nil
		}
		return (v == match) != x.Not, nil
	}}, nil
}

func (c *compiler) in(sc *scope, x syntax.In) (node, error) {
	if x.Query != nil {
		n, err := c.quantified(sc, syntax.Quantified{X: x.X, Op: "=", Query: x.Query})
		if err != nil || !x.Not {
			return n, err
		}
		return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
			v, err := n.eval(f)
			if b, ok := v.(bool); ok {
				return !b, err
			}
			return nil, err
		}}, nil
	}
	var any syntax.Expr
	for _, e := range x.List {
		var equal syntax.Expr = syntax.Binary{Op: "=", L: x.X, R: e}
		if any != nil {
			equal = syntax.Binary{Op: "OR", L: any, R: equal}
		}
		any = equal
	}
	if x.Not {
		any = syntax.Unary{Op: "NOT", X: any}
	}
	return c.expression(sc, any, pgtype.BoolOID)
}

// quantified compiles x op ANY (array or query), and ALL.
func (c *compiler) quantified(sc *scope, x syntax.Quantified) (node, error) {
	left, err := c.expression(sc, x.X, AnyOID)
	if err != nil {
		return node{}, err
	}
	left = settled(left)
	var list func(*frame) ([]any, error)
	var element OID
	if x.Query != nil {
		p, err := c.query(x.Query, sc)
		if err != nil {
			return node{}, err
		}
		if len(p.fields) != 1 {
			return node{}, Errorf("42601", "subquery has too many columns")
		}
		element = p.fields[0].Type
		list = func(f *frame) ([]any, error) { return firstColumn(p, f) }
	} else {
		array, err := c.expression(sc, x.Array, typeInfos[left.typ].array)
		if err == nil {
			array, err = coerce(array, arrayOf(array.typ, left.typ))
		}
		if err != nil {
			return node{}, err
		}
		if element = elements[array.typ]; element == 0 {
			return node{}, Errorf("42809", "op ANY/ALL (array) requires array on right side")
		}
		list = func(f *frame) ([]any, error) {
			v, err := array.eval(f)
			values, _ := v.([]any)
			return slices.Clone(values), err
		}
	}
	t, ok := commonType(left.typ, element)
	convert := c.conversion()
	switch {
	case !ok && !c.lenient():
		return node{}, noOperator(left.typ, x.Op, element)
	case !ok && (categoryOf(left.typ) == numericCategory || categoryOf(element) == numericCategory):
		t = pgtype.Float8OID
	case !ok:
		t = pgtype.TextOID
	}
	if c.lenient() {
		if left, err = c.adapt(left, t, false); err != nil {
			return node{}, err
		}
	} else {
		left = converted(left, t)
	}
	test := comparisonTest(x.Op)
	return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
		a, err := left.eval(f)
		if err != nil {
			return nil, err
		}
		values, err := list(f)
		if err != nil {
			return nil, err
		}
		for i, b := range values {
			if values[i], err = convert(b, element, t); err != nil {
				return nil, err
			}
		}
		return quantify(a, values, test, x.All)
	}}, nil
}

// arrayOf is the array type an open operand takes beside an operand of the given type.
func arrayOf(array, element OID) OID {
	if array == pgtype.UnknownOID {
		return typeInfos[element].array
	}
	return array
}

func quantify(a any, values []any, test func(int) bool, all bool) (any, error) {
	unknown := false
	for _, b := range values {
		if a == nil || b == nil {
			unknown = true
			continue
		}
		if test(compare(a, b)) != all {
			return !all, nil
		}
	}
	if unknown {
		return nil, nil
	}
	return all, nil
}

func (c *compiler) like(sc *scope, x syntax.Like) (node, error) {
	l, r, err := c.texts(sc, x.X, x.Pattern)
	if err != nil {
		return node{}, err
	}
	return strict(pgtype.BoolOID, l, r, func(a, b any) (any, error) {
		s, pattern := a.(string), b.(string)
		if x.Fold {
			s, pattern = strings.ToLower(s), strings.ToLower(pattern)
		}
		return like([]rune(s), []rune(pattern)) != x.Not, nil
	}), nil
}

// texts compiles two operands that are texts.
func (c *compiler) texts(sc *scope, left, right syntax.Expr) (l, r node, err error) {
	if l, err = c.as(sc, left, pgtype.TextOID); err != nil {
		return node{}, node{}, err
	}
	r, err = c.as(sc, right, pgtype.TextOID)
	return l, r, err
}

// like matches with % and _, in linear space and at most quadratic time.
func like(s, pattern []rune) bool {
	i, j, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '%':
			star, mark = j, i
			j++
			continue
		case j+1 < len(pattern) && pattern[j] == '\\' && pattern[j+1] == s[i]:
			i, j = i+1, j+2
			continue
		case j < len(pattern) && pattern[j] != '\\' && (pattern[j] == '_' || pattern[j] == s[i]):
			i, j = i+1, j+1
			continue
		case star < 0:
			return false
		}
		mark++
		i, j = mark, star+1
	}
	for j < len(pattern) && pattern[j] == '%' {
		j++
	}
	return j == len(pattern)
}

// matches is ~ and its kin, with Go's regular expressions.
func (c *compiler) matches(sc *scope, x syntax.Binary) (node, error) {
	l, r, err := c.texts(sc, x.L, x.R)
	if err != nil {
		return node{}, err
	}
	return strict(pgtype.BoolOID, l, r, func(a, b any) (any, error) {
		pattern := b.(string)
		if strings.HasSuffix(x.Op, "*") {
			pattern = "(?i)" + pattern
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, Errorf("2201B", "invalid regular expression: %v", err)
		}
		return re.MatchString(a.(string)) != (x.Op[0] == '!'), nil
	}), nil
}

// jsonField is -> and ->>.
func (c *compiler) jsonField(sc *scope, x syntax.Binary) (node, error) {
	l, err := c.expression(sc, x.L, AnyOID)
	if err != nil {
		return node{}, err
	}
	r, err := c.expression(sc, x.R, pgtype.TextOID)
	if err != nil {
		return node{}, err
	}
	if l.typ != pgtype.JSONOID && l.typ != pgtype.JSONBOID {
		return node{}, noOperator(l.typ, x.Op, r.typ)
	}
	t := l.typ
	if x.Op == "->>" {
		t = pgtype.TextOID
	}
	return strict(t, l, r, func(a, b any) (any, error) { return jsonGet(a.(string), b, x.Op == "->>") }), nil
}

func jsonGet(document string, step any, asText bool) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, badText(pgtype.JSONOID, document)
	}
	found := false
	switch step := step.(type) {
	case string:
		if object, ok := v.(map[string]any); ok {
			v, found = object[step]
		}
	case int64:
		if list, ok := v.([]any); ok {
			if step < 0 {
				step += int64(len(list))
			}
			if found = step >= 0 && step < int64(len(list)); found {
				v = list[step]
			}
		}
	}
	if !found || v == nil && asText {
		return nil, nil
	}
	if s, ok := v.(string); ok && asText {
		return s, nil
	}
	return formatJSON(v), nil
}
