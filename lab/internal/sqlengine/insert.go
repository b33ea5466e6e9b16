package sqlengine

import (
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// insert compiles INSERT.
func (c *compiler) insert(s *syntax.Insert) (*change, error) {
	tg, err := c.target(s.Table)
	if err != nil {
		return nil, err
	}
	columns, err := insertColumns(tg.table, s.Columns)
	if err != nil {
		return nil, err
	}
	source, err := c.insertSource(tg, columns, s.Source)
	if err != nil {
		return nil, err
	}
	name := s.Alias
	if name == "" {
		name = s.Table.Name
	}
	upsert, err := c.upsert(tg, name, s.OnConflict)
	if err != nil {
		return nil, err
	}
	fields, err := c.returning(tg, &scope{columns: tableColumns(tg.table, name)}, s.Returning)
	if err != nil {
		return nil, err
	}
	run := func(e *Execution) ([][]any, int, error) {
		rows, err := source(e)
		if err != nil {
			return nil, 0, err
		}
		var out [][]any
		affected := 0
		touched := map[uint64]bool{} // rows that ON CONFLICT DO UPDATE must not meet again
		for _, row := range rows {
			stored, err := tg.insertRow(e, row, upsert, touched)
			if err != nil {
				return nil, 0, err
			}
			if stored == nil {
				continue
			}
			affected++
			if out, err = tg.appendReturning(e, out, stored); err != nil {
				return nil, 0, err
			}
		}
		return out, affected, nil
	}
	return &change{fields: fields, verb: "INSERT", run: run}, nil
}

func (tg *target) appendReturning(e *Execution, out [][]any, values []any) ([][]any, error) {
	if len(tg.returning) == 0 {
		return out, nil
	}
	row, err := evalAll(&frame{Execution: e, values: values}, tg.returning)
	if err != nil {
		return nil, err
	}
	return append(out, row), nil
}

func insertColumns(t *table, names []string) ([]int, error) {
	var columns []int
	if len(names) == 0 {
		for i := range t.columns {
			columns = append(columns, i)
		}
		return columns, nil
	}
	for _, name := range names {
		i := t.column(name)
		if i < 0 {
			return nil, noColumn(name, t)
		}
		if slices.Contains(columns, i) {
			failure := Errorf("42701", "column \"%s\" specified more than once", name)
			failure.Column = name
			return nil, failure
		}
		columns = append(columns, i)
	}
	return columns, nil
}

// insertSource compiles what supplies the rows to insert, each as wide as the table.
func (c *compiler) insertSource(tg *target, columns []int, q *syntax.Select) (func(*Execution) ([][]any, error), error) {
	if q == nil { // DEFAULT VALUES
		return func(e *Execution) ([][]any, error) {
			row, err := evalAll(&frame{Execution: e}, tg.defaults)
			return [][]any{row}, err
		}, nil
	}
	if q.Values != nil && len(q.Unions) == 0 && q.OrderBy == nil && q.Limit == nil && q.Offset == nil && q.With == nil {
		return c.insertValues(tg, columns, q.Values)
	}
	p, err := c.query(q, nil)
	if err != nil {
		return nil, err
	}
	if err := checkWidth(tg.table, columns, len(p.fields)); err != nil {
		return nil, err
	}
	for i, f := range p.fields {
		col := tg.table.columns[columns[i]]
		if !c.lenient() && !implicit(f.Type, col.typ) && f.Type != pgtype.TextOID {
			return nil, mismatch(col, f.Type)
		}
	}
	return func(e *Execution) ([][]any, error) {
		rows, err := p.run(&frame{Execution: e})
		if err != nil {
			return nil, err
		}
		out := make([][]any, len(rows))
		for i, row := range rows {
			if out[i], err = tg.complete(e, columns, row, p.fields); err != nil {
				return nil, err
			}
		}
		return out, nil
	}, nil
}

func noColumn(name string, t *table) error {
	failure := Errorf("42703", "column \"%s\" of relation \"%s\" does not exist", name, t.name)
	failure.Column = name
	return failure
}

func mismatch(col column, t OID) error {
	return Errorf("42804", "column \"%s\" is of type %s but expression is of type %s", col.name, typeName(col.typ), typeName(t))
}

func checkWidth(t *table, columns []int, n int) error {
	if t.lenient && n != len(columns) {
		return Errorf("21S01", "column count does not match value count")
	}
	if n > len(columns) {
		return Errorf("42601", "INSERT has more expressions than target columns")
	}
	if n < len(columns) && len(columns) < len(t.columns) {
		return Errorf("42601", "INSERT has more target columns than expressions")
	}
	return nil
}

// complete makes a row of the table from values for some columns.
func (tg *target) complete(e *Execution, columns []int, row []any, fields []Field) ([]any, error) {
	values := make([]any, len(tg.table.columns))
	given := make([]bool, len(values))
	for i, v := range row {
		at := columns[i]
		v, err := tg.convert(v, fields[i].Type, tg.table.columns[at].typ)
		if err != nil {
			return nil, err
		}
		values[at], given[at] = v, true
	}
	for i, d := range tg.defaults {
		if !given[i] {
			v, err := d.eval(&frame{Execution: e})
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
	}
	return values, nil
}

func (c *compiler) insertValues(tg *target, columns []int, list [][]syntax.Expr) (func(*Execution) ([][]any, error), error) {
	rows := make([][]node, len(list))
	sc := &scope{}
	for i, exprs := range list {
		if len(exprs) != len(list[0]) {
			return nil, Errorf("42601", "VALUES lists must all be the same length")
		}
		if err := checkWidth(tg.table, columns, len(exprs)); err != nil {
			return nil, err
		}
		rows[i] = slices.Clone(tg.defaults)
		for j, x := range exprs {
			n, err := c.assigned(sc, tg, columns[j], x)
			if err != nil {
				return nil, err
			}
			rows[i][columns[j]] = n
		}
	}
	return func(e *Execution) ([][]any, error) {
		out := make([][]any, len(rows))
		f := &frame{Execution: e}
		for i, nodes := range rows {
			var err error
			if out[i], err = evalAll(f, nodes); err != nil {
				return nil, err
			}
		}
		return out, nil
	}, nil
}

// assigned compiles a value for a column.
func (c *compiler) assigned(sc *scope, tg *target, column int, x syntax.Expr) (node, error) {
	if _, ok := x.(syntax.Default); ok {
		return tg.defaults[column], nil
	}
	col := tg.table.columns[column]
	n, err := c.expression(sc, x, col.typ)
	if err != nil {
		return node{}, err
	}
	if c.lenient() {
		n, err := c.adapt(n, col.typ, true)
		return n, ofColumn(err, col)
	}
	if n.literal == nil && !implicit(n.typ, col.typ) {
		return node{}, mismatch(col, n.typ)
	}
	return coerce(n, col.typ)
}

// upsert is a compiled ON CONFLICT.
type upsert struct {
	concern func(i int) bool // which keys
	set     []assignment
	where   *node
	replace bool // delete the rows in the way
	repeat  bool // a row may be met again
}

type assignment struct {
	column int
	value  node
}

func (c *compiler) upsert(tg *target, name string, s *syntax.Conflict) (*upsert, error) {
	if s == nil {
		return nil, nil
	}
	u := &upsert{replace: s.Replace, repeat: s.Repeat}
	if len(s.Columns) > 0 || s.Constraint != "" {
		index, err := conflictKey(tg.table, s)
		if err != nil {
			return nil, err
		}
		u.concern = func(i int) bool { return i == index }
	}
	if len(s.Set) == 0 {
		return u, nil
	}
	excluded := tableColumns(tg.table, "excluded")
	for i := range excluded {
		excluded[i].hidden = true
	}
	sc := &scope{columns: append(tableColumns(tg.table, name), excluded...)}
	var err error
	if u.set, err = c.assignments(sc, tg, s.Set); err != nil {
		return nil, err
	}
	if s.Where != nil {
		n, err := c.condition(sc, s.Where, "WHERE")
		if err != nil {
			return nil, err
		}
		u.where = &n
	}
	return u, nil
}

func conflictKey(t *table, s *syntax.Conflict) (int, error) {
	for i, k := range t.keys {
		if s.Constraint != "" {
			if k.name == s.Constraint {
				return i, nil
			}
			continue
		}
		var names []string
		for _, c := range k.columns {
			names = append(names, t.columns[c].name)
		}
		wanted := slices.Clone(s.Columns)
		slices.Sort(names)
		slices.Sort(wanted)
		if slices.Equal(names, wanted) {
			return i, nil
		}
	}
	if s.Constraint != "" {
		return 0, Errorf("42704", "constraint \"%s\" for table \"%s\" does not exist", s.Constraint, t.name)
	}
	return 0, Errorf("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")
}

func (c *compiler) assignments(sc *scope, tg *target, list []syntax.Assignment) ([]assignment, error) {
	var out []assignment
	for _, a := range list {
		i := tg.table.column(a.Column)
		if i < 0 {
			return nil, noColumn(a.Column, tg.table)
		}
		n, err := c.assigned(sc, tg, i, a.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, assignment{column: i, value: n})
	}
	return out, nil
}

// insertRow inserts one row, or does what ON CONFLICT says, and gives the row as stored, nil when nothing changed.
func (tg *target) insertRow(e *Execution, values []any, u *upsert, touched map[uint64]bool) ([]any, error) {
	var generated int64
	if tg.table.lenient {
		generated = tg.number(values)
	}
	values, err := tg.row(e, values)
	if err != nil {
		return nil, err
	}
	for u != nil {
		_, owner, err := tg.conflict(e, 0, values, u.concern)
		if err != nil {
			return nil, err
		}
		if owner == 0 {
			break
		}
		if !u.replace {
			return tg.resolveConflict(e, owner, values, u, touched)
		}
		if err := tg.remove(e, owner); err != nil {
			return nil, err
		}
	}
	i, owner, err := tg.conflict(e, 0, values, nil)
	if err != nil {
		return nil, err
	}
	if owner != 0 {
		return nil, tg.duplicate(i, values)
	}
	id := e.tx.store.newRowID()
	e.tx.put(tg.table, id, nil, &tuple{id: id, values: values})
	touched[id] = true
	e.found++
	e.changed++
	if e.generated == 0 {
		e.generated = generated
	}
	tg.noteSerial(e, values)
	return values, nil
}

// noteSerial remembers the serial column of a row just written.
func (tg *target) noteSerial(e *Execution, values []any) {
	for i, col := range tg.table.columns {
		if col.sequence != nil {
			e.serial, _ = values[i].(int64)
		}
	}
}

// number gives serial columns that are NULL or 0 their numbers, as MySQL does, and says which it gave; a number given there
// moves the sequence.
func (tg *target) number(values []any) (generated int64) {
	for i, col := range tg.table.columns {
		if col.sequence == nil {
			continue
		}
		n, _ := values[i].(int64)
		if n == 0 {
			n = col.sequence.Add(1)
			values[i], generated = n, n
			continue
		}
		for before := col.sequence.Load(); before < n && !col.sequence.CompareAndSwap(before, n); before = col.sequence.Load() {
		}
	}
	return generated
}

// remove deletes a row that is in the way of another one.
func (tg *target) remove(e *Execution, id uint64) error {
	old := e.tx.find(tg.table, id)
	if old == nil {
		return errRestart
	}
	if _, err := lockRows(e, []stored{{tg.table, old}}, ""); err != nil {
		return err
	}
	e.tx.put(tg.table, id, old, nil)
	e.found++
	e.changed++
	return nil
}

func (tg *target) resolveConflict(e *Execution, owner uint64, values []any, u *upsert, touched map[uint64]bool) ([]any, error) {
	if len(u.set) == 0 {
		return nil, nil
	}
	if touched[owner] && !u.repeat {
		return nil, Errorf("21000", "ON CONFLICT DO UPDATE command cannot affect row a second time")
	}
	old := e.tx.find(tg.table, owner)
	if old == nil {
		return nil, errRestart
	}
	if _, err := lockRows(e, []stored{{tg.table, old}}, ""); err != nil {
		return nil, err
	}
	touched[owner] = true
	f := &frame{Execution: e, values: append(slices.Clip(old.values), values...)}
	if u.where != nil {
		if v, err := u.where.eval(f); err != nil || v != true {
			return nil, err
		}
	}
	changed := e.changed
	stored, err := tg.replace(e, old, f, u.set)
	if e.changed > changed { // it counts as one row found and one changed
		e.found++
		e.changed++
		tg.noteSerial(e, stored)
	}
	return stored, err
}
