package realpg

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

// A writer is a journal in a table of the cluster's.
type writer struct{ *servertest.Journal }

// An inserter is one of its sessions.
type inserter struct{ *pgx.Conn }

func (i inserter) Insert(ctx context.Context, id int64) error {
	_, err := i.Exec(ctx, "insert into journal values ($1)", id)
	return err
}

func (i inserter) Close() { hangUp(i.Conn) }

// startWriter makes the table and starts the given number of sessions.
func startWriter(t *testing.T, c *Cluster, sessions int) writer {
	t.Helper()
	mustExec(t, mustDial(t, c, c.Primary()), "create table journal (id bigint primary key)")
	return writer{servertest.StartJournal(t, c, sessions, func(ctx context.Context, instance string) (servertest.Inserter, error) {
		connection, err := dial(ctx, c, instance)
		return inserter{connection}, err
	})}
}

// check fails the test for every acknowledged write that the primary does not have.
func (w writer) check(t *testing.T, c *Cluster) {
	t.Helper()
	rows, err := mustDial(t, c, c.Primary()).Query(t.Context(), "select id from journal")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	w.Check(t, ids)
}

func TestKillPromoteRejoin(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for round := range 5 {
		w.AwaitProgress(t, 50)
		former := c.Primary()
		wanted := "" // the most advanced one, and in odd rounds the one that is not the next in order
		if round%2 == 1 {
			wanted = c.Names()[(round+2)%3]
			if wanted == former {
				wanted = c.Names()[round%3]
			}
		}
		servertest.Timed(t, "kill", func() error { return c.Kill(former) })
		servertest.Timed(t, "promote to first write", func() error { return c.Promote(t.Context(), wanted) })
		if got := c.Primary(); got == former || wanted != "" && got != wanted {
			t.Fatalf("promoted %s, wanted %q and not %s", got, wanted, former)
		}
		w.AwaitProgress(t, 20)
		servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
		eventually(t, c, former, "select string_agg(server_id, ' ') from aurora_replica_status() where session_id = 'MASTER_SESSION_ID'", c.Primary())
	}
	w.AwaitProgress(t, 20)
	w.End()
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
	w.AwaitProgress(t, 50)
	former := c.Primary()
	open := mustDial(t, c, former) // a session from before the fault
	tx, err := open.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "insert into journal values (-1)"); err != nil {
		t.Fatal(err)
	}
	servertest.Timed(t, "stop", func() error { return c.Stop(former) })
	silence, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if connection, err := dial(silence, c, former); err == nil {
		hangUp(connection)
		t.Error("a stopped server accepted a login")
	}
	servertest.Timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "") })
	w.AwaitProgress(t, 50)
	servertest.Timed(t, "continue", func() error { return c.Continue(former) })

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
	w.End()
	w.check(t, c)
	eventually(t, c, c.Primary(), "select count(*)::text from journal where id < 0", "0")

	servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
	eventually(t, c, former, "select count(*)::text from journal where id < 0", "0")
	eventually(t, c, former, "select pg_is_in_recovery()::text", "true")
}

// TestIsolatedPrimary promotes while the former primary is alive and writing, as after a partition.
func TestIsolatedPrimary(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for range 3 {
		w.AwaitProgress(t, 50)
		former := c.Primary()
		servertest.Timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "") })
		w.AwaitProgress(t, 20)
		servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
	}
	w.End()
	w.check(t, c)
}

func TestSwitchover(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for _, to := range []string{"instance-3", "instance-2", ""} {
		w.AwaitProgress(t, 50)
		former := c.Primary()
		idle := mustDial(t, c, former)
		servertest.Timed(t, "switchover", func() error { return c.Switchover(t.Context(), to) })
		if got := c.Primary(); got == former || to != "" && got != to {
			t.Errorf("primary is %s after a switchover from %s to %q", got, former, to)
		}
		if err := idle.Ping(t.Context()); sqlState(err) != "57P01" {
			t.Errorf("an idle session's next call: %v, want SQLSTATE 57P01", err)
		}
		eventually(t, c, former, "select pg_is_in_recovery()::text", "true")
	}
	w.AwaitProgress(t, 50)
	w.End()
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
		w.AwaitProgress(t, 20)
		if err := fault(name); err != nil {
			t.Fatal(err)
		}
	}
	w.AwaitProgress(t, 50)
	if err := c.Promote(t.Context(), "b"); err == nil {
		t.Error("a stopped standby was promoted")
	}
	if err := c.Rejoin(t.Context(), "b"); err == nil {
		t.Error("a stopped standby rejoined")
	}
	servertest.Timed(t, "continue", func() error { return c.Continue("b") })
	servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), "c") })
	w.AwaitProgress(t, 20)
	if err := c.Kill("a"); err != nil {
		t.Fatal(err)
	}
	servertest.Timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "c") })
	w.AwaitProgress(t, 20)
	w.End()
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
		w.AwaitProgress(t, 20)
		for _, step := range []func() error{
			func() error { return c.Stop("c") }, // from now on b alone acknowledges
			func() error { return overflow(t, c) },
			func() error { w.AwaitProgress(t, 100); return nil },
			func() error { return c.Stop("a") },
			func() error { return c.Stop("b") },
			func() error { return c.Continue("c") },
			func() error { return c.Promote(t.Context(), "c") },
			func() error { w.AwaitProgress(t, 20); return nil },
			func() error { return c.Continue("b") }, // it still follows a
			func() error { return c.Continue("a") },
			func() error { w.AwaitProgress(t, 20); return nil },
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
		w.End()
		w.check(t, c)
		eventually(t, c, "b", "select pg_is_in_recovery()::text", "true")
	})
	t.Run("from a primary without standbys", func(t *testing.T) {
		c := startCluster(t, Options{Names: []string{"a", "b"}})
		w := startWriter(t, c, 2)
		w.AwaitProgress(t, 20)
		if err := c.Stop("b"); err != nil {
			t.Fatal(err)
		}
		if err := overflow(t, c); err != nil {
			t.Fatal(err)
		}
		w.AwaitProgress(t, 100)
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
		servertest.Timed(t, "promote to first write", func() error { return c.Promote(t.Context(), "b") })
		w.AwaitProgress(t, 20)
		w.End()
		w.check(t, c)
	})
}

// TestRestart brings the primary back in its place, without a promotion.
func TestRestart(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	w := startWriter(t, c, 2)
	primary := c.Primary()
	for _, fault := range []func(string) error{c.Kill, c.Shutdown} {
		w.AwaitProgress(t, 20)
		idle := mustDial(t, c, primary)
		if err := fault(primary); err != nil {
			t.Fatal(err)
		}
		if err := idle.Ping(t.Context()); err == nil {
			t.Error("a session survived its server")
		}
		eventually(t, c, "instance-2", "select (min(last_update_timestamp) < now() - interval '100 ms')::text from aurora_replica_status()", "true")
		servertest.Timed(t, "restart", func() error { return c.Rejoin(t.Context(), primary) })
	}
	w.AwaitProgress(t, 20)
	if got := c.Primary(); got != primary {
		t.Errorf("primary is %s, was %s", got, primary)
	}
	w.End()
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
	w.AwaitProgress(t, 20)
	w.End()
}
