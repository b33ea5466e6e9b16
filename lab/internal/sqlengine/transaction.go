package sqlengine

import (
	"context"
	"slices"
	"time"
)

// transaction is what a session has changed and not committed. Only its session uses it, except for the fields
// marked as guarded by Store.mu.
type transaction struct {
	store    *Store
	host     Host
	readOnly bool
	started  time.Time

	lockTimeout time.Duration // how long to wait for a lock; 0: without end

	changed     map[*table]*changes
	ordered     []*changes // the same in order of first use, so that everything is repeatable
	definitions map[string]*definition
	undo        []func()
	savepoints  []savepoint

	done     chan struct{} // closed when the transaction has ended
	locked   []lockKey     // guarded by Store.mu
	waitsFor *transaction  // guarded by Store.mu
	stolen   bool          // guarded by Store.mu: another one took a lock of ours, as the host is no writer any more

	atEnd         []func()       // take back what SET LOCAL did, last first
	notifications []Notification // sent after a commit
}

// changes are the rows of one table that a transaction has changed.
type changes struct {
	table    *table
	state    map[uint64]*tuple // nil: deleted
	inserted []uint64          // ids of the rows that are new, ascending
	keys     []map[string]uint64
}

// definition is a table created, changed or dropped by a transaction.
type definition struct {
	table    *table // nil: dropped
	replaces *table // the committed table of that name, nil: none
}

type savepoint struct {
	name          string
	undo          int // how much of the undo log is before it
	notifications int // how many notifications are
}

func newTransaction(store *Store, host Host) *transaction {
	return &transaction{store: store, host: host, started: time.Now(), done: make(chan struct{})}
}

func (tx *transaction) hasChanges() bool { return len(tx.ordered) > 0 || len(tx.definitions) > 0 }

// end releases the locks and wakes those who wait for them. The transaction is not used afterwards.
func (tx *transaction) end() {
	tx.store.mu.Lock()
	for _, k := range tx.locked {
		if tx.store.locks[k] == tx {
			delete(tx.store.locks, k)
		}
	}
	tx.locked = nil
	tx.store.mu.Unlock()
	close(tx.done)
}

// rollbackTo undoes everything after the first n entries of the undo log.
func (tx *transaction) rollbackTo(n int) {
	for len(tx.undo) > n {
		last := len(tx.undo) - 1
		tx.undo[last]()
		tx.undo = tx.undo[:last]
	}
}

// table finds a table as the transaction sees it.
func (tx *transaction) table(snap *snapshot, name string) *table {
	if d, ok := tx.definitions[name]; ok {
		return d.table
	}
	return snap.tables[name]
}

// define creates, replaces or, with a nil table, drops a table.
func (tx *transaction) define(snap *snapshot, name string, t *table) {
	if tx.definitions == nil {
		tx.definitions = map[string]*definition{}
	}
	before, existed := tx.definitions[name]
	tx.definitions[name] = &definition{table: t, replaces: snap.tables[name]}
	if existed {
		tx.definitions[name].replaces = before.replaces
	}
	tx.undo = append(tx.undo, func() {
		if existed {
			tx.definitions[name] = before
		} else {
			delete(tx.definitions, name)
		}
	})
}

func (tx *transaction) changesOf(t *table) *changes {
	c := tx.changed[t]
	if c == nil {
		c = &changes{table: t, state: map[uint64]*tuple{}, keys: make([]map[string]uint64, len(t.keys))}
		for i := range c.keys {
			c.keys[i] = map[string]uint64{}
		}
		if tx.changed == nil {
			tx.changed = map[*table]*changes{}
		}
		tx.changed[t] = c
		tx.ordered = append(tx.ordered, c)
	}
	return c
}

// rows are the rows of a table as the transaction sees them.
func (tx *transaction) rows(snap *snapshot, t *table) []*tuple {
	committed := snap.rows[t]
	c := tx.changed[t]
	if c == nil || len(c.state) == 0 {
		return committed
	}
	return c.merge(committed, false)
}

// merge applies the changes to committed rows. With grow it may use the spare capacity of the slice: a commit does,
// under the store's lock, as readers of older snapshots see no further than their own length.
func (c *changes) merge(committed []*tuple, grow bool) []*tuple {
	late := len(committed) > 0 && len(c.inserted) > 0 && c.inserted[0] < committed[len(committed)-1].id
	if len(c.state) == len(c.inserted) { // nothing but inserts
		if !grow || late {
			committed = committed[:len(committed):len(committed)]
		}
	} else {
		kept := make([]*tuple, 0, len(committed)+len(c.inserted))
		for _, row := range committed {
			if now, ok := c.state[row.id]; !ok {
				kept = append(kept, row)
			} else if now != nil {
				kept = append(kept, now)
			}
		}
		committed = kept
	}
	for _, id := range c.inserted {
		if row := c.state[id]; row != nil {
			committed = append(committed, row)
		}
	}
	if late { // ids are given at insertion, so a transaction that commits late may carry smaller ones
		slices.SortFunc(committed, byID)
	}
	return committed
}

