package syntax

import "strings"

func (p *parser) insert() Stmt {
	p.expectWord("insert", "into")
	s := &Insert{Table: p.qualified()}
	if p.word("as") {
		s.Alias = p.name()
	}
	if p.peek().isOp("(") && !p.queryAt(0) {
		s.Columns = p.names()
	}
	if p.word("overriding") {
		_ = p.word("system") || p.word("user")
		p.expectWord("value")
	}
	if !p.word("default", "values") {
		s.Source = p.query()
	}
	if p.word("on", "conflict") {
		s.OnConflict = p.conflict()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) conflict() *Conflict {
	c := &Conflict{}
	switch {
	case p.word("on", "constraint"):
		c.Constraint = p.name()
	case p.peek().isOp("("):
		c.Columns = p.names()
		if p.word("where") { // predicate of a partial index
			p.expression()
		}
	}
	p.expectWord("do")
	if p.word("nothing") {
		return c
	}
	if len(c.Columns) == 0 && c.Constraint == "" {
		p.failf("42601", "ON CONFLICT DO UPDATE requires inference specification or constraint name")
	}
	p.expectWord("update", "set")
	c.Set = p.assignments()
	if p.word("where") {
		c.Where = p.expression()
	}
	return c
}

func (p *parser) assignments() []Assignment {
	var list []Assignment
	for {
		if p.peek().isOp("(") { // (a, b) = (x, y)
			list = append(list, p.rowAssignment()...)
		} else {
			column := p.name()
			p.expect("=")
			list = append(list, Assignment{Column: column, Value: p.valueOrDefault()})
		}
		if !p.op(",") {
			return list
		}
	}
}

func (p *parser) rowAssignment() []Assignment {
	columns := p.names()
	p.expect("=")
	p.word("row")
	p.expect("(")
	values := []Expr{p.valueOrDefault()}
	for p.op(",") {
		values = append(values, p.valueOrDefault())
	}
	p.expect(")")
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
	if p.word("returning") {
		return p.items()
	}
	return nil
}

func (p *parser) update() Stmt {
	p.expectWord("update")
	p.word("only")
	s := &Update{Table: p.qualified()}
	if !p.peek().is("set") {
		s.Alias = p.alias()
	}
	p.expectWord("set")
	s.Set = p.assignments()
	if p.word("from") {
		s.From = p.fromList()
	}
	if p.word("where") {
		s.Where = p.expression()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) delete() Stmt {
	p.expectWord("delete", "from")
	p.word("only")
	s := &Delete{Table: p.qualified(), Alias: p.alias()}
	if p.word("using") {
		s.Using = p.fromList()
	}
	if p.word("where") {
		s.Where = p.expression()
	}
	s.Returning = p.returning()
	return s
}

func (p *parser) truncate() Stmt {
	p.expectWord("truncate")
	p.word("table")
	s := &Truncate{}
	for {
		p.word("only")
		s.Tables = append(s.Tables, p.qualified())
		if !p.op(",") {
			break
		}
	}
	if p.word("restart", "identity") {
		s.Restart = true
	} else {
		p.word("continue", "identity")
	}
	_ = p.word("cascade") || p.word("restrict")
	return s
}

func (p *parser) copy() Stmt {
	p.expectWord("copy")
	s := &Copy{Options: map[string]string{}}
	if p.op("(") {
		s.Query = p.query()
		p.expect(")")
	} else {
		s.Table = p.qualified()
		if p.peek().isOp("(") {
			s.Columns = p.names()
		}
	}
	switch {
	case s.Query == nil && p.word("from"):
		s.From = true
		p.expectWord("stdin")
	case p.word("to"):
		p.expectWord("stdout")
	default:
		p.fail()
	}
	p.word("with")
	if p.op("(") {
		p.copyOptions(s.Options)
		p.expect(")")
		return s
	}
	for p.peek().kind == word { // the old syntax: BINARY, CSV, HEADER
		switch k := p.next().text; k {
		case "binary", "csv":
			s.Options["format"] = k
		case "header":
			s.Options[k] = "true"
		case "delimiter", "null":
			p.word("as")
			s.Options[k] = p.next().text
		default:
			p.at--
			p.fail()
		}
	}
	return s
}

func (p *parser) copyOptions(options map[string]string) {
	for {
		key := p.label()
		value := "true"
		if t := p.peek(); t.kind == word || t.kind == text || t.kind == quoted || t.kind == number {
			value = p.next().text
		}
		options[key] = strings.ToLower(value)
		if key == "delimiter" || key == "null" {
			options[key] = value
		}
		if !p.op(",") {
			return
		}
	}
}
