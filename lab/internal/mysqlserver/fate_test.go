package mysqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// scheme decides fates by the start of a statement and records what it saw.
type scheme struct {
	mu   sync.Mutex
	seen []fate.Statement
	what map[string]fate.Fate
}

func (s *scheme) decide(st fate.Statement) fate.Fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, st)
	for prefix, f := range s.what {
		if strings.HasPrefix(st.SQL, prefix) {
			return f
		}
	}
	return fate.Run()
}

func isLost(err error) bool {
	return errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn)
}

func TestFates(t *testing.T) {
	cases := []struct {
		name   string
		fate   fate.Fate
		failed bool // the connection is gone
		number uint16
		rows   int // committed afterwards
	}{
		{name: "run", fate: fate.Run(), rows: 1},
		{name: "cut before", fate: fate.CutBefore(), failed: true},
		{name: "cut after", fate: fate.CutAfter(), failed: true, rows: 1},
		{name: "cut after rows", fate: fate.CutAfterRows(0), failed: true, rows: 1},
		{name: "fail", fate: fate.Fail(&Error{Number: 1205, State: "HY000", Message: "no"}), number: 1205},
		{name: "fail with another error", fate: fate.Fail(errors.New("x")), number: 1105},
		{name: "fail for good", fate: fate.Fail(&Error{Number: 1053, State: "08S01", Message: "bye", Fatal: true}), number: 1053},
	}
	for _, c := range cases {
		for _, parameters := range []string{"", "interpolateParams=true"} {
			t.Run(c.name+parameters, func(t *testing.T) {
				s := &scheme{what: map[string]fate.Fate{"INSERT": c.fate}}
				store := sqlengine.NewStore()
				client := trusting(t, Config{Store: store, Statement: s.decide}).connect(t, parameters)
				client.must("CREATE TABLE t (a INT)")
				_, err := client.ExecContext(context.Background(), "INSERT INTO t VALUES (?)", 7)
				if c.failed != isLost(err) || numberOf(err) != c.number || !c.failed && c.number == 0 && err != nil {
					t.Errorf("got %v", err)
				}
				if got := len(store.Rows("t")); got != c.rows {
					t.Errorf("%d rows committed, want %d", got, c.rows)
				}
			})
		}
	}
}

// TestStates: an error has the SQLSTATE it is given, or the one of its number.
func TestStates(t *testing.T) {
	for want, failure := range map[string]*Error{"40001": {Number: 1213}, "08004": {Number: 1040}, "HY000": {Number: 1290}, "XA000": {Number: 1213, State: "XA000"}} {
		s := &scheme{what: map[string]fate.Fate{"SELECT 1": fate.Fail(failure)}}
		_, err := trusting(t, Config{Statement: s.decide}).connect(t, "").ExecContext(context.Background(), "SELECT 1")
		var got *mysql.MySQLError
		if !errors.As(err, &got) || string(got.SQLState[:]) != want {
			t.Errorf("%v: got %v, want SQLSTATE %s", failure, err, want)
		}
	}
}

// TestStatements: what the hook is told.
func TestStatements(t *testing.T) {
	s := &scheme{}
	c := trusting(t, Config{Statement: s.decide}).connect(t, "multiStatements=true")
	c.must("CREATE TABLE t (a INT, b TEXT)", "BEGIN", "SELECT 1; SELECT 2;")
	c.exec("INSERT INTO t VALUES (?, ?)", 7, "x")
	c.must("COMMIT")
	c.refused(1064, "NONSENSE")
	var got []string
	for _, st := range s.seen {
		line := st.User + " " + st.SQL
		if st.InTx {
			line += " in a transaction"
		}
		if st.Conn != 1 || !st.Writable || st.At.IsZero() {
			t.Errorf("%+v", st)
		}
		got = append(got, line)
	}
	want := []string{"app CREATE TABLE t (a INT, b TEXT)", "app BEGIN", "app SELECT 1 in a transaction", "app SELECT 2 in a transaction",
		"app INSERT INTO t VALUES (?, ?) in a transaction", "app COMMIT in a transaction"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{int64(7), "x"}, s.seen[4].Args); diff != "" {
		t.Error(diff)
	}
}

