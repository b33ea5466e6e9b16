package lab_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/lab"
)

var seeds = flag.Uint64("seeds", 10, "how many random histories TestNoAcknowledgedWriteIsLost goes through")

// history is what happened in one simulation: the same for the same seed.
type history struct {
	lines []string
	acked map[string]int // key: how often it was acknowledged
}

func (h *history) add(format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf("%v ", time.Now().UnixNano())+fmt.Sprintf(format, args...))
}

// simulate lets four workers write for two virtual minutes while instances crash, vanish and are promoted.
func simulate(t *testing.T, e engine, seed uint64) (h history) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cluster := start(t, lab.Options{Flavor: e.flavor, Network: lab.Memory, Latency: 700 * time.Microsecond})
		db := open(t, cluster, cluster.Endpoint())
		exec(t, db, "create table t (name varchar(20) primary key)")
		db.Close()

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		h.acked = map[string]int{}
		events := make(chan string) // all lines pass one goroutine, in the order of their instants
		recorded := make(chan struct{})
		go func() {
			defer close(recorded)
			for event := range events {
				h.add("%s", event)
			}
		}()
		ended := make(chan struct{})
		go func() { chaos(ctx, cluster, rand.New(rand.NewPCG(seed, 0)), events); ended <- struct{}{} }()
		acked := make(chan string, 1)
		go func() {
			for key := range acked {
				h.acked[key]++
			}
			ended <- struct{}{}
		}()
		for n := range 4 {
			go func() {
				db := open(t, cluster, cluster.Endpoint(), e.connectTimeout)
				work(ctx, e, db, n, rand.New(rand.NewPCG(seed, uint64(n)+1)), events, acked)
				ended <- struct{}{}
			}()
		}
		for range 5 {
			<-ended
		}
		close(acked)
		<-ended
		close(events)
		<-recorded

		committed := map[string]bool{}
		for _, row := range cluster.Rows("t") {
			committed[row[0].(string)] = true
		}
		for key := range h.acked {
			if !committed[key] {
				t.Errorf("seed %d: the acknowledged write %s is lost", seed, key)
			}
		}
		deliveries := map[string]int{}
		for _, i := range cluster.Instances() {
			for _, s := range i.Statements() {
				line := fmt.Sprintf("%s received %s %v, writer %t", i.ID(), s.SQL, s.Args, s.Writer)
				h.lines = append(h.lines, fmt.Sprintf("%v %s", s.At.UnixNano(), line))
				if len(s.Args) == 1 {
					deliveries[s.Args[0].(string)]++
				}
			}
		}
		for key, n := range deliveries {
			if n > 1 {
				t.Errorf("seed %d: the insert of %s was delivered %d times", seed, key, n)
			}
		}
		if len(deliveries) < len(h.acked) {
			t.Errorf("seed %d: %d acknowledged inserts, %d received", seed, len(h.acked), len(deliveries))
		}
	})
	return h
}

// chaos lets faults befall the writer, promotes somebody, and mends everything again.
func chaos(ctx context.Context, cluster *lab.Cluster, random *rand.Rand, events chan<- string) {
	pause := func(most time.Duration) {
		timer := time.NewTimer(time.Duration(random.Int64N(int64(most))))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		pause(20 * time.Second)
		old, to := cluster.Writer(), cluster.Instances()[random.IntN(3)]
		fault := []func(){old.Crash, old.Freeze, old.Shutdown, old.ResetConnections,
			func() { old.Vanish(lab.LosingRequests) }, func() { old.Vanish(lab.LosingAnswers) },
		}[random.IntN(6)]
		events <- "fault on " + old.ID()
		fault()
		pause(10 * time.Second)
		events <- "promote " + to.ID()
		err := cluster.Promote(to.ID(), lab.PromoteOptions{
			DNSLag: time.Duration(random.Int64N(int64(10 * time.Second))), DropSessions: random.IntN(2) == 0,
		})
		if err != nil {
			events <- err.Error()
		}
		pause(10 * time.Second)
		if random.IntN(2) == 0 {
			old.Heal()
			pause(time.Second)
		}
		old.Restart()
	}
	for _, i := range cluster.Instances() {
		i.Restart()
	}
}

// work writes keys of its own, each once.
func work(ctx context.Context, e engine, db *sql.DB, worker int, random *rand.Rand, events, acked chan<- string) {
	for n := 0; ctx.Err() == nil; n++ {
		time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second))))
		key := fmt.Sprintf("%d-%d", worker, n)
		call, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := write(call, e, db, key)
		cancel()
		if ctx.Err() != nil {
			return // all workers are interrupted at the same instant
		}
		events <- fmt.Sprintf("worker %d: %s %v", worker, key, err)
		if err == nil {
			acked <- key
		}
	}
}

func write(ctx context.Context, e engine, db *sql.DB, key string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, e.insert, key); err != nil {
		_ = tx.Rollback() // err says more
		return err
	}
	return tx.Commit()
}

func TestNoAcknowledgedWriteIsLost(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		acked := 0
		for seed := range *seeds {
			acked += len(simulate(t, e, seed).acked)
		}
		if acked < int(*seeds)*50 {
			t.Errorf("only %d writes were acknowledged: the simulation does not test much", acked)
		}
	})
}

func TestASeedRepeatsItsHistory(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for seed := range uint64(2) {
			want := simulate(t, e, seed).lines
			for range 4 {
				wantEqual(t, fmt.Sprintf("history of seed %d", seed), simulate(t, e, seed).lines, want)
			}
		}
	})
}
