package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// sessions are the backends that serve a pool's idle connections.
func (p *pool) sessions(t *testing.T, n int) map[int64]bool {
	t.Helper()
	pids := map[int64]bool{}
	for _, conn := range p.hold(t, n) {
		var pid int64
		if err := conn.QueryRowContext(t.Context(), p.lab.sql.SessionID).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
		_ = conn.Close()
	}
	return pids
}

// B51, B53, ask 1: the writer is demoted without a word, its sessions stay alive.
// One caller notices, or nobody. The idle connections to it leave the pool before
// anybody gets them; those to readers stay, and so do those to the new writer.
func TestB51_B53_IdleConnectionsOfADemotedWriter(t *testing.T) {
	for _, noticed := range []bool{true, false} {
		t.Run(fmt.Sprintf("noticed by a caller=%t", noticed), func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				writers := open(t, c, c.Endpoint(), "cluster_id=b51")
				mustExec(t, writers, "create table t (id bigint)")
				writers.fill(t, 10)
				two := open(t, c, c.Instance("mydb-2").Host(), "cluster_id=b51")
				two.fill(t, 4)
				readers := open(t, c, c.Instance("mydb-3").Host(), "cluster_id=b51")
				readers.fill(t, 4)
				twoBefore, readersBefore := two.sessions(t, 4), readers.sessions(t, 4)

				promote(t, c, "mydb-2", lab.PromoteOptions{DNSLag: 25 * time.Second})
				if noticed {
					demand.Is(t, "the first write", writers.insert(t.Context()), core.ErrFailoverSuccess)
				} else {
					time.Sleep(31 * time.Second)
				}
				for n, err := range together(30, func(int) error { return writers.insert(t.Context()) }) {
					if err != nil {
						t.Errorf("write %d after the news: %v", n, err)
					}
				}
				writers.lands(t, "mydb-2")
				if diff := cmp.Diff(twoBefore, two.sessions(t, 4)); diff != "" {
					t.Errorf("sessions on the new writer (-before +after):\n%s", diff)
				}
				if diff := cmp.Diff(readersBefore, readers.sessions(t, 4)); diff != "" {
					t.Errorf("sessions on a reader (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// An application whose every unit of work begins after the topology was published
// never sees the error of a read-only server: not on pooled connections, not in
// transactions, not on pinned
// connections taken then.
func TestB51_NoReadOnlyErrorAfterTheNews(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		var wrong atomic.Int64
		for round := range 10 {
			p.fill(t, 10)
			to := fmt.Sprintf("mydb-%d", (round+1)%3+1)
			epoch := p.Cluster().Topology().Changed()
			promote(t, c, to, lab.PromoteOptions{DNSLag: 25 * time.Second, StatusLag: time.Duration(round) * time.Second})
			p.Cluster().Look(c.Writer().ID())
			<-epoch
			for w, _ := p.Cluster().Topology().Writer(); w.ID != to; w, _ = p.Cluster().Topology().Writer() {
				<-p.Cluster().Topology().Changed()
			}
			synctest.Wait() // the topology can be seen an instant before its waiters are woken
			together(30, func(n int) error {
				err := p.unitOfWork(t.Context(), n)
				if c.front.Code(err) == c.codes.ReadOnly {
					wrong.Add(1)
				}
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				return err
			})
		}
		if n := wrong.Load(); n > 0 {
			t.Errorf("%d times an error of a read-only server", n)
		}
	})
}

func (p *pool) unitOfWork(ctx context.Context, n int) error {
	switch n % 3 {
	case 0:
		return p.insert(ctx)
	case 1:
		return core.RunTx(ctx, p.DB, nil, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "insert into t (id) values (5)")
			return err
		})
	}
	conn, err := p.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "insert into t (id) values (6)")
	return errors.Join(err, conn.Close())
}

// B52: a connection opened by the cluster endpoint is known under its instance.
func TestB52_KnownUnderItsInstance(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		c.Alias("db.example.com", c.Endpoint())
		for _, host := range []string{c.Endpoint(), "db.example.com", c.Instance("mydb-1").Host()} {
			p := open(t, c, host)
			conn := p.hold(t, 1)[0]
			if got := p.link(t, conn).Host(); got != "mydb-1" {
				t.Errorf("%s: the connection is known under %q", host, got)
			}
			_ = conn.Close()
		}
	})
}

