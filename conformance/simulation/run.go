// Package simulation runs a pool against a simulated cluster whose hosts fail at
// random, in virtual time, and checks what must always hold: no acknowledged write
// is lost, no statement is delivered twice, no write is accepted by a host that
// is not the writer, an error that says "safe to repeat" is right, no call
// outlives its context, the pool works again once the cluster does, and after
// Close nothing is left.
package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// Result counts what a run did.
type Result struct {
	Acked, Repeated, Unknown, Failed int
	Faults                           int
	Problems                         []string // violated invariants; empty is success
}

// run is one simulation.
type run struct {
	rng     *rand.Rand
	cluster *lab.Cluster
	db      *sql.DB
	start   time.Time
	added   int
	removed []*lab.Instance

	mu       sync.Mutex
	result   Result
	acked    map[string]bool // writes that were acknowledged
	denied   map[string]bool // writes whose every attempt was said to have had no effect
	attempts map[string]int
	trace    func(format string, args ...any)
}

// Run simulates one cluster and one application with everything drawn from seed.
// It must be called inside a testing/synctest bubble. trace may be nil.
func Run(seed uint64, trace func(format string, args ...any)) Result {
	r := &run{
		rng:   rand.New(rand.NewPCG(seed, 2)),
		acked: map[string]bool{}, denied: map[string]bool{}, attempts: map[string]int{},
		trace: trace, start: time.Now(),
	}
	if err := r.setUp(); err != nil {
		return Result{Problems: []string{"set-up: " + err.Error()}}
	}
	defer r.cluster.Close()
	r.work()
	r.heal()
	r.checkAlive()
	r.shutDown()
	r.checkData()
	return r.result
}

func (r *run) setUp() error {
	var err error
	auth := lab.Trust
	if r.rng.IntN(20) == 0 {
		auth = lab.SCRAM // costs a tenth of the whole simulation
	}
	r.cluster, err = lab.Start(lab.Options{
		Instances: 1 + r.rng.IntN(4) + min(1, r.rng.IntN(6)),
		Network:   lab.Memory,
		Latency:   time.Duration(100+r.rng.IntN(3000)) * time.Microsecond,
		Auth:      auth,
	})
	if err != nil {
		return err
	}
	r.db, err = r.pool(r.cluster.Endpoint(), failover.ByEndpoint)
	if err != nil {
		return err
	}
	r.db.SetMaxIdleConns(r.rng.IntN(6))
	if r.rng.IntN(2) == 0 {
		r.db.SetMaxOpenConns(2 + r.rng.IntN(6))
	}
	_, err = r.db.ExecContext(context.Background(), "create table writes (id text, host text)")
	return err
}

// readerPool reads from readers, strictly or not.
func (r *run) readerPool() (*sql.DB, error) {
	mode := []failover.Mode{failover.ByEndpoint, failover.StrictReader, failover.ReaderOrWriter}[r.rng.IntN(3)]
	return r.pool(r.cluster.ReaderEndpoint(), mode)
}

func (r *run) pool(endpoint string, mode failover.Mode) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(r.cluster.URL(endpoint))
	if err != nil {
		return nil, err
	}
	cfg.DefaultQueryExecMode = []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}[r.rng.IntN(5)]
	plugin, err := failover.New(failover.Options{Mode: mode, Timeout: time.Duration(20+r.rng.IntN(280)) * time.Second})
	if err != nil {
		return nil, err
	}
	connector, err := pgdriver.NewConnector(cfg, pgdriver.WithDialer(r.cluster.DialContext), pgdriver.WithResolver(r.cluster), pgdriver.WithPlugins(plugin))
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func (r *run) note(format string, args ...any) {
	if r.trace != nil {
		r.trace("%10.4fs "+format, append([]any{time.Since(r.start).Seconds()}, args...)...)
	}
}

func (r *run) problem(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := fmt.Sprintf("%.4fs: "+format, append([]any{time.Since(r.start).Seconds()}, args...)...)
	r.result.Problems = append(r.result.Problems, p)
}

