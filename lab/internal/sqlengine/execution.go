package sqlengine

import (
	"context"
	"slices"
	"time"
)

// Execution is one run of a compiled statement, as functions and views see it.
type Execution struct {
	ctx      context.Context
	session  *Session
	tx       *transaction
	snap     *snapshot
	args     []any
	received [][]any           // by COPY FROM
	ctes     map[*plan][][]any // results of WITH queries, by their plan
}

// Context is done when the statement is to end; [context.Cause] says why.
func (e *Execution) Context() context.Context { return e.ctx }

// Session is the session the statement runs in.
func (e *Execution) Session() *Session { return e.session }

// Started is when the transaction started.
func (e *Execution) Started() time.Time { return e.tx.started }

// Sleep waits until d has passed, or the statement is to end: then it gives the cause.
func (e *Execution) Sleep(d time.Duration) error { return Sleep(e.ctx, d) }

// Sleep waits until d has passed, or ctx ends: then it gives the cause.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Table is a table as views show it.
type Table struct {
	Schema  string // "public" where none was given
	Name    string
	Columns []Column
}

// Column is a column of a Table.
type Column struct {
	Field
	NotNull bool
	Mods    []int // as numeric(10, 2) has
	Serial  bool  // numbered by itself
	Primary bool  // part of the primary key
}

// Tables are the tables that the transaction sees, by schema and name.
func (e *Execution) Tables() []Table {
	names := sortedKeys(e.snap.tables)
	for name := range e.tx.definitions {
		names = append(names, name)
	}
	slices.Sort(names)
	var tables []Table
	for _, full := range slices.Compact(names) {
		if t := e.tx.table(e.snap, full); t != nil {
			tables = append(tables, t.describe())
		}
	}
	return tables
}

func (t *table) describe() Table {
	schema, name := splitSchema(t.name)
	d := Table{Schema: schema, Name: name}
	for i, col := range t.columns {
		primary := slices.ContainsFunc(t.keys, func(k key) bool { return k.primary && slices.Contains(k.columns, i) })
		d.Columns = append(d.Columns, Column{
			Field: Field{col.name, col.typ}, NotNull: col.notNull, Mods: col.mods, Serial: col.sequence != nil, Primary: primary,
		})
	}
	return d
}
