package sqlengine

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// Field is a column of a result.
type Field struct {
	Name string
	Type OID
}

// plan is a compiled query. run gets the frame of the query around it; at the top, one with the execution only.
type plan struct {
	fields  []Field
	origins []*Origin // of the fields that are columns of tables; empty: of none
	run     func(outer *frame) ([][]any, error)
}

// query compiles a query with everything that belongs to it.
func (c *compiler) query(q *syntax.Select, outer *scope) (*plan, error) {
	if len(q.With) > 0 {
		return c.with(q, outer)
	}
	if len(q.Unions) == 0 && q.Values == nil {
		return c.selection(q, outer)
	}
	var p *plan
	var err error
	if q.Values != nil {
		p, err = c.values(q.Values, outer, nil)
	} else {
		first := *q
		first.Unions, first.OrderBy, first.Limit, first.Offset = nil, nil, nil, nil
		p, err = c.selection(&first, outer)
	}
	if err != nil {
		return nil, err
	}
	for _, u := range q.Unions {
		if p, err = c.union(p, u, outer); err != nil {
			return nil, err
		}
	}
	return c.ordered(p, q, outer)
}

// with compiles the WITH queries; each runs at most once per execution.
func (c *compiler) with(q *syntax.Select, outer *scope) (*plan, error) {
	saved := c.ctes
	defer func() { c.ctes = saved }()
	visible := map[string]*plan{}
	for name, p := range saved {
		visible[name] = p
	}
	c.ctes = visible
	for _, w := range q.With {
		p, err := c.query(w.Query, outer)
		if err != nil {
			return nil, err
		}
		named := &plan{fields: slices.Clone(p.fields), origins: p.origins}
		for i, name := range w.Columns {
			if i < len(named.fields) {
				named.fields[i].Name = name
			}
		}
		named.run = func(f *frame) ([][]any, error) {
			if rows, ok := f.ctes[named]; ok {
				return rows, nil
			}
			rows, err := p.run(f)
			if err == nil {
				if f.ctes == nil {
					f.ctes = map[*plan][][]any{}
				}
				f.ctes[named] = rows
			}
			return rows, err
		}
		visible[w.Name] = named
	}
	body := *q
	body.With = nil
	return c.query(&body, outer)
}

