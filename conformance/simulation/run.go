// Package simulation runs a pool, by database/sql, a tool on top of that, or pgx's own, against a simulated cluster whose hosts fail at
// random, in virtual time, and checks what must always hold: no acknowledged write
// is lost, no statement is delivered twice, no write is accepted by a host that
// is not the writer, an error that says "safe to repeat" is right, no call
// outlives its context, the pool works again once the cluster does, and after
// Close nothing is left. Of the host monitor: no call waits for a mute host for
// longer than the settings say; no host is taken for dead that answers, or that has
// been silent for less than that; a host is asked on one connection, not too often,
// and only while somebody waits for it.
package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/awsdb/awsdb/conformance/attempt"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/conformance/recipes"
	"github.com/awsdb/awsdb/lab"
)

const insert = "insert into writes (id, host) values (?, ?)"

// Result counts what a run did.
type Result struct {
	Acked, Repeated, Unknown, Failed int
	Faults                           int
	Questions, Downs                 int      // of the host monitor: asked, and hosts found to be dead
	Problems                         []string // violated invariants; empty is success
}

// run is one simulation.
type run struct {
	seed     uint64
	rng      *rand.Rand
	front    frontend.Frontend
	tool     *recipes.Tool // nil: none
	insert   string
	cluster  *lab.Cluster
	latency  time.Duration
	auth     lab.Auth
	pool     *pool
	censuses []*census
	start    time.Time
	added    int
	truth    truth

	// The intervals of the host monitors, and the most that any of them takes to find a
	// host dead which it asks. A silence as long as blip must leave all of them
	// unimpressed.
	shortest, longest, patience, blip time.Duration

	mu      sync.Mutex
	result  Result
	removed []*lab.Instance
	acked   map[string]bool // writes that were acknowledged
	denied  map[string]bool // writes whose every attempt was said to have had no effect
	calls   []call          // without a deadline, on pool
	trace   func(format string, args ...any)
}

// Run simulates one cluster and one application of a front end with everything
// drawn from seed. The application uses a tool on top of database/sql, or none: nil. Run must
// be called inside a testing/synctest bubble. trace may be nil.
func Run(front frontend.Frontend, tool *recipes.Tool, seed uint64, trace func(format string, args ...any)) Result {
	r := &run{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 2)), front: front, tool: tool, insert: front.SQL().Bind(insert),
		acked: map[string]bool{}, denied: map[string]bool{},
		shortest: time.Second, blip: time.Second,
		trace: trace, start: time.Now(),
	}
	r.note("FRONT END %s", front.Name())
	if tool != nil {
		r.note("TOOL %s", tool.Name)
	}
	workers := 1 + r.rng.IntN(6)
	if tool != nil && tool.Alone {
		workers = 1
	}
	if err := r.setUp(workers); err != nil {
		return Result{Problems: []string{"set-up: " + err.Error()}}
	}
	defer r.cluster.Close()
	r.work(workers)
	r.heal()
	r.checkAlive()
	r.shutDown()
	r.checkMonitor()
	r.checkData()
	return r.result
}

func (r *run) setUp(workers int) error {
	r.auth = lab.Trust
	if r.rng.IntN(20) == 0 {
		r.auth = lab.Password // costs a tenth of the whole simulation
	}
	r.latency = time.Duration(100+r.rng.IntN(3000)) * time.Microsecond
	var err error
	r.cluster, err = lab.Start(lab.Options{
		Flavor:    r.front.Flavors().Aurora,
		Instances: 1 + r.rng.IntN(4) + min(1, r.rng.IntN(6)),
		Network:   lab.Memory,
		Latency:   r.latency,
		Auth:      r.auth,
	})
	if err != nil {
		return err
	}
	r.truth.crown(r.cluster.Writer().ID())
	if r.pool, err = r.writers(r.newCensus([]string{"", fmt.Sprintf("seed-%d", r.seed)}[r.rng.IntN(2)]), workers); err != nil {
		return err
	}
	for _, table := range []string{recipes.Table, recipes.KeyedTable} {
		if err := r.pool.exec(context.Background(), table); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) newCensus(id string) *census {
	c := &census{run: r, id: id, sockets: map[*socket]struct{}{}, probes: map[string]*probes{}, vain: map[string]time.Time{}, ended: map[string]time.Time{}}
	r.censuses = append(r.censuses, c)
	return c
}

// everyone are all instances that there are and were.
func (r *run) everyone() []*lab.Instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(r.cluster.Instances(), r.removed...)
}

