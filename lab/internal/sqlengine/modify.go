package sqlengine

import (
	"errors"
	"slices"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// change is a compiled INSERT, UPDATE or DELETE: run gives the rows of RETURNING and how many rows it changed.
type change struct {
	fields []Field
	verb   string
	run    func(*Execution) (rows [][]any, affected int, err error)
}

// target is what one of these statements writes to.
type target struct {
	table     *table
	defaults  []node // per column
	checks    []node
	returning []node
	onUpdate  map[int]node // what columns become when a row changes
	convert   func(v any, from, to OID) (any, error)
}

func (c *compiler) target(n syntax.Name) (*target, error) {
	if n.Schema != "" && c.session.view(n.Schema, n.Name) != nil {
		return nil, Errorf("42501", "permission denied for view %s", n.Name)
	}
	t, err := c.table(n)
	if err != nil {
		return nil, err
	}
	tg := &target{table: t, onUpdate: map[int]node{}, convert: convert}
	if own := c.session.dialect().Convert; own != nil {
		tg.convert = func(v any, from, to OID) (any, error) {
			if v == nil || from == to {
				return v, nil
			}
			return own(v, from, to, true)
		}
	}
	for i, col := range t.columns {
		d, err := c.columnDefault(col)
		if err != nil {
			return nil, err
		}
		tg.defaults = append(tg.defaults, d)
		if col.onUpdate != nil {
			if tg.onUpdate[i], err = c.as(&scope{}, col.onUpdate, col.typ); err != nil {
				return nil, err
			}
		}
	}
	own := &scope{columns: tableColumns(t, t.name)}
	for _, ck := range t.checks {
		n, err := c.condition(own, ck.x, "CHECK")
		if err != nil {
			return nil, err
		}
		tg.checks = append(tg.checks, n)
	}
	return tg, nil
}

func (c *compiler) columnDefault(col column) (node, error) {
	switch {
	case col.sequence != nil && c.lenient(): // target.number does it
		return constant(col.typ, nil), nil
	case col.sequence != nil:
		return node{typ: col.typ, eval: func(*frame) (any, error) { return checkRange(col.typ, col.sequence.Add(1)) }}, nil
	case col.def == nil:
		return constant(col.typ, nil), nil
	}
	return c.as(&scope{}, col.def, col.typ)
}

// returning compiles RETURNING in a scope that starts with the columns of the target.
func (c *compiler) returning(tg *target, sc *scope, list []syntax.Item) ([]Field, error) {
	var fields []Field
	for _, item := range expand(list, sc.columns) {
		n, err := c.item(sc, item.X)
		if err != nil {
			return nil, err
		}
		name := item.Alias
		if name == "" {
			name = itemName(item.X)
		}
		tg.returning = append(tg.returning, n)
		fields = append(fields, Field{Name: name, Type: n.typ})
	}
	return fields, nil
}

// row checks a complete row against the constraints of its table, keys excepted, and brings it into stored form.
func (tg *target) row(e *Execution, values []any) ([]any, error) {
	for i, col := range tg.table.columns {
		v, err := limitType(values[i], col.typ, col.mods, false)
		if err != nil {
			return nil, ofColumn(err, col)
		}
		if v == nil && col.notNull {
			failure := Errorf("23502", "null value in column \"%s\" of relation \"%s\" violates not-null constraint", col.name, tg.table.name)
			failure.Table, failure.Column = tg.table.name, col.name
			return nil, failure
		}
		values[i] = v
	}
	f := &frame{Execution: e, values: values}
	for i, n := range tg.checks {
		v, err := n.eval(f)
		if err != nil {
			return nil, err
		}
		if v == false {
			failure := Errorf("23514", "new row for relation \"%s\" violates check constraint \"%s\"", tg.table.name, tg.table.checks[i].name)
			failure.Table, failure.Constraint = tg.table.name, tg.table.checks[i].name
			return nil, failure
		}
	}
	return values, nil
}

// conflict locks the keys of a new version of row id and finds a row that has one of them already. It looks at the
// keys that concern says matter.
func (tg *target) conflict(e *Execution, id uint64, values []any, concern func(i int) bool) (keyIndex int, owner uint64, err error) {
	for i, k := range tg.table.keys {
		if concern != nil && !concern(i) {
			continue
		}
		value, ok := k.value(values)
		if !ok {
			continue
		}
		waited, err := e.tx.lock(e.ctx, lockKey{table: tg.table.name, key: i + 1, value: value})
		if err != nil {
			return 0, 0, err
		}
		if waited {
			return 0, 0, errRestart
		}
		if owner := e.tx.owner(tg.table, i, value); owner != 0 && owner != id {
			return i, owner, nil
		}
	}
	return 0, 0, nil
}

func (tg *target) duplicate(i int, values []any) error {
	k := tg.table.keys[i]
	failure := Errorf("23505", "duplicate key value violates unique constraint \"%s\"", k.name)
	failure.Table, failure.Constraint = tg.table.name, k.name
	names, shown := "", ""
	for j, c := range k.columns {
		if j > 0 {
			names, shown = names+", ", shown+", "
		}
		names += tg.table.columns[c].name
		shown += FormatText(tg.table.columns[c].typ, values[c])
	}
	failure.Subject = shown
	failure.Detail = "Key (" + names + ")=(" + shown + ") already exists."
	return failure
}

// find is the newest version of a row: the transaction's own or the committed one.
func (tx *transaction) find(t *table, id uint64) *tuple {
	if c := tx.changed[t]; c != nil {
		if now, ok := c.state[id]; ok {
			return now
		}
	}
	return tx.store.committed.Load().row(t, id)
}

// replace stores a new version of a locked row, made by assignments evaluated in f.
func (tg *target) replace(e *Execution, old *tuple, f *frame, set []assignment) ([]any, error) {
	values := slices.Clone(old.values)
	for _, a := range set {
		v, err := a.value.eval(f)
		if err != nil {
			return nil, err
		}
		values[a.column] = v
	}
	values, err := tg.row(e, values)
	if err != nil {
		return nil, err
	}
	e.found++
	if !tg.table.lenient || keyOf(values) != keyOf(old.values) {
		e.changed++
		if err := tg.touch(f, values, set); err != nil {
			return nil, err
		}
	}
	i, owner, err := tg.conflict(e, old.id, values, nil)
	if err != nil {
		return nil, err
	}
	if owner != 0 {
		return nil, tg.duplicate(i, values)
	}
	e.tx.put(tg.table, old.id, old, &tuple{id: old.id, values: values})
	return values, nil
}

// touch sets the columns that change whenever a row does, unless the statement sets them itself.
func (tg *target) touch(f *frame, values []any, set []assignment) error {
	for column, n := range tg.onUpdate {
		if slices.ContainsFunc(set, func(a assignment) bool { return a.column == column }) {
			continue
		}
		v, err := n.eval(f)
		if err == nil {
			col := tg.table.columns[column]
			values[column], err = limitType(v, col.typ, col.mods, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ofColumn says in an error which column a value was for.
func ofColumn(err error, col column) error {
	var failure *Error
	if errors.As(err, &failure) && failure.Column == "" {
		named := *failure
		named.Column = col.name
		return &named
	}
	return err
}

// picked is which rows a statement changes: all that its condition finds, or the first of them.
type picked struct {
	keys   []node
	order  []syntax.Order
	bounds bounds
}

// pick compiles ORDER BY and LIMIT of UPDATE and DELETE.
func (c *compiler) pick(sc *scope, order []syntax.Order, limit syntax.Expr) (*picked, error) {
	p := &picked{order: order}
	for _, o := range order {
		n, err := c.expression(sc, o.X, AnyOID)
		if err != nil {
			return nil, err
		}
		p.keys = append(p.keys, n)
	}
	var err error
	p.bounds, err = c.bounds(&syntax.Select{Limit: limit}, nil)
	return p, err
}

// apply puts the rows in order and leaves out those beyond the limit.
func (p *picked) apply(outer *frame, frames []*frame, from [][]stored) ([]*frame, [][]stored, error) {
	outputs := make([]output, len(frames))
	for i, f := range frames {
		keys, err := evalAll(f, p.keys)
		if err != nil {
			return nil, nil, err
		}
		outputs[i] = output{row: []any{i}, keys: keys}
	}
	sortOutputs(outputs, p.order)
	rows, err := p.bounds.cut(outer, outputs, nil)
	if err != nil {
		return nil, nil, err
	}
	outFrames, outFrom := make([]*frame, len(rows)), make([][]stored, len(rows))
	for i, row := range rows {
		outFrames[i], outFrom[i] = frames[row[0].(int)], from[row[0].(int)]
	}
	return outFrames, outFrom, nil
}

// affected compiles the part that UPDATE and DELETE share: which rows of the target, each once, with the row of the other
// tables it was joined with first.
func (c *compiler) affected(tg *target, s *syntax.Affected) (*scope, func(*Execution) ([]*frame, []stored, error), error) {
	name := s.Alias
	if name == "" {
		name = s.Table.Name
	}
	src := tableSource(tg.table)
	src.columns = tableColumns(tg.table, name)
	if len(s.From) > 0 {
		other, err := c.from(s.From, nil)
		if err != nil {
			return nil, nil, err
		}
		if src, err = c.join(src, other, syntax.From{}, nil); err != nil {
			return nil, nil, err
		}
	}
	sc := &scope{columns: src.columns}
	search := selection{source: src}
	if s.Where != nil {
		n, err := c.condition(sc, s.Where, "WHERE")
		if err != nil {
			return nil, nil, err
		}
		search.where = &n
		if src.table != nil {
			search.lookup = c.lookup(tg.table, name, s.Where)
		}
	}
	first, err := c.pick(sc, s.OrderBy, s.Limit)
	if err != nil {
		return nil, nil, err
	}
	return sc, func(e *Execution) ([]*frame, []stored, error) {
		outer := &frame{Execution: e}
		all, err := search.records(outer)
		if err != nil {
			return nil, nil, err
		}
		frames, from, err := search.filter(outer, all)
		if err != nil {
			return nil, nil, err
		}
		if len(s.OrderBy) > 0 || s.Limit != nil {
			if frames, from, err = first.apply(outer, frames, from); err != nil {
				return nil, nil, err
			}
		}
		var kept []*frame
		var rows []stored
		seen := map[uint64]bool{}
		for i, f := range frames {
			row := from[i][0]
			if seen[row.row.id] {
				continue
			}
			seen[row.row.id] = true
			if _, err := lockRows(e, []stored{row}, ""); err != nil {
				return nil, nil, err
			}
			kept, rows = append(kept, f), append(rows, row)
		}
		return kept, rows, nil
	}, nil
}

// modify changes a row that a statement affects, and gives what RETURNING sees of it: the row, and those it was joined with.
type modify func(e *Execution, row stored, joined *frame) ([]any, error)

// affecting compiles what UPDATE and DELETE share; compile compiles what they do to a row.
func (c *compiler) affecting(verb string, s *syntax.Affected, compile func(*scope, *target) (modify, error)) (*change, error) {
	tg, err := c.target(s.Table)
	if err != nil {
		return nil, err
	}
	sc, affected, err := c.affected(tg, s)
	if err != nil {
		return nil, err
	}
	do, err := compile(sc, tg)
	if err != nil {
		return nil, err
	}
	fields, err := c.returning(tg, sc, s.Returning)
	if err != nil {
		return nil, err
	}
	return &change{fields: fields, verb: verb, run: func(e *Execution) ([][]any, int, error) {
		frames, rows, err := affected(e)
		if err != nil {
			return nil, 0, err
		}
		var out [][]any
		for i, f := range frames {
			values, err := do(e, rows[i], f)
			if err != nil {
				return nil, 0, err
			}
			if out, err = tg.appendReturning(e, out, values); err != nil {
				return nil, 0, err
			}
		}
		return out, len(frames), nil
	}}, nil
}

// update compiles UPDATE.
func (c *compiler) update(s *syntax.Update) (*change, error) {
	return c.affecting("UPDATE", &s.Affected, func(sc *scope, tg *target) (modify, error) {
		set, err := c.assignments(sc, tg, s.Set)
		if err != nil {
			return nil, err
		}
		return func(e *Execution, row stored, joined *frame) ([]any, error) {
			values, err := tg.replace(e, row.row, joined, set)
			if err != nil {
				return nil, err
			}
			return append(slices.Clip(values), joined.values[len(values):]...), nil
		}, nil
	})
}

// delete compiles DELETE.
func (c *compiler) delete(s *syntax.Delete) (*change, error) {
	return c.affecting("DELETE", &s.Affected, func(_ *scope, tg *target) (modify, error) {
		return func(e *Execution, row stored, joined *frame) ([]any, error) {
			e.tx.put(tg.table, row.row.id, row.row, nil)
			e.found++
			e.changed++
			return joined.values, nil
		}, nil
	})
}
