package sqlengine

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/awsdb/awsdb/lab/internal/sqlengine/syntax"
)

// Store is the data that all instances of a cluster share. All methods are safe for concurrent use.
type Store struct {
	committed atomic.Pointer[snapshot] // replaced under mu, read without

	// mu is held for short computations only, never while waiting.
	mu      sync.Mutex
	indexes map[*table][]map[string]uint64 // per key of the table: committed key to row id
	locks   map[lockKey]*transaction
	nextRow uint64
	nextOID OID
}

// snapshot is a committed state. It is immutable; so are the rows it leads to.
type snapshot struct {
	schema int // changes with every change of a definition
	tables map[string]*table
	rows   map[*table][]*tuple // ascending by id
}

// tuple is one version of a row.
type tuple struct {
	id     uint64 // the same for all versions of a row
	values []any
}

// table is the definition of a table, immutable but for its sequences.
type table struct {
	name    string // "schema.name", without the schema when it is public
	oid     OID
	columns []column
	keys    []key
	checks  []check
	lenient bool // of a lenient dialect
}

type column struct {
	name     string
	typ      OID
	mods     []int
	notNull  bool
	def      syntax.Expr // nil: NULL
	onUpdate syntax.Expr // what an UPDATE that changes the row sets it to; nil: nothing
	sequence *atomic.Int64
	declared string // what its type was called, if that says more
}

type key struct {
	name    string
	columns []int
	primary bool
}

type check struct {
	name string
	x    syntax.Expr
}

// lockKey names what a transaction can lock: a row, or with key > 0 a value of the table's key number key-1.
type lockKey struct {
	table string
	key   int
	value string
	row   uint64
}

// NewStore makes an empty store.
func NewStore() *Store {
	s := &Store{indexes: map[*table][]map[string]uint64{}, locks: map[lockKey]*transaction{}, nextOID: 16384}
	s.committed.Store(&snapshot{tables: map[string]*table{}, rows: map[*table][]*tuple{}})
	return s
}

// Rows are the committed rows of a table in the order they were inserted, nil for an unknown table. Values are
// nil, bool, int64, float64, string (also for numeric, uuid, interval and jsonb), []byte, time.Time, or []any for arrays.
func (s *Store) Rows(table string) [][]any {
	committed := s.committed.Load()
	t := committed.tables[strings.TrimPrefix(table, "public.")]
	if t == nil {
		return nil
	}
	rows := make([][]any, 0, len(committed.rows[t]))
	for _, tuple := range committed.rows[t] {
		row := make([]any, len(tuple.values))
		for i, v := range tuple.values {
			row[i] = Plain(v)
		}
		rows = append(rows, row)
	}
	return rows
}

// Tables are the names of the committed tables, sorted.
func (s *Store) Tables() []string { return sortedKeys(s.committed.Load().tables) }

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// row finds the committed version of a row, nil when there is none.
func (s *snapshot) row(t *table, id uint64) *tuple {
	rows := s.rows[t]
	i, ok := slices.BinarySearchFunc(rows, id, func(r *tuple, id uint64) int { return cmp.Compare(r.id, id) })
	if !ok {
		return nil
	}
	return rows[i]
}

func (s *Store) newRowID() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextRow++
	return s.nextRow
}

func (s *Store) newOID() OID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextOID++
	return s.nextOID
}

// apply commits the changes of a transaction: all of them, or none and an error. writable is asked under the lock, so
// that a host that is not the writer any more commits nothing.
func (s *Store) apply(tx *transaction, writable func() bool) error {
	if !tx.hasChanges() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if tx.stolen {
		return Errorf("40001", "could not serialize access due to concurrent update")
	}
	if !writable() {
		return Errorf("25006", "cannot execute COMMIT in a read-only transaction")
	}
	old := s.committed.Load()
	next := &snapshot{schema: old.schema, tables: old.tables, rows: maps.Clone(old.rows)}
	if err := s.applyDefinitions(tx, next); err != nil {
		return err
	}
	for _, c := range tx.ordered {
		if next.tables[c.table.name] != c.table {
			if tx.definitions[c.table.name] != nil { // dropped or replaced by this transaction
				continue
			}
			return Errorf("42P01", "relation \"%s\" does not exist", c.table.name)
		}
		next.rows[c.table] = c.merge(next.rows[c.table], true)
	}
	for _, c := range tx.ordered {
		if next.tables[c.table.name] == c.table {
			s.reindex(c, old)
		}
	}
	for t := range s.indexes {
		if next.tables[t.name] != t {
			delete(s.indexes, t)
		}
	}
	s.committed.Store(next)
	return nil
}

// applyDefinitions brings the created, changed and dropped tables into next.
func (s *Store) applyDefinitions(tx *transaction, next *snapshot) error {
	if len(tx.definitions) == 0 {
		return nil
	}
	next.schema++
	next.tables = maps.Clone(next.tables)
	for _, name := range sortedKeys(tx.definitions) {
		d := tx.definitions[name]
		if next.tables[name] != d.replaces {
			return Errorf("42P07", "relation \"%s\" already exists", name)
		}
		if d.replaces != nil {
			delete(next.tables, name)
			delete(next.rows, d.replaces)
		}
		if d.table != nil {
			next.tables[name] = d.table
			next.rows[d.table] = nil
			s.indexes[d.table] = make([]map[string]uint64, len(d.table.keys))
		}
	}
	return nil
}

// reindex brings the key indexes of a table up to date with its changes.
func (s *Store) reindex(c *changes, old *snapshot) {
	indexes := s.indexes[c.table]
	for i, k := range c.table.keys {
		if indexes[i] == nil {
			indexes[i] = map[string]uint64{}
		}
		for id := range c.state {
			if before := old.row(c.table, id); before != nil {
				if value, ok := k.value(before.values); ok && indexes[i][value] == id {
					delete(indexes[i], value)
				}
			}
		}
		for id, after := range c.state {
			if after == nil {
				continue
			}
			if value, ok := k.value(after.values); ok {
				indexes[i][value] = id
			}
		}
	}
}

// value is the key of a row as a string; false when a column is NULL, which equals nothing.
func (k key) value(values []any) (string, bool) {
	parts := make([]any, len(k.columns))
	for i, c := range k.columns {
		if values[c] == nil {
			return "", false
		}
		parts[i] = values[c]
	}
	return keyOf(parts), true
}

func (t *table) column(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return sameName(c.name, name, t.lenient) })
}
