package syntax

import (
	"encoding/hex"
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// isCondition reports whether an expression has a truth value rather than a MySQL value.
func isCondition(x sql.Expr) bool {
	switch x := x.(type) {
	case sql.Bool, sql.Is, sql.In, sql.Between, sql.Like, sql.Quantified, sql.Exists:
		return true
	case sql.Unary:
		return x.Op == "NOT"
	case sql.Binary:
		switch x.Op {
		case "AND", "OR", "IS DISTINCT FROM", "~*", "!~*":
			return true
		}
		return comparisons[x.Op] != ""
	}
	return false
}

// value makes a condition the integer 1 or 0.
func value(x sql.Expr) sql.Expr {
	if b, ok := x.(sql.Bool); ok {
		if b.Value {
			return sql.Number{Text: "1"}
		}
		return sql.Number{Text: "0"}
	}
	if isCondition(x) {
		return sql.Cast{X: x, Type: sql.Type{Name: "int8"}}
	}
	return x
}

// condition makes a value a condition: it is true when it is a number other than 0.
func condition(x sql.Expr) sql.Expr {
	if isCondition(x) {
		return x
	}
	return sql.Call{Name: "truth", Args: []sql.Expr{x}}
}

func not(x sql.Expr) sql.Expr { return sql.Unary{Op: "NOT", X: x} }

func call(name string, args ...sql.Expr) sql.Expr { return sql.Call{Name: name, Args: args} }

// expressions takes a list of values.
func (p *parser) expressions() []sql.Expr {
	list := []sql.Expr{p.value()}
	for p.Op(",") {
		list = append(list, p.value())
	}
	return list
}

func (p *parser) value() sql.Expr { return value(p.expression()) }

func (p *parser) condition() sql.Expr { return condition(p.expression()) }

// expression parses by precedence climbing, with the levels of MySQL: OR, XOR, AND, NOT, comparison, BETWEEN and LIKE, |, &,
// shifts, + -, * / DIV %, ^, unary, and what binds tighter.
func (p *parser) expression() sql.Expr {
	defer p.Enter()()
	x := p.exclusive()
	for p.Word("or") || !p.options.PipesAsConcat && p.Op("||") {
		x = sql.Binary{Op: "OR", L: condition(x), R: condition(p.exclusive())}
	}
	return x
}

func (p *parser) exclusive() sql.Expr {
	x := p.conjunction()
	for p.Word("xor") { // NULL if either is, so not IS DISTINCT FROM
		x = sql.Binary{Op: "<>", L: value(condition(x)), R: value(condition(p.conjunction()))}
	}
	return x
}

func (p *parser) conjunction() sql.Expr {
	x := p.negation()
	for p.Word("and") || p.Op("&&") {
		x = sql.Binary{Op: "AND", L: condition(x), R: condition(p.negation())}
	}
	return x
}

func (p *parser) negation() sql.Expr {
	if p.Word("not") {
		defer p.Enter()()
		return not(condition(p.negation()))
	}
	return p.comparison()
}

// comparisons are the operators, and what the engine calls them.
var comparisons = map[string]string{"=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "<>": "<>", "!=": "<>"}

func (p *parser) comparison() sql.Expr {
	x := p.membership()
	for {
		t := p.Peek()
		switch {
		case p.Word("is"):
			x = p.is(x)
		case p.Op("<=>"):
			x = not(sql.Binary{Op: "IS DISTINCT FROM", L: value(x), R: value(p.membership())})
		case t.Kind == token.Operator && comparisons[t.Text] != "":
			p.Next()
			if q := p.AnyWord("any", "some", "all"); q != "" && p.Peek().IsOp("(") {
				p.Next()
				x = sql.Quantified{X: value(x), Op: comparisons[t.Text], Query: p.query(), All: q == "all"}
				p.Expect(")")
				continue
			}
			x = sql.Binary{Op: comparisons[t.Text], L: value(x), R: value(p.membership())}
		default:
			return x
		}
	}
}

func (p *parser) is(x sql.Expr) sql.Expr {
	negated := p.Word("not")
	what := p.AnyWord("null", "true", "false", "unknown")
	switch what {
	case "":
		p.fail()
	case "null":
		return sql.Is{X: value(x), What: "NULL", Not: negated}
	}
	return sql.Is{X: condition(x), What: strings.ToUpper(what), Not: negated}
}

// membership parses IN, BETWEEN, LIKE and REGEXP.
func (p *parser) membership() sql.Expr {
	x := p.bits()
	for {
		mark := p.At
		negated := p.Word("not")
		switch {
		case p.Word("in"):
			x = p.in(value(x), negated)
		case p.Word("between"):
			low := value(p.bits())
			p.ExpectWord("and")
			x = sql.Between{X: value(x), Low: low, High: value(p.bits()), Not: negated}
		case p.Word("like"):
			x = sql.Like{X: value(x), Pattern: value(p.bits()), Not: negated}
			if p.Word("escape") && p.text() != `\` {
				p.unsupported("LIKE … ESCAPE of another character than a backslash")
			}
		case p.Word("regexp"), p.Word("rlike"):
			op := "~*"
			if negated {
				op = "!~*"
			}
			x = sql.Binary{Op: op, L: value(x), R: value(p.bits())}
		default:
			p.At = mark
			return x
		}
	}
}

func (p *parser) in(x sql.Expr, negated bool) sql.Expr {
	query := p.queryAt(0)
	p.Expect("(")
	in := sql.In{X: x, Not: negated}
	if query {
		in.Query = p.query()
	} else {
		in.List = p.expressions()
	}
	p.Expect(")")
	return in
}

// bits parses | & << >> and what binds tighter. The engine gets them as calls, as for NULL and negative numbers they are
// MySQL's own.
func (p *parser) bits() sql.Expr {
	x := p.bitsAnd()
	for p.Op("|") {
		x = call("bit_or_of", value(x), value(p.bitsAnd()))
	}
	return x
}

func (p *parser) bitsAnd() sql.Expr {
	x := p.shift()
	for p.Op("&") {
		x = call("bit_and_of", value(x), value(p.shift()))
	}
	return x
}

func (p *parser) shift() sql.Expr {
	x := p.sum()
	for {
		switch {
		case p.Op("<<"):
			x = call("shift_left", value(x), value(p.sum()))
		case p.Op(">>"):
			x = call("shift_right", value(x), value(p.sum()))
		default:
			return x
		}
	}
}

func (p *parser) sum() sql.Expr {
	x := p.product()
	for {
		op := ""
		switch {
		case p.Op("+"):
			op = "+"
		case p.Op("-"):
			op = "-"
		default:
			return x
		}
		if p.Peek().Is("interval") {
			amount, unit := p.interval()
			x = addition(map[string]string{"+": "date_add", "-": "date_sub"}[op], value(x), amount, unit)
			continue
		}
		x = sql.Binary{Op: op, L: value(x), R: value(p.product())}
	}
}

// interval takes INTERVAL n unit.
func (p *parser) interval() (amount, unit sql.Expr) {
	p.ExpectWord("interval")
	amount = p.value()
	return amount, p.unit()
}

// addition is date_add or date_sub, by another name when the unit is days or more: those keep a date a date.
func addition(name string, x, amount, unit sql.Expr) sql.Expr {
	switch unit.(sql.String).Text {
	case "day", "week", "month", "quarter", "year":
		name += "_days"
	}
	return call(name, x, amount, unit)
}

// unit takes a unit of time, as a string.
func (p *parser) unit() sql.Expr {
	t := p.Peek()
	switch t.Lower {
	case "microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year":
		p.Next()
		return sql.String{Text: t.Lower}
	}
	p.fail()
	return nil
}

func (p *parser) product() sql.Expr {
	x := p.exclusiveBits()
	for {
		name := ""
		switch {
		case p.Op("*"):
			x = sql.Binary{Op: "*", L: value(x), R: value(p.exclusiveBits())}
			continue
		case p.Op("/"):
			name = "divide"
		case p.Word("div"):
			name = "div"
		case p.Op("%"), p.Word("mod"):
			name = "mod"
		default:
			return x
		}
		x = call(name, value(x), value(p.exclusiveBits()))
	}
}

func (p *parser) exclusiveBits() sql.Expr {
	x := p.signed()
	for p.Op("^") {
		x = call("bit_xor_of", value(x), value(p.signed()))
	}
	return x
}

func (p *parser) signed() sql.Expr {
	switch {
	case p.Op("-"):
		defer p.Enter()()
		return sql.Unary{Op: "-", X: value(p.signed())}
	case p.Op("+"):
		defer p.Enter()()
		return value(p.signed())
	case p.Op("~"):
		defer p.Enter()()
		return call("bit_not", value(p.signed()))
	case p.Op("!"):
		defer p.Enter()()
		return not(condition(p.signed()))
	case p.Word("binary"):
		defer p.Enter()()
		return call("cast_binary", value(p.signed()))
	}
	return p.postfix()
}

func (p *parser) postfix() sql.Expr {
	x := p.primary()
	for {
		switch {
		case p.Word("collate"):
			p.Label()
		case p.Op("->"):
			x = call("json_extract", value(x), sql.String{Text: p.text()})
		case p.Op("->>"):
			x = call("json_unquote", call("json_extract", value(x), sql.String{Text: p.text()}))
		case p.options.PipesAsConcat && p.Op("||"):
			x = call("concat", value(x), value(p.primary()))
		default:
			return x
		}
	}
}

func (p *parser) primary() sql.Expr {
	defer p.Enter()()
	t := p.Peek()
	switch t.Kind {
	case token.Number:
		p.Next()
		return sql.Number{Text: t.Text}
	case token.Text:
		p.Next()
		return sql.String{Text: t.Text}
	case token.Bytes:
		p.Next()
		return binary(t.Text)
	case token.Param:
		p.Next()
		return sql.Param{N: t.N - p.params}
	case token.UserVariable:
		p.Next()
		p.volatile = true
		if p.options.Variables == nil {
			return sql.Null{}
		}
		return p.options.Variables.User(t.Text)
	case token.Operator:
		switch {
		case t.Text == "(":
			return p.parenthesised()
		case t.Text == "@@":
			return p.systemVariable()
		}
		p.fail()
	case token.End, token.Broken:
		p.fail()
	}
	if t.Kind == token.Word {
		if x, ok := p.keyword(t.Lower); ok {
			return x
		}
	}
	return p.reference()
}

// binary is a literal of bytes.
func binary(s string) sql.Expr {
	return sql.Cast{X: sql.String{Text: `\x` + hex.EncodeToString([]byte(s))}, Type: sql.Type{Name: "bytea"}}
}

// systemVariable takes @@name and @@scope.name.
func (p *parser) systemVariable() sql.Expr {
	p.Expect("@@")
	scope, name := p.scopedName()
	p.volatile = true
	if p.options.Variables == nil {
		p.failf(1193, "HY000", "Unknown system variable '%s'", name)
	}
	x, err := p.options.Variables.System(scope, name)
	if err != nil {
		panic(failure{err})
	}
	return x
}

// scopedName takes the rest of @@name, @@scope.name: both in lower case.
func (p *parser) scopedName() (scope, name string) {
	name = strings.ToLower(p.Label())
	if p.Op(".") {
		scope, name = name, strings.ToLower(p.Label())
	}
	switch scope {
	case "local":
		scope = "session"
	case "persist_only":
		scope = "persist"
	case "", "session", "global", "persist":
	default:
		p.failf(1193, "HY000", "Unknown system variable '%s'", name)
	}
	return scope, name
}

func (p *parser) parenthesised() sql.Expr {
	query := p.queryAt(0)
	p.Expect("(")
	if query {
		q := p.query()
		p.Expect(")")
		return sql.Subquery{Query: q}
	}
	first := p.expression()
	if p.Op(")") {
		return first
	}
	list := []sql.Expr{value(first)}
	for p.Op(",") {
		list = append(list, p.value())
	}
	p.Expect(")")
	return sql.Row{Elements: list}
}

func (p *parser) caseExpression() sql.Expr {
	p.ExpectWord("case")
	var c sql.Case
	if !p.Peek().Is("when") {
		c.Operand = p.value()
	}
	for p.Word("when") {
		w := sql.When{If: p.expression()}
		if c.Operand == nil {
			w.If = condition(w.If)
		} else {
			w.If = value(w.If)
		}
		p.ExpectWord("then")
		w.Then = p.value()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.fail()
	}
	if p.Word("else") {
		c.Else = p.value()
	}
	p.ExpectWord("end")
	return c
}
