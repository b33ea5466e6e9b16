package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// queryAt reports whether a parenthesised query follows, n tokens on.
func (p *parser) queryAt(n int) bool {
	for p.peekAt(n).isOp("(") {
		n++
		if t := p.peekAt(n); t.is("select") || t.is("with") || t.is("values") || t.is("table") {
			return true
		}
	}
	return false
}

// query parses SELECT, VALUES, TABLE or a parenthesised query with all clauses.
func (p *parser) query() *sql.Select {
	defer p.enter()()
	aliases := p.aliases
	p.aliases = nil
	defer func() { p.aliases = aliases }()
	var with []sql.With
	if p.word("with") {
		with = p.withList()
	}
	q := p.arm()
	for {
		var all bool
		switch {
		case p.word("union"):
			if all = p.word("all"); !all {
				p.word("distinct")
			}
		case p.peek().is("intersect"), p.peek().is("except"):
			p.unsupported("INTERSECT and EXCEPT")
		default:
			q.With = append(with, q.With...)
			p.tail(q)
			return q
		}
		if len(q.OrderBy) > 0 || q.Limit != nil || q.Offset != nil { // a parenthesised first arm
			q = derived(q)
		}
		q.Unions = append(q.Unions, sql.Union{All: all, Query: p.arm()})
	}
}

// derived is SELECT * FROM (q).
func derived(q *sql.Select) *sql.Select {
	return &sql.Select{Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Query: q, Alias: "?"}}}
}

func (p *parser) withList() []sql.With {
	if p.word("recursive") {
		p.unsupported("WITH RECURSIVE")
	}
	var list []sql.With
	for {
		w := sql.With{Name: p.name()}
		if p.peek().isOp("(") {
			w.Columns = p.names()
		}
		p.expectWord("as")
		p.expect("(")
		w.Query = p.query()
		p.expect(")")
		list = append(list, w)
		if !p.op(",") {
			return list
		}
	}
}

// arm parses one arm of a union, without ORDER BY and what follows it.
func (p *parser) arm() *sql.Select {
	switch {
	case p.op("("):
		q := p.query()
		p.expect(")")
		if len(q.Unions) > 0 {
			return derived(q)
		}
		return q
	case p.word("values"):
		q := &sql.Select{}
		for {
			p.expectWord("row")
			p.expect("(")
			q.Values = append(q.Values, p.expressions())
			p.expect(")")
			if !p.op(",") {
				return q
			}
		}
	case p.word("table"):
		return &sql.Select{Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Table: p.table()}}}
	}
	p.expectWord("select")
	q := &sql.Select{Distinct: p.modifier()}
	explicit := p.items(q)
	if p.word("into") {
		p.unsupported("SELECT … INTO")
	}
	if p.word("from") {
		q.From = p.fromList()
	}
	if p.word("where") {
		q.Where = p.condition()
	}
	if p.word("group", "by") {
		q.GroupBy = p.expressions()
		if p.word("with", "rollup") {
			p.unsupported("WITH ROLLUP")
		}
	}
	if p.word("having") {
		p.aliases = explicit
		q.Having = p.condition()
		p.aliases = nil
	}
	return q
}

// modifier takes what may stand right after SELECT, and reports whether DISTINCT did.
func (p *parser) modifier() (distinct bool) {
	for {
		switch {
		case p.word("distinct"), p.word("distinctrow"):
			distinct = true
		case p.anyWord("all", "high_priority", "straight_join", "sql_small_result", "sql_big_result", "sql_buffer_result",
			"sql_no_cache", "sql_calc_found_rows") != "":
		default:
			return distinct
		}
	}
}

// items takes the select list, and gives the expressions that have an explicit alias. What has none is called by its text.
func (p *parser) items(q *sql.Select) map[string]sql.Expr {
	explicit := map[string]sql.Expr{}
	for {
		start := p.peek()
		if x, ok := p.star(); ok {
			q.Items = append(q.Items, sql.Item{X: x})
		} else {
			item := sql.Item{X: p.value()}
			stop := p.tokens[p.at-1].stop
			if item.Alias = p.alias(); item.Alias != "" {
				explicit[strings.ToLower(item.Alias)] = item.X
			} else if column, ok := item.X.(sql.Column); ok {
				item.Alias = column.Name
			} else {
				item.Alias = p.source[start.pos:stop]
				if start.kind == text && p.tokens[p.at-1].pos == start.pos {
					item.Alias = start.text
				}
			}
			q.Items = append(q.Items, item)
		}
		if !p.op(",") {
			return explicit
		}
	}
}

// star takes *, table.* or database.table.*.
func (p *parser) star() (sql.Star, bool) {
	if p.op("*") {
		return sql.Star{}, true
	}
	for n := 1; n <= 3; n += 2 {
		if !p.peekAt(n).isOp(".") {
			break
		}
		if p.peekAt(n + 1).isOp("*") {
			table := p.peekAt(n - 1).text
			p.at += n + 2
			return sql.Star{Table: table}, true
		}
	}
	return sql.Star{}, false
}

// tail parses what comes after the arms.
func (p *parser) tail(q *sql.Select) {
	if p.peek().is("order") {
		q.OrderBy = p.orderBy()
	}
	if limit, offset := p.limit(); limit != nil {
		q.Limit, q.Offset = limit, offset
	}
	for {
		switch {
		case p.word("for", "update"), p.word("for", "share"):
			p.locking(q)
		case p.word("lock", "in", "share", "mode"):
			q.Lock = true
		case p.peek().is("into"):
			p.unsupported("SELECT … INTO")
		default:
			return
		}
	}
}

