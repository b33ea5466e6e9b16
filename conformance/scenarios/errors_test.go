package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// unmoved runs f and demands that it was no reason to doubt any host.
func unmoved(t *testing.T, p *pool, f func()) {
	t.Helper()
	epoch, searches, tried := p.cluster().Topology().Epoch, p.searches(), dialsBeside(p)
	f()
	time.Sleep(5 * time.Second)
	if got := p.cluster().Topology().Epoch; got > epoch+1 { // one calm look is no harm
		t.Errorf("%d topologies were published meanwhile", got-epoch)
	}
	if got := p.searches(); got != searches {
		t.Errorf("%d searches for the writer", got-searches)
	}
	if got := dialsBeside(p); got != tried {
		t.Errorf("%d dials to readers", got-tried)
	}
	for _, i := range p.lab.Instances() {
		if err := p.cluster().Down(i.ID()); err != nil {
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
		"exec": func(ctx context.Context, p *pool) error {
			_, err := p.ExecContext(ctx, "select pg_sleep(60)")
			return err
		},
		"query": func(ctx context.Context, p *pool) error {
			rows, err := p.QueryContext(ctx, "select pg_sleep(60)")
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
			_, err = tx.ExecContext(ctx, "select pg_sleep(60)")
			return errors.Join(err, ignoreDone(tx.Rollback()))
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
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
						is(t, "the canceled call", e.err, context.Canceled)
						isNot(t, "the canceled call", e.err, core.ErrFailover)
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
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
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
				is(t, "the call", err, context.DeadlineExceeded, core.ErrOutcomeUnknown)
				isNot(t, "the call", err, core.ErrFailover)
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

// A server that accepts connections and never answers, or stops at some point of
// the login: whoever has a deadline of a second is back after exactly a second.
func TestB75_MuteServer(t *testing.T) {
	for _, answered := range []int{0, 1, 9, 100, 300, 400} { // bytes
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, warm=%t", answered, warm), func(t *testing.T) {
				virtual(t, lab.Options{Auth: lab.Cleartext}, func(t *testing.T, c *lab.Cluster) {
					p := open(t, c, c.Endpoint(), "topology-monitoring-user=app")
					mute(t, c, p, answered, warm, time.Second, func(took time.Duration) bool { return took == time.Second })
				})
			})
		}
	}
}

// The same within the TLS handshake, in real time: pgx reads and writes from two
// goroutines then, which crypto/tls keeps apart with a mutex.
func TestB75_MuteServerInTLS(t *testing.T) {
	for _, answered := range []int{0, 1, 100, 700} {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, warm=%t", answered, warm), func(t *testing.T) {
				t.Parallel()
				c := start(t, lab.Options{TLS: lab.TLSRequired})
				p := open(t, c, c.Endpoint())
				limit := 150 * time.Millisecond
				mute(t, c, p, answered, warm, limit, func(took time.Duration) bool { return took >= limit })
			})
		}
	}
}

