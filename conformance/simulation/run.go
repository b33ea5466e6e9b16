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
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/awsdb/awsdb/conformance/attempt"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
)

const insert = "insert into writes (id, host) values (?, ?)"

// Result counts what a run did.
type Result struct {
	Acked, Repeated, Unknown, Failed int
	Faults                           int
	Problems                         []string // violated invariants; empty is success
}

// run is one simulation.
type run struct {
	rng     *rand.Rand
	front   frontend.Frontend
	insert  string
	cluster *lab.Cluster
	db      *sql.DB
	start   time.Time
	added   int
	removed []*lab.Instance

	mu     sync.Mutex
	result Result
	acked  map[string]bool // writes that were acknowledged
	denied map[string]bool // writes whose every attempt was said to have had no effect
	trace  func(format string, args ...any)
}

// Run simulates one cluster and one application of a front end with everything
// drawn from seed. It must be called inside a testing/synctest bubble. trace may be
// nil.
func Run(front frontend.Frontend, seed uint64, trace func(format string, args ...any)) Result {
	r := &run{
		rng: rand.New(rand.NewPCG(seed, 2)), front: front, insert: front.SQL().Bind(insert),
		acked: map[string]bool{}, denied: map[string]bool{},
		trace: trace, start: time.Now(),
	}
	r.note("FRONT END %s", front.Name())
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
		auth = lab.Password // costs a tenth of the whole simulation
	}
	r.cluster, err = lab.Start(lab.Options{
		Flavor:    r.front.Flavors().Aurora,
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
	ways := r.front.Params().Modes // of sending statements
	dsn := r.cluster.DSN(endpoint, ways[r.rng.IntN(len(ways))])
	plugin, err := failover.New(failover.Options{Mode: mode, Timeout: time.Duration(20+r.rng.IntN(280)) * time.Second})
	if err != nil {
		return nil, err
	}
	h, err := r.front.Open(frontend.Options{Lab: r.cluster, DSN: dsn, Plugins: []core.Plugin{plugin}})
	if err != nil {
		return nil, err
	}
	return h.DB, nil
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
		_, err := r.db.ExecContext(ctx, r.insert, fmt.Sprintf("alive-%d", try), "x")
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
			tag := attempt.Of(s)
			delivered[tag]++
			if s.Writer {
				accepted[writeOf(tag)] = true
			}
		}
	}
	for id := range r.acked {
		if !accepted[id] {
			r.problem("acknowledged write %s was never received by a writer", id)
		}
	}
	for tag, n := range delivered {
		if n > 1 && tag != "" {
			r.problem("%s was delivered %d times", tag, n)
		}
	}
}

// writeOf is the write that an attempt belongs to: attempt-w1-7-0 tries w1-7.
func writeOf(tag string) string {
	parts := strings.Split(tag, "-")
	if len(parts) < 3 {
		return ""
	}
	return parts[1] + "-" + parts[2]
}
