package sqlengine

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

func fullName(n syntax.Name) string {
	if n.Schema != "" {
		return n.Schema + "." + n.Name
	}
	return n.Name
}

func splitSchema(name string) (schema, table string) {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return schema, table
	}
	return "public", name
}

// relationExists reports whether to_regclass finds a table or view.
func relationExists(e *Execution, name string) bool {
	name = strings.TrimPrefix(strings.ToLower(strings.ReplaceAll(name, `"`, "")), "public.")
	if e.tx.table(e.snap, name) != nil {
		return true
	}
	schema, view := splitSchema(name)
	if schema == "public" {
		schema = ""
	}
	return e.session.view(schema, view) != nil
}

// createTable runs CREATE TABLE.
func createTable(e *Execution, c *compiler, s *syntax.CreateTable) error {
	name := fullName(s.Name)
	if e.tx.table(e.snap, name) != nil {
		if s.IfNotExists {
			return nil
		}
		return Errorf("42P07", "relation \"%s\" already exists", name)
	}
	if s.Name.Schema != "" && s.Name.Schema == c.session.dialect().SystemSchema {
		return Errorf("42501", "permission denied to create \"%s\"", name)
	}
	t := &table{name: name, oid: e.tx.store.newOID(), lenient: c.lenient()}
	for _, def := range s.Columns {
		if t.column(def.Name) >= 0 {
			return Errorf("42701", "column \"%s\" specified more than once", def.Name)
		}
		col, err := newColumn(c, def)
		if err != nil {
			return err
		}
		t.columns = append(t.columns, col)
	}
	for _, k := range s.Keys {
		if err := t.addKey(k.Name, k.Columns, k.Primary); err != nil {
			return err
		}
	}
	for _, ck := range s.Checks {
		ckName := ck.Name
		if ckName == "" {
			ckName = s.Name.Name + "_check" + itoa(len(t.checks)+1)
		}
		if _, err := c.condition(&scope{columns: tableColumns(t, t.name)}, ck.X, "CHECK"); err != nil {
			return err
		}
		t.checks = append(t.checks, check{name: ckName, x: ck.X})
	}
	e.tx.define(e.snap, name, t)
	return nil
}

func newColumn(c *compiler, def syntax.ColumnDef) (column, error) {
	typ, err := resolveType(def.Type)
	if err != nil {
		return column{}, err
	}
	col := column{name: def.Name, typ: typ, mods: def.Type.Mods, notNull: def.NotNull, def: def.Default, onUpdate: def.OnUpdate, declared: def.Declared}
	if def.Serial {
		if !isInteger(typ) {
			return column{}, Errorf("22023", "identity column type must be smallint, integer, or bigint")
		}
		col.sequence = new(atomic.Int64)
		col.sequence.Store(max(def.Start, 1) - 1)
	}
	_, err = c.columnDefault(col)
	return col, err
}

// addKey adds a constraint to a table that nobody else sees yet.
func (t *table) addKey(name string, columns []string, primary bool) error {
	_, plain := splitSchema(t.name)
	k := key{name: name, primary: primary}
	if name == "" && primary {
		k.name = plain + "_pkey"
	} else if name == "" {
		k.name = plain + "_" + strings.Join(columns, "_") + "_key"
	}
	for _, other := range t.keys {
		if primary && other.primary {
			return Errorf("42P16", "multiple primary keys for table \"%s\" are not allowed", t.name)
		}
	}
	for _, name := range columns {
		i := t.column(name)
		if i < 0 {
			return Errorf("42703", "column \"%s\" named in key does not exist", name)
		}
		if primary {
			t.columns[i].notNull = true
		}
		k.columns = append(k.columns, i)
	}
	t.keys = append(t.keys, k)
	return nil
}

// dropTables runs DROP TABLE.
func dropTables(e *Execution, s syntax.DropTable) error {
	for _, n := range s.Names {
		name := fullName(n)
		if e.tx.table(e.snap, name) != nil {
			e.tx.define(e.snap, name, nil)
		} else if !s.IfExists {
			return Errorf("42P01", "table \"%s\" does not exist", name)
		}
	}
	return nil
}

// truncate runs TRUNCATE.
func truncate(e *Execution, c *compiler, s *syntax.Truncate) error {
	for _, n := range s.Tables {
		t, err := c.table(n)
		if err != nil {
			return err
		}
		for _, row := range e.tx.rows(e.snap, t) {
			if _, err := lockRows(e, []stored{{t, row}}, ""); err != nil {
				return err
			}
			e.tx.put(t, row.id, row, nil)
		}
		for _, col := range t.columns {
			if s.Restart && col.sequence != nil {
				col.sequence.Store(0)
			}
		}
	}
	return nil
}

// addColumn runs ALTER TABLE ADD COLUMN, by copying the table.
func addColumn(e *Execution, c *compiler, s syntax.AddColumn) error {
	old, err := c.table(s.Table)
	if err != nil {
		return err
	}
	if old.column(s.Column.Name) >= 0 {
		if s.IfNotExists {
			return nil
		}
		return Errorf("42701", "column \"%s\" of relation \"%s\" already exists", s.Column.Name, old.name)
	}
	col, err := newColumn(c, s.Column)
	if err != nil {
		return err
	}
	def, err := c.columnDefault(col)
	if err != nil {
		return err
	}
	next := &table{name: old.name, oid: old.oid, columns: append(slices.Clip(old.columns), col), keys: old.keys, checks: old.checks, lenient: old.lenient}
	return rewrite(e, old, next, func(values []any) ([]any, error) {
		v, err := def.eval(&frame{Execution: e})
		if err != nil {
			return nil, err
		}
		if v == nil && col.notNull {
			return nil, Errorf("23502", "column \"%s\" of relation \"%s\" contains null values", col.name, old.name)
		}
		return append(slices.Clip(values), v), nil
	})
}

// createUniqueIndex runs CREATE UNIQUE INDEX, by copying the table.
func createUniqueIndex(e *Execution, c *compiler, s syntax.CreateUniqueIndex) error {
	old, err := c.table(s.Table)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(old.keys, func(k key) bool { return k.name == s.Name }) {
		if s.IfNotExists {
			return nil
		}
		return Errorf("42P07", "relation \"%s\" already exists", s.Name)
	}
	next := &table{name: old.name, oid: old.oid, columns: old.columns, keys: slices.Clone(old.keys), checks: old.checks, lenient: old.lenient}
	if err := next.addKey(s.Name, s.Columns, false); err != nil {
		return err
	}
	k := next.keys[len(next.keys)-1]
	seen := map[string]bool{}
	return rewrite(e, old, next, func(values []any) ([]any, error) {
		if value, ok := k.value(values); ok {
			if seen[value] {
				return nil, Errorf("23505", "could not create unique index \"%s\"", k.name)
			}
			seen[value] = true
		}
		return values, nil
	})
}

// rewrite puts a changed table in the place of an old one, with its rows.
func rewrite(e *Execution, old, next *table, row func([]any) ([]any, error)) error {
	rows := e.tx.rows(e.snap, old)
	e.tx.define(e.snap, old.name, next)
	for _, before := range rows {
		if _, err := lockRows(e, []stored{{old, before}}, ""); err != nil {
			return err
		}
		values, err := row(before.values)
		if err != nil {
			return err
		}
		e.tx.put(next, before.id, nil, &tuple{id: before.id, values: values})
	}
	return nil
}