func mute(t *testing.T, c *lab.Cluster, p *pool, answered int, warm bool, limit time.Duration, onTime func(time.Duration) bool) {
	t.Helper()
	p.SetMaxIdleConns(0)
	if warm {
		if err := p.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.Writer().HangAfter(answered)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := p.PingContext(ctx)
	if took := time.Since(began); !onTime(took) {
		t.Errorf("the connect took %v: %v", took, err)
	}
	is(t, "the connect", err, context.DeadlineExceeded)
}

// B43: what is read-only by the application's own will is the driver's plain
// error, and no host is doubted for longer than it takes to ask it.
func TestB43_ReadOnlyByWill(t *testing.T) {
	cases := map[string]func(t *testing.T, c *lab.Cluster) (*pool, error){
		"read-only transaction": func(t *testing.T, c *lab.Cluster) (*pool, error) {
			p := writable(t, c)
			tx, err := p.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.ExecContext(t.Context(), "insert into t (id) values (1)")
			return p, errors.Join(err, tx.Rollback())
		},
		"BEGIN READ ONLY in SQL": func(t *testing.T, c *lab.Cluster) (*pool, error) {
			p := writable(t, c)
			conn := p.hold(t, 1)[0]
			defer conn.Close() //nolint:errcheck // not what is tested
			if _, err := conn.ExecContext(t.Context(), "begin read only"); err != nil {
				t.Fatal(err)
			}
			_, err := conn.ExecContext(t.Context(), "insert into t (id) values (1)")
			return p, err
		},
		"default_transaction_read_only": func(t *testing.T, c *lab.Cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.Endpoint(), "default_transaction_read_only=on")
			return p, p.insert(t.Context())
		},
		"reader endpoint": func(t *testing.T, c *lab.Cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.ReaderEndpoint())
			return p, p.insert(t.Context())
		},
		"strict reader": func(t *testing.T, c *lab.Cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.Endpoint(), "failover_mode=strict-reader")
			return p, p.insert(t.Context())
		},
		"instance that is a reader": func(t *testing.T, c *lab.Cluster) (*pool, error) {
			writable(t, c)
			p := open(t, c, c.Instance("mydb-3").Host())
			return p, p.insert(t.Context())
		},
	}
	for name, write := range cases {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p, err := write(t, c)
				if got := sqlState(err); got != "25006" {
					t.Errorf("SQLSTATE %q: %v", got, err)
				}
				isNot(t, "the write", err, core.ErrFailover)
				for _, i := range c.Instances() {
					if err := p.cluster().Down(i.ID()); err != nil {
						t.Errorf("%s is taken for dead: %v", i.ID(), err)
					}
				}
				if w, _ := p.cluster().Topology().Writer(); w.ID != "mydb-1" {
					t.Errorf("the writer is %q", w.ID)
				}
				if _, err := p.ExecContext(t.Context(), "select 1"); err != nil {
					t.Errorf("reading afterwards: %v", err)
				}
			})
		})
	}
}

// The same error on a handle for the writer whose host was demoted is a failover.
func TestB43_ReadOnlyByDemotion(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		promote(t, c, "mydb-3", lab.PromoteOptions{StatusLag: 2 * time.Second, DNSLag: 20 * time.Second})
		began := time.Now()
		err := p.insert(t.Context())
		is(t, "the write", err, core.ErrFailoverSuccess)
		isNot(t, "the write", err, core.ErrOutcomeUnknown)
		if got := sqlState(err); got != "25006" {
			t.Errorf("the server's error is hidden: %v", err)
		}
		if err := p.insert(t.Context()); err != nil {
			t.Errorf("its repetition: %v", err)
		}
		within(t, "both", began, firstWriteLimit)
	})
}

// B41: a wrong password ends a connect at once, in any mode, and is no failover.
func TestB41_WrongPassword(t *testing.T) {
	for _, mode := range []string{"strict-writer", "strict-reader", "reader-or-writer"} {
		for _, auth := range []lab.Auth{lab.SCRAM, lab.Cleartext} {
			virtual(t, lab.Options{Auth: auth, Password: "right"}, func(t *testing.T, c *lab.Cluster) {
				good := openURL(t, c, c.URL(c.Endpoint(), "failover_mode="+mode, "topology-monitoring-user=app"))
				if err := good.PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				dsn := c.URL(c.Endpoint(), "failover_mode="+mode, "topology-monitoring-user=app", "topology-monitoring-password=right")
				p := openURL(t, c, strings.Replace(dsn, "app:right@", "app:wrong@", 1))
				for range 3 {
					began := time.Now()
					err := p.PingContext(t.Context())
					within(t, "the connect", began, atOnce)
					is(t, "the connect", err, core.ErrConnect)
					isNot(t, "the connect", err, core.ErrFailover)
					if got := sqlState(err); got != "28P01" {
						t.Errorf("SQLSTATE %q: %v", got, err)
					}
				}
				if got := p.searches(); got != 0 {
					t.Errorf("%d searches because of a wrong password", got)
				}
				// Also when the monitor's login is the one that fails.
				p = openURL(t, c, strings.Replace(c.URL(c.Endpoint(), "topology-monitoring-user=app"), "app:right@", "app:wrong@", 1))
				began := time.Now()
				err := p.PingContext(t.Context())
				within(t, "the connect", began, atOnce)
				if got := sqlState(err); got != "28P01" {
					t.Errorf("SQLSTATE %q: %v", got, err)
				}
			})
		}
	}
}

