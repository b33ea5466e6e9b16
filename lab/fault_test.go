package lab_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab"
)

func TestCrashAndRestart(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn, bare := connect(t, cluster, writer.Host()), dialed(t, cluster, writer)
		writer.Crash()
		_, err := io.Copy(io.Discard, bare) // MySQL may have said its greeting
		wantError(t, err, syscall.ECONNRESET)
		if err := within(time.Minute, ping(conn)); !cut(err) {
			t.Errorf("a crashed instance: %v", err)
		}
		wantError(t, within(time.Minute, dial(cluster, writer)), syscall.ECONNREFUSED)
		wantEqual(t, "connections", writer.Connections(), 0)
		writer.Restart()
		if err := ping(connect(t, cluster, writer.Host()))(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestACrashedProcessCommitsNothing(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		db := open(t, cluster, writer.Host())
		exec(t, db, "create table t (id int)")
		writer.OnStatement(func(s lab.Statement) lab.Fate {
			if s.SQL == "insert into t values (1)" {
				writer.Crash()
			}
			return lab.Run()
		})
		if _, err := db.Exec("insert into t values (1)"); err == nil {
			t.Error("the insert was acknowledged")
		}
		wantEqual(t, "committed", cluster.Rows("t"), [][]any{})
	})
}

func TestFreeze(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host())
		writer.Freeze()
		result := make(chan error, 1)
		go func() { result <- within(time.Minute, ping(conn)) }()
		if err := within(silence, dial(cluster, writer)); err != nil {
			t.Errorf("dial: %v", err)
		}
		wantError(t, within(silence, login(t, cluster, writer.Host())), context.DeadlineExceeded)
		select {
		case err := <-result:
			t.Errorf("a frozen instance answered: %v", err)
		default:
		}
		writer.Heal()
		if err := <-result; err != nil {
			t.Errorf("after heal: %v", err)
		}
	})
}

func TestVanish(t *testing.T) {
	for name, tc := range map[string]struct {
		loss lab.Loss
		rows int // committed while the host is away
	}{
		"losing requests": {lab.LosingRequests, 0},
		"losing answers":  {lab.LosingAnswers, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubbles(t, lab.Options{Latency: time.Millisecond}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
				writer := cluster.Writer()
				conn := connect(t, cluster, writer.Host())
				exec(t, conn, "create table t (id int)")
				result := make(chan error, 1)
				go func() { result <- within(time.Minute, running(conn, "insert into t values (1)")) }()
				synctest.Wait() // sent, not yet arrived
				writer.Vanish(tc.loss)
				begin := time.Now()
				wantError(t, <-result, context.DeadlineExceeded)
				if took := time.Since(begin); took < time.Minute {
					t.Errorf("the call ended after %v", took)
				}
				wantEqual(t, "committed rows", len(cluster.Rows("t")), tc.rows)
				wantError(t, within(10*time.Second, dial(cluster, writer)), context.DeadlineExceeded)
				begin = time.Now()
				wantError(t, dial(cluster, writer)(t.Context()), syscall.ETIMEDOUT)
				wantEqual(t, "what the kernel gives up after", time.Since(begin).Round(time.Second), 127*time.Second)
			})
		})
	}
}

func TestVanishAndHeal(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host())
		writer.Vanish(lab.LosingRequests)
		result := make(chan error, 2)
		go func() { result <- within(time.Minute, ping(conn)) }()
		go func() { result <- within(time.Minute, dial(cluster, writer)) }()
		time.Sleep(silence)
		select {
		case err := <-result:
			t.Fatalf("an answer out of the black hole: %v", err)
		default:
		}
		writer.Heal()
		for range 2 {
			if err := <-result; err != nil {
				t.Errorf("after heal: %v", err)
			}
		}
	})
}

func TestRefuseAndReset(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn, bare := connect(t, cluster, writer.Host()), dialed(t, cluster, writer)
		writer.Refuse()
		if err := ping(conn)(t.Context()); err != nil {
			t.Errorf("live connection: %v", err)
		}
		wantError(t, dial(cluster, writer)(t.Context()), syscall.ECONNREFUSED)
		writer.Heal()
		writer.ResetConnections()
		_, err := io.Copy(io.Discard, bare)
		wantError(t, err, syscall.ECONNRESET)
		connect(t, cluster, writer.Host())
	})
}