// work runs the workers while the cluster suffers.
func (r *run) work() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var workers, faults sync.WaitGroup
	if r.rng.IntN(3) == 0 {
		readers, err := r.readerPool()
		if err != nil {
			r.problem("reader pool: %v", err)
			return
		}
		defer readers.Close() //nolint:errcheck // checked by the connection counts
		rng := rand.New(rand.NewPCG(r.rng.Uint64(), 100))
		workers.Go(func() { (&worker{run: r, db: readers, id: 100, rng: rng}).readLoop(ctx) })
	}
	for w := range 1 + r.rng.IntN(6) {
		rng := rand.New(rand.NewPCG(r.rng.Uint64(), uint64(w)))
		workers.Go(func() { (&worker{run: r, db: r.db, id: w, rng: rng}).loop(ctx) })
	}
	duration := time.Duration(20+r.rng.IntN(40)) * time.Second
	faults.Go(func() { r.suffer(ctx) }) // from here on the random numbers are its own
	time.Sleep(duration)
	stop()
	faults.Wait()
	r.heal()
	workers.Wait()
}

// heal ends all faults.
func (r *run) heal() {
	r.cluster.FailDNS(false)
	for _, i := range r.cluster.Instances() {
		i.OnStatement(nil)
		i.Restart()
		r.pause(time.Millisecond, 3*time.Millisecond)
	}
}

func (r *run) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(r.rng.Int64N(int64(most-least))))
}

// checkAlive demands that the pool works again now that the cluster does.
func (r *run) checkAlive() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	for try := 0; ; try++ {
		_, err := r.db.ExecContext(ctx, "insert into writes (id, host) values ($1, $2)", fmt.Sprintf("alive-%d", try), "x")
		if err == nil {
			r.note("alive after %d failures", try)
			return
		}
		r.note("not alive yet: %v", err)
		if ctx.Err() != nil || try == 50 {
			r.problem("the pool does not recover: %v", err)
			return
		}
	}
}

// shutDown closes the handle: nothing may be left of it on any host.
func (r *run) shutDown() {
	if err := r.db.Close(); err != nil {
		r.problem("close: %v", err)
	}
	time.Sleep(100 * time.Millisecond) // the servers' side of the connections
	for _, i := range r.cluster.Instances() {
		if n := i.Connections(); n != 0 {
			r.problem("%d connections to %s after Close", n, i.ID())
		}
	}
}

// checkData compares what the application was told with what is there.
func (r *run) checkData() {
	stored := map[string]int{}
	for _, row := range r.cluster.Rows("writes") {
		stored[row[0].(string)]++
	}
	for id := range r.acked {
		if stored[id] != 1 {
			r.problem("acknowledged write %s is there %d times", id, stored[id])
		}
	}
	for id, n := range stored {
		if n > 1 {
			r.problem("write %s is there %d times", id, n)
		}
		if r.denied[id] {
			r.problem("write %s is there although every attempt was said to have had no effect", id)
		}
	}
	delivered := map[string]int{}
	accepted := map[string]bool{} // by a host that was the writer
	for _, i := range append(r.cluster.Instances(), r.removed...) {
		for _, s := range i.Statements() {
			if !strings.HasPrefix(s.SQL, "insert") || !s.Ran {
				continue
			}
			attempt := attemptOf(s)
			delivered[attempt]++
			if s.Writer {
				accepted[writeOf(attempt)] = true
			}
		}
	}
	for id := range r.acked {
		if !accepted[id] {
			r.problem("acknowledged write %s was never received by a writer", id)
		}
	}
	for attempt, n := range delivered {
		if n > 1 && attempt != "" {
			r.problem("%s was delivered %d times", attempt, n)
		}
	}
}

// attemptOf finds the attempt's unique tag in the arguments or, in the simple
// protocol, in the text.
func attemptOf(s lab.Statement) string {
	for _, a := range s.Args {
		if text, ok := a.(string); ok && strings.HasPrefix(text, "attempt-") {
			return text
		}
	}
	if _, rest, ok := strings.Cut(s.SQL, "attempt-"); ok {
		tag, _, _ := strings.Cut(rest, "'")
		return "attempt-" + tag
	}
	return ""
}

// writeOf is the write that an attempt belongs to: attempt-w1-7-0 tries w1-7.
func writeOf(attempt string) string {
	parts := strings.Split(attempt, "-")
	if len(parts) < 3 {
		return ""
	}
	return parts[1] + "-" + parts[2]
}

// worker is one goroutine of the application.
type worker struct {
	*run
	db  *sql.DB // hides the run's
	id  int
	rng *rand.Rand
	n   int
}