// B39, B73: "too many connections" means busy, not dead, for the application and
// for the monitor, which comes back later.
func TestB73_TooManyConnections(t *testing.T) {
	full := func(only string) func(user string) error {
		return func(user string) error {
			if only == "" || user == only {
				return &lab.LoginError{Code: "53300", Message: "sorry, too many clients already"}
			}
			return nil
		}
	}
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.SetMaxIdleConns(0)
		unmoved(t, p, func() {
			c.Writer().OnLogin(full(""))
			began := time.Now()
			err := p.PingContext(t.Context())
			within(t, "the connect", began, atOnce)
			if got := sqlState(err); got != "53300" {
				t.Errorf("SQLSTATE %q: %v", got, err)
			}
			isNot(t, "the connect", err, core.ErrFailover)
			c.Writer().OnLogin(nil)
			if err := p.insert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.fill(t, 3)
		for _, i := range c.Instances() {
			i.OnLogin(full(watch))
		}
		// The monitor loses its connection and gets no other for two minutes.
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if s.User == watch {
				return lab.CutBefore()
			}
			return lab.Run()
		})
		time.Sleep(35 * time.Second)
		tried := dials(c)
		for range 120 {
			if err := p.insert(t.Context()); err != nil {
				t.Errorf("while the monitor is locked out: %v", err)
			}
			time.Sleep(time.Second)
		}
		if got := dials(c) - tried; got > 120*3*22 {
			t.Errorf("%d dials in two minutes", got)
		}
		if err := p.cluster().Down("mydb-1"); err != nil {
			t.Errorf("the writer is taken for dead: %v", err)
		}
		for _, i := range c.Instances() {
			i.OnLogin(nil)
			i.OnStatement(nil)
		}
		time.Sleep(20 * time.Second)
		promote(t, c, "mydb-2")
		time.Sleep(31 * time.Second)
		p.lands(t, "mydb-2")
	})
}

// B45, B64: the monitor's questions fail or its user is revoked: that says nothing
// about the host. The pool goes on, also with new connections, and the monitor
// recovers when it can.
func TestB45_B64_MonitorLockedOut(t *testing.T) {
	cases := map[string]func(i *lab.Instance){
		"questions fail": func(i *lab.Instance) {
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if s.User == watch {
					return lab.Fail("42501", "permission denied")
				}
				return lab.Run()
			})
		},
		"user revoked": func(i *lab.Instance) {
			i.OnLogin(func(user string) error {
				if user == watch {
					return &lab.LoginError{Code: "28000", Message: "role is not permitted to log in"}
				}
				return nil
			})
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if s.User == watch {
					return lab.FailFatal("57P01", "terminating connection")
				}
				return lab.Run()
			})
		},
		"database dropped": func(i *lab.Instance) {
			i.OnLogin(func(user string) error {
				if user == watch {
					return &lab.LoginError{Code: "3D000", Message: "database does not exist"}
				}
				return nil
			})
			i.OnStatement(func(s lab.Statement) lab.Fate {
				if s.User == watch {
					return lab.CutBefore()
				}
				return lab.Run()
			})
		},
	}
	for name, lockOut := range cases {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
				p := writable(t, c, "failover_timeout_sec=5")
				p.fill(t, 3)
				for _, i := range c.Instances() {
					lockOut(i)
				}
				for range 100 {
					if err := p.insert(t.Context()); err != nil {
						t.Errorf("while the monitor is locked out: %v", err)
					}
					time.Sleep(time.Second)
				}
				for _, i := range c.Instances() {
					if err := p.cluster().Down(i.ID()); err != nil {
						t.Errorf("%s is taken for dead: %v", i.ID(), err)
					}
					i.OnLogin(nil)
					i.OnStatement(nil)
				}
				time.Sleep(20 * time.Second)
				promote(t, c, "mydb-2")
				time.Sleep(31 * time.Second)
				arrived(t, c, p, []string{"mydb-2"})
			})
		})
	}
}

