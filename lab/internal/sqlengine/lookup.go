package sqlengine

import (
	"slices"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// lookup finds the one row a WHERE with key = value can mean without reading the whole table.
type lookup struct {
	table *table
	key   int
	value node
}

// lookup recognizes a conjunct of where that compares a key of one column of t with a value known beforehand.
// It is a shortcut only: the whole condition is applied to what it finds.
func (c *compiler) lookup(t *table, name string, where syntax.Expr) *lookup {
	b, ok := where.(syntax.Binary)
	if !ok {
		return nil
	}
	if b.Op == "AND" {
		if l := c.lookup(t, name, b.L); l != nil {
			return l
		}
		return c.lookup(t, name, b.R)
	}
	if b.Op != "=" {
		return nil
	}
	col, ok := b.L.(syntax.Column)
	other := b.R
	if !ok {
		col, ok = b.R.(syntax.Column)
		other = b.L
	}
	if !ok || col.Table != "" && col.Table != name || !fixed(other) {
		return nil
	}
	at := t.column(col.Name)
	key := slices.IndexFunc(t.keys, func(k key) bool { return len(k.columns) == 1 && k.columns[0] == at })
	if at < 0 || key < 0 {
		return nil
	}
	typ := t.columns[at].typ
	n, err := c.expression(&scope{}, other, typ)
	if err != nil {
		return nil
	}
	if common, ok := commonType(n.typ, typ); !ok || common != typ {
		return nil
	}
	if n, err = coerce(n, typ); err != nil {
		return nil
	}
	return &lookup{table: t, key: key, value: n}
}

// fixed reports whether an expression needs no row to be evaluated in.
func fixed(x syntax.Expr) bool {
	switch x := x.(type) {
	case syntax.Param, syntax.Number, syntax.String:
		return true
	case syntax.Cast:
		return fixed(x.X)
	}
	return false
}

// rows gives the row found, or false when the whole table has to be read.
func (l *lookup) rows(f *frame) ([]record, bool) {
	v, err := l.value.eval(&frame{Execution: f.Execution})
	if err != nil {
		return nil, false
	}
	if v == nil {
		return nil, true
	}
	row, ok := f.tx.byKey(f.snap, l.table, l.key, keyOf([]any{v}))
	if !ok || row == nil {
		return nil, ok
	}
	return []record{{values: row.values, from: []stored{{l.table, row}}}}, true
}

// byKey finds a row by a key as the transaction sees it in snap; false when snap is not the newest one, which is the
// only one with an index.
func (tx *transaction) byKey(snap *snapshot, t *table, key int, value string) (*tuple, bool) {
	c := tx.changed[t]
	if c != nil {
		if id, ok := c.keys[key][value]; ok {
			return c.state[id], true
		}
	}
	tx.store.mu.Lock()
	newest := tx.store.committed.Load() == snap
	var id uint64
	if indexes := tx.store.indexes[t]; key < len(indexes) {
		id = indexes[key][value]
	}
	tx.store.mu.Unlock()
	if !newest {
		return nil, false
	}
	if c != nil {
		if _, changed := c.state[id]; changed {
			return nil, true
		}
	}
	return snap.row(t, id), true
}
