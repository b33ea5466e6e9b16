package syntax

import (
	"strings"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// definition parses the statements that define things.
func (p *parser) definition() Stmt {
	start := p.At
	switch p.Next().Text {
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
	for _, t := range p.Tokens[start:min(start+n, len(p.Tokens))] {
		tag = append(tag, strings.ToUpper(t.Text))
	}
	p.Skip()
	return Accepted{Tag: strings.Join(tag, " ")}
}

func (p *parser) unsupported(start int) Stmt {
	first := p.Tokens[start]
	what := strings.ToUpper(first.Text)
	if second := p.Tokens[min(start+1, len(p.Tokens)-1)]; second.Kind == token.Word {
		what += " " + strings.ToUpper(second.Text)
	}
	p.Skip()
	return Unsupported{What: what}
}

func (p *parser) create(start int) Stmt {
	_ = p.AnyWord("temporary", "temp", "unlogged")
	switch {
	case p.Word("table"):
		return p.createTable()
	case p.Word("unique", "index"):
		return p.createUniqueIndex()
	case p.Peek().Is("index"), p.Peek().Is("schema"), p.Peek().Is("extension"), p.Peek().Is("role"), p.Peek().Is("user"):
		return p.accept(start, 2)
	}
	return p.unsupported(start)
}

func (p *parser) drop(start int) Stmt {
	switch t := p.Peek(); {
	case p.Word("table"):
		s := DropTable{IfExists: p.Word("if", "exists")}
		for {
			s.Names = append(s.Names, p.qualified())
			if !p.Op(",") {
				break
			}
		}
		_ = p.Word("cascade") || p.Word("restrict")
		return s
	case t.Is("index"), t.Is("schema"), t.Is("extension"), t.Is("role"), t.Is("user"):
		return p.accept(start, 2)
	}
	return p.unsupported(start)
}

func (p *parser) alter(start int) Stmt {
	if !p.Word("table") {
		return p.unsupported(start)
	}
	p.Word("if", "exists")
	p.Word("only")
	table := p.qualified()
	switch {
	case p.Word("owner"), p.Peek().Is("add") && (p.PeekAt(1).Is("constraint") || p.PeekAt(1).Is("foreign")) && p.foreign():
		return p.accept(start, 2)
	case p.Word("add"):
		if t := p.Peek(); t.Is("constraint") || t.Is("primary") || t.Is("unique") || t.Is("check") {
			return p.unsupported(start)
		}
		p.Word("column")
		s := AddColumn{Table: table, IfNotExists: p.Word("if", "not", "exists")}
		scratch := &CreateTable{}
		s.Column = p.columnDef(scratch)
		if len(scratch.Keys)+len(scratch.Checks) > 0 || p.Peek().IsOp(",") {
			return p.unsupported(start)
		}
		return s
	}
	return p.unsupported(start)
}

// foreign reports whether the ALTER TABLE action that follows adds a foreign key.
func (p *parser) foreign() bool {
	for n := 0; n < 5; n++ {
		if p.PeekAt(n).Is("foreign") {
			return true
		}
	}
	return false
}

func (p *parser) createUniqueIndex() Stmt {
	p.Word("concurrently")
	s := CreateUniqueIndex{IfNotExists: p.Word("if", "not", "exists")}
	if !p.Peek().Is("on") {
		s.Name = p.Name()
	}
	p.ExpectWord("on")
	s.Table = p.qualified()
	if p.Word("using") {
		p.Name()
	}
	s.Columns = p.Names()
	if p.Peek().Is("where") {
		p.failf("0A000", "partial unique indexes are not supported")
	}
	return s
}

func (p *parser) createTable() Stmt {
	s := &CreateTable{IfNotExists: p.Word("if", "not", "exists"), Name: p.qualified()}
	if p.Peek().Is("as") || p.Peek().Is("partition") {
		p.failf("0A000", "CREATE TABLE %s is not supported", strings.ToUpper(p.Peek().Text))
	}
	p.Expect("(")
	if !p.Op(")") {
		for {
			p.tableElement(s)
			if !p.Op(",") {
				break
			}
		}
		p.Expect(")")
	}
	if p.Word("with") { // storage parameters
		p.skipParentheses()
	}
	return s
}

// skipParentheses skips a balanced parenthesised part.
func (p *parser) skipParentheses() {
	p.Expect("(")
	for depth := 1; depth > 0; {
		switch t := p.Next(); {
		case t.Kind == token.End:
			p.fail()
		case t.IsOp("("):
			depth++
		case t.IsOp(")"):
			depth--
		}
	}
}

func (p *parser) tableElement(s *CreateTable) {
	name := ""
	if p.Word("constraint") {
		name = p.Name()
	}
	switch {
	case p.Word("primary", "key"):
		s.Keys = append(s.Keys, Key{Name: name, Columns: p.Names(), Primary: true})
	case p.Word("unique"):
		s.Keys = append(s.Keys, Key{Name: name, Columns: p.Names()})
	case p.Peek().Is("check"):
		s.Checks = append(s.Checks, Check{Name: name, X: p.check()})
	case p.Word("foreign", "key"):
		p.Names()
		p.references()
	case name != "" || p.Peek().Is("like") || p.Peek().Is("exclude"):
		p.fail()
	default:
		s.Columns = append(s.Columns, p.columnDef(s))
	}
	p.deferrable()
}

func (p *parser) check() Expr {
	p.ExpectWord("check")
	p.Expect("(")
	x := p.expression()
	p.Expect(")")
	p.Word("no", "inherit")
	return x
}

func (p *parser) deferrable() {
	p.Word("not")
	p.Word("deferrable")
	if p.Word("initially") {
		_ = p.Word("deferred") || p.Word("immediate")
	}
}

// references parses a foreign key, which is not enforced.
func (p *parser) references() {
	p.ExpectWord("references")
	p.qualified()
	if p.Peek().IsOp("(") {
		p.Names()
	}
	for p.Word("on") {
		_ = p.Word("delete") || p.Word("update")
		_ = p.Word("cascade") || p.Word("restrict") || p.Word("no", "action") || p.Word("set", "null") || p.Word("set", "default")
	}
}

// serials are the types that are an integer with a sequence.
var serials = map[string]string{"serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8",
	"smallserial": "int2", "serial2": "int2"}

// columnDef parses a column; keys and checks written with it are added to s.
func (p *parser) columnDef(s *CreateTable) ColumnDef {
	c := ColumnDef{Name: p.Name(), Type: p.typeName()}
	if integer, ok := serials[c.Type.Name]; ok {
		c.Type.Name, c.Serial, c.NotNull = integer, true, true
	}
	for {
		name := ""
		if p.Word("constraint") {
			name = p.Name()
		}
		switch {
		case p.Word("not", "null"):
			c.NotNull = true
		case p.Word("null"):
		case p.Word("default"):
			c.Default = p.otherOperators()
		case p.Word("primary", "key"):
			c.NotNull = true
			s.Keys = append(s.Keys, Key{Name: name, Columns: []string{c.Name}, Primary: true})
		case p.Word("unique"):
			s.Keys = append(s.Keys, Key{Name: name, Columns: []string{c.Name}})
		case p.Peek().Is("check"):
			s.Checks = append(s.Checks, Check{Name: name, X: p.check()})
		case p.Peek().Is("references"):
			p.references()
			p.deferrable()
		case p.Word("generated"):
			if !p.Word("always") {
				p.ExpectWord("by", "default")
			}
			p.ExpectWord("as", "identity")
			c.Serial, c.NotNull = true, true
			if p.Peek().IsOp("(") {
				p.skipParentheses()
			}
		case p.Word("collate"):
			p.qualified()
		default:
			return c
		}
	}
}