// A pinned connection of a demoted writer that lives stays usable for reading, and
// leaves when it is given back. Its write says so and finds the new writer.
func TestB51_PinnedConnection(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		conn := p.hold(t, 1)[0]
		promote(t, c, "mydb-2")
		time.Sleep(31 * time.Second)
		if _, err := conn.ExecContext(t.Context(), "select count(*) from t"); err != nil {
			t.Errorf("reading on the demoted writer: %v", err)
		}
		_, err := conn.ExecContext(t.Context(), "insert into t (id) values (1)")
		demand.Is(t, "writing on the demoted writer", err, core.ErrFailoverSuccess)
		c.says(t, "writing on the demoted writer", err, c.codes.ReadOnly)
		demand.IsNot(t, "writing on the demoted writer", err, core.ErrOutcomeUnknown)
		_ = conn.Close()
		p.lands(t, "mydb-2")
		old := c.Instance("mydb-1")
		time.Sleep(time.Minute)
		if n := old.Connections(); n != 0 {
			t.Errorf("%d connections to the demoted writer", n)
		}
	})
}

// An open transaction on a demoted writer ends in an error that says that it was
// rolled back; all its later calls say the same, Rollback is no error, and the
// error comes once: no second failover follows (B44).
func TestB44_OpenTransactionOnADemotedWriter(t *testing.T) {
	for _, how := range []string{"demoted", "demoted, sessions dropped", "crashed"} {
		t.Run(how, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				tx, err := p.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(t.Context(), "insert into t (id) values (1)"); err != nil {
					t.Fatal(err)
				}
				if how == "crashed" {
					c.Writer().Crash()
				}
				promote(t, c, "mydb-2", lab.PromoteOptions{DropSessions: how == "demoted, sessions dropped"})
				for range 3 {
					_, err = tx.ExecContext(t.Context(), "insert into t (id) values (2)")
					demand.Is(t, "the transaction", err, core.ErrTransactionResolutionUnknown, core.ErrFailover)
					demand.IsNot(t, "the transaction", err, core.ErrOutcomeUnknown)
				}
				searches := p.searches()
				if err := tx.Rollback(); err != nil {
					t.Errorf("rollback: %v", err)
				}
				time.Sleep(time.Second)
				if got := p.searches(); got != searches {
					t.Error("the rollback started another search")
				}
				if rows := c.Rows("t"); len(rows) != 0 {
					t.Errorf("rows of the lost transaction: %v", rows)
				}
				p.lands(t, "mydb-2")
			})
		})
	}
}

// B81: every idle connection is useless at once, more than database/sql repeats a
// call for: the caller does not notice.
func TestB81_WholePoolUseless(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		for round := range 4 {
			p.fill(t, 50)
			time.Sleep(2 * time.Second)
			if round%2 == 0 {
				c.Writer().ResetConnections()
			} else {
				promote(t, c, "mydb-2")
				time.Sleep(31 * time.Second)
			}
			time.Sleep(2 * time.Second) // so that the sockets are looked at
			if err := p.insert(t.Context()); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
	})
}

// B80: what a deadline of an earlier call left behind does not end a later one.
func TestB80_DeadlineOfAnEarlierCall(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxOpenConns(1)
		before := p.sessions(t, 1)
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			if _, err := p.ExecContext(ctx, "select 1"); err != nil {
				t.Error(err)
			}
			cancel()
			time.Sleep(3 * time.Second)
		}
		if diff := cmp.Diff(before, p.sessions(t, 1)); diff != "" {
			t.Errorf("the session was replaced (-before +after):\n%s", diff)
		}
	})
}

// B07: A waits for a row lock of B for two minutes; B commits; both finish on the
// connections they had.
func TestB07_RowLockHeldForLong(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, c.params.LongLocks...)
		mustExec(t, p, "insert into t (id) values (1)")
		b, err := p.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.ExecContext(t.Context(), "update t set id = 2 where id = 1"); err != nil {
			t.Fatal(err)
		}
		a := async(func() error { _, err := p.ExecContext(context.Background(), "update t set id = id + 10"); return err })
		time.Sleep(2 * time.Minute)
		if err := b.Commit(); err != nil {
			t.Error(err)
		}
		if e := <-a; e.err != nil {
			t.Error(e.err)
		}
		if diff := cmp.Diff([][]any{{int64(12)}}, c.Rows("t")); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if got := p.searches(); got != 0 {
			t.Errorf("%d searches because of a lock", got)
		}
	})
}

