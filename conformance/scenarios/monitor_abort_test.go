package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// ending is what a call on a host that fell silent shall end with.
type ending struct {
	name string
	// call does something that waits for the server. It calls lose at the right moment.
	call func(ctx context.Context, p *pool, lose func()) error
	tx   bool // inside a transaction
	sure bool // it certainly had no effect
}

var endings = []ending{
	{name: "exec", call: func(ctx context.Context, p *pool, lose func()) error {
		lose()
		return p.insert(ctx)
	}},
	{name: "query", call: func(ctx context.Context, p *pool, lose func()) error {
		lose()
		_, err := p.where(ctx)
		return err
	}},
	{name: "query with arguments", call: func(ctx context.Context, p *pool, lose func()) error {
		stmt, err := p.PrepareContext(ctx, p.lab.sql.Bind("select id from t where id = ?"))
		if err != nil {
			return err
		}
		defer stmt.Close() //nolint:errcheck // the call tells
		lose()
		var id int64
		return stmt.QueryRowContext(ctx, 1).Scan(&id)
	}},
	{name: "exec in a transaction", tx: true, sure: true, call: inTransaction(func(ctx context.Context, tx *sql.Tx, lose func()) error {
		lose()
		_, err := tx.ExecContext(ctx, "insert into t (id) values (2)")
		return errors.Join(err, tx.Rollback())
	})},
	{name: "commit", tx: true, call: inTransaction(func(_ context.Context, tx *sql.Tx, lose func()) error {
		lose()
		return tx.Commit()
	})},
	{name: "commit without a context's end", tx: true, call: func(_ context.Context, p *pool, lose func()) error {
		tx, err := p.Begin()
		if err != nil {
			return err
		}
		if _, err := tx.Exec("insert into t (id) values (1)"); err != nil {
			return err
		}
		lose()
		return tx.Commit()
	}},
}

func inTransaction(f func(ctx context.Context, tx *sql.Tx, lose func()) error) func(ctx context.Context, p *pool, lose func()) error {
	return func(ctx context.Context, p *pool, lose func()) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		tx, err := p.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "insert into t (id) values (1)"); err != nil {
			return err
		}
		return f(ctx, tx, lose)
	}
}

// B77, B99: whatever call waits when the host is given up, its error is of the kind
// that any lost connection has, with failover and without, and says who did it and why.
func TestB77_WhatACallEndsWith(t *testing.T) {
	for _, plugins := range []string{monitorAlone, withFailover} {
		for _, e := range endings {
			t.Run(plugins+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := writable(t, c, quick.params(plugins, "topology_refresh_ms=3600000")...)
					time.Sleep(time.Second)
					var began time.Time
					err := e.call(context.Background(), p, func() {
						began = time.Now()
						c.Writer().Freeze()
						if plugins == withFailover { // and nobody is promoted before it is noticed
							time.AfterFunc(quick.bound()-time.Millisecond, func() { promote(t, c, "mydb-2") })
						}
					})
					if plugins == monitorAlone {
						exactly(t, "the call", time.Since(began), quick.bound())
					}
					e.check(t, err, plugins == withFailover)
				})
			})
		}
	}
}

func (e ending) check(t *testing.T, err error, failover bool) {
	t.Helper()
	cut(t, e.name, err, "mydb-1")
	var typed *core.Error
	if !errors.As(err, &typed) || !typed.Sent || typed.InTx != e.tx || typed.Host != "mydb-1" {
		t.Errorf("%s: %#v", e.name, typed)
	}
	switch {
	case failover && e.tx:
		demand.Is(t, e.name, err, core.ErrTransactionResolutionUnknown)
	case failover:
		demand.Is(t, e.name, err, core.ErrFailoverSuccess)
	default:
		demand.IsNot(t, e.name, err, core.ErrFailover)
	}
	if e.sure {
		demand.IsNot(t, e.name, err, core.ErrOutcomeUnknown)
	} else {
		demand.Is(t, e.name, err, core.ErrOutcomeUnknown)
	}
}

// What changes nothing by itself is repeated unseen on another host.
func TestB77_HarmlessCallsAreRepeatedUnseen(t *testing.T) {
	calls := map[string]func(ctx context.Context, p *pool) error{
		"begin": func(ctx context.Context, p *pool) error {
			tx, err := p.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		},
		"prepare": func(ctx context.Context, p *pool) error {
			stmt, err := p.PrepareContext(ctx, "select 1")
			if err != nil {
				return err
			}
			return stmt.Close()
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				if name == "prepare" && c.unlike.Prepare != "" {
					t.Skip(c.unlike.Prepare)
				}
				p := open(t, c, c.ReaderEndpoint(), quick.params(withFailover)...)
				id, err := p.where(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				c.Instance(id).Vanish(lab.LosingRequests)
				if err := call(context.Background(), p); err != nil {
					t.Errorf("not repeated: %v", err)
				}
				exactly(t, "the call", time.Since(began), quick.bound())
			})
		})
	}
}

