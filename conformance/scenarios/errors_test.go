package scenarios

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// unmoved runs f and demands that it was no reason to doubt any host.
func unmoved(t *testing.T, p *pool, f func()) {
	t.Helper()
	epoch, searches, tried := p.Cluster().Topology().Epoch, p.searches(), dialsBeside(p)
	f()
	time.Sleep(5 * time.Second)
	if got := p.Cluster().Topology().Epoch; got > epoch+1 { // one calm look is no harm
		t.Errorf("%d topologies were published meanwhile", got-epoch)
	}
	if got := p.searches(); got != searches {
		t.Errorf("%d searches for the writer", got-searches)
	}
	if got := dialsBeside(p); got != tried {
		t.Errorf("%d dials to readers", got-tried)
	}
	for _, i := range p.lab.Instances() {
		if err := p.Cluster().Down(i.ID()); err != nil {
			t.Errorf("%s is taken for dead: %v", i.ID(), err)
		}
	}
}

// dialsBeside counts the dials to all but the writer: a search makes some.
func dialsBeside(p *pool) int {
	n := 0
	for _, i := range p.lab.Readers() {
		n += i.Dials()
	}
	return n
}

// B32: the caller gives up in the middle of a call. That is its own affair.
func TestB32_CallersCancellation(t *testing.T) {
	calls := map[string]func(ctx context.Context, p *pool) error{
		"exec": func(ctx context.Context, p *pool) error { return p.sleep(ctx, time.Minute) },
		"query": func(ctx context.Context, p *pool) error {
			rows, err := p.QueryContext(ctx, p.lab.sql.Sleep(time.Minute))
			if err != nil {
				return err
			}
			defer rows.Close() //nolint:errcheck // rows.Err tells
			for rows.Next() {
			}
			return rows.Err()
		},
		"transaction": func(ctx context.Context, p *pool) error {
			tx, err := p.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, p.lab.sql.Sleep(time.Minute))
			return errors.Join(err, ignoreDone(tx.Rollback()))
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				unmoved(t, p, func() {
					for n := range 20 {
						ctx, cancel := context.WithCancel(t.Context())
						done := async(func() error { return call(ctx, p) })
						time.Sleep(time.Duration(n) * latency / 2)
						cancel()
						canceled := time.Now()
						e := <-done
						within(t, "the canceled call", canceled, roundTrip)
						demand.Is(t, "the canceled call", e.err, context.Canceled)
						demand.IsNot(t, "the canceled call", e.err, core.ErrFailover)
						if err := p.insert(t.Context()); err != nil {
							t.Errorf("the next call: %v", err)
						}
					}
				})
			})
		})
	}
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// B33: a deadline passes on a host that is dead: the caller gets it on time, and
// the monitor looks.
func TestB33_DeadlineOnADeadHost(t *testing.T) {
	for _, l := range losses[3:7] {
		t.Run(l.name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				p.fill(t, 3)
				l.do(c.Writer())
				searches := p.searches()
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				defer cancel()
				began := time.Now()
				err := p.insert(ctx)
				if took := time.Since(began); took != 400*time.Millisecond {
					t.Errorf("the call took %v", took)
				}
				demand.Is(t, "the call", err, context.DeadlineExceeded, core.ErrOutcomeUnknown)
				demand.IsNot(t, "the call", err, core.ErrFailover)
				time.Sleep(300 * time.Millisecond) // before anything else makes it look
				if p.searches() == searches {
					t.Error("the monitor was not made to look")
				}
				promote(t, c, "mydb-2")
				time.Sleep(time.Second)
				arrived(t, c, p, []string{"mydb-2"})
			})
		})
	}
}

// B38: texts mean nothing. An ordinary error with a frightening text stays an
// ordinary error, and the connection is used again.
func TestB38_TextsMeanNothing(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxOpenConns(1)
		session := p.sessions(t, 1)
		unmoved(t, p, func() {
			for n, code := range append(c.codes.Harmless, c.codes.Internal) {
				text := []string{"broken pipe", "28000 bad connection: connection reset by peer", "could not connect to the foreign server"}[n%3]
				c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
					if s.User == "app" && strings.HasPrefix(s.SQL, "insert") {
						return lab.Fail(code, text)
					}
					return lab.Run()
				})
				err := p.insert(t.Context())
				c.says(t, "the call", err, code)
				demand.IsNot(t, "the call", err, core.ErrFailover, core.ErrOutcomeUnknown)
			}
			c.Writer().OnStatement(nil)
		})
		for pid := range p.sessions(t, 1) {
			if !session[pid] {
				t.Error("the session was replaced")
			}
		}
	})
}

