package scenarios

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// What is in this file is about statements that are special to MySQL, and
// connections that break in the middle of one. The rest is in package delivery.

// cutAt breaks the connection of the application's first statement that begins so.
func cutAt(c *cluster, beginning string, fate lab.Fate) {
	w := c.Writer()
	w.OnStatement(func(s lab.Statement) lab.Fate {
		if s.User != "app" || !strings.HasPrefix(strings.ToLower(s.SQL), beginning) {
			return lab.Run()
		}
		w.OnStatement(nil)
		return fate
	})
}

// count is how many of the application's statements begin so, on all instances.
func count(c *cluster, beginning string) int {
	n := 0
	for _, text := range receivedByAll(c, "app") {
		if strings.HasPrefix(strings.ToLower(text), beginning) {
			n++
		}
	}
	return n
}

func ids(c *cluster) []int64 {
	ids := []int64{}
	for _, row := range c.Rows("t") {
		ids = append(ids, row[0].(int64))
	}
	return ids
}

// DDL commits the transaction it is in. When the connection breaks afterwards, what
// was done before is not rolled back: nobody may be told so, and RunTx must not do
// it again.
func TestImplicitCommit(t *testing.T) {
	for _, ddl := range []string{"create table other (id bigint)", "/* new */ CREATE TABLE other (id bigint)", "truncate table more", "begin", "set autocommit = 1"} {
		t.Run(ddl, func(t *testing.T) {
			onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				mustExec(t, p, "create table more (id bigint)")
				cutAt(c, "insert into t (id) values (2)", lab.CutBefore())
				tries := 0
				err := core.RunTx(t.Context(), p.DB, nil, func(tx *sql.Tx) error {
					tries++
					for _, statement := range []string{"insert into t (id) values (1)", ddl, "insert into t (id) values (2)"} {
						if _, err := tx.ExecContext(t.Context(), statement); err != nil {
							return err
						}
					}
					return nil
				})
				demand.Is(t, "the transaction", err, core.ErrTransactionResolutionUnknown, core.ErrOutcomeUnknown)
				if tries != 1 || core.SafeToRepeat(err) {
					t.Errorf("%d tries, safe to repeat %t: %v", tries, core.SafeToRepeat(err), err)
				}
				if diff := cmp.Diff([]int64{1}, ids(c)); ddl != "set autocommit = 1" && diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				p.lands(t, "mydb-1")
			})
		})
	}
}

