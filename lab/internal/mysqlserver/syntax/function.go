package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// keyword parses expressions that start with a keyword or with a function that has a syntax of its own.
func (p *parser) keyword(k string) (sql.Expr, bool) {
	opens := p.peekAt(1).isOp("(")
	switch k {
	case "null":
		p.next()
		return sql.Null{}, true
	case "true", "false":
		p.next()
		return sql.Bool{Value: k == "true"}, true
	case "current_timestamp", "localtime", "localtimestamp", "utc_timestamp", "current_date", "utc_date", "current_time",
		"utc_time", "current_user":
		return p.clock(k), true
	case "case":
		return p.caseExpression(), true
	case "interval":
		p.unsupported("INTERVAL()")
	case "date", "timestamp", "time":
		if p.peekAt(1).kind == text {
			p.next()
			return call("cast_"+strings.Replace(k, "timestamp", "datetime", 1), sql.String{Text: p.text()}), true
		}
	case "row":
		if opens {
			p.next()
			p.next()
			list := p.expressions()
			p.expect(")")
			return sql.Row{Elements: list}, true
		}
	case "exists":
		if opens {
			p.at += 2
			q := p.query()
			p.expect(")")
			return sql.Exists{Query: q}, true
		}
	}
	if strings.HasPrefix(k, "_") {
		if next := p.peekAt(1); next.kind == text || next.kind == bytes {
			p.next()
			if t := p.next(); k == "_binary" || t.kind == bytes {
				return binary(t.text), true
			}
			return sql.String{Text: p.tokens[p.at-1].text}, true
		}
	}
	if opens {
		if special := specialCalls[k]; special != nil {
			p.at += 2
			x := special(p, k)
			p.expect(")")
			return x, true
		}
	}
	return nil, false
}

// clock takes a function that may be written without parentheses, and with a precision, which does not matter here.
func (p *parser) clock(name string) sql.Expr {
	p.next()
	precision := p.parenthesisedPrecision()
	switch name {
	case "localtime", "localtimestamp", "current_timestamp":
		name = "now"
	case "current_date":
		name = "curdate"
	case "current_time":
		name = "curtime"
	}
	return sql.Call{Name: name, Args: precision}
}

// parenthesisedPrecision takes (n) or () or nothing.
func (p *parser) parenthesisedPrecision() []sql.Expr {
	if !p.op("(") {
		return nil
	}
	var list []sql.Expr
	if t := p.peek(); t.kind == number {
		p.next()
		list = append(list, sql.Number{Text: t.text})
	}
	p.expect(")")
	return list
}

// specialCalls are the functions whose arguments are not just a list of values. They are called between the parentheses.
// The map is filled by init, as its entries lead back to it, and not changed afterwards.
var specialCalls map[string]func(p *parser, name string) sql.Expr

func init() {
	specialCalls = map[string]func(p *parser, name string) sql.Expr{
		"if":            (*parser).ifCall,
		"ifnull":        func(p *parser, _ string) sql.Expr { return sql.Call{Name: "coalesce", Args: p.arguments(2, "IFNULL")} },
		"isnull":        func(p *parser, _ string) sql.Expr { return sql.Is{X: p.value(), What: "NULL"} },
		"cast":          (*parser).castCall,
		"convert":       (*parser).castCall,
		"extract":       (*parser).extractCall,
		"position":      (*parser).positionCall,
		"trim":          (*parser).trimCall,
		"substring":     (*parser).substringCall,
		"substr":        (*parser).substringCall,
		"mid":           (*parser).substringCall,
		"date_add":      (*parser).dateCall,
		"date_sub":      (*parser).dateCall,
		"adddate":       (*parser).dateCall,
		"subdate":       (*parser).dateCall,
		"timestampdiff": (*parser).timestampCall,
		"timestampadd":  (*parser).timestampCall,
		"values":        func(p *parser, _ string) sql.Expr { return sql.Column{Table: "excluded", Name: p.label()} },
		"value":         func(p *parser, _ string) sql.Expr { return sql.Column{Table: "excluded", Name: p.label()} },
		"group_concat":  (*parser).groupConcat,
		"mod":           (*parser).binaryCall,
		"char":          (*parser).plainCall,
		"left":          (*parser).plainCall,
		"right":         (*parser).plainCall,
		"repeat":        (*parser).plainCall,
		"replace":       (*parser).plainCall,
		"insert":        (*parser).plainCall,
		"database":      (*parser).plainCall,
		"schema":        (*parser).plainCall,
	}
}

