package realmaria

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

// A writer is a journal in a table of the cluster's.
type writer struct{ *servertest.Journal }

// An inserter is one of its sessions.
type inserter struct{ *session }

func (i inserter) Insert(ctx context.Context, id int64) error {
	_, err := i.ExecContext(ctx, "insert into journal values (?)", id)
	return err
}

func (i inserter) Close() { i.hangUp() }

// startWriter makes the table and starts the given number of sessions.
func startWriter(t *testing.T, c *Cluster, sessions int) writer {
	t.Helper()
	mustExec(t, mustOpen(t, c, c.Addr(c.Primary())), "create table journal (id bigint primary key)")
	return writer{servertest.StartJournal(t, c, sessions, func(ctx context.Context, instance string) (servertest.Inserter, error) {
		s, err := open(ctx, c, c.Addr(instance))
		return inserter{s}, err
	})}
}

// check fails the test for every acknowledged write that the primary does not have.
func (w writer) check(t *testing.T, c *Cluster) {
	t.Helper()
	rows, err := c.Rows(t.Context(), "journal")
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		ids[i] = row[0].(int64)
	}
	w.Check(t, ids)
}

// checkEqual fails the test unless all instances have the same journal in the end: an insert that was given up may be
// committed yet.
func (w writer) checkEqual(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	err := realserver.Poll(ctx, func() (bool, error) {
		got = nil
		for _, name := range c.Names() {
			rows, err := c.Query(ctx, name, "select count(*), sum(id) from app.journal")
			if err != nil {
				return false, err
			}
			got = append(got, fmt.Sprint(rows[0]...))
		}
		return len(slices.Compact(slices.Clone(got))) == 1, nil
	})
	if err != nil {
		t.Errorf("the instances have different journals, count and sum: %v, %v", got, err)
	}
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
		servertest.Timed(t, "promote", func() error { return c.Promote(t.Context(), wanted) })
		if got := c.Primary(); got == former || wanted != "" && got != wanted {
			t.Fatalf("promoted %s, wanted %q and not %s", got, wanted, former)
		}
		w.AwaitProgress(t, 20)
		servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
		eventually(t, c, former, "select group_concat(server_id) from awsdb.replica_host_status where session_id = 'MASTER_SESSION_ID'", c.Primary())
	}
	w.AwaitProgress(t, 20)
	w.End()
	w.check(t, c)
	w.checkEqual(t, c)
}

// TestFencing continues a hung primary after its replacement was promoted.
func TestFencing(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	w.AwaitProgress(t, 50)
	former := c.Primary()
	before := mustOpen(t, c, c.Addr(former)) // a session from before the fault
	mustExec(t, before, "begin")
	mustExec(t, before, "insert into journal values (-1)")
	servertest.Timed(t, "stop", func() error { return c.Stop(former) })
	silence, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if s, err := open(silence, c, c.Addr(former)); err == nil {
		s.hangUp()
		t.Error("a stopped server accepted a login")
	}
	servertest.Timed(t, "promote", func() error { return c.Promote(t.Context(), "") })
	w.AwaitProgress(t, 50)
	servertest.Timed(t, "continue", func() error { return c.Continue(former) })

	// The former primary answers reads, and believes to be a writer.
	fresh := mustOpen(t, c, c.Addr(former))
	if got := one(t.Context(), fresh, "select @@global.read_only"); got != "0" {
		t.Errorf("the former primary: read_only %s", got)
	}
	// Neither the open transaction nor a new one is ever acknowledged, and nobody sees what they wrote.
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var commits sync.WaitGroup
	commits.Go(func() {
		if _, err := before.ExecContext(limited, "commit"); err == nil {
			t.Error("a transaction from before the fault was committed by the former primary")
		}
	})
	commits.Go(func() {
		if _, err := fresh.ExecContext(limited, "insert into journal values (-2)"); err == nil {
			t.Error("a new write was acknowledged by the former primary")
		}
	})
	eventually(t, c, former, "select count(*) > 0 from information_schema.processlist where state like '%semi-sync ACK%'", "1")
	eventually(t, c, former, "select count(*) from journal where id < 0", "0")
	commits.Wait()
	w.End()
	w.check(t, c)
	eventually(t, c, c.Primary(), "select count(*) from journal where id < 0", "0")

	servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), former) })
	eventually(t, c, former, "select count(*) from journal where id < 0", "0")
	eventually(t, c, former, "select @@global.read_only", "1")
	w.checkEqual(t, c)
}

