package realpg

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// A writer inserts numbers through whoever is the primary and remembers those that were acknowledged.
type writer struct {
	mu           sync.Mutex
	acknowledged []int64
	next         atomic.Int64
	stop         context.CancelFunc
	done         sync.WaitGroup
}

// startWriter makes the table and starts the given number of sessions.
func startWriter(t *testing.T, c *Cluster, sessions int) *writer {
	t.Helper()
	mustExec(t, mustDial(t, c, c.Primary()), "create table journal (id bigint primary key)")
	ctx, stop := context.WithCancel(t.Context())
	w := &writer{stop: stop}
	for range sessions {
		w.done.Go(func() {
			for ctx.Err() == nil {
				w.session(ctx, c)
			}
		})
	}
	t.Cleanup(w.end)
	return w
}

// session writes through one connection until that fails.
func (w *writer) session(ctx context.Context, c *Cluster) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	name := c.Primary()
	connection, err := dial(ctx, c, name)
	if err != nil {
		_ = realserver.Pause(ctx, 5*time.Millisecond)
		return
	}
	defer hangUp(connection)
	// A session to a replaced primary that hangs is left as soon as there is another primary.
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		_ = realserver.Poll(ctx, func() (bool, error) { return c.Primary() != name, nil })
		cancel()
	})
	for {
		id := w.next.Add(1)
		if _, err := connection.Exec(ctx, "insert into journal values ($1)", id); err != nil {
			return
		}
		w.mu.Lock()
		w.acknowledged = append(w.acknowledged, id)
		w.mu.Unlock()
		_ = realserver.Pause(ctx, time.Millisecond) // the control plane needs the processor too
	}
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acknowledged)
}

// awaitProgress waits until more writes have been acknowledged.
func (w *writer) awaitProgress(t *testing.T, more int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	goal := w.count() + more
	if err := realserver.Poll(ctx, func() (bool, error) { return w.count() >= goal, nil }); err != nil {
		t.Fatalf("%d writes acknowledged, %d wanted: %v", w.count(), goal, err)
	}
}

func (w *writer) end() {
	w.stop()
	w.done.Wait()
}

// check fails the test for every acknowledged write that the primary does not have.
func (w *writer) check(t *testing.T, c *Cluster) {
	t.Helper()
	rows, err := mustDial(t, c, c.Primary()).Query(t.Context(), "select id from journal")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	present := make(map[int64]bool, len(ids))
	for _, id := range ids {
		present[id] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := 0
	for _, id := range w.acknowledged {
		if !present[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged writes are lost on %s", lost, len(w.acknowledged), c.Primary())
	}
	t.Logf("%d writes acknowledged, %d present", len(w.acknowledged), len(ids))
}

// timed runs step and logs how long it took.
func timed(t *testing.T, name string, step func() error) {
	t.Helper()
	begin := time.Now()
	if err := step(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	t.Logf("%s: %d ms", name, time.Since(begin).Milliseconds())
}

func TestKillPromoteRejoin(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for round := range 5 {
		w.awaitProgress(t, 50)
		former := c.Primary()
		wanted := "" // the most advanced one, and in odd rounds the one that is not the next in order
		if round%2 == 1 {
			wanted = c.Names()[(round+2)%3]
			if wanted == former {
				wanted = c.Names()[round%3]
			}
		}
		timed(t, "kill", func() error { return c.Kill(former) })
		timed(t, "promote to first write", func() error { return c.Promote(t.Context(), wanted) })
		if got := c.Primary(); got == former || wanted != "" && got != wanted {
			t.Fatalf("promoted %s, wanted %q and not %s", got, wanted, former)
		}
		w.awaitProgress(t, 20)
		timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
		eventually(t, c, former, "select string_agg(server_id, ' ') from aurora_replica_status() where session_id = 'MASTER_SESSION_ID'", c.Primary())
	}
	w.awaitProgress(t, 20)
	w.end()
	w.check(t, c)
	for _, name := range c.Names() { // everybody has the same history in the end
		rows, err := c.Query(t.Context(), c.Primary(), "select count(*)::text from journal")
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, c, name, "select count(*)::text from journal", rows[0][0].(string))
	}
}

// TestFencing continues a hung primary after its replacement was promoted.
func TestFencing(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	w.awaitProgress(t, 50)
	former := c.Primary()
	open := mustDial(t, c, former) // a session from before the fault
	tx, err := open.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "insert into journal values (-1)"); err != nil {
		t.Fatal(err)
	}
	timed(t, "stop", func() error { return c.Stop(former) })
	silence, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if connection, err := dial(silence, c, former); err == nil {
		hangUp(connection)
		t.Error("a stopped server accepted a login")
	}
	timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "") })
	w.awaitProgress(t, 50)
	timed(t, "continue", func() error { return c.Continue(former) })

	// The former primary answers reads, and believes to be a writer.
	fresh := mustDial(t, c, former)
	var recovering bool
	if err := fresh.QueryRow(t.Context(), "select pg_is_in_recovery()").Scan(&recovering); err != nil || recovering {
		t.Errorf("the former primary: in recovery %t, error %v", recovering, err)
	}
	// Neither the open transaction nor a new one is ever acknowledged.
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var commits sync.WaitGroup
	commits.Go(func() {
		if err := tx.Commit(limited); err == nil {
			t.Error("a transaction from before the fault was committed by the former primary")
		}
	})
	commits.Go(func() {
		if _, err := fresh.Exec(limited, "insert into journal values (-2)"); err == nil {
			t.Error("a new write was acknowledged by the former primary")
		}
	})
	commits.Wait()
	w.end()
	w.check(t, c)
	eventually(t, c, c.Primary(), "select count(*)::text from journal where id < 0", "0")

	timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
	eventually(t, c, former, "select count(*)::text from journal where id < 0", "0")
	eventually(t, c, former, "select pg_is_in_recovery()::text", "true")
}

