package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// insert parses INSERT and REPLACE.
func (p *parser) insert() sql.Stmt {
	replace := p.next().lower == "replace"
	_ = p.anyWord("low_priority", "delayed", "high_priority")
	ignore := p.word("ignore")
	p.word("into")
	s := &sql.Insert{Table: p.table()}
	if p.peek().isOp("(") && !p.queryAt(0) {
		s.Columns = p.insertColumns()
	}
	switch {
	case p.word("values"), p.word("value"):
		s.Source = p.insertValues()
	case p.word("set"):
		row := []sql.Expr{}
		for _, a := range p.assignments() {
			s.Columns = append(s.Columns, a.Column)
			row = append(row, a.Value)
		}
		s.Source = &sql.Select{Values: [][]sql.Expr{row}}
	default:
		s.Source = p.query()
	}
	alias := p.rowAlias(s)
	switch {
	case replace:
		s.OnConflict = &sql.Conflict{Replace: true}
	case p.word("on", "duplicate", "key", "update"):
		p.newRow = alias
		s.OnConflict = &sql.Conflict{Set: p.assignments(), Repeat: true}
		p.newRow = ""
	case ignore:
		s.OnConflict = &sql.Conflict{}
	}
	if p.options.MariaDB && p.word("returning") {
		q := &sql.Select{}
		p.items(q)
		s.Returning = q.Items
	}
	return s
}

// insertColumns takes (a, b, …), which may be empty.
func (p *parser) insertColumns() []string {
	if p.peekAt(1).isOp(")") {
		p.at += 2
		return nil
	}
	p.expect("(")
	var list []string
	for {
		name := p.name()
		for p.op(".") {
			name = p.label()
		}
		list = append(list, name)
		if !p.op(",") {
			p.expect(")")
			return list
		}
	}
}

// insertValues takes the rows of VALUES; nil when the only one is empty.
func (p *parser) insertValues() *sql.Select {
	q := &sql.Select{}
	for {
		p.word("row")
		p.expect("(")
		row := []sql.Expr{}
		if !p.peek().isOp(")") {
			row = append(row, p.valueOrDefault())
			for p.op(",") {
				row = append(row, p.valueOrDefault())
			}
		}
		p.expect(")")
		q.Values = append(q.Values, row)
		if !p.op(",") {
			break
		}
	}
	if len(q.Values) == 1 && len(q.Values[0]) == 0 {
		return nil
	}
	return q
}

func (p *parser) valueOrDefault() sql.Expr {
	if p.peek().is("default") && !p.peekAt(1).isOp("(") {
		p.next()
		return sql.Default{}
	}
	return p.value()
}

// rowAlias takes the name that ON DUPLICATE KEY UPDATE calls the new row by.
func (p *parser) rowAlias(s *sql.Insert) string {
	if s.Source != nil && s.Source.Values == nil || !p.word("as") {
		return ""
	}
	alias := p.name()
	if p.peek().isOp("(") {
		p.unsupported("column aliases of the row to insert")
	}
	return alias
}

// assignments takes a = 1, t.b = 2, ….
func (p *parser) assignments() []sql.Assignment {
	var list []sql.Assignment
	for {
		name := p.name()
		for p.op(".") {
			name = p.label()
		}
		if !p.op(":=") {
			p.expect("=")
		}
		list = append(list, sql.Assignment{Column: name, Value: p.valueOrDefault()})
		if !p.op(",") {
			return list
		}
	}
}

func (p *parser) update() sql.Stmt {
	p.expectWord("update")
	p.word("low_priority")
	p.word("ignore")
	from := p.fromList()
	target, others, where := p.target(from, "")
	p.expectWord("set")
	s := &sql.Update{Table: target.Table, Alias: target.Alias, From: others, Set: p.assignments(), Where: where}
	if p.word("where") {
		s.Where = both(s.Where, p.condition())
	}
	s.OrderBy = p.orderBy()
	s.Limit, _ = p.limit()
	return s
}

func both(a, b sql.Expr) sql.Expr {
	if a == nil {
		return b
	}
	return sql.Binary{Op: "AND", L: a, R: b}
}

// target separates the table to change, the first one or that of the given name, from those it is joined with, and the
// condition they are joined by.
func (p *parser) target(from []sql.From, name string) (target sql.From, others []sql.From, where sql.Expr) {
	found := false
	for i, item := range from {
		if item.Join == "LEFT" || len(item.Using) > 0 {
			p.unsupported("changing rows of a LEFT JOIN or JOIN … USING")
		}
		where0 := item.On
		item.Join, item.On = "", nil
		if where0 != nil {
			where = both(where, where0)
		}
		if !found && (name == "" && i == 0 || name != "" && (item.Alias == name || item.Alias == "" && item.Table.Name == name)) {
			target, found = item, true
			continue
		}
		others = append(others, item)
	}
	if !found || target.Query != nil || target.Call != nil {
		p.failf(1109, "42S02", "Unknown table '%s' in MULTI DELETE", name)
	}
	return target, others, where
}

