package scenarios

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// What is in this file is about things that only MySQL has.

// onMySQL is virtual for MySQL only.
func onMySQL(t *testing.T, o lab.Options, scenario func(t *testing.T, c *cluster)) {
	t.Helper()
	virtually(t, frontend.MySQL, o, scenario)
}

// failInserts lets an instance answer every insert of the application with an error.
func failInserts(i *lab.Instance, number, message string) {
	i.OnStatement(func(s lab.Statement) lab.Fate {
		if s.User == "app" && strings.HasPrefix(s.SQL, "insert") {
			return lab.Fail(number, message)
		}
		return lab.Run()
	})
}

// B40: error 1290 is about a read-only server or about any other option, and only
// the option in its text tells which, in whatever language the text is. A host that
// is read-only because it was demoted is left; what another option prevents is the
// application's error. 1836 and 1792 are about nothing but read-only.
func TestB40_ReadOnlyAndItsNamesakes(t *testing.T) {
	demoted := []struct{ number, message string }{
		{"1290", "The MySQL server is running with the --read-only option so it cannot execute this statement"},
		{"1290", "The MySQL server is running with the --super-read-only option so it cannot execute this statement"},
		{"1290", "The MySQL server is running with the --innodb-read-only option so it cannot execute this statement"},
		{"1290", "The MariaDB server is running with the --read-only option so it cannot execute this statement"},
		{"1290", "Der MySQL-Server läuft mit der Option --read-only und kann diese Anweisung deswegen nicht ausführen"},
		{"1290", "MySQLサーバーが--read-onlyオプションで実行されているため、このステートメントを実行できません"},
		{"1836", "Running in read-only mode"},
		{"1792", "Cannot execute statement in a READ ONLY transaction."},
	}
	for _, e := range demoted {
		t.Run(e.message, func(t *testing.T) {
			onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				promote(t, c, "mydb-2")
				failInserts(c.Instance("mydb-1"), e.number, e.message)
				err := p.insert(t.Context())
				demand.Is(t, "the write", err, core.ErrFailoverSuccess)
				demand.IsNot(t, "the write", err, core.ErrOutcomeUnknown)
				c.says(t, "the write", err, e.number)
				if err := p.insert(t.Context()); err != nil {
					t.Errorf("its repetition: %v", err)
				}
			})
		})
	}
	others := []string{
		"The MySQL server is running with the --secure-file-priv option so it cannot execute this statement",
		"The MySQL server is running with the --skip-grant-tables option so it cannot execute this statement",
		"The MySQL server is running with the --skip-networking option so it cannot execute this statement",
		"The MariaDB server is running with the --secure-file-priv option so it cannot execute this statement: read-only",
		"Der MySQL-Server läuft mit der Option --secure-file-priv und kann diese Anweisung deswegen nicht ausführen",
	}
	for _, message := range others {
		t.Run(message, func(t *testing.T) {
			onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				p.SetMaxOpenConns(1)
				session := p.sessions(t, 1)
				unmoved(t, p, func() {
					failInserts(c.Writer(), "1290", message)
					err := p.insert(t.Context())
					c.says(t, "the statement", err, "1290")
					demand.IsNot(t, "the statement", err, core.ErrFailover, core.ErrOutcomeUnknown)
					c.Writer().OnStatement(nil)
				})
				if diff := cmp.Diff(session, p.sessions(t, 1)); diff != "" {
					t.Errorf("the session was replaced (-before +after):\n%s", diff)
				}
			})
		})
	}
}

// B104: a session that the application left in a transaction begun by SQL goes to
// the next one with it, as under go-sql-driver itself, which leaves it to the
// application: what ours does is what the bare driver does.
func TestB104_ForgottenTransactionIsAsUnderTheDriver(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		writable(t, c)
		connector, err := c.front.Bare(c.Cluster, c.DSN(c.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		bare := sql.OpenDB(connector)
		defer bare.Close() //nolint:errcheck // a connection of its own
		want := forgetTransaction(t, c, bare)
		if got := forgetTransaction(t, c, open(t, c, c.Endpoint()).DB); got != want {
			t.Errorf("%d rows are committed, with the bare driver %d", got, want)
		}
	})
}

// forgetTransaction tells how many rows are committed after a second user of the
// session has written one.
func forgetTransaction(t *testing.T, c *cluster, db *sql.DB) int {
	t.Helper()
	before := len(c.Rows("t"))
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"begin", "insert into t (id) values (1)"} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close()
	if _, err := db.ExecContext(t.Context(), "insert into t (id) values (2)"); err != nil {
		t.Fatal(err)
	}
	return len(c.Rows("t")) - before
}

// rejectReadOnly, without a plugin that takes its place: the write is repeated on a
// new connection, and the pool is rid of the old writer. Without it, it is not.
func TestRejectReadOnly(t *testing.T) {
	for _, reject := range []bool{true, false} {
		t.Run(fmt.Sprint(reject), func(t *testing.T) {
			onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c, "plugins=none", fmt.Sprintf("rejectReadOnly=%t", reject))
				promote(t, c, "mydb-2") // DNS knows
				err := p.insert(t.Context())
				if !reject {
					c.says(t, "the write", err, c.codes.ReadOnly)
					p.lands(t, "mydb-1")
					return
				}
				if err != nil {
					t.Errorf("the write: %v", err)
				}
				p.lands(t, "mydb-2")
			})
		})
	}
}