// B96: a statement prepared on the pool works on after a failover; B95: and what
// it says of the rows it affected is right.
func TestB95_B96_PreparedStatements(t *testing.T) {
	for _, l := range losses {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				stmt, err := p.PrepareContext(t.Context(), c.sql.Bind("insert into t (id) values (?), (?)"))
				if err != nil {
					t.Fatal(err)
				}
				for n := range 5 {
					if _, err := stmt.ExecContext(t.Context(), n, n); err != nil {
						t.Fatal(err)
					}
				}
				l.do(c.Writer())
				time.Sleep(time.Second)
				call := async(func() error { _, err := stmt.ExecContext(context.Background(), 7, 8); return err })
				time.Sleep(time.Second)
				promote(t, c, "mydb-2")
				if e := <-call; e.err != nil {
					demand.Is(t, "the lost call", e.err, core.ErrFailoverSuccess)
				}
				news := 0
				for range 5 {
					result, err := stmt.ExecContext(t.Context(), 9, 10)
					if news == 0 && errors.Is(err, core.ErrFailoverSuccess) {
						news++ // the one call that noticed
						continue
					}
					if err != nil {
						t.Fatalf("after the failover: %v", err)
					}
					if n, err := result.RowsAffected(); n != 2 || err != nil {
						t.Errorf("%d rows affected, %v", n, err)
					}
				}
				if err := stmt.Close(); err != nil {
					t.Errorf("closing the statement: %v", err)
				}
			})
		})
	}
}

// core.RunTx through failovers: each unit of work is done exactly once.
func TestRunTxThroughFailovers(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		var unknown sync.Map
		var workers sync.WaitGroup
		for w := range 5 {
			workers.Go(func() {
				for n := range 40 {
					id := w*1000 + n
					err := core.RunTx(context.Background(), p.DB, nil, func(tx *sql.Tx) error {
						if _, err := tx.Exec(c.sql.Bind("insert into t (id) values (?)"), id); err != nil {
							return err
						}
						_, err := tx.Exec(c.sql.Sleep(300 * time.Millisecond))
						return err
					})
					if errors.Is(err, core.ErrOutcomeUnknown) {
						unknown.Store(int64(id), true)
					} else if err != nil {
						t.Errorf("unit %d: %v", id, err)
					}
				}
			})
		}
		for n, l := range losses[:7] {
			time.Sleep(time.Second + time.Duration(n)*37*time.Millisecond)
			old := c.Writer()
			l.do(old)
			time.Sleep(700 * time.Millisecond)
			next := c.Readers()[n%2]
			next.Restart()
			promote(t, c, next.ID())
			time.Sleep(time.Second)
			old.Restart()
		}
		workers.Wait()
		count := map[int64]int{}
		for _, row := range c.Rows("t") {
			count[row[0].(int64)]++
		}
		for w := range 5 {
			for n := range 40 {
				id := int64(w*1000 + n)
				if _, open := unknown.Load(id); count[id] != 1 && !(open && count[id] == 0) {
					t.Errorf("unit %d was done %d times", id, count[id])
				}
			}
		}
	})
}

// B51: who waits for the news of a new writer is told when the connections to the
// old one have been condemned, not before: a repetition at once must not meet the
// old writer again.
func TestB51_WakenBeforeCondemned(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		again := 0
		for round := range 40 {
			p.fill(t, 40)
			promote(t, c, fmt.Sprintf("mydb-%d", (round+1)%3+1))
			if err := p.insert(t.Context()); err == nil {
				t.Fatal("the old writer accepted a write")
			}
			for _, err := range together(8, func(int) error { return p.insert(t.Context()) }) {
				if err != nil {
					again++
				}
			}
		}
		if again > 0 {
			t.Errorf("%d repetitions met the old writer again", again)
		}
	})
}
