package sqlengine

import (
	"errors"
	"slices"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// source is what a FROM clause, or a part of one, supplies.
type source struct {
	columns []scopeColumn
	table   *table // when it is just a table, with its own column names
	name    string // what it is called here
	rows    func(outer *frame) ([]record, error)
}

// record is one row of a source.
type record struct {
	values []any
	from   []stored
}

// stored is the row of a table that a record came from.
type stored struct {
	table *table
	row   *tuple
}

// from compiles a FROM clause; without items it supplies one empty row.
func (c *compiler) from(items []syntax.From, outer *scope) (*source, error) {
	if len(items) == 0 {
		one := []record{{}}
		return &source{rows: func(*frame) ([]record, error) { return one, nil }}, nil
	}
	var left *source
	for _, item := range items {
		right, err := c.fromItem(item, outer)
		if err != nil {
			return nil, err
		}
		if left == nil {
			left = right
			continue
		}
		if left, err = c.join(left, right, item, outer); err != nil {
			return nil, err
		}
	}
	return left, nil
}

func (c *compiler) fromItem(item syntax.From, outer *scope) (*source, error) {
	var src *source
	var name string
	var err error
	switch {
	case item.Query != nil:
		var p *plan
		if p, err = c.query(item.Query, outer); err == nil {
			src = c.planSource(p)
		}
	case item.Call != nil:
		name = item.Call.Name
		src, err = c.tableFunction(*item.Call, outer)
	default:
		name = item.Table.Name
		src, err = c.relation(item.Table)
	}
	if err != nil {
		return nil, err
	}
	if item.Alias != "" {
		name = item.Alias
		if item.Call != nil && len(src.columns) == 1 && src.columns[0].name == item.Call.Name { // the alias names the column, too
			src.columns[0].name = name
		}
	}
	if len(item.Columns) > len(src.columns) {
		return nil, Errorf("42P10", "table \"%s\" has %d columns available but %d columns specified", name, len(src.columns), len(item.Columns))
	}
	src.name = name
	if len(item.Columns) > 0 {
		src.table = nil
	}
	for i := range src.columns {
		src.columns[i].table = name
		if i < len(item.Columns) {
			src.columns[i].name = item.Columns[i]
		}
	}
	return src, nil
}

// relation finds a WITH query, a system view or a table.
func (c *compiler) relation(n syntax.Name) (*source, error) {
	if p := c.ctes[n.Name]; p != nil && n.Schema == "" {
		return c.planSource(p), nil
	}
	if view := c.session.view(n.Schema, n.Name); view != nil {
		src := &source{rows: func(f *frame) ([]record, error) { return records(view.Rows(f.Execution)), nil }}
		for _, f := range view.Columns {
			src.columns = append(src.columns, scopeColumn{name: f.Name, typ: f.Type, fold: c.lenient()})
		}
		return src, nil
	}
	t, err := c.table(n)
	if err != nil {
		return nil, err
	}
	return tableSource(t), nil
}

// view finds a system view.
func (s *Session) view(schema, name string) *View {
	d := s.dialect()
	view := d.Views[d.key(schema, name)]
	if view == nil || !exists(view.Flavors, s.flavor()) {
		return nil
	}
	return view
}

func tableSource(t *table) *source {
	src := &source{columns: tableColumns(t, t.name), table: t}
	src.rows = func(f *frame) ([]record, error) {
		tuples := f.tx.rows(f.snap, t)
		rows := make([]record, len(tuples))
		origins := make([]stored, len(tuples))
		for i, row := range tuples {
			origins[i] = stored{t, row}
			rows[i] = record{values: row.values, from: origins[i : i+1 : i+1]}
		}
		return rows, nil
	}
	return src
}

func tableColumns(t *table, name string) []scopeColumn {
	columns := make([]scopeColumn, len(t.columns))
	for i, col := range t.columns {
		columns[i] = scopeColumn{table: name, name: col.name, typ: col.typ, fold: t.lenient, origin: t.origin(i)}
	}
	return columns
}

func (c *compiler) planSource(p *plan) *source {
	src := &source{rows: func(f *frame) ([]record, error) {
		rows, err := p.run(f)
		return records(rows), err
	}}
	for i, f := range p.fields {
		col := scopeColumn{name: f.Name, typ: f.Type, fold: c.lenient()}
		if i < len(p.origins) {
			col.origin = p.origins[i]
		}
		src.columns = append(src.columns, col)
	}
	return src
}

func records(rows [][]any) []record {
	list := make([]record, len(rows))
	for i, row := range rows {
		list[i].values = row
	}
	return list
}

// join compiles the join of what is left of item with it, as nested loops.
func (c *compiler) join(left, right *source, item syntax.From, outer *scope) (*source, error) {
	joined := &source{columns: append(slices.Clone(left.columns), right.columns...)}
	if item.Join == "LEFT" { // may be NULL now whatever its table says
		for i := len(left.columns); i < len(joined.columns); i++ {
			if origin := joined.columns[i].origin; origin != nil {
				nullable := *origin
				nullable.NotNull = false
				joined.columns[i].origin = &nullable
			}
		}
	}
	on := item.On
	for _, name := range item.Using {
		equal, err := using(joined.columns, len(left.columns), name)
		if err != nil {
			return nil, err
		}
		if on != nil {
			equal = syntax.Binary{Op: "AND", L: on, R: equal}
		}
		on = equal
	}
	var condition *node
	if on != nil {
		n, err := c.condition(&scope{columns: joined.columns, outer: outer}, on, "JOIN/ON")
		if err != nil {
			return nil, err
		}
		condition = &n
	}
	for _, name := range item.Using { // from here on the plain name means the left one
		for i := len(left.columns); i < len(joined.columns); i++ {
			if joined.columns[i].is(name) {
				joined.columns[i].hidden = true
			}
		}
	}
	joined.rows = func(f *frame) ([]record, error) {
		l, err := left.rows(f)
		if err != nil {
			return nil, err
		}
		r, err := right.rows(f)
		if err != nil {
			return nil, err
		}
		return loop(f, l, r, condition, item.Join == "LEFT", len(right.columns))
	}
	return joined, nil
}

// using is the condition that the columns of that name are equal, left and right.
func using(columns []scopeColumn, split int, name string) (syntax.Expr, error) {
	find := func(part []scopeColumn) *scopeColumn {
		for i := range part {
			if part[i].is(name) && !part[i].hidden {
				return &part[i]
			}
		}
		return nil
	}
	l, r := find(columns[:split]), find(columns[split:])
	if l == nil || r == nil {
		return nil, Errorf("42703", "column \"%s\" specified in USING clause does not exist in both tables", name)
	}
	return syntax.Binary{Op: "=", L: syntax.Column{Table: l.table, Name: name}, R: syntax.Column{Table: r.table, Name: name}}, nil
}

func loop(outer *frame, left, right []record, condition *node, keepLeft bool, width int) ([]record, error) {
	var out []record
	for _, l := range left {
		matched := false
		for _, r := range right {
			values := append(slices.Clip(l.values), r.values...)
			if condition != nil {
				v, err := condition.eval(&frame{Execution: outer.Execution, outer: outer, values: values})
				if err != nil {
					return nil, err
				}
				if v != true {
					continue
				}
			}
			matched = true
			out = append(out, record{values: values, from: append(slices.Clip(l.from), r.from...)})
		}
		if !matched && keepLeft {
			out = append(out, record{values: append(slices.Clip(l.values), make([]any, width)...), from: l.from})
		}
	}
	return out, nil
}

// errRestart says that a statement has read something outdated and must run again on a newer snapshot.
var errRestart = errors.New("restart the statement")

// lockRows locks rows for FOR UPDATE, and for UPDATE and DELETE with an empty wait. It gives false for rows to skip.
func lockRows(e *Execution, rows []stored, wait string) (bool, error) {
	for _, s := range rows {
		k := lockKey{table: s.table.name, row: s.row.id}
		if wait != "" {
			holder, err := e.tx.tryLock(k)
			e.tx.stopWaiting()
			switch {
			case err == nil && holder == nil:
			case wait == "SKIP LOCKED":
				return false, nil
			default:
				return false, Errorf("55P03", "could not obtain lock on row in relation \"%s\"", s.table.name)
			}
		} else if waited, err := e.tx.lock(e.ctx, k); err != nil {
			return false, err
		} else if waited {
			return false, errRestart
		}
		if !e.tx.current(s) {
			return false, errRestart
		}
	}
	return true, nil
}

// current reports whether a row, which is locked, is the one anybody reading now would see.
func (tx *transaction) current(s stored) bool {
	if c := tx.changed[s.table]; c != nil {
		if now, ok := c.state[s.row.id]; ok {
			return now == s.row
		}
	}
	return tx.store.committed.Load().row(s.table, s.row.id) == s.row
}