// arguments takes n values.
func (p *parser) arguments(n int, name string) []sql.Expr {
	list := p.expressions()
	if len(list) != n {
		p.failf(1582, "42000", "Incorrect parameter count in the call to native function '%s'", name)
	}
	return list
}

func (p *parser) plainCall(name string) sql.Expr {
	if p.peek().isOp(")") {
		return sql.Call{Name: name}
	}
	return sql.Call{Name: name, Args: p.expressions()}
}

func (p *parser) binaryCall(name string) sql.Expr {
	return sql.Call{Name: name, Args: p.arguments(2, strings.ToUpper(name))}
}

func (p *parser) ifCall(string) sql.Expr {
	test := p.condition()
	p.expect(",")
	then := p.value()
	p.expect(",")
	return sql.Case{Whens: []sql.When{{If: test, Then: then}}, Else: p.value()}
}

// castCall is CAST(x AS type), CONVERT(x, type) and CONVERT(x USING charset).
func (p *parser) castCall(name string) sql.Expr {
	x := p.value()
	switch {
	case name == "convert" && p.word("using"):
		if p.label() == "binary" {
			return call("cast_binary", x)
		}
		return call("cast_char", x)
	case name == "convert":
		p.expect(",")
	default:
		p.expectWord("as")
	}
	typ := strings.ToLower(p.label())
	switch typ {
	case "signed", "unsigned":
		_ = p.word("integer") || p.word("int")
		return call("cast_"+typ, x)
	case "double":
		p.word("precision")
		return call("cast_double", x)
	case "float", "real":
		p.modifiers()
		return call("cast_double", x)
	case "char", "nchar", "character":
		mods := p.modifiers()
		p.characterSet()
		x = call("cast_char", x)
		if len(mods) > 0 {
			x = call("left", x, mods[0])
		}
		return x
	case "decimal", "dec":
		mods := p.modifiers()
		if len(mods) == 0 {
			mods = []sql.Expr{sql.Number{Text: "10"}}
		}
		if len(mods) == 1 {
			mods = append(mods, sql.Number{Text: "0"})
		}
		return call("round", call("cast_decimal", x), mods[1])
	case "date", "time", "json", "year":
		p.modifiers()
		return call("cast_"+typ, x)
	case "datetime":
		mods := p.modifiers()
		if len(mods) == 0 {
			mods = []sql.Expr{sql.Number{Text: "0"}}
		}
		return call("cast_datetime", x, mods[0])
	case "binary":
		p.modifiers()
		return call("cast_binary", x)
	}
	p.at--
	p.fail()
	return nil
}

// modifiers takes the numbers in parentheses after a type, if any.
func (p *parser) modifiers() []sql.Expr {
	if !p.op("(") {
		return nil
	}
	var list []sql.Expr
	for {
		t := p.peek()
		p.integer()
		list = append(list, sql.Number{Text: t.text})
		if !p.op(",") {
			break
		}
	}
	p.expect(")")
	return list
}

// characterSet takes CHARACTER SET and COLLATE, which change nothing here.
func (p *parser) characterSet() {
	for {
		switch {
		case p.word("character", "set"), p.word("charset"), p.word("collate"):
			p.op("=")
			if p.peek().kind == text {
				p.next()
			} else {
				p.label()
			}
		case p.word("binary"):
		default:
			return
		}
	}
}