// values compiles VALUES; want are the types of the columns, as far as known.
func (c *compiler) values(list [][]syntax.Expr, outer *scope, want []OID) (*plan, error) {
	width := len(list[0])
	rows := make([][]node, len(list))
	for i := range rows {
		rows[i] = make([]node, width)
		if len(list[i]) != width {
			return nil, Errorf("42601", "VALUES lists must all be the same length")
		}
	}
	sc := &scope{outer: outer}
	p := &plan{fields: make([]Field, width)}
	for col := range width {
		column := make([]syntax.Expr, len(list))
		for i := range list {
			column[i] = list[i][col]
		}
		expected := AnyOID
		if col < len(want) {
			expected = want[col]
		}
		t, nodes, err := c.unify(sc, column, expected, "VALUES")
		if err != nil {
			return nil, err
		}
		for i, n := range nodes {
			rows[i][col] = n
		}
		p.fields[col] = Field{Name: "column" + itoa(col+1), Type: t}
	}
	p.run = func(f *frame) ([][]any, error) {
		inner := &frame{Execution: f.Execution, outer: f}
		out := make([][]any, len(rows))
		for i, nodes := range rows {
			var err error
			if out[i], err = evalAll(inner, nodes); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return p, nil
}

// union appends one arm.
func (c *compiler) union(left *plan, u syntax.Union, outer *scope) (*plan, error) {
	right, err := c.query(u.Query, outer)
	if err != nil {
		return nil, err
	}
	if len(left.fields) != len(right.fields) {
		return nil, Errorf("42601", "each UNION query must have the same number of columns")
	}
	p := &plan{fields: slices.Clone(left.fields)}
	for i, f := range right.fields {
		t, ok := c.common(p.fields[i].Type, f.Type)
		if !ok {
			return nil, Errorf("42804", "UNION types %s and %s cannot be matched", typeName(p.fields[i].Type), typeName(f.Type))
		}
		p.fields[i].Type = t
	}
	convert := c.conversion()
	p.run = func(f *frame) ([][]any, error) {
		var out [][]any
		for _, arm := range []*plan{left, right} {
			rows, err := arm.run(f)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				converted := make([]any, len(row))
				for i, v := range row {
					if converted[i], err = convert(v, arm.fields[i].Type, p.fields[i].Type); err != nil {
						return nil, err
					}
				}
				out = append(out, converted)
			}
		}
		if !u.All {
			out = distinct(out)
		}
		return out, nil
	}
	return p, nil
}

func distinct(rows [][]any) [][]any {
	seen := map[string]bool{}
	return slices.DeleteFunc(rows, func(row []any) bool {
		k := keyOf(row)
		dup := seen[k]
		seen[k] = true
		return dup
	})
}

// ordered adds ORDER BY, by columns of the result, and LIMIT to a union or VALUES.
func (c *compiler) ordered(p *plan, q *syntax.Select, outer *scope) (*plan, error) {
	sc := &scope{outer: outer}
	for _, f := range p.fields {
		sc.columns = append(sc.columns, scopeColumn{name: f.Name, typ: f.Type, fold: c.lenient()})
	}
	keys := make([]node, len(q.OrderBy))
	for i, o := range q.OrderBy {
		if n, ok := ordinal(o.X); ok && n >= 1 && n <= len(p.fields) {
			keys[i] = columnAt(p.fields[n-1].Type, n-1, 0)
			continue
		}
		n, err := c.expression(sc, o.X, AnyOID)
		if err != nil {
			return nil, err
		}
		keys[i] = n
	}
	bounds, err := c.bounds(q, outer)
	if err != nil {
		return nil, err
	}
	return &plan{fields: p.fields, run: func(f *frame) ([][]any, error) {
		rows, err := p.run(f)
		if err != nil {
			return nil, err
		}
		outputs := make([]output, len(rows))
		for i, row := range rows {
			sortKeys, err := evalAll(&frame{Execution: f.Execution, outer: f, values: row}, keys)
			if err != nil {
				return nil, err
			}
			outputs[i] = output{row: row, keys: sortKeys}
		}
		sortOutputs(outputs, q.OrderBy)
		return bounds.cut(f, outputs, nil)
	}}, nil
}

func ordinal(x syntax.Expr) (int, bool) {
	n, ok := x.(syntax.Number)
	if !ok {
		return 0, false
	}
	return atoi(n.Text)
}

// output is a row of a result on its way: with its sort keys, and what FOR UPDATE has to lock.
type output struct {
	row, keys []any
	from      []stored
}

func sortOutputs(outputs []output, order []syntax.Order) {
	if len(order) == 0 {
		return
	}
	slices.SortStableFunc(outputs, func(a, b output) int {
		for i, o := range order {
			x, y := a.keys[i], b.keys[i]
			if x == nil && y == nil {
				continue
			}
			if x == nil || y == nil {
				first := o.Descending // NULLs count as the greatest
				if o.NullsFirst != nil {
					first = *o.NullsFirst
				}
				if (x == nil) == first {
					return -1
				}
				return 1
			}
			if cmp := compare(x, y); cmp != 0 {
				if o.Descending {
					return -cmp
				}
				return cmp
			}
		}
		return 0
	})
}

// bounds are LIMIT and OFFSET.
type bounds struct{ limit, offset *node }

func (c *compiler) bounds(q *syntax.Select, outer *scope) (bounds, error) {
	var b bounds
	for _, part := range []struct {
		x  syntax.Expr
		to **node
	}{{q.Limit, &b.limit}, {q.Offset, &b.offset}} {
		if part.x == nil {
			continue
		}
		n, err := c.as(&scope{outer: outer}, part.x, pgtype.Int8OID)
		if err != nil {
			return b, err
		}
		*part.to = &n
	}
	return b, nil
}

func (b bounds) eval(f *frame) (limit, offset int64, err error) {
	limit = -1
	inner := &frame{Execution: f.Execution, outer: f}
	if b.limit != nil {
		v, err := b.limit.eval(inner)
		if err != nil {
			return 0, 0, err
		}
		if n, ok := v.(int64); ok {
			if n < 0 {
				return 0, 0, Errorf("2201W", "LIMIT must not be negative")
			}
			limit = n
		}
	}
	if b.offset != nil {
		v, err := b.offset.eval(inner)
		if err != nil {
			return 0, 0, err
		}
		if n, ok := v.(int64); ok {
			if n < 0 {
				return 0, 0, Errorf("2201X", "OFFSET must not be negative")
			}
			offset = n
		}
	}
	return limit, offset, nil
}

// cut applies LIMIT and OFFSET. keep, if set, locks a row or says that it is to be skipped.
func (b bounds) cut(f *frame, outputs []output, keep func(output) (bool, error)) ([][]any, error) {
	limit, offset, err := b.eval(f)
	if err != nil {
		return nil, err
	}
	rows := make([][]any, 0, len(outputs))
	for _, o := range outputs {
		if limit >= 0 && int64(len(rows)) >= limit {
			break
		}
		if offset > 0 {
			offset--
			continue
		}
		if keep != nil {
			ok, err := keep(o)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		rows = append(rows, o.row)
	}
	return rows, nil
}

func (c *compiler) subquery(sc *scope, q *syntax.Select) (node, error) {
	p, err := c.query(q, sc)
	if err != nil {
		return node{}, err
	}
	if len(p.fields) != 1 {
		return node{}, Errorf("42601", "subquery must return only one column")
	}
	return node{typ: p.fields[0].Type, eval: func(f *frame) (any, error) {
		values, err := firstColumn(p, f)
		switch {
		case err != nil || len(values) == 0:
			return nil, err
		case len(values) > 1:
			return nil, Errorf("21000", "more than one row returned by a subquery used as an expression")
		}
		return values[0], nil
	}}, nil
}

func (c *compiler) exists(sc *scope, q *syntax.Select) (node, error) {
	p, err := c.query(q, sc)
	if err != nil {
		return node{}, err
	}
	return node{typ: pgtype.BoolOID, eval: func(f *frame) (any, error) {
		rows, err := p.run(f)
		return len(rows) > 0, err
	}}, nil
}

func firstColumn(p *plan, f *frame) ([]any, error) {
	rows, err := p.run(f)
	values := make([]any, len(rows))
	for i, row := range rows {
		values[i] = row[0]
	}
	return values, err
}

// itemName is the name a result column gets without AS.
func itemName(x syntax.Expr) string {
	switch x := x.(type) {
	case syntax.Column:
		return x.Name
	case syntax.Call:
		return x.Name
	case syntax.Cast:
		if name := itemName(x.X); name != "?column?" {
			return name
		}
		return castName(x.Type)
	case syntax.Case:
		if name := itemName(x.Else); name != "?column?" {
			return name
		}
		return "case"
	case syntax.Subquery:
		if len(x.Query.Items) == 1 {
			if x.Query.Items[0].Alias != "" {
				return x.Query.Items[0].Alias
			}
			return itemName(x.Query.Items[0].X)
		}
	case syntax.Exists:
		return "exists"
	case syntax.Array:
		return "array"
	case syntax.Bool:
		return "bool"
	}
	return "?column?"
}

// castName is the internal name of a type, as the server names the column of a bare cast.
func castName(t syntax.Type) string {
	switch name := strings.SplitN(t.Name, " ", 2)[0]; name {
	case "int", "integer":
		return "int4"
	case "bigint":
		return "int8"
	case "boolean":
		return "bool"
	default:
		return name
	}
}
