package real

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/attempt"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
)

var (
	failovers = flag.Int("failovers", 20, "how many failovers TestFailovers makes")
	seed      = flag.Uint64("seed", 1, "seed of TestFailovers")
)

// fault is a way to lose a writer.
type fault struct {
	name    string
	orderly bool // it is a shutdown
	strike  func(*lab.Instance)
	recover func(t *testing.T, s *scenario, old *lab.Instance)
}

// faults are taken in turn. The first finds the topology monitor at its calm pace, the others soon after a failover.
var faults = []fault{
	{"SIGSTOP", false, (*lab.Instance).Freeze, continued},
	{"SIGKILL", false, (*lab.Instance).Crash, restarted},
	{"switchover", true, (*lab.Instance).Shutdown, restarted},
}

func restarted(_ *testing.T, _ *scenario, old *lab.Instance) { old.Restart() }

// continued lets a stopped writer run on after its replacement, which it does not know of, and then makes it a reader.
func continued(t *testing.T, s *scenario, old *lab.Instance) {
	old.Heal()
	conn := bare(t, s.cluster, old.Host())
	defer conn.Close() //nolint:errcheck // its server is about to be replaced
	s.forbidden++
	id := fmt.Sprintf("forbidden-%d", s.forbidden)
	err := bounded(500*time.Millisecond, func(ctx context.Context) error {
		_, err := conn.ExecContext(ctx, s.insert, id, attempt.Prefix+id)
		return err
	})
	if err == nil {
		t.Errorf("%s, which was replaced while it was stopped, accepts a write", old.ID())
	}
	s.awaitAll(t, 3)
	old.Restart()
}

// scenario is an application at work on a cluster.
type scenario struct {
	*journal
	cluster   *cluster
	insert    string
	workers   []*worker
	random    *rand.Rand
	forbidden int            // writes that a replaced writer was asked for
	unlogged  map[string]int // by server: at most so many statements may be missing in its log
}

const workers = 6

func newScenario(t *testing.T, c *cluster, db *frontend.Handle) *scenario {
	w := &sqlWriter{db: db.DB, insert: c.sql.Bind(insertWrite(c.sql))}
	createTable(t, db.DB)
	var err error
	if w.prepared, err = db.Prepare(w.insert); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.prepared.Close() })
	return scenarioOf(c, w.application())
}

func createTable(t *testing.T, db *sql.DB) {
	t.Helper()
	mustExec(t, db, createWrites)
	mustExec(t, db, indexWrites)
}

func scenarioOf(c *cluster, a application) *scenario {
	s := &scenario{journal: newJournal(), cluster: c, insert: c.sql.Bind(insertWrite(c.sql)), random: rand.New(rand.NewPCG(*seed, 0)), unlogged: map[string]int{}}
	for n := range workers {
		s.workers = append(s.workers, &worker{
			journal: s.journal, application: a, number: n, lookUp: c.sql.Bind(lookUpWrite),
			settled: c.sql.Bind(lookUpWrite + c.sql.Settled), random: rand.New(rand.NewPCG(*seed, uint64(n)+1)),
		})
	}
	return s
}

// start lets the workers work until the returned function is called.
func (s *scenario) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, w := range s.workers {
		group.Go(func() { w.work(ctx) })
	}
	return func() { cancel(); group.Wait() }
}

// awaitAll waits until every worker has completed so many more writes.
func (s *scenario) awaitAll(t *testing.T, writes int) {
	t.Helper()
	for _, w := range s.workers {
		goal := s.progressOf(w.number) + writes
		eventually(t, fmt.Sprintf("worker %d has not written", w.number), func() bool { return s.progressOf(w.number) >= goal })
	}
}

// accepts tells when an instance has become the writer.
func (s *scenario) accepts(t *testing.T, i *lab.Instance) <-chan time.Time {
	conn := bare(t, s.cluster, i.Host())
	accepted := make(chan time.Time, 1)
	go func() {
		defer close(accepted)
		defer conn.Close() //nolint:errcheck // its server may be dead
		for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
			reader := true
			err := bounded(callLimit, func(ctx context.Context) error {
				return conn.QueryRowContext(ctx, s.cluster.sql.Reader).Scan(&reader)
			})
			if err != nil {
				return
			}
			if !reader {
				accepted <- time.Now()
				return
			}
		}
	}()
	return accepted
}

// failover makes one failover and waits until everybody works again. It returns the time from the new writer's first
// to the application's first write.
func (s *scenario) failover(t *testing.T, f fault) time.Duration {
	old, readers := s.cluster.Writer(), s.cluster.Readers()
	next := readers[s.random.IntN(len(readers))]
	delay := 200*time.Millisecond + time.Duration(s.random.Int64N(int64(2800*time.Millisecond)))
	accepted := s.accepts(t, next)
	began := time.Now()
	f.strike(old)
	if f.orderly && s.cluster.front == frontend.MySQL {
		s.unlogged[old.ID()] += workers // MariaDB does not log what it executes while it shuts down
	}
	time.Sleep(delay - min(delay, time.Since(began)))
	promote(t, s.cluster, next.ID(), lab.PromoteOptions{DNSLag: time.Duration(s.random.Int64N(int64(5 * time.Second)))})
	since, ok := <-accepted
	if !ok {
		t.Fatalf("%s was promoted and does not accept writes", next.ID())
	}
	s.awaitAll(t, 3)
	recovered := time.Now()
	first := s.firstAck(since).Sub(since)
	f.recover(t, s, old)
	if err := s.cluster.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%-10s of %s, %s promoted after %4d ms, takes writes at %4d ms: first write +%d ms, all workers +%d ms, old one back at %d ms",
		f.name, old.ID(), next.ID(), delay.Milliseconds(), since.Sub(began).Milliseconds(), first.Milliseconds(),
		recovered.Sub(since).Milliseconds(), time.Since(began).Milliseconds())
	return first
}

