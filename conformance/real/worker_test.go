package real

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/awsdb/awsdb/conformance/attempt"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
)

// journal is what the application was told.
type journal struct {
	mu       sync.Mutex
	acked    map[string]bool // ids whose write was acknowledged
	found    map[string]bool // ids that were found in the table after an unknown outcome
	denied   map[string]bool // attempts that were said to have had no effect
	ackTimes []time.Time     // in order
	progress map[int]int     // completed writes by worker
	kinds    map[string]int  // how often each kind of error was seen
	problems []string
}

func newJournal() *journal {
	return &journal{
		acked: map[string]bool{}, found: map[string]bool{}, denied: map[string]bool{},
		progress: map[int]int{}, kinds: map[string]int{},
	}
}

func (j *journal) problem(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.problems = append(j.problems, fmt.Sprintf(format, args...))
}

// done notes that the write of an id has come to its end; acknowledged or found.
func (j *journal) done(worker int, id string, found bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if found {
		j.found[id] = true
	} else {
		j.acked[id] = true
	}
	j.ackTimes = append(j.ackTimes, time.Now())
	j.progress[worker]++
}

func (j *journal) failed(tag string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if core.SafeToRepeat(err) {
		j.denied[tag] = true
	}
	j.kinds[kindOf(err)]++
}

func (j *journal) progressOf(worker int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.progress[worker]
}

// firstAck is when the first write since an instant was acknowledged.
func (j *journal) firstAck(since time.Time) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, at := range j.ackTimes {
		if !at.Before(since) {
			return at
		}
	}
	return time.Time{}
}

func kindOf(err error) string {
	unknown := ""
	if errors.Is(err, core.ErrOutcomeUnknown) {
		unknown = ", outcome unknown"
	}
	for _, kind := range []error{
		core.ErrFailoverSuccess, core.ErrTransactionResolutionUnknown, core.ErrFailoverFailed, core.ErrConnect, context.DeadlineExceeded,
	} {
		if errors.Is(err, kind) {
			return kind.Error() + unknown
		}
	}
	var e *core.Error
	if errors.As(err, &e) {
		return "awsdb: other " + e.Op.String() + unknown
	}
	return "driver: " + err.Error()
}

const (
	createWrites = "create table writes (id varchar(40), attempt varchar(40), host varchar(40))"
	indexWrites  = "create index writes_by_id on writes (id)" // not unique: a write that is repeated must be seen
	lookUpWrite  = "select count(*) from writes where id = ?"
)

// insertWrite also says which server has executed it.
func insertWrite(sql frontend.SQL) string {
	return "insert into writes (id, attempt, host) values (?, ?, " + sql.Host + ")"
}

// way writes a row with an identifier and the tag of the attempt.
type way func(ctx context.Context, id, tag string) error

// application is how the workers use their pool.
type application struct {
	ways  []way
	count func(ctx context.Context, query, id string) (int, error) // what a query for an identifier counts
}

// worker is one goroutine of the application.
type worker struct {
	*journal
	application
	number  int
	lookUp  string
	settled string // lookUp that waits for what is under way
	random  *rand.Rand
	own     []string // ids known to be stored
}

// work writes and reads until ctx ends; the write at hand is completed then.
func (w *worker) work(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(time.Duration(2+w.random.IntN(15)) * time.Millisecond)
		if n%4 == 3 {
			w.read()
			continue
		}
		w.write(fmt.Sprintf("%d-%d", w.number, n), w.ways[w.random.IntN(len(w.ways))])
	}
}

// write makes a write happen once: it repeats what is safe to repeat, and looks first when the outcome is unknown.
func (w *worker) write(id string, way way) {
	for began, n := time.Now(), 0; ; n++ {
		tag := fmt.Sprintf("%s%s-%d", attempt.Prefix, id, n)
		err := bounded(callLimit, func(ctx context.Context) error { return way(ctx, id, tag) })
		if err == nil {
			w.done(w.number, id, false)
			w.own = append(w.own, id)
			return
		}
		w.failed(tag, err)
		if !core.SafeToRepeat(err) && w.isStored(id, err) {
			w.done(w.number, id, true)
			w.own = append(w.own, id)
			return
		}
		if time.Since(began) > patience {
			w.problem("%s is not written after %d attempts: %v", id, n+1, err)
			return
		}
	}
}

// isStored looks for a write of unknown outcome until somebody can tell.
func (w *worker) isStored(id string, err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		// The server may be busy with it yet, or not have begun: nothing but time tells when it has seen that the client is gone.
		time.Sleep(200 * time.Millisecond)
	}
	for began := time.Now(); ; {
		count, err := w.look(w.settled, id)
		if err == nil {
			return count > 0
		}
		if time.Since(began) > patience {
			w.problem("%s cannot be looked up: %v", id, err)
			return false
		}
	}
}

func (w *worker) look(query, id string) (count int, err error) {
	err = bounded(callLimit, func(ctx context.Context) error {
		count, err = w.count(ctx, query, id)
		return err
	})
	return count, err
}

// read looks for a row of the worker's own: whoever answers must know it.
func (w *worker) read() {
	if len(w.own) == 0 {
		return
	}
	id := w.own[max(0, len(w.own)-1-w.random.IntN(3))]
	if count, err := w.look(w.lookUp, id); err == nil && count != 1 {
		w.problem("%s was stored, and a later read finds it %d times", id, count)
	}
}

// sqlWriter is an application of database/sql.
type sqlWriter struct {
	db       *sql.DB
	insert   string
	prepared *sql.Stmt // of the pool, kept through all failovers
}

func (w *sqlWriter) application() application {
	return application{
		ways: []way{w.exec, w.exec, w.execPrepared, w.runTx, w.transaction},
		count: func(ctx context.Context, query, id string) (n int, err error) {
			return n, w.db.QueryRowContext(ctx, query, id).Scan(&n)
		},
	}
}

func (w *sqlWriter) exec(ctx context.Context, id, tag string) error {
	_, err := w.db.ExecContext(ctx, w.insert, id, tag)
	return err
}

func (w *sqlWriter) execPrepared(ctx context.Context, id, tag string) error {
	_, err := w.prepared.ExecContext(ctx, id, tag)
	return err
}

func (w *sqlWriter) transaction(ctx context.Context, id, tag string) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, w.insert, id, tag); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

// runTx gives each try a name of its own.
func (w *sqlWriter) runTx(ctx context.Context, id, tag string) error {
	try := 0
	return core.RunTx(ctx, w.db, nil, func(tx *sql.Tx) error {
		try++
		_, err := tx.ExecContext(ctx, w.insert, id, fmt.Sprintf("%s-%d", tag, try))
		return err
	})
}