// TestShutdownOfFenced ends a replaced primary in order, which commits what was waiting: its data have to be thrown away.
func TestShutdownOfFenced(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	w := startWriter(t, c, 2)
	w.AwaitProgress(t, 20)
	former := c.Primary()
	if err := errors.Join(c.Stop(former), c.Promote(t.Context(), ""), c.Continue(former)); err != nil {
		t.Fatal(err)
	}
	fresh := mustOpen(t, c, c.Addr(former))
	var commit sync.WaitGroup
	commit.Go(func() {
		if _, err := fresh.ExecContext(context.WithoutCancel(t.Context()), "insert into journal values (-1)"); err == nil {
			t.Error("the former primary acknowledged a write when it was shut down")
		}
	})
	eventually(t, c, former, "select count(*) > 0 from information_schema.processlist where state like '%semi-sync ACK%'", "1")
	servertest.Timed(t, "shutdown", func() error { return c.Shutdown(former) })
	commit.Wait()
	servertest.Timed(t, "rejoin by a copy", func() error { return c.Rejoin(t.Context(), former) })
	w.AwaitProgress(t, 20)
	w.End()
	w.check(t, c)
	eventually(t, c, former, "select count(*) from journal where id < 0", "0")
	w.checkEqual(t, c)
	// The copy is as good as an original.
	if err := c.Promote(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	w.check(t, c)
	mustExec(t, mustOpen(t, c, c.Addr(former)), "insert into journal values (-2)")
	w.checkEqual(t, c)
}

// TestLivePrimary promotes while the former primary is alive and writing.
func TestLivePrimary(t *testing.T) {
	c := startCluster(t, Options{})
	w := startWriter(t, c, 4)
	for _, to := range []string{"instance-3", "instance-2", ""} {
		w.AwaitProgress(t, 50)
		former := c.Primary()
		held := mustOpen(t, c, c.Addr(former))
		open := mustOpen(t, c, c.Addr(former))
		mustExec(t, open, "begin")
		mustExec(t, open, "insert into journal values (-1)")
		begin := time.Now()
		servertest.Timed(t, "promote", func() error { return c.Promote(t.Context(), to) })
		if at := c.PromotedAt(); at.Before(begin) || at.After(time.Now()) {
			t.Errorf("promoted at %s, not after %s", at, begin)
		}
		if got := c.Primary(); got == former || to != "" && got != to {
			t.Errorf("primary is %s after a promotion from %s to %q", got, former, to)
		}
		if _, err := held.ExecContext(t.Context(), "insert into journal values (-2)"); number(err) != 1290 {
			t.Errorf("a write in a session of the former primary: %v, want error 1290", err)
		}
		if _, err := open.ExecContext(t.Context(), "commit"); number(err) != 1290 {
			t.Errorf("a commit of a session of the former primary: %v, want error 1290", err)
		}
		w.AwaitProgress(t, 20)
		if err := c.Rejoin(t.Context(), former); err != nil {
			t.Errorf("rejoin of one that is in its place: %v", err)
		}
	}
	w.End()
	w.check(t, c)
	w.checkEqual(t, c)
	if err := c.Promote(t.Context(), c.Primary()); err == nil {
		t.Error("promoting the primary itself is no error")
	}
}

// TestBusyPrimary promotes while a client holds a lock that a change to read-only has to wait for.
func TestBusyPrimary(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	w := startWriter(t, c, 1)
	w.AwaitProgress(t, 20)
	former := c.Primary()
	holder := mustOpen(t, c, c.Addr(former))
	mustExec(t, holder, "create table other (id int)")
	mustExec(t, holder, "lock tables other write")
	servertest.Timed(t, "promote", func() error { return c.Promote(t.Context(), "") })
	if _, err := mustOpen(t, c, c.Addr(former)).ExecContext(t.Context(), "insert into other values (1)"); number(err) != 1290 {
		t.Errorf("a write on the former primary: %v, want error 1290", err)
	}
	w.AwaitProgress(t, 20)
	w.End()
	w.check(t, c)
	w.checkEqual(t, c)
}

// TestReadersLost takes away all readers: the primary must go on, as it would on shared storage, and nothing may be lost
// when they come back and it is killed.
func TestReadersLost(t *testing.T) {
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
		t.Error("a stopped reader was promoted")
	}
	if err := c.Rejoin(t.Context(), "b"); err == nil {
		t.Error("a stopped reader rejoined")
	}
	servertest.Timed(t, "continue", func() error { return c.Continue("b") })
	servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), "c") })
	w.AwaitProgress(t, 20)
	if err := c.Kill("a"); err != nil {
		t.Fatal(err)
	}
	servertest.Timed(t, "promote", func() error { return c.Promote(t.Context(), "c") })
	w.AwaitProgress(t, 20)
	w.End()
	w.check(t, c)
}