// B78: the answer stops in the middle. Its reader is told so, once, and by a typed
// error; closing the rows is not held up.
func TestB78_RowsInTheMiddle(t *testing.T) {
	for _, plugins := range []string{monitorAlone, withFailover} {
		t.Run(plugins, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := open(t, c, c.Instance("mydb-2").Host(), quick.params(plugins)...)
				p.lands(t, "mydb-2")
				c.Instance("mydb-2").HangAfter(5000)
				rows, err := p.QueryContext(context.Background(), c.sql.Series(10_000))
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				began := time.Now()
				time.AfterFunc(time.Second, c.Instance("mydb-2").Freeze) // new connections hang as well
				for rows.Next() {
					n, began = n+1, time.Now()
				}
				exactly(t, "the next row", time.Since(began), quick.bound())
				err = rows.Err()
				if n == 0 {
					t.Error("no row came")
				}
				cut(t, "the rows", err, "mydb-2")
				demand.Is(t, "the rows", err, core.ErrOutcomeUnknown)
				var typed *core.Error
				if !errors.As(err, &typed) || typed.Op != core.OpRows {
					t.Errorf("the error is not of the rows: %v", err)
				}
				began = time.Now()
				_ = rows.Close()
				within(t, "closing the rows", began, 0)
			})
		})
	}
}

// A request does not fit into the buffers of a host that does not read: the write
// blocks, and nobody waits for an answer yet. What has left is not sent again.
func TestB77_BlockedWrite(t *testing.T) {
	for _, plugins := range []string{monitorAlone, withFailover} {
		t.Run(plugins, func(t *testing.T) {
			t.Parallel()
			virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p, w := monitored(t, c, c.Instance("mydb-2").Host(), quick.params(plugins)...)
				p.lands(t, "mydb-2")
				c.Instance("mydb-2").Vanish(lab.LosingRequests)
				w.fill(10_000)
				began := time.Now()
				_, err := p.ExecContext(context.Background(), "select '"+strings.Repeat("long ", 100_000)+"'")
				exactly(t, "the call", time.Since(began), quick.bound())
				cut(t, "the call", err, "mydb-2")
				demand.Is(t, "the call", err, core.ErrOutcomeUnknown)
			})
		})
	}
}

// Every connection to the host is given up, in use or idle, and of all handles; those
// to other hosts are not.
func TestB77_AllOfTheHostAndNoneOfOthers(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		params := quick.params(monitorAlone, "cluster_id=all")
		two := open(t, c, c.Instance("mydb-2").Host(), params...)
		again := open(t, c, c.Instance("mydb-2").Host(), params...)
		three := open(t, c, c.Instance("mydb-3").Host(), params...)
		var links []*core.Link
		var pinned []*sql.Conn
		for _, p := range []*pool{two, again} {
			p.SetMaxIdleConns(5)
			for n, conn := range p.hold(t, 5) {
				links = append(links, p.link(t, conn))
				if n == 0 {
					pinned = append(pinned, conn)
				} else {
					_ = conn.Close()
				}
			}
		}
		three.fill(t, 5)
		before := three.sessions(t, 5)
		other := async(func() error { return three.sleep(context.Background(), time.Minute) })
		c.Instance("mydb-2").Vanish(lab.LosingAnswers)
		began := time.Now()
		var calls []<-chan ended
		for n := range 10 {
			calls = append(calls, async(func() error {
				time.Sleep(time.Duration(n) * 100 * time.Millisecond)
				return two.sleep(context.Background(), time.Hour)
			}))
		}
		for _, call := range calls[:4] { // which found a connection
			e := <-call
			exactly(t, "a call", e.at.Sub(began), quick.bound())
			cut(t, "a call", e.err, "mydb-2")
		}
		for _, conn := range pinned {
			_ = conn.Close()
		}
		for n, l := range links {
			if lost := l.Lost(); lost == nil || !lost.Aborted {
				t.Errorf("connection %d was not given up", n)
			}
		}
		for _, call := range calls[4:] { // which had to dial
			if e := <-call; e.err == nil {
				t.Error("a dead host was reached")
			}
		}
		if e := <-other; e.err != nil {
			t.Errorf("a call to another host: %v", e.err)
		}
		for pid := range three.sessions(t, 5) {
			if !before[pid] {
				t.Errorf("session %d to another host is new", pid)
			}
		}
	})
}

// B78: many readers, with and without a context that can end, on several hosts, while
// the connections are given up: nobody sees half a row, or an error without a name.
func TestB78_ManyReaders(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := open(t, c, c.Instance("mydb-2").Host(), quick.params(monitorAlone)...)
		p.fill(t, 20)
		var readers sync.WaitGroup
		for n := range 20 {
			readers.Go(func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if n%2 == 0 {
					ctx = context.Background()
				}
				rows, err := p.QueryContext(ctx, c.sql.Series(3000))
				if err != nil {
					t.Error(err)
					return
				}
				defer rows.Close() //nolint:errcheck // rows.Err tells
				last := 0
				for want := 1; rows.Next(); want++ {
					if err := rows.Scan(&last); err != nil || last != want {
						t.Errorf("row %d is %d, %v", want, last, err)
					}
					if want%100 == 0 {
						time.Sleep(time.Duration(n) * time.Millisecond)
					}
				}
				cut(t, fmt.Sprintf("reader %d", n), rows.Err(), "mydb-2")
			})
		}
		c.Instance("mydb-2").HangAfter(9000)
		time.Sleep(2 * time.Second)
		c.Instance("mydb-2").Freeze() // new connections hang as well
		readers.Wait()
	})
}