// TestIsolatedPrimary promotes while the former primary is alive and writing, as after a partition.
func TestIsolatedPrimary(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for range 3 {
		w.awaitProgress(t, 50)
		former := c.Primary()
		timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "") })
		w.awaitProgress(t, 20)
		timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
	}
	w.end()
	w.check(t, c)
}

func TestSwitchover(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for _, to := range []string{"instance-3", "instance-2", ""} {
		w.awaitProgress(t, 50)
		former := c.Primary()
		idle := mustDial(t, c, former)
		timed(t, "switchover", func() error { return c.Switchover(t.Context(), to) })
		if got := c.Primary(); got == former || to != "" && got != to {
			t.Errorf("primary is %s after a switchover from %s to %q", got, former, to)
		}
		if err := idle.Ping(t.Context()); sqlState(err) != "57P01" {
			t.Errorf("an idle session's next call: %v, want SQLSTATE 57P01", err)
		}
		eventually(t, c, former, "select pg_is_in_recovery()::text", "true")
	}
	w.awaitProgress(t, 50)
	w.end()
	w.check(t, c)
	if err := c.Switchover(t.Context(), c.Primary()); err == nil {
		t.Error("a switchover to the primary itself is no error")
	}
}

// TestStandbysLost takes away all standbys: the primary must go on, as it would on shared storage, and nothing may be lost
// when they come back and it is killed.
func TestStandbysLost(t *testing.T) {
	c := startCluster(t, Options{Names: []string{"a", "b", "c"}})
	w := startWriter(t, c, 2)
	for name, fault := range map[string]func(string) error{"b": c.Stop, "c": c.Kill} {
		w.awaitProgress(t, 20)
		if err := fault(name); err != nil {
			t.Fatal(err)
		}
	}
	w.awaitProgress(t, 50)
	if err := c.Promote(t.Context(), "b"); err == nil {
		t.Error("a stopped standby was promoted")
	}
	if err := c.Rejoin(t.Context(), "b"); err == nil {
		t.Error("a stopped standby rejoined")
	}
	timed(t, "continue", func() error { return c.Continue("b") })
	timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), "c") })
	w.awaitProgress(t, 20)
	if err := c.Kill("a"); err != nil {
		t.Fatal(err)
	}
	timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "c") })
	w.awaitProgress(t, 20)
	w.end()
	w.check(t, c)
}

