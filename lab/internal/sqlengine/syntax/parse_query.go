package syntax

// query parses SELECT, VALUES or a parenthesised query with all clauses.
func (p *parser) query() *Select {
	defer p.enter()()
	var with []With
	if p.word("with") {
		with = p.withList()
	}
	q := p.arm()
	for {
		var all bool
		switch {
		case p.word("union", "all"):
			all = true
		case p.word("union"):
			p.word("distinct")
		case p.peek().is("intersect"), p.peek().is("except"):
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
	if p.word("recursive") {
		p.failf("0A000", "WITH RECURSIVE is not supported")
	}
	var list []With
	for {
		w := With{Name: p.name()}
		if p.peek().isOp("(") {
			w.Columns = p.names()
		}
		p.expectWord("as")
		p.word("not")
		p.word("materialized")
		p.expect("(")
		if t := p.peek(); t.is("insert") || t.is("update") || t.is("delete") {
			p.failf("0A000", "data-modifying statements in WITH are not supported")
		}
		w.Query = p.query()
		p.expect(")")
		list = append(list, w)
		if !p.op(",") {
			return list
		}
	}
}

// arm parses one arm of a union, without ORDER BY and what follows it.
func (p *parser) arm() *Select {
	if p.op("(") {
		q := p.query()
		p.expect(")")
		if len(q.Unions) > 0 {
			return derived(q)
		}
		return q
	}
	if p.word("values") {
		return &Select{Values: p.valueRows()}
	}
	p.expectWord("select")
	q := &Select{}
	if p.word("distinct") {
		q.Distinct = true
		if p.peek().is("on") {
			p.failf("0A000", "DISTINCT ON is not supported")
		}
	} else {
		p.word("all")
	}
	q.Items = p.items()
	if p.word("from") {
		q.From = p.fromList()
	}
	if p.word("where") {
		q.Where = p.expression()
	}
	if p.word("group", "by") {
		q.GroupBy = p.expressions()
	}
	if p.word("having") {
		q.Having = p.expression()
	}
	return q
}

// tail parses what comes after the arms.
func (p *parser) tail(q *Select) {
	if p.word("order", "by") {
		q.OrderBy = nil
		for {
			q.OrderBy = append(q.OrderBy, p.order())
			if !p.op(",") {
				break
			}
		}
	}
	for {
		switch {
		case p.word("limit"):
			if !p.word("all") {
				q.Limit = p.expression()
			}
		case p.word("offset"):
			q.Offset = p.expression()
			_ = p.word("rows") || p.word("row")
		case p.word("fetch"):
			if !p.word("first") {
				p.expectWord("next")
			}
			q.Limit = Number{Text: "1"}
			if !p.peek().is("row") && !p.peek().is("rows") {
				q.Limit = p.primary()
			}
			if !p.word("row") {
				p.expectWord("rows")
			}
			p.expectWord("only")
		case p.word("for"):
			p.locking(q)
		default:
			return
		}
	}
}

func (p *parser) locking(q *Select) {
	switch {
	case p.word("update"), p.word("no", "key", "update"), p.word("share"), p.word("key", "share"):
	default:
		p.fail()
	}
	q.Lock = true
	if p.word("of") {
		p.qualified()
		for p.op(",") {
			p.qualified()
		}
	}
	if p.word("nowait") {
		q.Wait = "NOWAIT"
	} else if p.word("skip", "locked") {
		q.Wait = "SKIP LOCKED"
	}
}

func (p *parser) order() Order {
	o := Order{X: p.expression()}
	if p.word("desc") {
		o.Descending = true
	} else {
		p.word("asc")
	}
	if p.word("nulls") {
		first := p.word("first")
		if !first {
			p.expectWord("last")
		}
		o.NullsFirst = &first
	}
	return o
}

func (p *parser) valueRows() [][]Expr {
	var rows [][]Expr
	for {
		p.expect("(")
		row := []Expr{p.valueOrDefault()}
		for p.op(",") {
			row = append(row, p.valueOrDefault())
		}
		p.expect(")")
		rows = append(rows, row)
		if !p.op(",") {
			return rows
		}
	}
}

func (p *parser) valueOrDefault() Expr {
	if p.word("default") {
		return Default{}
	}
	return p.expression()
}

// items parses a select list, which may be empty, or RETURNING's.
func (p *parser) items() []Item {
	var list []Item
	if t := p.peek(); t.kind == end || t.isOp(";") || t.isOp(")") || t.is("from") {
		return list
	}
	for {
		item := Item{X: p.itemExpression()}
		if _, star := item.X.(Star); !star {
			if p.word("as") {
				item.Alias = p.label()
			} else if p.isName() {
				item.Alias = p.name()
			}
		}
		list = append(list, item)
		if !p.op(",") {
			return list
		}
	}
}

func (p *parser) itemExpression() Expr {
	if p.op("*") {
		return Star{}
	}
	if p.isName() && p.peekAt(1).isOp(".") && p.peekAt(2).isOp("*") {
		table := p.name()
		p.at += 2
		return Star{Table: table}
	}
	return p.expression()
}

func (p *parser) fromList() []From {
	list := p.joined(nil)
	for p.op(",") {
		list = p.joined(list)
	}
	return list
}

// joined appends one FROM item with its joins.
func (p *parser) joined(list []From) []From {
	defer p.enter()()
	if p.peek().isOp("(") && !p.queryAt(0) { // (a JOIN b ON …)
		p.next()
		list = p.joined(list)
		p.expect(")")
	} else {
		list = append(list, p.fromItem())
	}
	for {
		join := ""
		switch {
		case p.word("cross", "join"):
			join = "CROSS"
		case p.word("inner", "join"), p.word("join"):
			join = "INNER"
		case p.word("left", "outer", "join"), p.word("left", "join"):
			join = "LEFT"
		case p.peek().is("right"), p.peek().is("full"), p.peek().is("natural"):
			p.failf("0A000", "RIGHT, FULL and NATURAL joins are not supported")
		default:
			return list
		}
		item := p.fromItem()
		item.Join = join
		if join != "CROSS" {
			if p.word("using") {
				item.Using = p.names()
			} else {
				p.expectWord("on")
				item.On = p.expression()
			}
		}
		list = append(list, item)
	}
}

// queryAt reports whether the n-th token from here is a parenthesis around a query.
func (p *parser) queryAt(n int) bool {
	for depth := 0; depth < maxDepth; depth++ {
		if !p.peekAt(n).isOp("(") {
			return false
		}
		inner := p.peekAt(n + 1)
		if inner.is("select") || inner.is("values") || inner.is("with") {
			return true
		}
		if !inner.isOp("(") {
			return false
		}
		switch after := p.peekAt(p.closing(n+1) + 1); {
		case after.isOp(")"), after.is("union"), after.is("order"), after.is("limit"), after.is("offset"):
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
	for ; p.at+n < len(p.tokens); n++ {
		switch t := p.peekAt(n); {
		case t.isOp("("):
			depth++
		case t.isOp(")"):
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
	p.word("lateral")
	switch {
	case p.op("("):
		f.Query = p.query()
		p.expect(")")
	default:
		p.word("only")
		n := p.qualifiedOrFunction()
		if p.peek().isOp("(") {
			call := p.call(n.Schema, n.Name).(Call)
			f.Call = &call
			if p.word("with", "ordinality") {
				p.failf("0A000", "WITH ORDINALITY is not supported")
			}
		} else {
			f.Table = n
			p.op("*")
		}
	}
	if f.Alias = p.alias(); f.Alias != "" && p.op("(") {
		f.Columns = p.columnAliases()
	}
	return f
}

// columnAliases parses the rest of (a, b) or (a int, b text); the types are ignored.
func (p *parser) columnAliases() []string {
	var list []string
	for {
		list = append(list, p.name())
		if !p.peek().isOp(",") && !p.peek().isOp(")") {
			p.typeName()
		}
		if !p.op(",") {
			p.expect(")")
			return list
		}
	}
}

// qualifiedOrFunction is qualified, except that functions named like a reserved word pass.
func (p *parser) qualifiedOrFunction() Name {
	if t := p.peek(); t.kind == word && reserved[t.text] && p.peekAt(1).isOp("(") {
		return Name{Name: p.next().text}
	}
	return p.qualified()
}
