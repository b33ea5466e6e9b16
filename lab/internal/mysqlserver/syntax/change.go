package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// insert parses INSERT and REPLACE.
func (p *parser) insert() sql.Stmt {
	replace := p.Next().Lower == "replace"
	_ = p.AnyWord("low_priority", "delayed", "high_priority")
	ignore := p.Word("ignore")
	p.Word("into")
	s := &sql.Insert{Table: p.table()}
	if p.Peek().IsOp("(") && !p.queryAt(0) {
		s.Columns = p.insertColumns()
	}
	switch {
	case p.Word("values"), p.Word("value"):
		s.Source = p.insertValues()
	case p.Word("set"):
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
	case p.Word("on", "duplicate", "key", "update"):
		p.newRow = alias
		s.OnConflict = &sql.Conflict{Set: p.assignments(), Repeat: true}
		p.newRow = ""
	case ignore:
		s.OnConflict = &sql.Conflict{}
	}
	if p.options.MariaDB && p.Word("returning") {
		q := &sql.Select{}
		p.items(q)
		s.Returning = q.Items
	}
	return s
}

// insertColumns takes (a, b, …), which may be empty.
func (p *parser) insertColumns() []string {
	if p.PeekAt(1).IsOp(")") {
		p.At += 2
		return nil
	}
	p.Expect("(")
	var list []string
	for {
		name := p.Name()
		for p.Op(".") {
			name = p.Label()
		}
		list = append(list, name)
		if !p.Op(",") {
			p.Expect(")")
			return list
		}
	}
}

// insertValues takes the rows of VALUES; nil when the only one is empty.
func (p *parser) insertValues() *sql.Select {
	q := &sql.Select{}
	for {
		p.Word("row")
		p.Expect("(")
		row := []sql.Expr{}
		if !p.Peek().IsOp(")") {
			row = append(row, p.valueOrDefault())
			for p.Op(",") {
				row = append(row, p.valueOrDefault())
			}
		}
		p.Expect(")")
		q.Values = append(q.Values, row)
		if !p.Op(",") {
			break
		}
	}
	if len(q.Values) == 1 && len(q.Values[0]) == 0 {
		return nil
	}
	return q
}

func (p *parser) valueOrDefault() sql.Expr {
	if p.Peek().Is("default") && !p.PeekAt(1).IsOp("(") {
		p.Next()
		return sql.Default{}
	}
	return p.value()
}

// rowAlias takes the name that ON DUPLICATE KEY UPDATE calls the new row by.
func (p *parser) rowAlias(s *sql.Insert) string {
	if s.Source != nil && s.Source.Values == nil || !p.Word("as") {
		return ""
	}
	alias := p.Name()
	if p.Peek().IsOp("(") {
		p.unsupported("column aliases of the row to insert")
	}
	return alias
}

// assignments takes a = 1, t.b = 2, ….
func (p *parser) assignments() []sql.Assignment {
	var list []sql.Assignment
	for {
		name := p.Name()
		for p.Op(".") {
			name = p.Label()
		}
		if !p.Op(":=") {
			p.Expect("=")
		}
		list = append(list, sql.Assignment{Column: name, Value: p.valueOrDefault()})
		if !p.Op(",") {
			return list
		}
	}
}

func (p *parser) update() sql.Stmt {
	p.ExpectWord("update")
	p.Word("low_priority")
	p.Word("ignore")
	from := p.fromList()
	s := &sql.Update{Affected: p.target(from, "")}
	p.ExpectWord("set")
	s.Set = p.assignments()
	p.narrow(&s.Affected)
	return s
}

// narrow parses what UPDATE and DELETE end with.
func (p *parser) narrow(s *sql.Affected) {
	if p.Word("where") {
		s.Where = both(s.Where, p.condition())
	}
	s.OrderBy = p.orderBy()
	s.Limit, _ = p.limit()
}

func both(a, b sql.Expr) sql.Expr {
	if a == nil {
		return b
	}
	return sql.Binary{Op: "AND", L: a, R: b}
}

// target separates the table to change, the first one or that of the given name, from those it is joined with, and the
// condition they are joined by.
func (p *parser) target(from []sql.From, name string) sql.Affected {
	var target sql.From
	var others []sql.From
	var where sql.Expr
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
	return sql.Affected{Table: target.Table, Alias: target.Alias, From: others, Where: where}
}