// B46: a call of ten minutes on a healthy host is left alone, also when the
// monitor's own questions hang for a moment.
func TestB46_LongCallOnAHealthyHost(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		long := async(func() error { return p.sleep(context.Background(), 10*time.Minute) })
		for range 10 {
			time.Sleep(50 * time.Second)
			c.Writer().Slow(3 * time.Second)
			time.Sleep(4 * time.Second)
			c.Writer().Slow(0)
		}
		if e := <-long; e.err != nil {
			t.Errorf("the long call was ended: %v", e.err)
		}
	})
}

// B78: the connection is cut by the monitor while its caller reads: the caller
// learns who did it and why.
func TestB78_AbortWhileReading(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		rows, err := p.QueryContext(context.Background(), c.sql.Series(100_000))
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		p.Cluster().MarkDown("mydb-1", errors.New("proof of death"))
		for rows.Next() {
		}
		var lost *core.LostError
		if err := rows.Err(); !errors.As(err, &lost) || !lost.Aborted || lost.Host != "mydb-1" {
			t.Errorf("the error does not say who cut the connection: %v", err)
		} else if !strings.Contains(err.Error(), "proof of death") {
			t.Errorf("the error does not say why: %v", err)
		}
		_ = rows.Close()
		p.Cluster().MarkUp("mydb-1")
		p.lands(t, "mydb-1")
	})
}

// B78: whatever the reason for which a connection is cut, what had been sent on it
// is not sent again, also if the reason is an error at which database/sql repeats.
func TestB78_AbortIsNoInvitationToRepeat(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if strings.HasPrefix(s.SQL, "insert") {
				return lab.HangBefore()
			}
			return lab.Run()
		})
		call := async(func() error { return p.insert(context.Background()) })
		time.Sleep(time.Second)
		p.Cluster().MarkDown("mydb-1", fmt.Errorf("the monitor's own connection: %w", driver.ErrBadConn))
		c.Writer().OnStatement(nil)
		p.Cluster().MarkUp("mydb-1")
		err := (<-call).err
		demand.Is(t, "the call", err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
		demand.IsNot(t, "the call", err, driver.ErrBadConn)
		if got := len(c.Rows("t")); got != 0 {
			t.Errorf("%d rows of a statement that did not run: it was sent again", got)
		}
	})
}

// B34, B36: what the pool or the driver says of a connection it has closed itself
// is no news of the host.
func TestB36_UseAfterClose(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		unmoved(t, p, func() {
			conn := p.hold(t, 1)[0]
			_ = conn.Close()
			_, err := conn.ExecContext(t.Context(), "select 1")
			demand.Is(t, "use of a closed sql.Conn", err, sql.ErrConnDone)
			tx, err := p.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = tx.Commit()
			demand.Is(t, "use of a finished transaction", tx.Commit(), sql.ErrTxDone)
			if err := p.insert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

// B65: settings that an application makes for its own sessions do not reach the
// monitor's, which must be able to ask readers and take its time.
func TestB65_MonitorIgnoresSessionSettings(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, c.params.Session...)
		p.fill(t, 3)
		c.Writer().Crash()
		time.Sleep(time.Second)
		promote(t, c, "mydb-2")
		arrived(t, c, p, []string{"mydb-2"})
	})
}

