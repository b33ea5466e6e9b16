package syntax

import (
	"strconv"
	"strings"
)

func (p *parser) expressions() []Expr {
	list := []Expr{p.expression()}
	for p.op(",") {
		list = append(list, p.expression())
	}
	return list
}

// expression parses by precedence climbing, with the levels of PostgreSQL: OR, AND, NOT, IS, comparison,
// BETWEEN IN LIKE, other operators, + -, * / %, ^, unary, ::.
func (p *parser) expression() Expr {
	defer p.enter()()
	x := p.conjunction()
	for p.word("or") {
		x = Binary{Op: "OR", L: x, R: p.conjunction()}
	}
	return x
}

func (p *parser) conjunction() Expr {
	x := p.negation()
	for p.word("and") {
		x = Binary{Op: "AND", L: x, R: p.negation()}
	}
	return x
}

func (p *parser) negation() Expr {
	if p.word("not") {
		defer p.enter()()
		return Unary{Op: "NOT", X: p.negation()}
	}
	return p.isTest()
}

func (p *parser) isTest() Expr {
	x := p.comparison()
	for {
		switch {
		case p.word("isnull"):
			x = Is{X: x, What: "NULL"}
		case p.word("notnull"):
			x = Is{X: x, What: "NULL", Not: true}
		case p.word("is"):
			not := p.word("not")
			if p.word("distinct", "from") {
				x = Binary{Op: "IS DISTINCT FROM", L: x, R: p.comparison()}
				if not {
					x = Unary{Op: "NOT", X: x}
				}
				continue
			}
			what := p.anyWord("null", "true", "false", "unknown")
			if what == "" {
				p.fail()
			}
			x = Is{X: x, What: strings.ToUpper(what), Not: not}
		default:
			return x
		}
	}
}

var comparisons = map[string]bool{"=": true, "<": true, ">": true, "<=": true, ">=": true, "<>": true, "!=": true}

func (p *parser) comparison() Expr {
	x := p.membership()
	for {
		op, taken := p.binaryOperator(func(op string) bool { return comparisons[op] })
		if !taken {
			return x
		}
		if op == "!=" {
			op = "<>"
		}
		if q := p.anyWord("any", "some", "all"); q != "" {
			x = p.quantified(x, op, q == "all")
			continue
		}
		x = Binary{Op: op, L: x, R: p.membership()}
	}
}

func (p *parser) quantified(x Expr, op string, all bool) Expr {
	query := p.queryAt(0)
	p.expect("(")
	q := Quantified{X: x, Op: op, All: all}
	if query {
		q.Query = p.query()
	} else {
		q.Array = p.expression()
	}
	p.expect(")")
	return q
}

// binaryOperator takes an operator, plain or as OPERATOR(schema.op), if want agrees. What OPERATOR() names is taken as
// having the operator's own precedence, not the generic one of PostgreSQL; parentheses make the two the same.
func (p *parser) binaryOperator(want func(op string) bool) (string, bool) {
	t := p.peek()
	if t.kind == operator && want(t.text) {
		p.next()
		return t.text, true
	}
	if !t.is("operator") || !p.peekAt(1).isOp("(") {
		return "", false
	}
	n := 2
	if p.peekAt(n + 1).isOp(".") {
		n += 2
	}
	op := p.peekAt(n)
	if op.kind != operator || !want(op.text) || !p.peekAt(n+1).isOp(")") {
		return "", false
	}
	p.at += n + 2
	return op.text, true
}

func (p *parser) membership() Expr {
	x := p.otherOperators()
	for {
		mark := p.at
		not := p.word("not")
		switch {
		case p.word("in"):
			x = p.in(x, not)
		case p.word("between"):
			p.word("asymmetric")
			low := p.otherOperators()
			p.expectWord("and")
			x = Between{X: x, Low: low, High: p.otherOperators(), Not: not}
		case p.word("like"):
			x = Like{X: x, Pattern: p.otherOperators(), Not: not}
		case p.word("ilike"):
			x = Like{X: x, Pattern: p.otherOperators(), Not: not, Fold: true}
		default:
			p.at = mark
			return x
		}
	}
}

func (p *parser) in(x Expr, not bool) Expr {
	query := p.queryAt(0)
	p.expect("(")
	in := In{X: x, Not: not}
	if query {
		in.Query = p.query()
	} else {
		in.List = p.expressions()
	}
	p.expect(")")
	return in
}

var otherOperators = map[string]bool{"||": true, "~": true, "~*": true, "!~": true, "!~*": true, "->": true,
	"->>": true, "~~": true, "!~~": true, "~~*": true, "!~~*": true, "&": true, "|": true, "#": true, "<<": true, ">>": true}