// readTimeout passes while a host is silent: for the application the connection is
// lost, and what was sent may have had an effect. A host that is dead is left, one
// that is only slow stays.
func TestReadTimeoutIsALoss(t *testing.T) {
	const limit = 2 * time.Second
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "readTimeout=2s")
		began := time.Now()
		err := p.sleep(context.Background(), time.Minute)
		if took := time.Since(began); took < limit || took > limit+firstWriteLimit {
			t.Errorf("the call took %v", took)
		}
		demand.Is(t, "the call", err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
		p.lands(t, "mydb-1")

		tx, err := p.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.ExecContext(t.Context(), c.sql.Sleep(time.Minute))
		demand.Is(t, "the transaction", err, core.ErrTransactionResolutionUnknown)
		demand.IsNot(t, "the transaction", err, core.ErrOutcomeUnknown)
		if err := tx.Rollback(); err != nil {
			t.Errorf("rollback: %v", err)
		}

		p.fill(t, 1)
		c.Writer().Freeze()
		call := async(func() error { return p.insert(context.Background()) })
		time.Sleep(time.Second)
		promote(t, c, "mydb-2")
		demand.Is(t, "the call to a dead host", (<-call).err, core.ErrFailoverSuccess)
		arrived(t, c, p, []string{"mydb-2"})
	})
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "readTimeout=2s", "plugins=none")
		err := p.sleep(context.Background(), time.Minute)
		demand.Is(t, "without plugins", err, core.ErrOutcomeUnknown)
		demand.IsNot(t, "without plugins", err, core.ErrFailover)
		p.lands(t, "mydb-1")
	})
}

// B79, B80: go-sql-driver looks at an idle socket before it uses it, which needs the
// socket under the connection. A session that the server has ended is replaced
// unseen; a read deadline that an earlier call has left behind does not make a
// session look dead.
func TestB79_B80_LivenessCheck(t *testing.T) {
	for _, params := range [][]string{nil, {"readTimeout=50ms"}, {"plugins=none"}, {"plugins=none", "readTimeout=50ms"}} {
		t.Run(fmt.Sprint(params), func(t *testing.T) {
			livenessCheck(t, start(t, frontend.MySQL, lab.Options{}), params)
		})
	}
}

func livenessCheck(t *testing.T, c *cluster, params []string) {
	p := writable(t, c, params...)
	p.SetMaxOpenConns(1)
	before := p.sessions(t, 1)
	for range 3 {
		time.Sleep(100 * time.Millisecond) // longer than readTimeout
		if diff := cmp.Diff(before, p.sessions(t, 1)); diff != "" {
			t.Fatalf("the session was replaced (-before +after):\n%s", diff)
		}
	}
	other := open(t, c, c.Endpoint(), "plugins=none")
	for session := range before {
		open := connections(c)
		mustExec(t, other, fmt.Sprintf("kill %d", session)) // of one that is idle: it is closed without a word
		for began := time.Now(); connections(c) >= open+1; time.Sleep(time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatal("the session was not ended")
			}
		}
	}
	if err := p.insert(t.Context()); err != nil {
		t.Errorf("the first call after the server has closed an idle session: %v", err)
	}
	after := p.sessions(t, 1)
	for session := range before {
		if after[session] {
			t.Error("the session is still there: nothing was tested")
		}
	}
}

// The last words of one statement say nothing about the session: KILL QUERY and a
// limit of the server's leave it as it is.
func TestInterruptedStatements(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		p.SetMaxOpenConns(1)
		before := p.sessions(t, 1)
		other := open(t, c, c.Endpoint())
		unmoved(t, p, func() {
			call := async(func() error {
				_, err := p.ExecContext(context.Background(), "update t set id = sleep(60)")
				return err
			})
			time.Sleep(time.Second)
			for session := range before {
				mustExec(t, other, fmt.Sprintf("kill query %d", session))
			}
			err := (<-call).err
			demand.IsNot(t, "the statement", err, core.ErrFailover, core.ErrOutcomeUnknown)
			mustExec(t, p, "set max_execution_time = 500")
			err = p.sleep(t.Context(), time.Minute)
			c.says(t, "a query that takes too long", err, "3024")
			demand.IsNot(t, "a query that takes too long", err, core.ErrFailover, core.ErrOutcomeUnknown)
		})
		if diff := cmp.Diff(before, p.sessions(t, 1)); diff != "" {
			t.Errorf("the session was replaced (-before +after):\n%s", diff)
		}
	})
}

// Ask 16, B101: system variables of the DSN and the hook apply to every connection,
// also to those after a failover, and to none of the monitor's.
func TestSystemVariablesOnEveryConnection(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		var hooked atomic.Int64
		hook := func(ctx context.Context, query frontend.Query) error {
			hooked.Add(1)
			_, err := query(ctx, "set group_concat_max_len = 12345")
			return err
		}
		p := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint(), "sql_mode='ANSI'", "wait_timeout=77"), OnConnect: hook})
		p.SetMaxIdleConns(0)
		for n := range 9 {
			var mode string
			var wait, length int
			row := p.QueryRowContext(t.Context(), "select @@sql_mode, @@wait_timeout, @@group_concat_max_len")
			if err := row.Scan(&mode, &wait, &length); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(mode, "ANSI") || wait != 77 || length != 12345 {
				t.Errorf("connection %d: sql_mode %q, wait_timeout %d, group_concat_max_len %d", n, mode, wait, length)
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