// Without such a statement the server rolls everything back, savepoints or not, and
// RunTx starts over.
func TestNoImplicitCommit(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		cutAt(c, "insert into t (id) values (2)", lab.CutAfter())
		tries := 0
		err := core.RunTx(t.Context(), p.DB, nil, func(tx *sql.Tx) error {
			tries++
			for _, statement := range []string{
				"insert into t (id) values (1)", "savepoint s", "insert into t (id) values (9)", "rollback to s", "insert into t (id) values (2)",
			} {
				if _, err := tx.ExecContext(t.Context(), statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || tries != 2 {
			t.Errorf("%d tries: %v", tries, err)
		}
		if diff := cmp.Diff([]int64{1, 2}, ids(c)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

// Several statements in one text, and the connection breaks between them: what was
// done is done, and nothing is sent again.
func TestMultiStatementsCutInTheMiddle(t *testing.T) {
	const text = "insert into t (id) values (1); insert into t (id) values (2); insert into t (id) values (3)"
	calls := map[string]func(ctx context.Context, db *sql.DB) error{
		"exec": func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, text); return err },
		"query": func(ctx context.Context, db *sql.DB) error {
			rows, err := db.QueryContext(ctx, text)
			if err != nil {
				return err
			}
			defer rows.Close() //nolint:errcheck // rows.Err tells
			for rows.NextResultSet() {
			}
			return rows.Err()
		},
	}
	for name, call := range calls {
		for cut, want := range map[string][]int64{"values (2)": {1}, "values (3)": {1, 2}} {
			t.Run(name+"/"+cut, func(t *testing.T) {
				onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
					p := writable(t, c, "multiStatements=true")
					forget(c)
					cutAt(c, "insert into t (id) "+cut, lab.CutBefore())
					demand.Is(t, "the call", call(t.Context(), p.DB), core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
					if diff := cmp.Diff(want, ids(c)); diff != "" {
						t.Errorf("rows (-want +got):\n%s", diff)
					}
					if got := count(c, "insert"); got != len(want)+1 {
						t.Errorf("%d statements were received, want %d", got, len(want)+1)
					}
				})
			})
		}
	}
	t.Run("in a transaction", func(t *testing.T) {
		onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
			p := writable(t, c, "multiStatements=true")
			for middle, unknown := range map[string]bool{"insert into t (id) values (2)": false, "commit": true} {
				tx, err := p.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				cutAt(c, "insert into t (id) values (3)", lab.CutBefore())
				_, err = tx.ExecContext(t.Context(), "insert into t (id) values (1); "+middle+"; insert into t (id) values (3)")
				demand.Is(t, middle, err, core.ErrTransactionResolutionUnknown)
				if got := errors.Is(err, core.ErrOutcomeUnknown); got != unknown {
					t.Errorf("%s: outcome unknown %t: %v", middle, got, err)
				}
				if err := tx.Rollback(); err != nil {
					t.Errorf("%s: rollback: %v", middle, err)
				}
			}
			if diff := cmp.Diff([]int64{1}, ids(c)); diff != "" { // by COMMIT
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	})
}

// LOAD DATA LOCAL INFILE asks the client for a file in the middle of the statement.
// When the connection breaks while it is sent, the statement is not sent again.
func TestLoadDataCutInTheMiddle(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		const load = "load data local infile 'Reader::numbers' into table t (id)"
		var strike func()
		opened := 0
		mysql.RegisterReaderHandler("numbers", func() io.Reader {
			opened++
			return &numbers{left: 100_000, half: strike}
		})
		defer mysql.DeregisterReaderHandler("numbers")

		strike = func() { c.Writer().ResetConnections(); time.Sleep(time.Second) }
		_, err := p.ExecContext(t.Context(), load)
		demand.Is(t, "the statement", err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
		if got := count(c, "load data"); got != 1 || opened != 1 {
			t.Errorf("received %d times, the file was opened %d times", got, opened)
		}
		if got := len(c.Rows("t")); got != 0 {
			t.Errorf("%d rows", got)
		}

		strike = func() {}
		result, err := p.ExecContext(t.Context(), load)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); n != 100_000 || err != nil {
			t.Errorf("%d rows were loaded, %v", n, err)
		}
	})
}

// numbers is a file of one number on each line. half is called once, half way.
type numbers struct {
	left int
	half func()
}

func (n *numbers) Read(p []byte) (int, error) {
	if n.left == 0 {
		return 0, io.EOF
	}
	written := 0
	for n.left > 0 && written+8 < len(p) {
		if n.left == 50_000 {
			n.half()
		}
		written += copy(p[written:], fmt.Sprintln(n.left))
		n.left--
	}
	return written, nil
}

// The connection is lost between two rows: the error that ends them is typed like
// any other, by the text protocol and by the binary one, and so it is when rows are
// closed before their end.
func TestLostWhileIterating(t *testing.T) {
	queries := map[string]func(ctx context.Context, p *pool) (*sql.Rows, error){
		"text": func(ctx context.Context, p *pool) (*sql.Rows, error) {
			return p.QueryContext(ctx, p.lab.sql.Series(1000))
		},
		"binary": func(ctx context.Context, p *pool) (*sql.Rows, error) {
			return p.QueryContext(ctx, p.lab.sql.Series(1000)+" where seq <= ?", 1000)
		},
	}
	for name, query := range queries {
		t.Run(name, func(t *testing.T) {
			onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
				p := writable(t, c)
				cutAt(c, "select seq", lab.CutAfterRows(3))
				rows, err := query(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for rows.Next() {
					n++
				}
				err = rows.Err()
				demand.Is(t, "the rows", err, core.ErrFailoverSuccess, core.ErrOutcomeUnknown)
				var typed *core.Error
				if !errors.As(err, &typed) || typed.Op != core.OpRows || typed.Host != "mydb-1" || n != 3 {
					t.Errorf("%d rows, then %#v", n, err)
				}
				_ = rows.Close()
				p.lands(t, "mydb-1")
			})
		})
	}
}

// Deadlocks and waits for locks that took too long: RunTx starts over, and everybody
// gets his work done, once.
func TestRunTxRepeatsConflicts(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c)
		mustExec(t, p, "insert into t (id) values (1), (2)")
		tries := make([]int, 2)
		for _, err := range together(2, func(n int) error {
			return core.RunTx(t.Context(), p.DB, nil, func(tx *sql.Tx) error {
				tries[n]++
				for _, id := range [][]int{{1, 2}, {2, 1}}[n] {
					if _, err := tx.ExecContext(t.Context(), "update t set id = id + 10 where id % 10 = ?", id); err != nil {
						return err
					}
					time.Sleep(100 * time.Millisecond) // so that the other one has his first row
				}
				return nil
			})
		}) {
			if err != nil {
				t.Error(err)
			}
		}
		if tries[0]+tries[1] < 3 {
			t.Errorf("%d and %d tries: there was no deadlock", tries[0], tries[1])
		}
		if diff := cmp.Diff([]int64{21, 22}, ids(c)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p := writable(t, c, "innodb_lock_wait_timeout=1")
		mustExec(t, p, "insert into t (id) values (1)")
		tx, err := p.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), "update t set id = 2"); err != nil {
			t.Fatal(err)
		}
		tries := 0
		waiting := async(func() error {
			return core.RunTx(context.Background(), p.DB, nil, func(tx *sql.Tx) error {
				tries++
				_, err := tx.Exec("update t set id = id + 10")
				return err
			})
		})
		time.Sleep(3 * time.Second)
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if e := <-waiting; e.err != nil || tries < 2 {
			t.Errorf("%d tries: %v", tries, e.err)
		}
		if diff := cmp.Diff([]int64{12}, ids(c)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

// B77: the server falls silent in the middle of the file and does not take in the rest:
// it is the sending that waits.
func TestB77_LoadDataOnASilentHost(t *testing.T) {
	onMySQL(t, lab.Options{}, func(t *testing.T, c *cluster) {
		p, w := monitored(t, c, c.Endpoint(), quick.params(monitorAlone)...)
		mustExec(t, p, "create table t (id bigint)")
		var began time.Time
		mysql.RegisterReaderHandler("numbers", func() io.Reader {
			return &numbers{left: 100_000, half: func() {
				began = time.Now()
				c.Writer().Vanish(lab.LosingRequests)
				w.fill(10_000)
			}}
		})
		defer mysql.DeregisterReaderHandler("numbers")
		_, err := p.ExecContext(t.Context(), "load data local infile 'Reader::numbers' into table t (id)")
		exactly(t, "the statement", time.Since(began), quick.bound())
		cut(t, "the statement", err, "mydb-1")
		demand.Is(t, "the statement", err, core.ErrOutcomeUnknown)
	})
}