func (p *parser) delete() sql.Stmt {
	p.expectWord("delete")
	for p.anyWord("low_priority", "quick", "ignore") != "" {
	}
	s := &sql.Delete{}
	name := ""
	if !p.word("from") { // DELETE t FROM t JOIN …
		name = p.table().Name
		if p.op(".") {
			p.expect("*")
		}
		p.expectWord("from")
	}
	from := p.fromList()
	if name == "" && p.word("using") { // DELETE FROM t USING t JOIN …
		name = from[0].Table.Name
		from = p.fromList()
	}
	if len(from) == 0 {
		p.fail()
	}
	target, others, where := p.target(from, name)
	s.Table, s.Alias, s.Using, s.Where = target.Table, target.Alias, others, where
	if p.word("where") {
		s.Where = both(s.Where, p.condition())
	}
	s.OrderBy = p.orderBy()
	s.Limit, _ = p.limit()
	return s
}

// loadData parses LOAD DATA LOCAL INFILE.
func (p *parser) loadData() sql.Stmt {
	p.expectWord("load", "data")
	_ = p.anyWord("low_priority", "concurrent")
	if !p.word("local") {
		p.failf(1290, "HY000", "The MySQL server is running with the --secure-file-priv option so it cannot execute this statement")
	}
	p.expectWord("infile")
	s := &LoadData{File: p.text(), FieldsEnd: "\t", LinesEnd: "\n", Escape: `\`}
	s.Replace = p.word("replace")
	s.Ignore = p.word("ignore")
	p.expectWord("into", "table")
	s.Table = p.table()
	p.characterSet()
	if p.word("fields") || p.word("columns") {
		p.fieldOptions(s)
	}
	if p.word("lines") {
		for {
			switch {
			case p.word("starting", "by"):
				s.Start = p.text()
				continue
			case p.word("terminated", "by"):
				s.LinesEnd = p.text()
				continue
			}
			break
		}
	}
	if p.word("ignore") {
		s.SkipLines = p.integer()
		if p.anyWord("lines", "rows") == "" {
			p.fail()
		}
	}
	if p.peek().isOp("(") {
		s.Columns = p.loadColumns()
	}
	if p.peek().is("set") {
		p.unsupported("LOAD DATA … SET")
	}
	return s
}

func (p *parser) fieldOptions(s *LoadData) {
	for {
		switch {
		case p.word("terminated", "by"):
			s.FieldsEnd = p.text()
		case p.word("optionally", "enclosed", "by"), p.word("enclosed", "by"):
			s.Quote = p.text()
		case p.word("escaped", "by"):
			s.Escape = p.text()
		default:
			return
		}
	}
}

func (p *parser) loadColumns() []string {
	p.expect("(")
	list := []string{}
	for {
		if t := p.peek(); t.kind == userVariable { // to skip a field
			p.next()
			list = append(list, "")
		} else {
			list = append(list, p.name())
		}
		if !p.op(",") {
			p.expect(")")
			return list
		}
	}
}

// transaction parses the statements that delimit transactions.
func (p *parser) transaction() sql.Stmt {
	switch first := p.next().lower; first {
	case "begin":
		p.word("work")
		return sql.Begin{}
	case "start":
		p.expectWord("transaction")
		b := sql.Begin{Start: true}
		for {
			switch {
			case p.word("with", "consistent", "snapshot"):
			case p.word("read", "only"), p.word("read", "write"):
				only := p.tokens[p.at-1].lower == "only"
				b.ReadOnly = &only
			default:
				return b
			}
			if !p.op(",") {
				return b
			}
		}
	case "commit":
		return sql.Commit{Chain: p.chain()}
	case "rollback":
		p.word("work")
		if p.word("to") {
			p.word("savepoint")
			return sql.RollbackTo{Name: strings.ToLower(p.name())}
		}
		return sql.Rollback{Chain: p.chain()}
	case "savepoint":
		return sql.Savepoint{Name: strings.ToLower(p.name())}
	default: // release
		p.expectWord("savepoint")
		return sql.Release{Name: strings.ToLower(p.name())}
	}
}

func (p *parser) chain() bool {
	p.word("work")
	chain := false
	if p.word("and") {
		no := p.word("no")
		p.expectWord("chain")
		chain = !no
	}
	if !p.word("no", "release") && p.word("release") {
		p.unsupported("RELEASE")
	}
	return chain
}