func TestCutAfterRows(t *testing.T) {
	s := &scheme{what: map[string]fate.Fate{"SELECT seq": fate.CutAfterRows(3)}}
	in := trusting(t, Config{Statement: s.decide})
	for _, parameters := range []string{"", "interpolateParams=true"} {
		c := in.connect(t, parameters)
		rows, err := c.QueryContext(context.Background(), "SELECT seq FROM seq_1_to_10 WHERE seq > ?", 0)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if n != 3 || !isLost(rows.Err()) {
			t.Errorf("%d rows and %v, want 3 and a lost connection", n, rows.Err())
		}
		rows.Close()
	}
}

// TestHangs: in virtual time, the client waits as long as it wants to.
func TestHangs(t *testing.T) {
	for name, f := range map[string]fate.Fate{"before": fate.HangBefore(), "after": fate.HangAfter()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := sqlengine.NewStore()
				s := &scheme{what: map[string]fate.Fate{"INSERT": f}}
				in := trusting(t, Config{Store: store, Statement: s.decide})
				c := in.connect(t, "")
				c.must("CREATE TABLE t (a INT)")
				ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
				defer cancel()
				begin := time.Now()
				_, err := c.ExecContext(ctx, "INSERT INTO t VALUES (1)")
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Hour {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				synctest.Wait()
				want := map[string]int{"before": 0, "after": 1}[name]
				if got := len(store.Rows("t")); got != want || in.Sessions() != 0 {
					t.Errorf("%d rows, want %d; %d sessions", got, want, in.Sessions())
				}
			})
		})
	}
}

// TestInterruption: a statement ends by KILL QUERY, KILL, the end of its client, its time limit and shutdown.
func TestInterruption(t *testing.T) {
	cases := []struct {
		name   string
		flavor sqlengine.Flavor
		end    func(t *testing.T, in *instance, killer client, running int)
		number uint16
		alive  bool // the connection still works
	}{
		{name: "kill query", flavor: sqlengine.MySQL, end: func(_ *testing.T, _ *instance, k client, _ int) { k.must("KILL QUERY 1") }, number: 1317, alive: true},
		{name: "kill", flavor: sqlengine.MySQL, end: func(_ *testing.T, _ *instance, k client, _ int) { k.must("KILL 1") }, number: 1053},
		{name: "kill in MariaDB", flavor: sqlengine.MariaDB, end: func(_ *testing.T, _ *instance, k client, _ int) { k.must("KILL CONNECTION 1") }, number: 1927},
		{name: "shutdown", flavor: sqlengine.MySQL, end: func(_ *testing.T, in *instance, _ client, _ int) { in.Terminate() }, number: 1053},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost("mydb-1", true)
				h.flavor = c.flavor
				in := trusting(t, Config{Host: h})
				victim, killer := in.connect(t, ""), in.connect(t, "")
				killer.refused(1094, "KILL 99")
				done := make(chan error, 1)
				go func() {
					_, err := victim.ExecContext(context.Background(), "SELECT SLEEP(1000)")
					done <- err
				}()
				time.Sleep(time.Second)
				begin := time.Now()
				c.end(t, in, killer, 1)
				if err := <-done; numberOf(err) != c.number || time.Since(begin) > time.Millisecond {
					t.Errorf("%v after %v, want error %d at once", err, time.Since(begin), c.number)
				}
				if err := victim.PingContext(context.Background()); (err == nil) != c.alive {
					t.Errorf("ping afterwards: %v", err)
				}
			})
		})
	}
}

func TestTimesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scheme{what: map[string]fate.Fate{"SELECT 'late'": fate.Delay(10 * time.Minute)}}
		in := trusting(t, Config{Statement: s.decide})
		c, other := in.connect(t, ""), in.connect(t, "")
		took := func(want time.Duration, f func()) {
			t.Helper()
			begin := time.Now()
			f()
			if d := time.Since(begin); d != want {
				t.Errorf("took %v, want %v", d, want)
			}
		}
		took(30*time.Second, func() { c.table("SELECT SLEEP(30)") })
		took(10*time.Minute, func() { c.table("SELECT 'late'") })
		c.must("SET max_execution_time = 5000")
		took(5*time.Second, func() {
			_, err := c.ExecContext(context.Background(), "SELECT SLEEP(30)")
			if numberOf(err) != 3024 {
				t.Errorf("got %v, want error 3024", err)
			}
		})
		c.must("CREATE TABLE t (id INT PRIMARY KEY, n INT)", "INSERT INTO t VALUES (1, 0), (2, 0)", "BEGIN", "UPDATE t SET n = 1 WHERE id = 1")
		begin := time.Now()
		other.refused(1205, "UPDATE t SET n = 2 WHERE id = 1")
		if d := time.Since(begin).Round(time.Second); d != 50*time.Second {
			t.Errorf("waited %v for the lock", d)
		}
		other.refused(3572, "SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT")
		other.must("BEGIN", "UPDATE t SET n = 2 WHERE id = 2")
		failed := make(chan error, 1)
		go func() {
			_, err := c.ExecContext(context.Background(), "UPDATE t SET n = 3 WHERE id = 2")
			failed <- err
		}()
		time.Sleep(time.Second)
		other.refused(1213, "UPDATE t SET n = 3 WHERE id = 1")
		if err := <-failed; err != nil { // the victim's locks are free
			t.Error(err)
		}
		c.must("COMMIT")
		if got := other.table("SELECT n FROM t ORDER BY id"); !cmp.Equal(got, []string{"1", "3"}) {
			t.Error(got)
		}
	})
}

// TestClientGone: a statement whose client goes away ends, and frees its locks.
func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := trusting(t, Config{})
		c, victim := in.connect(t, ""), in.connect(t, "")
		c.must("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")
		victim.must("BEGIN", "DELETE FROM t")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := victim.ExecContext(ctx, "SELECT SLEEP(1000)"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		begin := time.Now()
		c.must("UPDATE t SET id = 2")
		if d := time.Since(begin); d > time.Second {
			t.Errorf("waited %v for the lock of a client that is gone", d)
		}
	})
}

// TestNothingRunsOnceTerminated: not even what the client has sent already.
func TestNothingRunsOnceTerminated(t *testing.T) {
	var in *instance
	var ran []string
	in = trusting(t, Config{Statement: func(s fate.Statement) fate.Fate {
		ran = append(ran, s.SQL)
		in.Terminate()
		return fate.Run()
	}})
	config := in.configFor(t, "")
	var raw net.Conn
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := in.dial(ctx, network, address)
		raw = conn
		return conn, err
	}
	connection(t, database(t, config))
	query := "\x09\x00\x00\x00\x03SELECT 1" // COM_QUERY
	if _, err := io.WriteString(raw, query+query); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, raw) // until the server closes the connection
	if len(ran) != 1 {
		t.Errorf("ran %q", ran)
	}
}

// TestTerminate: idle sessions and connections that have not logged in are closed without a word.
func TestTerminate(t *testing.T) {
	in := trusting(t, Config{})
	c := in.connect(t, "")
	c.must("SELECT 1")
	raw, err := in.dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	greeting := make([]byte, 4)
	if _, err := raw.Read(greeting); err != nil {
		t.Fatal(err)
	}
	in.Terminate()
	if err := c.PingContext(context.Background()); !isLost(err) {
		t.Errorf("ping: %v", err)
	}
	_ = raw.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		if _, err := raw.Read(make([]byte, 1024)); err != nil {
			if isTimeout(err) {
				t.Error("the connection that had not logged in is still open")
			}
			break
		}
	}
	in.serving.Wait()
	if n := in.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