func (p *parser) otherOperators() Expr {
	x := p.sum()
	for {
		op, taken := p.binaryOperator(func(op string) bool { return otherOperators[op] })
		if !taken {
			return x
		}
		right := p.sum()
		switch op {
		case "~~", "~~*", "!~~", "!~~*":
			x = Like{X: x, Pattern: right, Not: op[0] == '!', Fold: strings.HasSuffix(op, "*")}
		default:
			x = Binary{Op: op, L: x, R: right}
		}
	}
}

func (p *parser) sum() Expr {
	x := p.product()
	for {
		op, taken := p.binaryOperator(func(op string) bool { return op == "+" || op == "-" })
		if !taken {
			return x
		}
		x = Binary{Op: op, L: x, R: p.product()}
	}
}

func (p *parser) product() Expr {
	x := p.power()
	for {
		op, taken := p.binaryOperator(func(op string) bool { return op == "*" || op == "/" || op == "%" })
		if !taken {
			return x
		}
		x = Binary{Op: op, L: x, R: p.power()}
	}
}

func (p *parser) power() Expr {
	x := p.signed()
	for p.op("^") {
		x = Binary{Op: "^", L: x, R: p.signed()}
	}
	return x
}

func (p *parser) signed() Expr {
	for _, op := range []string{"-", "+"} {
		if p.op(op) {
			defer p.enter()()
			return Unary{Op: op, X: p.signed()}
		}
	}
	return p.postfix()
}

func (p *parser) postfix() Expr {
	x := p.primary()
	for {
		switch {
		case p.op("::"):
			x = Cast{X: x, Type: p.typeName()}
		case p.word("collate"):
			p.qualified()
		case p.word("at", "time", "zone"):
			x = Call{Name: "timezone", Args: []Expr{p.primary(), x}}
		default:
			return x
		}
	}
}

func (p *parser) primary() Expr {
	defer p.enter()()
	t := p.peek()
	switch t.kind {
	case number:
		p.next()
		return Number{Text: t.text}
	case text:
		p.next()
		return String{Text: t.text}
	case param:
		p.next()
		n, err := strconv.Atoi(t.text)
		if err != nil || n < 1 || n > 65535 {
			p.at--
			p.failf("42P02", "there is no parameter $%s", t.text)
		}
		return Param{N: n}
	case operator:
		if t.text == "(" {
			return p.parenthesised()
		}
		p.fail()
	case end:
		p.fail()
	}
	if t.kind == word {
		if x, ok := p.keyword(t.text); ok {
			return x
		}
	}
	return p.reference()
}

func (p *parser) parenthesised() Expr {
	query := p.queryAt(0)
	p.expect("(")
	if query {
		q := p.query()
		p.expect(")")
		return Subquery{Query: q}
	}
	list := p.expressions()
	p.expect(")")
	if len(list) > 1 {
		return Row{Elements: list}
	}
	return list[0]
}

// keyword parses expressions that start with a keyword.
func (p *parser) keyword(k string) (Expr, bool) {
	switch k {
	case "null":
		p.next()
		return Null{}, true
	case "true", "false":
		p.next()
		return Bool{Value: k == "true"}, true
	case "current_timestamp", "current_date", "localtimestamp", "current_user", "session_user", "user", "current_catalog",
		"current_schema":
		p.next()
		if p.op("(") {
			if p.peek().kind == number {
				p.next()
			}
			p.expect(")")
		}
		return Call{Name: k}, true
	case "case":
		return p.caseExpression(), true
	case "cast":
		p.next()
		p.expect("(")
		x := p.expression()
		p.expectWord("as")
		c := Cast{X: x, Type: p.typeName()}
		p.expect(")")
		return c, true
	case "exists":
		if p.peekAt(1).isOp("(") {
			p.at += 2
			q := p.query()
			p.expect(")")
			return Exists{Query: q}, true
		}
	case "array":
		return p.array(), true
	case "extract", "substring", "position", "trim":
		if p.peekAt(1).isOp("(") {
			return p.specialCall(k), true
		}
	case "row":
		if p.peekAt(1).isOp("(") {
			p.at += 2
			list := p.expressions()
			p.expect(")")
			return Row{Elements: list}, true
		}
	}
	if p.typedLiteral() {
		typ := p.typeName()
		return Cast{X: String{Text: p.next().text}, Type: typ}, true
	}
	return nil, false
}

// typedLiteral reports whether a literal like interval '1 day' or double precision '1' follows.
func (p *parser) typedLiteral() bool {
	if reserved[p.peek().text] {
		return false
	}
	n := 1
	if _, multi := typeContinuation[p.peek().text]; multi {
		for p.peekAt(n).kind == word {
			n++
		}
	}
	return p.peekAt(n).kind == text
}