func (p *parser) locking(q *sql.Select) {
	q.Lock = true
	if p.word("of") {
		p.tables()
	}
	switch {
	case p.word("nowait"):
		q.Wait = "NOWAIT"
	case p.word("skip", "locked"):
		q.Wait = "SKIP LOCKED"
	}
}

// tables takes names of tables.
func (p *parser) tables() {
	p.table()
	for p.op(",") {
		p.table()
	}
}

func (p *parser) orderBy() []sql.Order {
	if !p.word("order") {
		return nil
	}
	p.expectWord("by")
	var list []sql.Order
	for {
		o := sql.Order{X: p.value()}
		if p.word("desc") {
			o.Descending = true
		} else {
			p.word("asc")
		}
		first := !o.Descending // NULL is the smallest value
		o.NullsFirst = &first
		list = append(list, o)
		if !p.op(",") {
			return list
		}
	}
}

// limit takes LIMIT n, LIMIT offset, n or LIMIT n OFFSET offset.
func (p *parser) limit() (limit, offset sql.Expr) {
	if !p.word("limit") {
		return nil, nil
	}
	limit = p.bound()
	switch {
	case p.op(","):
		return p.bound(), limit
	case p.word("offset"):
		offset = p.bound()
	}
	return limit, offset
}

func (p *parser) bound() sql.Expr {
	t := p.peek()
	switch t.kind {
	case number:
		if p.next(); len(t.text) > 18 { // people write 18446744073709551615 for no limit
			return sql.Number{Text: "9223372036854775807"}
		}
		return sql.Number{Text: t.text}
	case param:
		p.next()
		return sql.Cast{X: sql.Param{N: t.n - p.params}, Type: sql.Type{Name: "int8"}}
	}
	p.fail()
	return nil
}

// fromList parses the items of FROM.
func (p *parser) fromList() []sql.From {
	if p.word("dual") {
		return nil
	}
	list := p.fromItem()
	for {
		var join string
		switch {
		case p.op(","):
		case p.word("cross", "join"), p.word("inner", "join"), p.word("join"), p.word("straight_join"):
			join = "INNER"
		case p.word("left", "outer", "join"), p.word("left", "join"):
			join = "LEFT"
		case p.peek().is("right"), p.peek().is("natural"), p.peek().is("full") && p.peekAt(1).is("join"):
			p.unsupported(strings.ToUpper(p.peek().text) + " JOIN")
		default:
			return list
		}
		items := p.fromItem()
		items[0].Join = join
		if join != "" && !p.joinCondition(&items[0]) {
			if join == "LEFT" {
				p.fail()
			}
			items[0].Join = "CROSS"
		}
		if len(items) > 1 && join == "LEFT" {
			p.unsupported("LEFT JOIN of a parenthesised join")
		}
		list = append(list, items...)
	}
}

func (p *parser) joinCondition(item *sql.From) bool {
	switch {
	case p.word("on"):
		item.On = p.condition()
	case p.word("using"):
		item.Using = p.names()
	default:
		return false
	}
	return true
}

// fromItem parses one item, or a parenthesised join.
func (p *parser) fromItem() []sql.From {
	defer p.enter()()
	if p.peek().isOp("(") && !p.queryAt(0) {
		p.next()
		list := p.fromList()
		p.expect(")")
		if len(list) == 0 {
			p.fail()
		}
		return list
	}
	var item sql.From
	p.word("lateral")
	if p.queryAt(0) {
		p.expect("(")
		item.Query = p.query()
		p.expect(")")
	} else {
		item.Table = p.table()
		if p.word("partition") {
			p.skipParentheses()
		}
	}
	item.Alias = p.alias()
	if item.Query != nil && item.Alias != "" && p.peek().isOp("(") {
		item.Columns = p.names()
	}
	if item.Query != nil && item.Alias == "" {
		p.failf(1248, "42000", "Every derived table must have its own alias")
	}
	p.indexHints()
	sequence(&item)
	return []sql.From{item}
}

func (p *parser) indexHints() {
	for p.anyWord("use", "force", "ignore") != "" {
		if p.anyWord("index", "key") == "" {
			p.fail()
		}
		if p.word("for") {
			_ = p.word("join") || p.word("order", "by") || p.word("group", "by")
		}
		p.skipParentheses()
	}
}

// sequence makes a table called seq_1_to_100 or seq_1_to_100_step_3 the sequence that MariaDB has under that name.
func sequence(item *sql.From) {
	rest, ok := strings.CutPrefix(item.Table.Name, "seq_")
	first, rest, ok2 := strings.Cut(rest, "_to_")
	last, step, _ := strings.Cut(rest, "_step_")
	if !ok || !ok2 || item.Table.Schema != "" || !digits(first) || !digits(last) || step != "" && !digits(step) {
		return
	}
	arguments := []sql.Expr{sql.Number{Text: first}, sql.Number{Text: last}}
	if step != "" {
		arguments = append(arguments, sql.Number{Text: step})
	}
	if item.Alias == "" {
		item.Alias = item.Table.Name
	}
	item.Table = sql.Name{}
	item.Call = &sql.Call{Name: "generate_series", Args: arguments}
	item.Columns = []string{"seq"}
}

func digits(s string) bool { return s != "" && len(s) < 19 && strings.Trim(s, "0123456789") == "" }