// 57P03: the new writer is still starting up, and is waited for.
func TestB39_StartingUpIsWaitedFor(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.fill(t, 3)
		var started atomic.Bool
		next := c.Instance("mydb-2")
		c.Writer().Crash()
		next.Restart()
		next.OnLogin(func(string) error {
			if !started.Load() {
				return &lab.LoginError{Code: "57P03", Message: "the database system is starting up"}
			}
			return nil
		})
		promote(t, c, "mydb-2")
		calls := make([]<-chan ended, 10)
		for n := range calls {
			calls[n] = async(func() error { return p.insert(context.Background()) })
		}
		time.Sleep(8 * time.Second)
		started.Store(true)
		up := time.Now()
		for n, call := range calls {
			e := <-call
			if e.err != nil {
				is(t, fmt.Sprintf("call %d", n), e.err, core.ErrFailoverSuccess)
			}
			if took := e.at.Sub(up); took < 0 || took > time.Second {
				t.Errorf("call %d ended %v after the start-up: %v", n, took, e.err)
			}
		}
		arrived(t, c, p, []string{"mydb-2"})
	})
}

// B38: texts mean nothing. An ordinary error with a frightening text stays an
// ordinary error, and the connection is used again.
func TestB38_TextsMeanNothing(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		p.SetMaxOpenConns(1)
		session := p.sessions(t, 1)
		unmoved(t, p, func() {
			for _, said := range []lab.Fate{
				lab.Fail("XX000", "broken pipe"), lab.Fail("22000", "28000 bad connection: connection reset by peer"),
				lab.Fail("08006", "could not connect to the foreign server"), lab.Fail("58P01", "file does not exist"),
				lab.Fail("53300", "too many connections for the foreign server"),
			} {
				c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
					if s.User == "app" && strings.HasPrefix(s.SQL, "insert") {
						return said
					}
					return lab.Run()
				})
				err := p.insert(t.Context())
				if sqlState(err) == "" {
					t.Errorf("the server's error is hidden: %v", err)
				}
				isNot(t, "the call", err, core.ErrFailover, core.ErrOutcomeUnknown)
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
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		long := async(func() error { _, err := p.ExecContext(context.Background(), "select pg_sleep(600)"); return err })
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
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		rows, err := p.QueryContext(context.Background(), "select i from generate_series(1, 100000) as g(i)")
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Fatal(rows.Err())
		}
		p.cluster().MarkDown("mydb-1", errors.New("proof of death"))
		for rows.Next() {
		}
		var lost *core.LostError
		if err := rows.Err(); !errors.As(err, &lost) || !lost.Aborted || lost.Host != "mydb-1" {
			t.Errorf("the error does not say who cut the connection: %v", err)
		} else if !strings.Contains(err.Error(), "proof of death") {
			t.Errorf("the error does not say why: %v", err)
		}
		_ = rows.Close()
		p.cluster().MarkUp("mydb-1")
		p.lands(t, "mydb-1")
	})
}

// B34, B36: what the pool or the driver says of a connection it has closed itself
// is no news of the host.
func TestB36_UseAfterClose(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		unmoved(t, p, func() {
			conn := p.hold(t, 1)[0]
			_ = conn.Close()
			_, err := conn.ExecContext(t.Context(), "select 1")
			is(t, "use of a closed sql.Conn", err, sql.ErrConnDone)
			tx, err := p.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = tx.Commit()
			is(t, "use of a finished transaction", tx.Commit(), sql.ErrTxDone)
			if err := p.insert(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

// B65: settings that an application makes for its own sessions do not reach the
// monitor's, which must be able to ask readers and take its time.
func TestB65_MonitorIgnoresSessionSettings(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "target_session_attrs=read-write", "statement_timeout=5000", "search_path=evil",
			"datestyle=German", "default_transaction_read_only=off")
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
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
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
			if own(text) {
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
		want := append(slices.Repeat([]string{"insert into t (id) values (1)"}, 100), "begin", "commit")
		if got := receivedByAll(c, "app"); !slices.Equal(got, want) {
			t.Errorf("received %d statements, want 102: %q", len(got), got[max(0, len(got)-5):])
		}

		time.Sleep(time.Minute)
		forget(c)
		time.Sleep(10 * time.Minute)
		identity, topology := 0, 0
		for _, text := range receivedByAll(c, watch) {
			if strings.Contains(text, "aurora_replica_status") {
				topology++
			} else {
				identity++
			}
			if !own(text) {
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