// B66, B74, B120: on the application's connections there are its own statements
// and one identification for each; what awsdb asks is qualified, so that no
// search_path changes its meaning; an idle cluster is asked once in 30 s.
func TestB66_B74_B120_WhatTheServerReceives(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxIdleConns(0)
		forget(c)
		for range 10 { // a new connection each
			if err := p.insert(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var own10, theirs int
		for _, text := range receivedByAll(c, "app") {
			if c.front.Own(text) {
				own10++
			} else {
				theirs++
			}
		}
		if own10 != 10 || theirs != 10 {
			t.Errorf("10 connections with one statement each: %d identifications and %d statements", own10, theirs)
		}

		p.SetMaxIdleConns(1)
		if err := p.insert(t.Context()); err != nil {
			t.Fatal(err)
		}
		forget(c)
		for range 100 {
			if err := p.insert(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		tx, err := p.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		want := append(slices.Repeat([]string{"insert into t (id) values (1)"}, 100), c.sql.Begin, c.sql.Commit)
		if got := receivedByAll(c, "app"); !slices.Equal(got, want) {
			t.Errorf("received %d statements, want 102: %q", len(got), got[max(0, len(got)-5):])
		}

		time.Sleep(time.Minute)
		forget(c)
		time.Sleep(10 * time.Minute)
		identity, topology := 0, 0
		for _, text := range receivedByAll(c, watch) {
			if strings.Contains(text, c.sql.AuroraTopology) {
				topology++
			} else {
				identity++
			}
			if !c.front.Own(text) {
				t.Errorf("not qualified: %s", text)
			}
		}
		if topology < 19 || topology > 21 || identity != topology {
			t.Errorf("in ten minutes %d topology questions and %d of identity, want 20 each", topology, identity)
		}
		for _, r := range c.Readers() {
			if got := r.Statements(); len(got) != 0 {
				t.Errorf("%s got %d statements in calm times", r.ID(), len(got))
			}
		}
	})
}

// B33: the same when it is a commit that waits, of which the driver is not told the
// deadline. Whether it took effect is not known.
func TestB33_DeadlineInCommit(t *testing.T) {
	for _, l := range losses[3:6] {
		t.Run(l.name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				searches := p.searches()
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				defer cancel()
				began := time.Now()
				tx, err := p.BeginTx(ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(ctx, "insert into t (id) values (1)"); err != nil {
					t.Fatal(err)
				}
				l.do(c.Writer())
				err = tx.Commit()
				if took := time.Since(began); took != 400*time.Millisecond {
					t.Errorf("the commit ended %v after the beginning", took)
				}
				demand.Is(t, "the commit", err, context.DeadlineExceeded, core.ErrOutcomeUnknown)
				demand.IsNot(t, "the commit", err, core.ErrFailover)
				time.Sleep(300 * time.Millisecond) // before anything else makes it look
				if p.searches() == searches {
					t.Error("the monitor was not made to look")
				}
				promote(t, c, "mydb-2")
				time.Sleep(time.Second)
				arrived(t, c, p, []string{"mydb-2"})
			})
		})
	}
}

// B98: the connection breaks while a commit is under way. Nobody knows what became
// of it, so RunTx does not do the work again.
func TestB98_CommitInFlight(t *testing.T) {
	for name, fate := range map[string]lab.Fate{"before": lab.CutBefore(), "after": lab.CutAfter()} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
					if s.SQL == c.sql.Commit {
						return fate
					}
					return lab.Run()
				})
				tries := 0
				err := core.RunTx(t.Context(), p.DB, nil, func(tx *sql.Tx) error {
					tries++
					_, err := tx.ExecContext(t.Context(), "insert into t (id) values (1)")
					return err
				})
				demand.Is(t, "the transaction", err, core.ErrTransactionResolutionUnknown, core.ErrOutcomeUnknown)
				if want := map[string]int{"before": 0, "after": 1}[name]; tries != 1 || len(c.Rows("t")) != want {
					t.Errorf("%d tries, %d rows", tries, len(c.Rows("t")))
				}
				p.lands(t, "mydb-1")
			})
		})
	}
}

// B32: a caller who gives up while a statement closed before is being closed at the
// server gets the error of the context, like everybody else.
func TestB32_CancelledWhileStatementsAreClosed(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		if c.unlike.Prepare != "" {
			t.Skip(c.unlike.Prepare)
		}
		p := writable(t, c)
		tx, err := p.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback() }) // the connection is lost
		s, err := tx.PrepareContext(t.Context(), c.sql.InstanceID)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c.Writer().Freeze()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = tx.PrepareContext(ctx, "select 1")
		demand.Is(t, "prepare", err, context.Canceled)
		demand.IsNot(t, "prepare", err, core.ErrFailover) // nothing is known about the host
	})
}
