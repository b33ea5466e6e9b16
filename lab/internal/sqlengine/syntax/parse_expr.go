package syntax

import (
	"strconv"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

func (p *parser) expressions() []Expr {
	list := []Expr{p.expression()}
	for p.Op(",") {
		list = append(list, p.expression())
	}
	return list
}

// expression parses by precedence climbing, with the levels of PostgreSQL: OR, AND, NOT, IS, comparison,
// BETWEEN IN LIKE, other operators, + -, * / %, ^, unary, ::.
func (p *parser) expression() Expr {
	defer p.Enter()()
	x := p.conjunction()
	for p.Word("or") {
		x = Binary{Op: "OR", L: x, R: p.conjunction()}
	}
	return x
}

func (p *parser) conjunction() Expr {
	x := p.negation()
	for p.Word("and") {
		x = Binary{Op: "AND", L: x, R: p.negation()}
	}
	return x
}

func (p *parser) negation() Expr {
	if p.Word("not") {
		defer p.Enter()()
		return Unary{Op: "NOT", X: p.negation()}
	}
	return p.isTest()
}

func (p *parser) isTest() Expr {
	x := p.comparison()
	for {
		switch {
		case p.Word("isnull"):
			x = Is{X: x, What: "NULL"}
		case p.Word("notnull"):
			x = Is{X: x, What: "NULL", Not: true}
		case p.Word("is"):
			not := p.Word("not")
			if p.Word("distinct", "from") {
				x = Binary{Op: "IS DISTINCT FROM", L: x, R: p.comparison()}
				if not {
					x = Unary{Op: "NOT", X: x}
				}
				continue
			}
			what := p.AnyWord("null", "true", "false", "unknown")
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
		if q := p.AnyWord("any", "some", "all"); q != "" {
			x = p.quantified(x, op, q == "all")
			continue
		}
		x = Binary{Op: op, L: x, R: p.membership()}
	}
}

func (p *parser) quantified(x Expr, op string, all bool) Expr {
	query := p.queryAt(0)
	p.Expect("(")
	q := Quantified{X: x, Op: op, All: all}
	if query {
		q.Query = p.query()
	} else {
		q.Array = p.expression()
	}
	p.Expect(")")
	return q
}

// binaryOperator takes an operator, plain or as OPERATOR(schema.op), if want agrees. What OPERATOR() names is taken as
// having the operator's own precedence, not the generic one of PostgreSQL; parentheses make the two the same.
func (p *parser) binaryOperator(want func(op string) bool) (string, bool) {
	t := p.Peek()
	if t.Kind == token.Operator && want(t.Text) {
		p.Next()
		return t.Text, true
	}
	if !t.Is("operator") || !p.PeekAt(1).IsOp("(") {
		return "", false
	}
	n := 2
	if p.PeekAt(n + 1).IsOp(".") {
		n += 2
	}
	op := p.PeekAt(n)
	if op.Kind != token.Operator || !want(op.Text) || !p.PeekAt(n+1).IsOp(")") {
		return "", false
	}
	p.At += n + 2
	return op.Text, true
}

func (p *parser) membership() Expr {
	x := p.otherOperators()
	for {
		mark := p.At
		not := p.Word("not")
		switch {
		case p.Word("in"):
			x = p.in(x, not)
		case p.Word("between"):
			p.Word("asymmetric")
			low := p.otherOperators()
			p.ExpectWord("and")
			x = Between{X: x, Low: low, High: p.otherOperators(), Not: not}
		case p.Word("like"):
			x = Like{X: x, Pattern: p.otherOperators(), Not: not}
		case p.Word("ilike"):
			x = Like{X: x, Pattern: p.otherOperators(), Not: not, Fold: true}
		default:
			p.At = mark
			return x
		}
	}
}

func (p *parser) in(x Expr, not bool) Expr {
	query := p.queryAt(0)
	p.Expect("(")
	in := In{X: x, Not: not}
	if query {
		in.Query = p.query()
	} else {
		in.List = p.expressions()
	}
	p.Expect(")")
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
	for p.Op("^") {
		x = Binary{Op: "^", L: x, R: p.signed()}
	}
	return x
}

func (p *parser) signed() Expr {
	for _, op := range []string{"-", "+"} {
		if p.Op(op) {
			defer p.Enter()()
			return Unary{Op: op, X: p.signed()}
		}
	}
	return p.postfix()
}

func (p *parser) postfix() Expr {
	x := p.primary()
	for {
		switch {
		case p.Op("::"):
			x = Cast{X: x, Type: p.typeName()}
		case p.Word("collate"):
			p.qualified()
		case p.Word("at", "time", "zone"):
			x = Call{Name: "timezone", Args: []Expr{p.primary(), x}}
		default:
			return x
		}
	}
}

func (p *parser) primary() Expr {
	defer p.Enter()()
	t := p.Peek()
	switch t.Kind {
	case token.Number:
		p.Next()
		return Number{Text: t.Text}
	case token.Text:
		p.Next()
		return String{Text: t.Text}
	case token.Param:
		p.Next()
		n, err := strconv.Atoi(t.Text)
		if err != nil || n < 1 || n > 65535 {
			p.At--
			p.failf("42P02", "there is no parameter $%s", t.Text)
		}
		return Param{N: n}
	case token.Operator:
		if t.Text == "(" {
			return p.parenthesised()
		}
		p.fail()
	case token.End:
		p.fail()
	}
	if t.Kind == token.Word {
		if x, ok := p.keyword(t.Text); ok {
			return x
		}
	}
	return p.reference()
}

func (p *parser) parenthesised() Expr {
	query := p.queryAt(0)
	p.Expect("(")
	if query {
		q := p.query()
		p.Expect(")")
		return Subquery{Query: q}
	}
	list := p.expressions()
	p.Expect(")")
	if len(list) > 1 {
		return Row{Elements: list}
	}
	return list[0]
}

// keyword parses expressions that start with a keyword.
func (p *parser) keyword(k string) (Expr, bool) {
	switch k {
	case "null":
		p.Next()
		return Null{}, true
	case "true", "false":
		p.Next()
		return Bool{Value: k == "true"}, true
	case "current_timestamp", "current_date", "localtimestamp", "current_user", "session_user", "user", "current_catalog",
		"current_schema":
		p.Next()
		if p.Op("(") {
			if p.Peek().Kind == token.Number {
				p.Next()
			}
			p.Expect(")")
		}
		return Call{Name: k}, true
	case "case":
		return p.caseExpression(), true
	case "cast":
		p.Next()
		p.Expect("(")
		x := p.expression()
		p.ExpectWord("as")
		c := Cast{X: x, Type: p.typeName()}
		p.Expect(")")
		return c, true
	case "exists":
		if p.PeekAt(1).IsOp("(") {
			p.At += 2
			q := p.query()
			p.Expect(")")
			return Exists{Query: q}, true
		}
	case "array":
		return p.array(), true
	case "extract", "substring", "position", "trim":
		if p.PeekAt(1).IsOp("(") {
			return p.specialCall(k), true
		}
	case "row":
		if p.PeekAt(1).IsOp("(") {
			p.At += 2
			list := p.expressions()
			p.Expect(")")
			return Row{Elements: list}, true
		}
	}
	if p.typedLiteral() {
		typ := p.typeName()
		return Cast{X: String{Text: p.Next().Text}, Type: typ}, true
	}
	return nil, false
}

// typedLiteral reports whether a literal like interval '1 day' or double precision '1' follows.
func (p *parser) typedLiteral() bool {
	if reserved[p.Peek().Text] {
		return false
	}
	n := 1
	if _, multi := typeContinuation[p.Peek().Text]; multi {
		for p.PeekAt(n).Kind == token.Word {
			n++
		}
	}
	return p.PeekAt(n).Kind == token.Text
}

func (p *parser) caseExpression() Expr {
	p.ExpectWord("case")
	var c Case
	if !p.Peek().Is("when") {
		c.Operand = p.expression()
	}
	for p.Word("when") {
		w := When{If: p.expression()}
		p.ExpectWord("then")
		w.Then = p.expression()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.fail()
	}
	if p.Word("else") {
		c.Else = p.expression()
	}
	p.ExpectWord("end")
	return c
}

func (p *parser) array() Expr {
	p.ExpectWord("array")
	p.Expect("[")
	var a Array
	if !p.Op("]") {
		a.Elements = p.expressions()
		p.Expect("]")
	}
	return a
}

// specialCall parses functions with a syntax of their own.
func (p *parser) specialCall(name string) Expr {
	p.At += 2
	var call Call
	switch name {
	case "extract":
		field := p.Next()
		if field.Kind != token.Word && field.Kind != token.Text {
			p.At--
			p.fail()
		}
		p.ExpectWord("from")
		call = Call{Name: "extract", Args: []Expr{String{Text: strings.ToLower(field.Text)}, p.expression()}}
	case "position":
		needle := p.otherOperators()
		p.ExpectWord("in")
		call = Call{Name: "strpos", Args: []Expr{p.expression(), needle}}
	case "trim":
		side := p.AnyWord("both", "leading", "trailing")
		fn := map[string]string{"": "btrim", "both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[side]
		call = Call{Name: fn}
		if side == "" || !p.Peek().Is("from") {
			call.Args = p.expressions()
		}
		if p.Word("from") {
			call.Args = append([]Expr{p.expression()}, call.Args...)
		}
	default: // substring(x from a for b), substring(x, a, b)
		call = Call{Name: name, Args: p.expressions()}
		if p.Word("from") {
			call.Args = append(call.Args, p.expression())
		}
		if p.Word("for") {
			if len(call.Args) == 1 {
				call.Args = append(call.Args, Number{Text: "1"})
			}
			call.Args = append(call.Args, p.expression())
		}
	}
	p.Expect(")")
	return call
}

// reference parses a column or a function call.
func (p *parser) reference() Expr {
	t := p.Peek()
	if t.Kind == token.Word && reserved[t.Text] && !(p.PeekAt(1).IsOp("(") && (t.Text == "left" || t.Text == "right")) {
		p.fail()
	}
	parts := p.Path(4)
	last := parts[len(parts)-1]
	qualifier := ""
	if len(parts) > 1 {
		qualifier = parts[len(parts)-2]
	}
	if p.Peek().IsOp("(") {
		return p.call(qualifier, last)
	}
	return Column{Table: qualifier, Name: last}
}

func (p *parser) call(schema, name string) Expr {
	p.Expect("(")
	c := Call{Schema: schema, Name: name}
	switch {
	case p.Op(")"):
	case p.Op("*"):
		c.Star = true
		p.Expect(")")
	default:
		if p.Word("distinct") {
			c.Distinct = true
		} else {
			p.Word("all")
		}
		c.Args = p.expressions()
		if p.Peek().Is("order") {
			p.failf("0A000", "ORDER BY in an aggregate is not supported")
		}
		p.Expect(")")
	}
	if p.Word("filter") {
		p.Expect("(")
		p.ExpectWord("where")
		c.Filter = p.expression()
		p.Expect(")")
	}
	if p.Peek().Is("over") {
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
	t := Type{Name: p.Label()}
	if p.Op(".") {
		t.Name = p.Label()
	}
	if p.Peek().IsOp("(") {
		t.Mods = p.modifiers()
	}
	for _, rest := range typeContinuation[t.Name] {
		if p.Word(rest...) {
			t.Name = t.Name + " " + strings.Join(rest, " ")
			break
		}
	}
	if p.Peek().IsOp("(") {
		t.Mods = p.modifiers()
	}
	for p.Op("[") {
		if p.Peek().Kind == token.Number {
			p.Next()
		}
		p.Expect("]")
		t.Array = true
	}
	return t
}

func (p *parser) modifiers() []int {
	p.Expect("(")
	mods := []int{p.Integer()}
	for p.Op(",") {
		mods = append(mods, p.Integer())
	}
	p.Expect(")")
	return mods
}