func (w *worker) loop(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(1+w.rng.IntN(1_500_000)) * time.Microsecond)
		switch w.rng.IntN(5) {
		case 0:
			w.read(ctx)
		case 1:
			w.write(ctx, w.inTx)
		case 2:
			w.write(ctx, w.inRunTx)
		case 3:
			w.write(ctx, w.prepared)
		default:
			w.write(ctx, w.exec)
		}
	}
}

// bounded gives a call its deadline, and afterwards checks that it was kept.
// database/sql itself may take a moment to notice, hence the tolerance.
func (w *worker) bounded(ctx context.Context, what string, call func(ctx context.Context) error) error {
	limit := []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second, 10 * time.Minute}[w.rng.IntN(5)]
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	if took := time.Since(began); took > limit+50*time.Millisecond {
		w.problem("%s with a limit of %v took %v: %v", what, limit, took, err)
	}
	return err
}

// write makes one write happen as an application would: repeat what is safe,
// look when the outcome is unknown.
func (w *worker) write(ctx context.Context, how func(ctx context.Context, id, attempt string) error) {
	w.n++
	id := fmt.Sprintf("w%d-%d", w.id, w.n)
	for try := range 4 {
		attempt := fmt.Sprintf("attempt-%s-%d", id, try)
		err := w.bounded(ctx, "write", func(ctx context.Context) error { return how(ctx, id, attempt) })
		w.note("%s: %v", attempt, err)
		done, again := w.account(id, err)
		if done || !again || ctx.Err() != nil {
			return
		}
	}
}

// account records what a write was told. A write stays "denied" as long as each
// attempt is known to have had no effect.
func (w *worker) account(id string, err error) (done, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var e *core.Error
	switch {
	case err == nil:
		w.acked[id] = true
		delete(w.denied, id)
		w.result.Acked++
		return true, false
	case core.SafeToRepeat(err):
		w.denied[id] = true
		w.result.Repeated++
		return false, true
	case errors.Is(err, core.ErrOutcomeUnknown):
		delete(w.denied, id)
		w.result.Unknown++
	case errors.As(err, &e) && e.Op != core.OpConnect && e.Outcome != core.OutcomeUnknown:
		w.denied[id] = true
		w.result.Failed++
	default:
		delete(w.denied, id)
		w.result.Failed++
	}
	return false, false
}

const insert = "insert into writes (id, host) values ($1, $2)"

func (w *worker) exec(ctx context.Context, id, attempt string) error {
	_, err := w.db.ExecContext(ctx, insert, id, attempt)
	return err
}

// prepared uses a pinned connection: sql.Stmt.Close of a statement of the whole
// pool, and RowsAffected of a result whose connection has gone back to the pool,
// wait with a mutex for whatever runs there now, which stops virtual time.
func (w *worker) prepared(ctx context.Context, id, attempt string) error {
	c, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it may be lost
	s, err := c.PrepareContext(ctx, insert)
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the statement may be on a dead host
	result, err := s.ExecContext(ctx, id, attempt)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n != 1 || err != nil {
		w.problem("insert affected %d rows: %v", n, err)
	}
	return nil
}

func (w *worker) inTx(ctx context.Context, id, attempt string) error {
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, insert, id, attempt); err != nil {
		_ = tx.Rollback() // the first error counts
		return err
	}
	return tx.Commit()
}

func (w *worker) inRunTx(ctx context.Context, id, attempt string) error {
	try := 0
	return core.RunTx(ctx, w.db, nil, func(tx *sql.Tx) error {
		try++
		_, err := tx.ExecContext(ctx, insert, id, fmt.Sprintf("%s-%d", attempt, try))
		return err
	})
}

// readLoop only reads, on a pool of readers.
func (w *worker) readLoop(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(time.Duration(1+w.rng.IntN(1_500_000)) * time.Microsecond)
		w.read(ctx)
	}
}

func (w *worker) read(ctx context.Context) {
	err := w.bounded(ctx, "read", func(ctx context.Context) error {
		rows, err := w.db.QueryContext(ctx, "select i from generate_series(1, 20) as g(i)")
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err tells
		var n int64
		for rows.Next() {
			var i int64
			if err := rows.Scan(&i); err != nil {
				return err
			}
			if n++; i != n {
				w.problem("row %d is %d", n, i)
			}
		}
		if rows.Err() == nil && n != 20 {
			w.problem("%d rows instead of 20, and no error", n)
		}
		return rows.Err()
	})
	w.note("read: %v", err)
}