func byID(a, b *tuple) int {
	switch {
	case a.id < b.id:
		return -1
	case a.id > b.id:
		return 1
	}
	return 0
}

// put stores a new version of a row, nil to delete it; before is the version the transaction saw, nil for a new row.
func (tx *transaction) put(t *table, id uint64, before, after *tuple) {
	c := tx.changesOf(t)
	previous, had := c.state[id]
	c.state[id] = after
	if before == nil {
		c.inserted = append(c.inserted, id)
	}
	for i, k := range t.keys {
		if before != nil {
			if value, ok := k.value(before.values); ok && c.keys[i][value] == id {
				delete(c.keys[i], value)
			}
		}
		if after != nil {
			if value, ok := k.value(after.values); ok {
				c.keys[i][value] = id
			}
		}
	}
	tx.undo = append(tx.undo, func() { c.revert(id, before, after, previous, had) })
}

// revert undoes one put.
func (c *changes) revert(id uint64, before, after, previous *tuple, had bool) {
	if had {
		c.state[id] = previous
	} else {
		delete(c.state, id)
	}
	if before == nil {
		c.inserted = c.inserted[:len(c.inserted)-1]
	}
	for i, k := range c.table.keys {
		if after != nil {
			if value, ok := k.value(after.values); ok && c.keys[i][value] == id {
				delete(c.keys[i], value)
			}
		}
		if before != nil && had { // a key in the committed index needs no entry here
			if value, ok := k.value(before.values); ok {
				c.keys[i][value] = id
			}
		}
	}
}

// owner is the id of the row that has the value of the i-th key, as the transaction sees it with everything
// committed so far; 0: none. The key must be locked, or the answer may be outdated at once.
func (tx *transaction) owner(t *table, i int, value string) uint64 {
	c := tx.changed[t]
	if c != nil {
		if id, ok := c.keys[i][value]; ok {
			return id
		}
	}
	tx.store.mu.Lock()
	defer tx.store.mu.Unlock()
	indexes := tx.store.indexes[t]
	if i >= len(indexes) {
		return 0
	}
	id := indexes[i][value]
	if c != nil {
		if _, changed := c.state[id]; changed { // its key is another one by now
			return 0
		}
	}
	return id
}

// ErrLockTimeout is what a statement fails with that has waited for a lock for Session.LockTimeout.
var ErrLockTimeout error = Errorf("55P03", "canceling statement due to lock timeout")

// stealInterval is how often a waiter looks whether the holder's host lost its role meanwhile.
const stealInterval = 20 * time.Millisecond

// lock takes k. If another transaction holds it, lock waits for that one to end and reports waited; then k is not
// held, and what the caller has read may be outdated.
func (tx *transaction) lock(ctx context.Context, k lockKey) (waited bool, err error) {
	holder, err := tx.tryLock(k)
	if holder == nil || err != nil {
		return false, err
	}
	defer tx.stopWaiting()
	since := time.Now()
	for {
		timer := time.NewTimer(stealInterval)
		select {
		case <-holder.done:
			timer.Stop()
			return true, nil
		case <-ctx.Done():
			timer.Stop()
			return false, context.Cause(ctx)
		case <-timer.C:
			if !holder.host.Writable() { // its transaction cannot commit any more
				return true, nil
			}
			if tx.lockTimeout > 0 && time.Since(since) >= tx.lockTimeout {
				return false, ErrLockTimeout
			}
		}
	}
}

func (tx *transaction) stopWaiting() {
	tx.store.mu.Lock()
	tx.waitsFor = nil
	tx.store.mu.Unlock()
}

// tryLock takes k or gives its holder. Waiting for the holder is announced, and refused when it would be a deadlock.
func (tx *transaction) tryLock(k lockKey) (*transaction, error) {
	tx.store.mu.Lock()
	defer tx.store.mu.Unlock()
	holder := tx.store.locks[k]
	if holder == tx {
		return nil, nil
	}
	if holder != nil && holder.host.ID() != tx.host.ID() && !holder.host.Writable() {
		holder.stolen = true
		holder = nil
	}
	if holder == nil {
		tx.store.locks[k] = tx
		tx.locked = append(tx.locked, k)
		return nil, nil
	}
	for next := holder; next != nil; next = next.waitsFor {
		if next == tx {
			return nil, Errorf("40P01", "deadlock detected")
		}
	}
	tx.waitsFor = holder
	return holder, nil
}