// overflow writes more than the buffers of a connection hold: a stopped standby finds those full when it is continued, but not
// what was written afterwards.
func overflow(t *testing.T, c *Cluster) error {
	return c.Exec(t.Context(), c.Primary(), "create table bulk as select md5(i::text) from generate_series(1, 400000) as i")
}

// TestRescue promotes a standby that lacks acknowledged commits; a lost server has them on disk.
func TestRescue(t *testing.T) {
	t.Run("from the only standby that had them", func(t *testing.T) {
		c := startCluster(t, Options{Names: []string{"a", "b", "c"}})
		w := startWriter(t, c, 2)
		w.awaitProgress(t, 20)
		for _, step := range []func() error{
			func() error { return c.Stop("c") }, // from now on b alone acknowledges
			func() error { return overflow(t, c) },
			func() error { w.awaitProgress(t, 100); return nil },
			func() error { return c.Stop("a") },
			func() error { return c.Stop("b") },
			func() error { return c.Continue("c") },
			func() error { return c.Promote(t.Context(), "c") },
			func() error { w.awaitProgress(t, 20); return nil },
			func() error { return c.Continue("b") }, // it still follows a
			func() error { return c.Continue("a") },
			func() error { w.awaitProgress(t, 20); return nil },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := mustDial(t, c, "a").Exec(limited, "insert into journal values (-1)"); err == nil {
			t.Error("the former primary found a standby to acknowledge a write with")
		}
		w.end()
		w.check(t, c)
		eventually(t, c, "b", "select pg_is_in_recovery()::text", "true")
	})
	t.Run("from a primary without standbys", func(t *testing.T) {
		c := startCluster(t, Options{Names: []string{"a", "b"}})
		w := startWriter(t, c, 2)
		w.awaitProgress(t, 20)
		if err := c.Stop("b"); err != nil {
			t.Fatal(err)
		}
		if err := overflow(t, c); err != nil {
			t.Fatal(err)
		}
		w.awaitProgress(t, 100)
		if err := c.Stop("a"); err != nil {
			t.Fatal(err)
		}
		if err := c.Continue("b"); err != nil {
			t.Fatal(err)
		}
		if err := c.Promote(t.Context(), "b"); !errors.Is(err, ErrUnsafe) {
			t.Fatalf("promoting while the primary may go on alone: %v, want ErrUnsafe", err)
		}
		if err := c.Kill("a"); err != nil {
			t.Fatal(err)
		}
		timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "b") })
		w.awaitProgress(t, 20)
		w.end()
		w.check(t, c)
	})
}

// TestRestart brings the primary back in its place, without a promotion.
func TestRestart(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	w := startWriter(t, c, 2)
	primary := c.Primary()
	for _, fault := range []func(string) error{c.Kill, c.Shutdown} {
		w.awaitProgress(t, 20)
		idle := mustDial(t, c, primary)
		if err := fault(primary); err != nil {
			t.Fatal(err)
		}
		if err := idle.Ping(t.Context()); err == nil {
			t.Error("a session survived its server")
		}
		eventually(t, c, "instance-2", "select (min(last_update_timestamp) < now() - interval '100 ms')::text from aurora_replica_status()", "true")
		timed(t, "restart", func() error { return c.Rejoin(t.Context(), primary) })
	}
	w.awaitProgress(t, 20)
	if got := c.Primary(); got != primary {
		t.Errorf("primary is %s, was %s", got, primary)
	}
	w.end()
	w.check(t, c)
}

// TestPromoteGivesUp: a caller's context ends a promotion that has not begun, and the standbys keep following.
func TestPromoteGivesUp(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	w := startWriter(t, c, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Promote(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Promote: %v, want context.Canceled", err)
	}
	if got := c.Primary(); got != "instance-1" {
		t.Errorf("primary is %s", got)
	}
	w.awaitProgress(t, 20)
	w.end()
}
