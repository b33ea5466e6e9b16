package syntax

import (
	"strings"

	sql "github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax/token"
)

// queryAt reports whether a parenthesised query follows, n tokens on.
func (p *parser) queryAt(n int) bool {
	for p.PeekAt(n).IsOp("(") {
		n++
		if t := p.PeekAt(n); t.Is("select") || t.Is("with") || t.Is("values") || t.Is("table") {
			return true
		}
	}
	return false
}

// query parses SELECT, VALUES, TABLE or a parenthesised query with all clauses.
func (p *parser) query() *sql.Select {
	defer p.Enter()()
	aliases := p.aliases
	p.aliases = nil
	defer func() { p.aliases = aliases }()
	var with []sql.With
	if p.Word("with") {
		with = p.withList()
	}
	q := p.arm()
	for {
		var all bool
		switch {
		case p.Word("union"):
			if all = p.Word("all"); !all {
				p.Word("distinct")
			}
		case p.Peek().Is("intersect"), p.Peek().Is("except"):
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
	if p.Word("recursive") {
		p.unsupported("WITH RECURSIVE")
	}
	var list []sql.With
	for {
		w := sql.With{Name: p.Name()}
		if p.Peek().IsOp("(") {
			w.Columns = p.Names()
		}
		p.ExpectWord("as")
		p.Expect("(")
		w.Query = p.query()
		p.Expect(")")
		list = append(list, w)
		if !p.Op(",") {
			return list
		}
	}
}

// arm parses one arm of a union, without ORDER BY and what follows it.
func (p *parser) arm() *sql.Select {
	switch {
	case p.Op("("):
		q := p.query()
		p.Expect(")")
		if len(q.Unions) > 0 {
			return derived(q)
		}
		return q
	case p.Word("values"):
		q := &sql.Select{}
		for {
			p.ExpectWord("row")
			p.Expect("(")
			q.Values = append(q.Values, p.expressions())
			p.Expect(")")
			if !p.Op(",") {
				return q
			}
		}
	case p.Word("table"):
		return &sql.Select{Items: []sql.Item{{X: sql.Star{}}}, From: []sql.From{{Table: p.table()}}}
	}
	p.ExpectWord("select")
	q := &sql.Select{Distinct: p.modifier()}
	explicit := p.items(q)
	if p.Word("into") {
		p.unsupported("SELECT … INTO")
	}
	if p.Word("from") {
		q.From = p.fromList()
	}
	if p.Word("where") {
		q.Where = p.condition()
	}
	if p.Word("group", "by") {
		q.GroupBy = p.expressions()
		if p.Word("with", "rollup") {
			p.unsupported("WITH ROLLUP")
		}
	}
	if p.Word("having") {
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
		case p.Word("distinct"), p.Word("distinctrow"):
			distinct = true
		case p.AnyWord("all", "high_priority", "straight_join", "sql_small_result", "sql_big_result", "sql_buffer_result",
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
		start := p.Peek()
		if x, ok := p.star(); ok {
			q.Items = append(q.Items, sql.Item{X: x})
		} else {
			item := sql.Item{X: p.value()}
			stop := p.Tokens[p.At-1].Stop
			if item.Alias = p.alias(); item.Alias != "" {
				explicit[strings.ToLower(item.Alias)] = item.X
			} else if column, ok := item.X.(sql.Column); ok {
				item.Alias = column.Name
			} else {
				item.Alias = p.source[start.Pos:stop]
				if start.Kind == token.Text && p.Tokens[p.At-1].Pos == start.Pos {
					item.Alias = start.Text
				}
			}
			q.Items = append(q.Items, item)
		}
		if !p.Op(",") {
			return explicit
		}
	}
}

// star takes *, table.* or database.table.*.
func (p *parser) star() (sql.Star, bool) {
	if p.Op("*") {
		return sql.Star{}, true
	}
	for n := 1; n <= 3; n += 2 {
		if !p.PeekAt(n).IsOp(".") {
			break
		}
		if p.PeekAt(n + 1).IsOp("*") {
			table := p.PeekAt(n - 1).Text
			p.At += n + 2
			return sql.Star{Table: table}, true
		}
	}
	return sql.Star{}, false
}

// tail parses what comes after the arms.
func (p *parser) tail(q *sql.Select) {
	if p.Peek().Is("order") {
		q.OrderBy = p.orderBy()
	}
	if limit, offset := p.limit(); limit != nil {
		q.Limit, q.Offset = limit, offset
	}
	for {
		switch {
		case p.Word("for", "update"), p.Word("for", "share"):
			p.locking(q)
		case p.Word("lock", "in", "share", "mode"):
			q.Lock = true
		case p.Peek().Is("into"):
			p.unsupported("SELECT … INTO")
		default:
			return
		}
	}
}

func (p *parser) locking(q *sql.Select) {
	q.Lock = true
	if p.Word("of") {
		p.tables()
	}
	switch {
	case p.Word("nowait"):
		q.Wait = "NOWAIT"
	case p.Word("skip", "locked"):
		q.Wait = "SKIP LOCKED"
	}
}

// tables takes names of tables.
func (p *parser) tables() {
	p.table()
	for p.Op(",") {
		p.table()
	}
}

func (p *parser) orderBy() []sql.Order {
	if !p.Word("order") {
		return nil
	}
	p.ExpectWord("by")
	var list []sql.Order
	for {
		o := sql.Order{X: p.value()}
		if p.Word("desc") {
			o.Descending = true
		} else {
			p.Word("asc")
		}
		first := !o.Descending // NULL is the smallest value
		o.NullsFirst = &first
		list = append(list, o)
		if !p.Op(",") {
			return list
		}
	}
}

// limit takes LIMIT n, LIMIT offset, n or LIMIT n OFFSET offset.
func (p *parser) limit() (limit, offset sql.Expr) {
	if !p.Word("limit") {
		return nil, nil
	}
	limit = p.bound()
	switch {
	case p.Op(","):
		return p.bound(), limit
	case p.Word("offset"):
		offset = p.bound()
	}
	return limit, offset
}

func (p *parser) bound() sql.Expr {
	t := p.Peek()
	switch t.Kind {
	case token.Number:
		if p.Next(); len(t.Text) > 18 { // people write 18446744073709551615 for no limit
			return sql.Number{Text: "9223372036854775807"}
		}
		return sql.Number{Text: t.Text}
	case token.Param:
		p.Next()
		return sql.Cast{X: sql.Param{N: t.N - p.params}, Type: sql.Type{Name: "int8"}}
	}
	p.fail()
	return nil
}

// fromList parses the items of FROM.
func (p *parser) fromList() []sql.From {
	if p.Word("dual") {
		return nil
	}
	list := p.fromItem()
	for {
		var join string
		switch {
		case p.Op(","):
		case p.Word("cross", "join"), p.Word("inner", "join"), p.Word("join"), p.Word("straight_join"):
			join = "INNER"
		case p.Word("left", "outer", "join"), p.Word("left", "join"):
			join = "LEFT"
		case p.Peek().Is("right"), p.Peek().Is("natural"), p.Peek().Is("full") && p.PeekAt(1).Is("join"):
			p.unsupported(strings.ToUpper(p.Peek().Text) + " JOIN")
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
	case p.Word("on"):
		item.On = p.condition()
	case p.Word("using"):
		item.Using = p.Names()
	default:
		return false
	}
	return true
}

// fromItem parses one item, or a parenthesised join.
func (p *parser) fromItem() []sql.From {
	defer p.Enter()()
	if p.Peek().IsOp("(") && !p.queryAt(0) {
		p.Next()
		list := p.fromList()
		p.Expect(")")
		if len(list) == 0 {
			p.fail()
		}
		return list
	}
	var item sql.From
	p.Word("lateral")
	if p.queryAt(0) {
		p.Expect("(")
		item.Query = p.query()
		p.Expect(")")
	} else {
		item.Table = p.table()
		if p.Word("partition") {
			p.skipParentheses()
		}
	}
	item.Alias = p.alias()
	if item.Query != nil && item.Alias != "" && p.Peek().IsOp("(") {
		item.Columns = p.Names()
	}
	if item.Query != nil && item.Alias == "" {
		p.failf(1248, "42000", "Every derived table must have its own alias")
	}
	p.indexHints()
	sequence(&item)
	return []sql.From{item}
}

func (p *parser) indexHints() {
	for p.AnyWord("use", "force", "ignore") != "" {
		if p.AnyWord("index", "key") == "" {
			p.fail()
		}
		if p.Word("for") {
			_ = p.Word("join") || p.Word("order", "by") || p.Word("group", "by")
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
