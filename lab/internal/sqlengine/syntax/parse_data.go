package syntax

import (
	"strings"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

func (p *parser) insert() Stmt {
	p.ExpectWord("insert", "into")
	s := &Insert{Table: p.qualified()}
	if p.Word("as") {
		s.Alias = p.Name()
	}
	if p.Peek().IsOp("(") && !p.queryAt(0) {
		s.Columns = p.Names()
	}
	if p.Word("overriding") {
		_ = p.Word("system") || p.Word("user")
		p.ExpectWord("value")
	}
	if !p.Word("default", "values") {
		s.Source = p.query()
	}
	if p.Word("on", "conflict") {
		s.OnConflict = p.conflict()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) conflict() *Conflict {
	c := &Conflict{}
	switch {
	case p.Word("on", "constraint"):
		c.Constraint = p.Name()
	case p.Peek().IsOp("("):
		c.Columns = p.Names()
		if p.Word("where") { // predicate of a partial index
			p.expression()
		}
	}
	p.ExpectWord("do")
	if p.Word("nothing") {
		return c
	}
	if len(c.Columns) == 0 && c.Constraint == "" {
		p.failf("42601", "ON CONFLICT DO UPDATE requires inference specification or constraint name")
	}
	p.ExpectWord("update", "set")
	c.Set = p.assignments()
	if p.Word("where") {
		c.Where = p.expression()
	}
	return c
}

func (p *parser) assignments() []Assignment {
	var list []Assignment
	for {
		if p.Peek().IsOp("(") { // (a, b) = (x, y)
			list = append(list, p.rowAssignment()...)
		} else {
			column := p.Name()
			p.Expect("=")
			list = append(list, Assignment{Column: column, Value: p.valueOrDefault()})
		}
		if !p.Op(",") {
			return list
		}
	}
}

func (p *parser) rowAssignment() []Assignment {
	columns := p.Names()
	p.Expect("=")
	p.Word("row")
	p.Expect("(")
	values := []Expr{p.valueOrDefault()}
	for p.Op(",") {
		values = append(values, p.valueOrDefault())
	}
	p.Expect(")")
	if len(values) != len(columns) {
		p.failf("42601", "number of columns does not match number of values")
	}
	list := make([]Assignment, len(columns))
	for i, c := range columns {
		list[i] = Assignment{Column: c, Value: values[i]}
	}
	return list
}

func (p *parser) returning() []Item {
	if p.Word("returning") {
		return p.items()
	}
	return nil
}

func (p *parser) update() Stmt {
	p.ExpectWord("update")
	p.Word("only")
	s := &Update{Affected: Affected{Table: p.qualified()}}
	if !p.Peek().Is("set") {
		s.Alias = p.alias()
	}
	p.ExpectWord("set")
	s.Set = p.assignments()
	if p.Word("from") {
		s.From = p.fromList()
	}
	if p.Word("where") {
		s.Where = p.expression()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) delete() Stmt {
	p.ExpectWord("delete", "from")
	p.Word("only")
	s := &Delete{Affected{Table: p.qualified(), Alias: p.alias()}}
	if p.Word("using") {
		s.From = p.fromList()
	}
	if p.Word("where") {
		s.Where = p.expression()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) truncate() Stmt {
	p.ExpectWord("truncate")
	p.Word("table")
	s := &Truncate{}
	for {
		p.Word("only")
		s.Tables = append(s.Tables, p.qualified())
		if !p.Op(",") {
			break
		}
	}
	if p.Word("restart", "identity") {
		s.Restart = true
	} else {
		p.Word("continue", "identity")
	}
	_ = p.Word("cascade") || p.Word("restrict")
	return s
}

func (p *parser) copy() Stmt {
	p.ExpectWord("copy")
	s := &Copy{Options: map[string]string{}}
	if p.Op("(") {
		s.Query = p.query()
		p.Expect(")")
	} else {
		s.Table = p.qualified()
		if p.Peek().IsOp("(") {
			s.Columns = p.Names()
		}
	}
	switch {
	case s.Query == nil && p.Word("from"):
		s.From = true
		p.ExpectWord("stdin")
	case p.Word("to"):
		p.ExpectWord("stdout")
	default:
		p.fail()
	}
	p.Word("with")
	if p.Op("(") {
		p.copyOptions(s.Options)
		p.Expect(")")
		return s
	}
	for p.Peek().Kind == token.Word { // the old syntax: BINARY, CSV, HEADER
		switch k := p.Next().Text; k {
		case "binary", "csv":
			s.Options["format"] = k
		case "header":
			s.Options[k] = "true"
		case "delimiter", "null":
			p.Word("as")
			s.Options[k] = p.Next().Text
		default:
			p.At--
			p.fail()
		}
	}
	return s
}

func (p *parser) copyOptions(options map[string]string) {
	for {
		key := p.Label()
		value := "true"
		if t := p.Peek(); t.Kind == token.Word || t.Kind == token.Text || t.Kind == token.Quoted || t.Kind == token.Number {
			value = p.Next().Text
		}
		options[key] = strings.ToLower(value)
		if key == "delimiter" || key == "null" {
			options[key] = value
		}
		if !p.Op(",") {
			return
		}
	}
}
