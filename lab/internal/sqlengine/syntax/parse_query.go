package syntax

import "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"

// query parses SELECT, VALUES or a parenthesised query with all clauses.
func (p *parser) query() *Select {
	defer p.Enter()()
	var with []With
	if p.Word("with") {
		with = p.withList()
	}
	q := p.arm()
	for {
		var all bool
		switch {
		case p.Word("union", "all"):
			all = true
		case p.Word("union"):
			p.Word("distinct")
		case p.Peek().Is("intersect"), p.Peek().Is("except"):
			p.failf("0A000", "INTERSECT and EXCEPT are not supported")
		default:
			q.With = append(with, q.With...)
			p.tail(q)
			return q
		}
		if len(q.OrderBy) > 0 || q.Limit != nil || q.Offset != nil { // a parenthesised first arm
			q = derived(q)
		}
		arm := p.arm()
		q.Unions = append(q.Unions, Union{All: all, Query: arm})
	}
}

// derived is SELECT * FROM (q).
func derived(q *Select) *Select {
	return &Select{Items: []Item{{X: Star{}}}, From: []From{{Query: q, Alias: "?"}}}
}

func (p *parser) withList() []With {
	if p.Word("recursive") {
		p.failf("0A000", "WITH RECURSIVE is not supported")
	}
	var list []With
	for {
		w := With{Name: p.Name()}
		if p.Peek().IsOp("(") {
			w.Columns = p.Names()
		}
		p.ExpectWord("as")
		p.Word("not")
		p.Word("materialized")
		p.Expect("(")
		if t := p.Peek(); t.Is("insert") || t.Is("update") || t.Is("delete") {
			p.failf("0A000", "data-modifying statements in WITH are not supported")
		}
		w.Query = p.query()
		p.Expect(")")
		list = append(list, w)
		if !p.Op(",") {
			return list
		}
	}
}

// arm parses one arm of a union, without ORDER BY and what follows it.
func (p *parser) arm() *Select {
	if p.Op("(") {
		q := p.query()
		p.Expect(")")
		if len(q.Unions) > 0 {
			return derived(q)
		}
		return q
	}
	if p.Word("values") {
		return &Select{Values: p.valueRows()}
	}
	p.ExpectWord("select")
	q := &Select{}
	if p.Word("distinct") {
		q.Distinct = true
		if p.Peek().Is("on") {
			p.failf("0A000", "DISTINCT ON is not supported")
		}
	} else {
		p.Word("all")
	}
	q.Items = p.items()
	if p.Word("from") {
		q.From = p.fromList()
	}
	if p.Word("where") {
		q.Where = p.expression()
	}
	if p.Word("group", "by") {
		q.GroupBy = p.expressions()
	}
	if p.Word("having") {
		q.Having = p.expression()
	}
	return q
}

// tail parses what comes after the arms.
func (p *parser) tail(q *Select) {
	if p.Word("order", "by") {
		q.OrderBy = nil
		for {
			q.OrderBy = append(q.OrderBy, p.order())
			if !p.Op(",") {
				break
			}
		}
	}
	for {
		switch {
		case p.Word("limit"):
			if !p.Word("all") {
				q.Limit = p.expression()
			}
		case p.Word("offset"):
			q.Offset = p.expression()
			_ = p.Word("rows") || p.Word("row")
		case p.Word("fetch"):
			if !p.Word("first") {
				p.ExpectWord("next")
			}
			q.Limit = Number{Text: "1"}
			if !p.Peek().Is("row") && !p.Peek().Is("rows") {
				q.Limit = p.primary()
			}
			if !p.Word("row") {
				p.ExpectWord("rows")
			}
			p.ExpectWord("only")
		case p.Word("for"):
			p.locking(q)
		default:
			return
		}
	}
}

func (p *parser) locking(q *Select) {
	switch {
	case p.Word("update"), p.Word("no", "key", "update"), p.Word("share"), p.Word("key", "share"):
	default:
		p.fail()
	}
	q.Lock = true
	if p.Word("of") {
		p.qualified()
		for p.Op(",") {
			p.qualified()
		}
	}
	if p.Word("nowait") {
		q.Wait = "NOWAIT"
	} else if p.Word("skip", "locked") {
		q.Wait = "SKIP LOCKED"
	}
}

func (p *parser) order() Order {
	o := Order{X: p.expression()}
	if p.Word("desc") {
		o.Descending = true
	} else {
		p.Word("asc")
	}
	if p.Word("nulls") {
		first := p.Word("first")
		if !first {
			p.ExpectWord("last")
		}
		o.NullsFirst = &first
	}
	return o
}

func (p *parser) valueRows() [][]Expr {
	var rows [][]Expr
	for {
		p.Expect("(")
		row := []Expr{p.valueOrDefault()}
		for p.Op(",") {
			row = append(row, p.valueOrDefault())
		}
		p.Expect(")")
		rows = append(rows, row)
		if !p.Op(",") {
			return rows
		}
	}
}