func TestSlowAndHangAfter(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host())
		writer.Slow(silence)
		begin := time.Now()
		if err := ping(conn)(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < silence {
			t.Errorf("a slow answer took %v, want %v", took, silence)
		}
		writer.Slow(0)
		writer.HangAfter(7)
		wantError(t, within(silence, ping(conn)), context.DeadlineExceeded)
	})
}

func TestShutdown(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		idle := connect(t, cluster, writer.Host())
		result := hanging(t, e, cluster, writer)
		writer.Shutdown()
		wantCode(t, <-result, e.shutdown)
		time.Sleep(silence) // a message that is on its way to a client that writes may be lost
		e.wantDropped(t, within(time.Minute, ping(idle)))
		wantError(t, dial(cluster, writer)(t.Context()), syscall.ECONNREFUSED)
		writer.Restart()
		connect(t, cluster, writer.Host())
	})
}

func TestFates(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		succeeds := func(err error) bool { return err == nil }
		silent := func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
		says := func(want string) func(error) bool { return func(err error) bool { return code(err) == want } }
		for name, tc := range map[string]struct {
			fate lab.Fate
			rows int
			ran  bool
			want func(error) bool
		}{
			"run":         {lab.Run(), 1, true, succeeds},
			"cut before":  {lab.CutBefore(), 0, false, cut},
			"cut after":   {lab.CutAfter(), 1, true, cut},
			"hang before": {lab.HangBefore(), 0, false, silent},
			"hang after":  {lab.HangAfter(), 1, true, silent},
			"delay":       {lab.Delay(time.Second), 1, true, succeeds},
			"fail":        {lab.Fail(e.retry, "try again"), 0, false, says(e.retry)},
			"fail fatal":  {lab.FailFatal(e.shutdown, "bye"), 0, false, says(e.shutdown)},
		} {
			t.Run(name, func(t *testing.T) {
				bubble(t, lab.Options{Flavor: e.flavor}, func(t *testing.T, cluster *lab.Cluster) {
					writer := cluster.Writer()
					conn := connect(t, cluster, writer.Host())
					exec(t, conn, "create table t (id int)")
					writer.OnStatement(func(s lab.Statement) lab.Fate {
						if s.SQL == e.insert {
							return tc.fate
						}
						return lab.Run()
					})
					writer.ResetStatements()
					begin := time.Now()
					if err := within(time.Minute, running(conn, e.insert, 7)); !tc.want(err) {
						t.Errorf("error %v", err)
					}
					wantEqual(t, "delayed", time.Since(begin) >= time.Second, strings.HasPrefix(name, "delay") || strings.HasPrefix(name, "hang"))
					wantEqual(t, "committed rows", len(cluster.Rows("t")), tc.rows)
					received := writer.Statements()
					for i := range received {
						wantEqual(t, "when", received[i].At.Sub(begin).Round(time.Millisecond), time.Duration(0))
						received[i].At = time.Time{}
					}
					wantEqual(t, "received", received, []lab.Statement{{
						Conn: 1, User: "app", SQL: e.insert, Args: []any{int64(7)}, Writer: true, Ran: tc.ran,
					}})
					alive := name == "run" || name == "delay" || name == "fail"
					wantEqual(t, "the session lives", within(time.Minute, ping(conn)) == nil, alive)
				})
			})
		}
	})
}

func TestFatesOfSomeRows(t *testing.T) {
	inBubbles(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		db := open(t, cluster, writer.Host())
		exec(t, db, "create table t (id int)")
		exec(t, db, "insert into t values (1), (2), (3)")
		writer.OnStatement(func(lab.Statement) lab.Fate { return lab.CutAfterRows(2) })
		rows, err := connect(t, cluster, writer.Host()).QueryContext(t.Context(), "select id from t")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			n++
		}
		wantEqual(t, "rows", n, 2)
		if err := rows.Err(); !cut(err) {
			t.Errorf("after the rows: %v", err)
		}
	})
}

// cut tells the loss of a connection.
func cut(err error) bool {
	for _, end := range []error{syscall.ECONNRESET, syscall.EPIPE, io.ErrUnexpectedEOF, io.EOF, mysql.ErrInvalidConn, driver.ErrBadConn} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// wantDropped is about an idle session, or a real one, that the server has ended.
func (e engine) wantDropped(t *testing.T, err error) {
	t.Helper()
	if e.tellsIdle {
		wantCode(t, err, e.shutdown)
	} else if code(err) != "" || !cut(err) {
		t.Errorf("an ended session: %v, want a closed connection", err)
	}
}
