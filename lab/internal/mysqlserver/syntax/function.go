package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// keyword parses expressions that start with a keyword or with a function that has a syntax of its own.
func (p *parser) keyword(k string) (sql.Expr, bool) {
	opens := p.PeekAt(1).IsOp("(")
	switch k {
	case "null":
		p.Next()
		return sql.Null{}, true
	case "true", "false":
		p.Next()
		return sql.Bool{Value: k == "true"}, true
	case "current_timestamp", "localtime", "localtimestamp", "utc_timestamp", "current_date", "utc_date", "current_time",
		"utc_time", "current_user":
		return p.clock(k), true
	case "case":
		return p.caseExpression(), true
	case "interval":
		p.unsupported("INTERVAL()")
	case "date", "timestamp", "time":
		if p.PeekAt(1).Kind == token.Text {
			p.Next()
			return call("cast_"+strings.Replace(k, "timestamp", "datetime", 1), sql.String{Text: p.text()}), true
		}
	case "row":
		if opens {
			p.Next()
			p.Next()
			list := p.expressions()
			p.Expect(")")
			return sql.Row{Elements: list}, true
		}
	case "exists":
		if opens {
			p.At += 2
			q := p.query()
			p.Expect(")")
			return sql.Exists{Query: q}, true
		}
	}
	if strings.HasPrefix(k, "_") {
		if next := p.PeekAt(1); next.Kind == token.Text || next.Kind == token.Bytes {
			p.Next()
			if t := p.Next(); k == "_binary" || t.Kind == token.Bytes {
				return binary(t.Text), true
			}
			return sql.String{Text: p.Tokens[p.At-1].Text}, true
		}
	}
	if opens {
		if special := specialCalls[k]; special != nil {
			p.At += 2
			x := special(p, k)
			p.Expect(")")
			return x, true
		}
	}
	return nil, false
}

// clock takes a function that may be written without parentheses, and with a precision, which does not matter here.
func (p *parser) clock(name string) sql.Expr {
	p.Next()
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
	if !p.Op("(") {
		return nil
	}
	var list []sql.Expr
	if t := p.Peek(); t.Kind == token.Number {
		p.Next()
		list = append(list, sql.Number{Text: t.Text})
	}
	p.Expect(")")
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
		"values":        func(p *parser, _ string) sql.Expr { return sql.Column{Table: "excluded", Name: p.Label()} },
		"value":         func(p *parser, _ string) sql.Expr { return sql.Column{Table: "excluded", Name: p.Label()} },
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
	if p.Peek().IsOp(")") {
		return sql.Call{Name: name}
	}
	return sql.Call{Name: name, Args: p.expressions()}
}

func (p *parser) binaryCall(name string) sql.Expr {
	return sql.Call{Name: name, Args: p.arguments(2, strings.ToUpper(name))}
}

func (p *parser) ifCall(string) sql.Expr {
	test := p.condition()
	p.Expect(",")
	then := p.value()
	p.Expect(",")
	return sql.Case{Whens: []sql.When{{If: test, Then: then}}, Else: p.value()}
}