// instanceAt is the ID of the instance that has an address.
func (r *run) instanceAt(addr net.Addr) string {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		r.problem("address of a connection: %v", err)
	}
	for _, i := range r.cluster.Instances() {
		if i.IP() == host {
			return i.ID()
		}
	}
	return host // it was just removed
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
func (r *run) work(number int) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var workers, faults sync.WaitGroup
	if r.rng.IntN(2) == 0 {
		readers, err := r.readers(r.censusOfReaders())
		if err != nil {
			r.problem("reader pool: %v", err)
			return
		}
		defer r.close(readers)
		w := r.newWorker(readers, 100)
		workers.Go(func() { w.readLoop(ctx) })
	}
	if native, ok := r.pool.access.(pgxAccess); ok {
		w := r.newWorker(r.pool, 200)
		workers.Go(func() { native.listenLoop(ctx, w) })
	}
	for id := range number {
		w := r.newWorker(r.pool, id)
		workers.Go(func() { w.loop(ctx) })
	}
	duration := r.between(20*time.Second, 60*time.Second)
	faults.Go(func() { r.suffer(ctx) }) // from here on the random numbers are its own
	time.Sleep(duration)
	stop()
	faults.Wait()
	r.heal()
	r.await(&workers)
}

// censusOfReaders is the census of the reader pool: its own, or that of the pool for
// writing, if both share a core.Cluster.
func (r *run) censusOfReaders() *census {
	if r.pool.census.id != "" && r.rng.IntN(2) == 0 {
		return r.pool.census
	}
	return r.newCensus("")
}

// await waits for the workers. Nothing is wrong with the cluster any more.
func (r *run) await(workers *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { workers.Wait(); close(done) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	r.problem("workers do not end")
	r.cluster.Close()
	<-done
}

// heal ends all faults.
func (r *run) heal() {
	r.cluster.FailDNS(false)
	for _, i := range r.cluster.Instances() {
		r.unhook(i)
		r.restart(i)
		r.pause(time.Millisecond, 3*time.Millisecond)
	}
}

func (r *run) pause(least, most time.Duration) { time.Sleep(r.between(least, most)) }

// checkAlive demands that the pool works again now that the cluster does.
func (r *run) checkAlive() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	for try := 0; ; try++ {
		err := r.pool.exec(ctx, r.insert, fmt.Sprintf("alive-%d", try), "x")
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
	r.close(r.pool)
	time.Sleep(100 * time.Millisecond) // the servers' side of the connections
	for _, i := range r.cluster.Instances() {
		if n := i.Connections(); n != 0 {
			r.problem("%d connections to %s after Close", n, i.ID())
		}
	}
}

// close closes a pool that nobody uses any more. Whatever was not given back would keep
// it, and the run, for ever.
func (r *run) close(p *pool) {
	endless := time.AfterFunc(time.Hour, func() { panic(fmt.Sprintf("seed %d: Close does not return", r.seed)) })
	defer endless.Stop()
	if err := p.Close(); err != nil {
		r.problem("close: %v", err)
	}
}

// checkData compares what the application was told with what is there.
func (r *run) checkData() {
	stored := map[string]int{}
	for _, table := range []string{"writes", "keyed"} {
		for _, row := range r.cluster.Rows(table) {
			stored[row[0].(string)]++
		}
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
	for _, i := range r.everyone() {
		for _, s := range i.Statements() {
			if verb, _, _ := strings.Cut(s.SQL, " "); !strings.EqualFold(verb, "insert") || !s.Ran {
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