func (p *parser) valueOrDefault() Expr {
	if p.Word("default") {
		return Default{}
	}
	return p.expression()
}

// items parses a select list, which may be empty, or RETURNING's.
func (p *parser) items() []Item {
	var list []Item
	if t := p.Peek(); t.Kind == token.End || t.IsOp(";") || t.IsOp(")") || t.Is("from") {
		return list
	}
	for {
		item := Item{X: p.itemExpression()}
		if _, star := item.X.(Star); !star {
			if p.Word("as") {
				item.Alias = p.Label()
			} else if p.IsName() {
				item.Alias = p.Name()
			}
		}
		list = append(list, item)
		if !p.Op(",") {
			return list
		}
	}
}

func (p *parser) itemExpression() Expr {
	if p.Op("*") {
		return Star{}
	}
	if p.IsName() && p.PeekAt(1).IsOp(".") && p.PeekAt(2).IsOp("*") {
		table := p.Name()
		p.At += 2
		return Star{Table: table}
	}
	return p.expression()
}

func (p *parser) fromList() []From {
	list := p.joined(nil)
	for p.Op(",") {
		list = p.joined(list)
	}
	return list
}

// joined appends one FROM item with its joins.
func (p *parser) joined(list []From) []From {
	defer p.Enter()()
	if p.Peek().IsOp("(") && !p.queryAt(0) { // (a JOIN b ON …)
		p.Next()
		list = p.joined(list)
		p.Expect(")")
	} else {
		list = append(list, p.fromItem())
	}
	for {
		join := ""
		switch {
		case p.Word("cross", "join"):
			join = "CROSS"
		case p.Word("inner", "join"), p.Word("join"):
			join = "INNER"
		case p.Word("left", "outer", "join"), p.Word("left", "join"):
			join = "LEFT"
		case p.Peek().Is("right"), p.Peek().Is("full"), p.Peek().Is("natural"):
			p.failf("0A000", "RIGHT, FULL and NATURAL joins are not supported")
		default:
			return list
		}
		item := p.fromItem()
		item.Join = join
		if join != "CROSS" {
			if p.Word("using") {
				item.Using = p.Names()
			} else {
				p.ExpectWord("on")
				item.On = p.expression()
			}
		}
		list = append(list, item)
	}
}

// queryAt reports whether the n-th token from here is a parenthesis around a query.
func (p *parser) queryAt(n int) bool {
	for depth := 0; depth < token.MaxDepth; depth++ {
		if !p.PeekAt(n).IsOp("(") {
			return false
		}
		inner := p.PeekAt(n + 1)
		if inner.Is("select") || inner.Is("values") || inner.Is("with") {
			return true
		}
		if !inner.IsOp("(") {
			return false
		}
		switch after := p.PeekAt(p.closing(n+1) + 1); {
		case after.IsOp(")"), after.Is("union"), after.Is("order"), after.Is("limit"), after.Is("offset"):
			n++
		default:
			return false
		}
	}
	return false
}

// closing finds the parenthesis that closes the one at the n-th token.
func (p *parser) closing(n int) int {
	depth := 0
	for ; p.At+n < len(p.Tokens); n++ {
		switch t := p.PeekAt(n); {
		case t.IsOp("("):
			depth++
		case t.IsOp(")"):
			depth--
			if depth == 0 {
				return n
			}
		}
	}
	return n
}

func (p *parser) fromItem() From {
	var f From
	p.Word("lateral")
	switch {
	case p.Op("("):
		f.Query = p.query()
		p.Expect(")")
	default:
		p.Word("only")
		n := p.qualifiedOrFunction()
		if p.Peek().IsOp("(") {
			call := p.call(n.Schema, n.Name).(Call)
			f.Call = &call
			if p.Word("with", "ordinality") {
				p.failf("0A000", "WITH ORDINALITY is not supported")
			}
		} else {
			f.Table = n
			p.Op("*")
		}
	}
	if f.Alias = p.alias(); f.Alias != "" && p.Op("(") {
		f.Columns = p.columnAliases()
	}
	return f
}

// columnAliases parses the rest of (a, b) or (a int, b text); the types are ignored.
func (p *parser) columnAliases() []string {
	var list []string
	for {
		list = append(list, p.Name())
		if !p.Peek().IsOp(",") && !p.Peek().IsOp(")") {
			p.typeName()
		}
		if !p.Op(",") {
			p.Expect(")")
			return list
		}
	}
}

// qualifiedOrFunction is qualified, except that functions named like a reserved word pass.
func (p *parser) qualifiedOrFunction() Name {
	if t := p.Peek(); t.Kind == token.Word && reserved[t.Text] && p.PeekAt(1).IsOp("(") {
		return Name{Name: p.Next().Text}
	}
	return p.qualified()
}