// castCall is CAST(x AS type), CONVERT(x, type) and CONVERT(x USING charset).
func (p *parser) castCall(name string) sql.Expr {
	x := p.value()
	switch {
	case name == "convert" && p.Word("using"):
		if p.Label() == "binary" {
			return call("cast_binary", x)
		}
		return call("cast_char", x)
	case name == "convert":
		p.Expect(",")
	default:
		p.ExpectWord("as")
	}
	typ := strings.ToLower(p.Label())
	switch typ {
	case "signed", "unsigned":
		_ = p.Word("integer") || p.Word("int")
		return call("cast_"+typ, x)
	case "double":
		p.Word("precision")
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
	p.At--
	p.fail()
	return nil
}

// modifiers takes the numbers in parentheses after a type, if any.
func (p *parser) modifiers() []sql.Expr {
	if !p.Op("(") {
		return nil
	}
	var list []sql.Expr
	for {
		t := p.Peek()
		p.Integer()
		list = append(list, sql.Number{Text: t.Text})
		if !p.Op(",") {
			break
		}
	}
	p.Expect(")")
	return list
}

// characterSet takes CHARACTER SET and COLLATE, which change nothing here.
func (p *parser) characterSet() {
	for {
		switch {
		case p.Word("character"):
			p.ExpectWord("set")
			p.encoding()
		case p.Word("charset"), p.Word("collate"):
			p.encoding()
		case p.Word("binary"):
		default:
			return
		}
	}
}

// encoding takes the name of a character set or collation.
func (p *parser) encoding() {
	p.Op("=")
	if p.Peek().Kind == token.Text {
		p.Next()
	} else {
		p.Label()
	}
}

func (p *parser) extractCall(string) sql.Expr {
	unit := p.unit()
	p.ExpectWord("from")
	return call(unit.(sql.String).Text, p.value())
}

func (p *parser) positionCall(string) sql.Expr {
	needle := value(p.bits())
	p.ExpectWord("in")
	return call("locate", needle, p.value())
}

func (p *parser) trimCall(string) sql.Expr {
	side := p.AnyWord("both", "leading", "trailing")
	name := map[string]string{"": "trim", "both": "trim", "leading": "ltrim", "trailing": "rtrim"}[side]
	if side != "" && p.Word("from") {
		return call(name, p.value())
	}
	x := p.value()
	if p.Word("from") {
		return call(name, p.value(), x)
	}
	return call(name, x)
}

func (p *parser) substringCall(string) sql.Expr {
	args := p.expressions()
	if p.Word("from") {
		args = append(args, p.value())
	}
	if p.Word("for") {
		args = append(args, p.value())
	}
	return sql.Call{Name: "substring", Args: args}
}

// dateCall is DATE_ADD(x, INTERVAL n unit) and its relatives.
func (p *parser) dateCall(name string) sql.Expr {
	x := p.value()
	p.Expect(",")
	switch name {
	case "adddate":
		name = "date_add"
	case "subdate":
		name = "date_sub"
	}
	if !p.Peek().Is("interval") {
		return addition(name, x, p.value(), sql.String{Text: "day"})
	}
	amount, unit := p.interval()
	return addition(name, x, amount, unit)
}

func (p *parser) timestampCall(name string) sql.Expr {
	unit := p.unit()
	p.Expect(",")
	args := p.arguments(2, strings.ToUpper(name))
	if name == "timestampadd" {
		return addition("date_add", args[1], args[0], unit)
	}
	return call("timestampdiff", unit, args[0], args[1])
}

func (p *parser) groupConcat(string) sql.Expr {
	c := sql.Call{Name: "string_agg", Distinct: p.Word("distinct")}
	parts := p.expressions()
	x := call("cast_char", parts[0])
	if len(parts) > 1 {
		x = sql.Call{Name: "concat", Args: parts}
	}
	if p.Peek().Is("order") {
		p.unsupported("GROUP_CONCAT(… ORDER BY …)")
	}
	separator := ","
	if p.Word("separator") {
		separator = p.text()
	}
	c.Args = []sql.Expr{x, sql.String{Text: separator}}
	return c
}

// reference parses a column or a function call.
func (p *parser) reference() sql.Expr {
	t := p.Peek()
	if t.Kind == token.Word && reserved[t.Lower] {
		p.fail()
	}
	parts := p.Path(3)
	last := parts[len(parts)-1]
	if t.Kind == token.Word && p.Peek().IsOp("(") {
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
	p.Expect("(")
	c := sql.Call{Schema: schema, Name: name}
	switch {
	case p.Op(")"):
	case p.Op("*"):
		c.Star = true
		p.Expect(")")
	default:
		if c.Distinct = p.Word("distinct"); !c.Distinct {
			p.Word("all")
		}
		c.Args = p.expressions()
		p.Expect(")")
	}
	if p.Peek().Is("over") {
		p.unsupported("window functions")
	}
	return c
}
