package sqlengine

import (
	"context"
	"slices"
	"time"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
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

	found, changed int   // as Result says
	generated      int64 // the first number given to a serial column; 0: none
	serial         int64 // the serial column of the row written last
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
	Unique  bool  // a key of its own

	Declared string      // what its type was called, if that says more than Field.Type
	Default  syntax.Expr // nil: none
	OnUpdate bool        // changes whenever its row does
}

// Origin is the column of a table that a column of a result is.
type Origin struct {
	Table string
	Column
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
	for i := range t.columns {
		d.Columns = append(d.Columns, t.describeColumn(i))
	}
	return d
}

func (t *table) describeColumn(i int) Column {
	col := t.columns[i]
	d := Column{
		Field: Field{col.name, col.typ}, NotNull: col.notNull, Mods: col.mods, Serial: col.sequence != nil,
		Declared: col.declared, Default: col.def, OnUpdate: col.onUpdate != nil,
	}
	for _, k := range t.keys {
		d.Primary = d.Primary || k.primary && slices.Contains(k.columns, i)
		d.Unique = d.Unique || len(k.columns) == 1 && k.columns[0] == i
	}
	return d
}

// origin is what columns of results that are the i-th column are told to be.
func (t *table) origin(i int) *Origin {
	if !t.lenient { // nobody asks
		return nil
	}
	_, name := splitSchema(t.name)
	return &Origin{Table: name, Column: t.describeColumn(i)}
}
