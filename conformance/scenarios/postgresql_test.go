package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// onPostgreSQL is virtual for the front ends of that engine.
func onPostgreSQL(t *testing.T, scenario func(t *testing.T, c *cluster)) {
	t.Helper()
	for _, f := range []frontend.Frontend{frontend.PostgreSQL, frontend.PGXPool} {
		t.Run(f.Name(), func(t *testing.T) { virtually(t, f, lab.Options{}, scenario) })
	}
}

// What is in this file is about things that only PostgreSQL has.

// B102: a listener on a pinned connection is not left waiting for ever when its
// host is proven dead, nor when the host says good-bye.
func TestB102_ListenerOnADeadWriter(t *testing.T) {
	for _, l := range losses {
		if l.name == "hang in the middle of a login" || l.name == "hang in the middle of an answer" {
			continue // the listener needs some answers first
		}
		t.Run(l.name, func(t *testing.T) {
			onPostgreSQL(t, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				conn := p.hold(t, 1)[0]
				if _, err := conn.ExecContext(t.Context(), "listen news"); err != nil {
					t.Fatal(err)
				}
				listener := async(func() error {
					return conn.Raw(func(driverConn any) error {
						native, ok := frontend.PGX(driverConn)
						if !ok {
							return errors.New("no pgx connection")
						}
						_, err := native.WaitForNotification(context.Background())
						return err
					})
				})
				time.Sleep(time.Second)
				l.do(c.Writer())
				time.Sleep(5 * time.Second)
				promoted := time.Now()
				promote(t, c, "mydb-2")
				e := <-listener
				if e.err == nil {
					t.Error("a notification came from a dead host")
				}
				if took := e.at.Sub(promoted); took > releaseLimit {
					t.Errorf("the listener was released %v after the promotion", took)
				}
				_ = conn.Close()
				p.lands(t, "mydb-2")
			})
		})
	}
}

// 57P03: the new writer is still starting up, and is waited for. Other servers refuse
// connections until then.
func TestB39_StartingUpIsWaitedFor(t *testing.T) {
	onPostgreSQL(t, func(t *testing.T, c *cluster) {
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
				demand.Is(t, fmt.Sprintf("call %d", n), e.err, core.ErrFailoverSuccess)
			}
			if took := e.at.Sub(up); took < 0 || took > time.Second {
				t.Errorf("call %d ended %v after the start-up: %v", n, took, e.err)
			}
		}
		arrived(t, c, p, []string{"mydb-2"})
	})
}

// Ask 16, B101: run-time parameters of the DSN and the
// hook apply to every connection, also to those after a failover, and to none of
// the monitor's.
func TestSessionSettingsOnEveryConnection(t *testing.T) {
	onPostgreSQL(t, func(t *testing.T, c *cluster) {
		var hooked atomic.Int64
		hook := func(ctx context.Context, query frontend.Query) error {
			hooked.Add(1)
			_, err := query(ctx, "set statement_timeout = 12345")
			return err
		}
		p := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint(), "search_path=mine", "application_name=shop"), OnConnect: hook})
		p.SetMaxIdleConns(0)
		for n := range 9 {
			var path, timeout, name string
			row := p.QueryRowContext(t.Context(), "select current_setting('search_path'), current_setting('statement_timeout'), current_setting('application_name')")
			if err := row.Scan(&path, &timeout, &name); err != nil {
				t.Fatal(err)
			}
			if path != "mine" || name != "shop" || !strings.HasPrefix(timeout, "12345") {
				t.Errorf("connection %d: search_path %q, statement_timeout %q, application_name %q", n, path, timeout, name)
			}
			if next := map[int]string{2: "mydb-2", 5: "mydb-3"}[n]; next != "" {
				promote(t, c, next)
				time.Sleep(31 * time.Second)
			}
		}
		if got := hooked.Load(); got != 9 {
			t.Errorf("the hook ran %d times, want once for each connection", got)
		}
	})
}

// B104: a session that the application left in a transaction is not given to
// anybody else. (pgx sees the transaction's state; go-sql-driver does not, see
// TestB104_ForgottenTransactionIsAsUnderTheDriver.)
func TestB104_ForgottenTransaction(t *testing.T) {
	onPostgreSQL(t, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxOpenConns(1)
		conn := p.hold(t, 1)[0]
		if _, err := conn.ExecContext(t.Context(), "begin"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), "insert into t (id) values (1)"); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		if err := p.insert(t.Context()); err != nil {
			t.Error(err)
		}
		if got := len(c.Rows("t")); got != 1 {
			t.Errorf("%d rows, want that of the second application only", got)
		}
	})
}