func (p *parser) delete() sql.Stmt {
	p.ExpectWord("delete")
	for p.AnyWord("low_priority", "quick", "ignore") != "" {
	}
	name := ""
	if !p.Word("from") { // DELETE t FROM t JOIN …
		name = p.table().Name
		if p.Op(".") {
			p.Expect("*")
		}
		p.ExpectWord("from")
	}
	from := p.fromList()
	if name == "" && p.Word("using") { // DELETE FROM t USING t JOIN …
		name = from[0].Table.Name
		from = p.fromList()
	}
	if len(from) == 0 {
		p.fail()
	}
	s := &sql.Delete{Affected: p.target(from, name)}
	p.narrow(&s.Affected)
	return s
}

// loadData parses LOAD DATA LOCAL INFILE.
func (p *parser) loadData() sql.Stmt {
	p.ExpectWord("load", "data")
	_ = p.AnyWord("low_priority", "concurrent")
	if !p.Word("local") {
		p.failf(1290, "HY000", "The MySQL server is running with the --secure-file-priv option so it cannot execute this statement")
	}
	p.ExpectWord("infile")
	s := &LoadData{File: p.text(), FieldsEnd: "\t", LinesEnd: "\n", Escape: `\`}
	s.Replace = p.Word("replace")
	s.Ignore = p.Word("ignore")
	p.ExpectWord("into", "table")
	s.Table = p.table()
	p.characterSet()
	if p.Word("fields") || p.Word("columns") {
		p.fieldOptions(s)
	}
	if p.Word("lines") {
		for {
			switch {
			case p.Word("starting", "by"):
				s.Start = p.text()
				continue
			case p.Word("terminated", "by"):
				s.LinesEnd = p.text()
				continue
			}
			break
		}
	}
	if p.Word("ignore") {
		s.SkipLines = p.Integer()
		if p.AnyWord("lines", "rows") == "" {
			p.fail()
		}
	}
	if p.Peek().IsOp("(") {
		s.Columns = p.loadColumns()
	}
	if p.Peek().Is("set") {
		p.unsupported("LOAD DATA … SET")
	}
	return s
}

func (p *parser) fieldOptions(s *LoadData) {
	for {
		switch {
		case p.Word("terminated", "by"):
			s.FieldsEnd = p.text()
		case p.Word("optionally", "enclosed", "by"), p.Word("enclosed", "by"):
			s.Quote = p.text()
		case p.Word("escaped", "by"):
			s.Escape = p.text()
		default:
			return
		}
	}
}

func (p *parser) loadColumns() []string {
	p.Expect("(")
	list := []string{}
	for {
		if t := p.Peek(); t.Kind == token.UserVariable { // to skip a field
			p.Next()
			list = append(list, "")
		} else {
			list = append(list, p.Name())
		}
		if !p.Op(",") {
			p.Expect(")")
			return list
		}
	}
}

// transaction parses the statements that delimit transactions.
func (p *parser) transaction() sql.Stmt {
	switch first := p.Next().Lower; first {
	case "begin":
		p.Word("work")
		return sql.Begin{}
	case "start":
		p.ExpectWord("transaction")
		b := sql.Begin{Start: true}
		for {
			switch {
			case p.Word("with", "consistent", "snapshot"):
			case p.Word("read", "only"), p.Word("read", "write"):
				only := p.Tokens[p.At-1].Lower == "only"
				b.ReadOnly = &only
			default:
				return b
			}
			if !p.Op(",") {
				return b
			}
		}
	case "commit":
		return sql.Commit{Chain: p.chain()}
	case "rollback":
		p.Word("work")
		if p.Word("to") {
			p.Word("savepoint")
			return sql.RollbackTo{Name: strings.ToLower(p.Name())}
		}
		return sql.Rollback{Chain: p.chain()}
	case "savepoint":
		return sql.Savepoint{Name: strings.ToLower(p.Name())}
	default: // release
		p.ExpectWord("savepoint")
		return sql.Release{Name: strings.ToLower(p.Name())}
	}
}

func (p *parser) chain() bool {
	p.Word("work")
	chain := false
	if p.Word("and") {
		no := p.Word("no")
		p.ExpectWord("chain")
		chain = !no
	}
	if !p.Word("no", "release") && p.Word("release") {
		p.unsupported("RELEASE")
	}
	return chain
}