// TestFailovers puts an application through failovers of every kind: nothing it was told about its writes may be wrong.
func TestFailovers(t *testing.T) {
	eachEngine(t, func(t *testing.T, f frontend.Frontend) { failoversAtWork(t, start(t, f, lab.Options{})) })
}

func failoversAtWork(t *testing.T, c *cluster) {
	db := open(t, c, c.Endpoint())
	db.SetMaxIdleConns(workers)
	s := newScenario(t, c, db)
	s.run(t, *failovers)
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	noSessionLeft(t, c)
	s.verify(t, *failovers*workers)
}

// run makes so many failovers, of each kind in turn, while the application works.
func (s *scenario) run(t *testing.T, failovers int) {
	stopped := sync.OnceFunc(s.start())
	defer stopped()
	s.awaitAll(t, 5)
	times := map[string][]time.Duration{}
	for n := range failovers {
		f := faults[n%len(faults)]
		times[f.name] = append(times[f.name], s.failover(t, f))
	}
	stopped()
	for _, name := range slices.Sorted(maps.Keys(times)) {
		slices.Sort(times[name])
		t.Logf("%s: first write after the new writer's: median %d ms, worst %d ms", name,
			times[name][len(times[name])/2].Milliseconds(), times[name][len(times[name])-1].Milliseconds())
	}
	s.report(t)
}

func (s *scenario) report(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d writes acknowledged, %d found after an unknown outcome, %d attempts without effect", len(s.acked), len(s.found), len(s.denied))
	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		t.Logf("%5d times %s", s.kinds[kind], kind)
	}
}

// noSessionLeft demands that no server has a session of the application.
func noSessionLeft(t *testing.T, c *cluster) {
	t.Helper()
	for _, i := range c.Instances() {
		conn := bare(t, c, i.Host())
		eventually(t, "a closed pool has sessions on "+i.ID(), func() bool { return scalar[int](t, conn, c.sql.OtherSessions) == 0 })
	}
}

// verify compares what the application was told with what the servers have and what they received. Fewer
// acknowledged writes than enough prove nothing.
func (s *scenario) verify(t *testing.T, enough int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.problems {
		t.Error(p)
	}
	stored, hosts := map[string]int{}, map[string]string{}
	for _, row := range s.cluster.Rows("writes") {
		id, tag, host := row[0].(string), row[1].(string), row[2].(string)
		stored[id]++
		if hosts[tag] != "" {
			t.Errorf("%s is stored twice", tag)
		}
		hosts[tag] = host
		if base := strings.Split(tag, "-"); s.denied[strings.Join(base[:min(4, len(base))], "-")] {
			t.Errorf("%s is stored although it was said to have had no effect", tag)
		}
		if strings.HasPrefix(id, "forbidden") {
			t.Errorf("%s was asked of a replaced writer and is stored", id)
		}
	}
	for _, ids := range []map[string]bool{s.acked, s.found} {
		for id := range ids {
			if stored[id] != 1 {
				t.Errorf("%s is stored %d times", id, stored[id])
			}
		}
	}
	for id, n := range stored {
		if n != 1 {
			t.Errorf("%s is stored %d times", id, n)
		}
	}
	if len(s.acked) < enough {
		t.Errorf("only %d writes were acknowledged: this proves nothing", len(s.acked))
	}
	s.verifyDeliveries(t, hosts)
}

// verifyDeliveries looks at what each server received: no attempt twice, and none that is stored by somebody who was
// not the writer then.
func (s *scenario) verifyDeliveries(t *testing.T, hosts map[string]string) {
	delivered := map[string]int{}
	for _, i := range s.cluster.Instances() {
		for _, statement := range i.Statements() {
			tag := attempt.Of(statement)
			if tag == "" {
				continue
			}
			delivered[tag]++
			switch host, stored := hosts[tag]; {
			case stored && host != i.ID():
				t.Errorf("%s is stored by %s, but %s received it", tag, host, i.ID())
			case stored && !statement.Writer:
				t.Errorf("%s accepted %s at %v, when it was not the writer", i.ID(), tag, statement.At)
			}
		}
	}
	for tag, n := range delivered {
		if n > 1 {
			t.Errorf("%s was delivered %d times", tag, n)
		}
	}
	for tag, host := range hosts {
		if delivered[tag] > 0 {
			continue
		}
		if s.unlogged[host]--; s.unlogged[host] < 0 {
			t.Errorf("%s is stored by %s, but no server has received it", tag, host)
		}
	}
	t.Logf("%d attempts delivered, %d stored", len(delivered), len(hosts))
}
