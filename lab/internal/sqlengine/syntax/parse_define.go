package syntax

import "strings"

// definition parses the statements that define things.
func (p *parser) definition() Stmt {
	start := p.at
	switch p.next().text {
	case "create":
		return p.create(start)
	case "drop":
		return p.drop(start)
	case "alter":
		return p.alter(start)
	}
	return p.accept(start, 1)
}

// accept takes the whole statement as one without visible effect; its tag is its first n words.
func (p *parser) accept(start, n int) Stmt {
	var tag []string
	for _, t := range p.tokens[start:min(start+n, len(p.tokens))] {
		tag = append(tag, strings.ToUpper(t.text))
	}
	p.skip()
	return Accepted{Tag: strings.Join(tag, " ")}
}

func (p *parser) unsupported(start int) Stmt {
	first := p.tokens[start]
	what := strings.ToUpper(first.text)
	if second := p.tokens[min(start+1, len(p.tokens)-1)]; second.kind == word {
		what += " " + strings.ToUpper(second.text)
	}
	p.skip()
	return Unsupported{What: what}
}

func (p *parser) create(start int) Stmt {
	_ = p.anyWord("temporary", "temp", "unlogged")
	switch {
	case p.word("table"):
		return p.createTable()
	case p.word("unique", "index"):
		return p.createUniqueIndex()
	case p.peek().is("index"), p.peek().is("schema"), p.peek().is("extension"), p.peek().is("role"), p.peek().is("user"):
		return p.accept(start, 2)
	}
	return p.unsupported(start)
}

func (p *parser) drop(start int) Stmt {
	switch t := p.peek(); {
	case p.word("table"):
		s := DropTable{IfExists: p.word("if", "exists")}
		for {
			s.Names = append(s.Names, p.qualified())
			if !p.op(",") {
				break
			}
		}
		_ = p.word("cascade") || p.word("restrict")
		return s
	case t.is("index"), t.is("schema"), t.is("extension"), t.is("role"), t.is("user"):
		return p.accept(start, 2)
	}
	return p.unsupported(start)
}

func (p *parser) alter(start int) Stmt {
	if !p.word("table") {
		return p.unsupported(start)
	}
	p.word("if", "exists")
	p.word("only")
	table := p.qualified()
	switch {
	case p.word("owner"), p.peek().is("add") && (p.peekAt(1).is("constraint") || p.peekAt(1).is("foreign")) && p.foreign():
		return p.accept(start, 2)
	case p.word("add"):
		if t := p.peek(); t.is("constraint") || t.is("primary") || t.is("unique") || t.is("check") {
			return p.unsupported(start)
		}
		p.word("column")
		s := AddColumn{Table: table, IfNotExists: p.word("if", "not", "exists")}
		scratch := &CreateTable{}
		s.Column = p.columnDef(scratch)
		if len(scratch.Keys)+len(scratch.Checks) > 0 || p.peek().isOp(",") {
			return p.unsupported(start)
		}
		return s
	}
	return p.unsupported(start)
}

// foreign reports whether the ALTER TABLE action that follows adds a foreign key.
func (p *parser) foreign() bool {
	for n := 0; n < 5; n++ {
		if p.peekAt(n).is("foreign") {
			return true
		}
	}
	return false
}

func (p *parser) createUniqueIndex() Stmt {
	p.word("concurrently")
	s := CreateUniqueIndex{IfNotExists: p.word("if", "not", "exists")}
	if !p.peek().is("on") {
		s.Name = p.name()
	}
	p.expectWord("on")
	s.Table = p.qualified()
	if p.word("using") {
		p.name()
	}
	s.Columns = p.names()
	if p.peek().is("where") {
		p.failf("0A000", "partial unique indexes are not supported")
	}
	return s
}

func (p *parser) createTable() Stmt {
	s := &CreateTable{IfNotExists: p.word("if", "not", "exists"), Name: p.qualified()}
	if p.peek().is("as") || p.peek().is("partition") {
		p.failf("0A000", "CREATE TABLE %s is not supported", strings.ToUpper(p.peek().text))
	}
	p.expect("(")
	if !p.op(")") {
		for {
			p.tableElement(s)
			if !p.op(",") {
				break
			}
		}
		p.expect(")")
	}
	if p.word("with") { // storage parameters
		p.skipParentheses()
	}
	return s
}

// skipParentheses skips a balanced parenthesised part.
func (p *parser) skipParentheses() {
	p.expect("(")
	for depth := 1; depth > 0; {
		switch t := p.next(); {
		case t.kind == end:
			p.fail()
		case t.isOp("("):
			depth++
		case t.isOp(")"):
			depth--
		}
	}
}

func (p *parser) tableElement(s *CreateTable) {
	name := ""
	if p.word("constraint") {
		name = p.name()
	}
	switch {
	case p.word("primary", "key"):
		s.Keys = append(s.Keys, Key{Name: name, Columns: p.names(), Primary: true})
	case p.word("unique"):
		s.Keys = append(s.Keys, Key{Name: name, Columns: p.names()})
	case p.peek().is("check"):
		s.Checks = append(s.Checks, Check{Name: name, X: p.check()})
	case p.word("foreign", "key"):
		p.names()
		p.references()
	case name != "" || p.peek().is("like") || p.peek().is("exclude"):
		p.fail()
	default:
		s.Columns = append(s.Columns, p.columnDef(s))
	}
	p.deferrable()
}

func (p *parser) check() Expr {
	p.expectWord("check")
	p.expect("(")
	x := p.expression()
	p.expect(")")
	p.word("no", "inherit")
	return x
}

func (p *parser) deferrable() {
	p.word("not")
	p.word("deferrable")
	if p.word("initially") {
		_ = p.word("deferred") || p.word("immediate")
	}
}

// references parses a foreign key, which is not enforced.
func (p *parser) references() {
	p.expectWord("references")
	p.qualified()
	if p.peek().isOp("(") {
		p.names()
	}
	for p.word("on") {
		_ = p.word("delete") || p.word("update")
		_ = p.word("cascade") || p.word("restrict") || p.word("no", "action") || p.word("set", "null") || p.word("set", "default")
	}
}

// serials are the types that are an integer with a sequence.
var serials = map[string]string{"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8",
	"smallserial": "int2", "serial2": "int2"}

// columnDef parses a column; keys and checks written with it are added to s.
func (p *parser) columnDef(s *CreateTable) ColumnDef {
	c := ColumnDef{Name: p.name(), Type: p.typeName()}
	if integer, ok := serials[c.Type.Name]; ok {
		c.Type.Name, c.Serial, c.NotNull = integer, true, true
	}
	for {
		name := ""
		if p.word("constraint") {
			name = p.name()
		}
		switch {
		case p.word("not", "null"):
			c.NotNull = true
		case p.word("null"):
		case p.word("default"):
			c.Default = p.otherOperators()
		case p.word("primary", "key"):
			c.NotNull = true
			s.Keys = append(s.Keys, Key{Name: name, Columns: []string{c.Name}, Primary: true})
		case p.word("unique"):
			s.Keys = append(s.Keys, Key{Name: name, Columns: []string{c.Name}})
		case p.peek().is("check"):
			s.Checks = append(s.Checks, Check{Name: name, X: p.check()})
		case p.peek().is("references"):
			p.references()
			p.deferrable()
		case p.word("generated"):
			if !p.word("always") {
				p.expectWord("by", "default")
			}
			p.expectWord("as", "identity")
			c.Serial, c.NotNull = true, true
			if p.peek().isOp("(") {
				p.skipParentheses()
			}
		case p.word("collate"):
			p.qualified()
		default:
			return c
		}
	}
}