// overflow writes more than the buffers of a connection hold: a stopped reader finds those full when it is continued, but not
// what was written afterwards.
func overflow(t *testing.T, c *Cluster) error {
	return c.Exec(t.Context(), c.Primary(), "create table bulk as select md5(seq) as text, repeat('x', 100) as filler from seq_1_to_200000")
}

// TestRescue promotes a reader that lacks acknowledged commits; the lost primary has them on disk.
func TestRescue(t *testing.T) {
	cases := []struct {
		name  string
		nodes []string
		lost  string // the reader that misses something
	}{
		{"from a primary without readers", []string{"a", "b"}, "b"},
		{"from a primary whose readers were lost later", []string{"a", "b", "c"}, "c"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := startCluster(t, Options{Names: test.nodes})
			w := startWriter(t, c, 2)
			w.AwaitProgress(t, 20)
			if err := errors.Join(c.Stop(test.lost), overflow(t, c)); err != nil {
				t.Fatal(err)
			}
			w.AwaitProgress(t, 100)
			if err := c.Stop("a"); err != nil {
				t.Fatal(err)
			}
			if test.lost != "b" {
				if err := c.Stop("b"); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Continue(test.lost); err != nil {
				t.Fatal(err)
			}
			if err := c.Promote(t.Context(), test.lost); !errors.Is(err, ErrUnsafe) {
				t.Fatalf("promoting while somebody who is stopped may know more: %v, want ErrUnsafe", err)
			}
			if err := c.Kill("a"); err != nil {
				t.Fatal(err)
			}
			servertest.Timed(t, "promote", func() error { return c.Promote(t.Context(), test.lost) })
			w.AwaitProgress(t, 20)
			for _, name := range test.nodes {
				if name != test.lost && name != "a" {
					servertest.Timed(t, "continue", func() error { return c.Continue(name) })
				}
			}
			servertest.Timed(t, "rejoin", func() error { return c.Rejoin(t.Context(), "a") })
			w.AwaitProgress(t, 20)
			w.End()
			w.check(t, c)
			w.checkEqual(t, c)
		})
	}
}

// TestRestart brings the primary back in its place, without a promotion.
func TestRestart(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	w := startWriter(t, c, 2)
	primary := c.Primary()
	for _, fault := range []func(string) error{c.Kill, c.Shutdown} {
		w.AwaitProgress(t, 20)
		idle := mustOpen(t, c, c.Addr(primary))
		if err := fault(primary); err != nil {
			t.Fatal(err)
		}
		if err := idle.PingContext(t.Context()); err == nil {
			t.Error("a session survived its server")
		}
		eventually(t, c, "instance-2", "select min(last_update_timestamp) < now(6) - interval 100000 microsecond from awsdb.replica_host_status", "1")
		servertest.Timed(t, "restart", func() error { return c.Rejoin(t.Context(), primary) })
		eventually(t, c, "instance-2", "select min(last_update_timestamp) < now(6) - interval 100000 microsecond from awsdb.replica_host_status", "0")
	}
	w.AwaitProgress(t, 20)
	if got := c.Primary(); got != primary {
		t.Errorf("primary is %s, was %s", got, primary)
	}
	w.End()
	w.check(t, c)
	w.checkEqual(t, c)
}

// TestPromoteGivesUp: a caller's context ends a promotion that has not begun, and the readers keep following.
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
	w.checkEqual(t, c)
}