func (p *parser) extractCall(string) sql.Expr {
	unit := p.unit()
	p.expectWord("from")
	return call(unit.(sql.String).Text, p.value())
}

func (p *parser) positionCall(string) sql.Expr {
	needle := value(p.bits())
	p.expectWord("in")
	return call("locate", needle, p.value())
}

func (p *parser) trimCall(string) sql.Expr {
	side := p.anyWord("both", "leading", "trailing")
	name := map[string]string{"": "trim", "both": "trim", "leading": "ltrim", "trailing": "rtrim"}[side]
	if side != "" && p.word("from") {
		return call(name, p.value())
	}
	x := p.value()
	if p.word("from") {
		return call(name, p.value(), x)
	}
	return call(name, x)
}

func (p *parser) substringCall(string) sql.Expr {
	args := p.expressions()
	if p.word("from") {
		args = append(args, p.value())
	}
	if p.word("for") {
		args = append(args, p.value())
	}
	return sql.Call{Name: "substring", Args: args}
}

// dateCall is DATE_ADD(x, INTERVAL n unit) and its relatives.
func (p *parser) dateCall(name string) sql.Expr {
	x := p.value()
	p.expect(",")
	switch name {
	case "adddate":
		name = "date_add"
	case "subdate":
		name = "date_sub"
	}
	if !p.peek().is("interval") {
		return addition(name, x, p.value(), sql.String{Text: "day"})
	}
	amount, unit := p.interval()
	return addition(name, x, amount, unit)
}

func (p *parser) timestampCall(name string) sql.Expr {
	unit := p.unit()
	p.expect(",")
	args := p.arguments(2, strings.ToUpper(name))
	if name == "timestampadd" {
		return addition("date_add", args[1], args[0], unit)
	}
	return call("timestampdiff", unit, args[0], args[1])
}

func (p *parser) groupConcat(string) sql.Expr {
	c := sql.Call{Name: "string_agg", Distinct: p.word("distinct")}
	parts := p.expressions()
	x := call("cast_char", parts[0])
	if len(parts) > 1 {
		x = sql.Call{Name: "concat", Args: parts}
	}
	if p.peek().is("order") {
		p.unsupported("GROUP_CONCAT(… ORDER BY …)")
	}
	separator := ","
	if p.word("separator") {
		separator = p.text()
	}
	c.Args = []sql.Expr{x, sql.String{Text: separator}}
	return c
}

// reference parses a column or a function call.
func (p *parser) reference() sql.Expr {
	t := p.peek()
	if t.kind == word && reserved[t.lower] {
		p.fail()
	}
	parts := []string{p.next().text}
	for p.peek().isOp(".") && len(parts) < 3 {
		p.next()
		parts = append(parts, p.label())
	}
	last := parts[len(parts)-1]
	if t.kind == word && p.peek().isOp("(") {
		schema := ""
		if len(parts) > 1 {
			schema = parts[len(parts)-2]
		}
		return p.call(schema, strings.ToLower(last))
	}
	if len(parts) == 1 {
		if x, ok := p.aliases[strings.ToLower(last)]; ok {
			return x
		}
		return sql.Column{Name: last}
	}
	table := parts[len(parts)-2]
	if p.newRow != "" && table == p.newRow {
		table = "excluded"
	}
	return sql.Column{Table: table, Name: last}
}

func (p *parser) call(schema, name string) sql.Expr {
	p.expect("(")
	c := sql.Call{Schema: schema, Name: name}
	switch {
	case p.op(")"):
	case p.op("*"):
		c.Star = true
		p.expect(")")
	default:
		if c.Distinct = p.word("distinct"); !c.Distinct {
			p.word("all")
		}
		c.Args = p.expressions()
		p.expect(")")
	}
	if p.peek().is("over") {
		p.unsupported("window functions")
	}
	return c
}
