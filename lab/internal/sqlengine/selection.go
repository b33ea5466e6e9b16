package sqlengine

import (
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// selection compiles one SELECT without WITH and UNION.
func (c *compiler) selection(q *syntax.Select, outer *scope) (*plan, error) {
	q = c.setReturning(q)
	src, err := c.from(q.From, outer)
	if err != nil {
		return nil, err
	}
	s := selection{source: src, query: q}
	input := &scope{columns: src.columns, outer: outer}
	if q.Where != nil {
		where, err := c.condition(input, q.Where, "WHERE")
		if err != nil {
			return nil, err
		}
		s.where = &where
		if src.table != nil {
			s.lookup = c.lookup(src.table, src.name, q.Where)
		}
	}
	items := expand(q.Items, src.columns)
	final := input
	if len(q.GroupBy) > 0 || q.Having != nil || hasAggregate(items, q.OrderBy) {
		if s.group, err = c.grouping(q, items, input); err != nil {
			return nil, err
		}
		final = &scope{columns: src.columns, outer: outer, group: s.group}
	}
	p := &plan{fields: []Field{}} // not nil: a query without columns still has rows
	for _, item := range items {
		n, err := c.item(final, item.X)
		if err != nil {
			return nil, err
		}
		name := item.Alias
		if name == "" {
			name = itemName(item.X)
		}
		s.items = append(s.items, n)
		p.fields = append(p.fields, Field{Name: name, Type: n.typ})
		p.origins = append(p.origins, n.origin)
	}
	if q.Having != nil {
		having, err := c.condition(final, q.Having, "HAVING")
		if err != nil {
			return nil, err
		}
		s.having = &having
	}
	if err := c.sortKeys(&s, p.fields, items, final); err != nil {
		return nil, err
	}
	if s.bounds, err = c.bounds(q, outer); err != nil {
		return nil, err
	}
	p.run = s.run
	return p, nil
}

// item compiles an element of a select list; what nothing gave a type is text.
func (c *compiler) item(sc *scope, x syntax.Expr) (node, error) {
	n, err := c.expression(sc, x, AnyOID)
	if err != nil {
		return node{}, err
	}
	if p, ok := x.(syntax.Param); ok && n.typ == pgtype.UnknownOID {
		return c.param(p.N, pgtype.TextOID), nil
	}
	return settled(n), nil
}

// sortKeys compiles ORDER BY: a number or the name of an output column, else any expression.
func (c *compiler) sortKeys(s *selection, fields []Field, items []syntax.Item, sc *scope) error {
	for _, o := range s.query.OrderBy {
		var index int
		if n, ok := ordinal(o.X); ok {
			if n < 1 || n > len(fields) {
				return Errorf("42P10", "ORDER BY position %d is not in select list", n)
			}
			index = n - 1
		} else if col, ok := o.X.(syntax.Column); ok && col.Table == "" {
			index = slices.IndexFunc(fields, func(f Field) bool { return sameName(f.Name, col.Name, c.lenient()) })
		} else {
			index = slices.IndexFunc(items, func(i syntax.Item) bool { return sameExpr(i.X, o.X) })
		}
		if index >= 0 {
			s.keys = append(s.keys, s.items[index])
			continue
		}
		if s.query.Distinct {
			return Errorf("42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list")
		}
		n, err := c.expression(sc, o.X, AnyOID)
		if err != nil {
			return err
		}
		s.keys = append(s.keys, n)
	}
	return nil
}

// expand replaces * by columns.
func expand(items []syntax.Item, columns []scopeColumn) []syntax.Item {
	var list []syntax.Item
	for _, item := range items {
		star, ok := item.X.(syntax.Star)
		if !ok {
			list = append(list, item)
			continue
		}
		for _, col := range columns {
			if star.Table == "" && !col.hidden || star.Table != "" && col.table == star.Table {
				list = append(list, syntax.Item{X: syntax.Column{Table: col.table, Name: col.name}})
			}
		}
	}
	return list
}

// setReturning turns SELECT f(…) of a set-returning f into SELECT * FROM f(…).
func (c *compiler) setReturning(q *syntax.Select) *syntax.Select {
	if len(q.From) > 0 || len(q.Items) != 1 {
		return q
	}
	call, ok := q.Items[0].X.(syntax.Call)
	if !ok {
		return q
	}
	d := c.session.dialect()
	if f := d.TableFunctions[d.key(call.Schema, call.Name)]; f == nil || len(f.Columns) != 1 {
		return q
	}
	name := q.Items[0].Alias
	if name == "" {
		name = call.Name
	}
	out := *q
	out.From = []syntax.From{{Call: &call, Alias: name}}
	out.Items = []syntax.Item{{X: syntax.Star{}}}
	return &out
}

// selection is a compiled SELECT.
type selection struct {
	query  *syntax.Select
	source *source
	where  *node
	lookup *lookup // nil: read the whole source
	group  *grouping
	having *node
	items  []node
	keys   []node
	bounds bounds
}

func (s *selection) run(outer *frame) ([][]any, error) {
	records, err := s.records(outer)
	if err != nil {
		return nil, err
	}
	frames, from, err := s.filter(outer, records)
	if err != nil {
		return nil, err
	}
	if s.group != nil {
		from = nil
		if frames, err = s.group.run(outer, frames, len(s.source.columns)); err != nil {
			return nil, err
		}
	}
	outputs := make([]output, 0, len(frames))
	for i, f := range frames {
		if s.having != nil {
			if v, err := s.having.eval(f); err != nil {
				return nil, err
			} else if v != true {
				continue
			}
		}
		row, err := evalAll(f, s.items)
		if err != nil {
			return nil, err
		}
		keys, err := evalAll(f, s.keys)
		if err != nil {
			return nil, err
		}
		o := output{row: row, keys: keys}
		if from != nil {
			o.from = from[i]
		}
		outputs = append(outputs, o)
	}
	if s.query.Distinct {
		seen := map[string]bool{}
		outputs = slices.DeleteFunc(outputs, func(o output) bool {
			k := keyOf(o.row)
			dup := seen[k]
			seen[k] = true
			return dup
		})
	}
	sortOutputs(outputs, s.query.OrderBy)
	if !s.query.Lock {
		return s.bounds.cut(outer, outputs, nil)
	}
	return s.bounds.cut(outer, outputs, func(o output) (bool, error) { return lockRows(outer.Execution, o.from, s.query.Wait) })
}

// records reads the source, or as little of it as will do.
func (s *selection) records(outer *frame) ([]record, error) {
	if s.lookup != nil {
		if rows, ok := s.lookup.rows(outer); ok {
			return rows, nil
		}
	}
	return s.source.rows(outer)
}

// filter applies WHERE.
func (s *selection) filter(outer *frame, records []record) ([]*frame, [][]stored, error) {
	frames := make([]*frame, 0, len(records))
	from := make([][]stored, 0, len(records))
	scratch := &frame{Execution: outer.Execution, outer: outer}
	for _, r := range records {
		if s.where != nil {
			scratch.values = r.values
			v, err := s.where.eval(scratch)
			if err != nil {
				return nil, nil, err
			}
			if v != true {
				continue
			}
		}
		frames = append(frames, &frame{Execution: outer.Execution, outer: outer, values: r.values})
		from = append(from, r.from)
	}
	return frames, from, nil
}