func (p *parser) caseExpression() Expr {
	p.expectWord("case")
	var c Case
	if !p.peek().is("when") {
		c.Operand = p.expression()
	}
	for p.word("when") {
		w := When{If: p.expression()}
		p.expectWord("then")
		w.Then = p.expression()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.fail()
	}
	if p.word("else") {
		c.Else = p.expression()
	}
	p.expectWord("end")
	return c
}

func (p *parser) array() Expr {
	p.expectWord("array")
	p.expect("[")
	var a Array
	if !p.op("]") {
		a.Elements = p.expressions()
		p.expect("]")
	}
	return a
}

// specialCall parses functions with a syntax of their own.
func (p *parser) specialCall(name string) Expr {
	p.at += 2
	var call Call
	switch name {
	case "extract":
		field := p.next()
		if field.kind != word && field.kind != text {
			p.at--
			p.fail()
		}
		p.expectWord("from")
		call = Call{Name: "extract", Args: []Expr{String{Text: strings.ToLower(field.text)}, p.expression()}}
	case "position":
		needle := p.otherOperators()
		p.expectWord("in")
		call = Call{Name: "strpos", Args: []Expr{p.expression(), needle}}
	case "trim":
		side := p.anyWord("both", "leading", "trailing")
		fn := map[string]string{"": "btrim", "both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[side]
		call = Call{Name: fn}
		if side == "" || !p.peek().is("from") {
			call.Args = p.expressions()
		}
		if p.word("from") {
			call.Args = append([]Expr{p.expression()}, call.Args...)
		}
	default: // substring(x from a for b), substring(x, a, b)
		call = Call{Name: name, Args: p.expressions()}
		if p.word("from") {
			call.Args = append(call.Args, p.expression())
		}
		if p.word("for") {
			if len(call.Args) == 1 {
				call.Args = append(call.Args, Number{Text: "1"})
			}
			call.Args = append(call.Args, p.expression())
		}
	}
	p.expect(")")
	return call
}

// reference parses a column or a function call.
func (p *parser) reference() Expr {
	t := p.peek()
	if t.kind == word && reserved[t.text] && !(p.peekAt(1).isOp("(") && (t.text == "left" || t.text == "right")) {
		p.fail()
	}
	parts := []string{p.next().text}
	for p.peek().isOp(".") && len(parts) < 4 {
		p.next()
		parts = append(parts, p.label())
	}
	last := parts[len(parts)-1]
	qualifier := ""
	if len(parts) > 1 {
		qualifier = parts[len(parts)-2]
	}
	if p.peek().isOp("(") {
		return p.call(qualifier, last)
	}
	return Column{Table: qualifier, Name: last}
}

func (p *parser) call(schema, name string) Expr {
	p.expect("(")
	c := Call{Schema: schema, Name: name}
	switch {
	case p.op(")"):
	case p.op("*"):
		c.Star = true
		p.expect(")")
	default:
		if p.word("distinct") {
			c.Distinct = true
		} else {
			p.word("all")
		}
		c.Args = p.expressions()
		if p.peek().is("order") {
			p.failf("0A000", "ORDER BY in an aggregate is not supported")
		}
		p.expect(")")
	}
	if p.word("filter") {
		p.expect("(")
		p.expectWord("where")
		c.Filter = p.expression()
		p.expect(")")
	}
	if p.peek().is("over") {
		p.failf("0A000", "window functions are not supported")
	}
	return c
}

// typeContinuation lists the type names of several words and what they are called here.
var typeContinuation = map[string][][]string{
	"double":    {{"precision"}},
	"character": {{"varying"}},
	"timestamp": {{"with", "time", "zone"}, {"without", "time", "zone"}},
	"time":      {{"with", "time", "zone"}, {"without", "time", "zone"}},
}

func (p *parser) typeName() Type {
	t := Type{Name: p.label()}
	if p.op(".") {
		t.Name = p.label()
	}
	if p.peek().isOp("(") {
		t.Mods = p.modifiers()
	}
	for _, rest := range typeContinuation[t.Name] {
		if p.word(rest...) {
			t.Name = t.Name + " " + strings.Join(rest, " ")
			break
		}
	}
	if p.peek().isOp("(") {
		t.Mods = p.modifiers()
	}
	for p.op("[") {
		if p.peek().kind == number {
			p.next()
		}
		p.expect("]")
		t.Array = true
	}
	return t
}

func (p *parser) modifiers() []int {
	p.expect("(")
	mods := []int{p.integer()}
	for p.op(",") {
		mods = append(mods, p.integer())
	}
	p.expect(")")
	return mods
}
