package mysqldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

// scripted dials a server that does one thing with its connection. closed tells
// afterwards that it saw the end of it.
func scripted(t *testing.T, script func(net.Conn)) (dial core.DialFunc, closed func() bool) {
	ended := make(chan bool, 1)
	dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			script(theirs)
			_, err := io.Copy(io.Discard, theirs)
			_ = theirs.Close()
			ended <- err == nil || errors.Is(err, io.ErrClosedPipe)
		}()
		return ours, nil
	}
	return dial, func() bool { return <-ended }
}

func packet(sequence byte, body string) []byte {
	return append([]byte{byte(len(body)), 0, 0, sequence}, body...)
}

// greeting announces mysql_native_password and no TLS.
const greeting = "\x0a8.0.39\x00\x01\x00\x00\x00abcdefgh\x00\x01\x82\x2d\x02\x00\x0a\x00\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ijklmnopqrst\x00mysql_native_password\x00"

func write(t *testing.T, c net.Conn, b []byte) {
	if _, err := c.Write(b); err != nil {
		t.Errorf("scripted server: %v", err)
	}
}

// readLogin reads the answer to the greeting.
func readLogin(t *testing.T, c net.Conn) {
	if _, err := (&fakeWire{Conn: c}).receive(); err != nil {
		t.Errorf("scripted server: %v", err)
	}
}

// What the caller sees of a connect that fails: ErrConnect with its cause, and
// nothing at which database/sql would try again by itself.
func TestConnectErrors(t *testing.T) {
	refuses := func(e *mysql.MySQLError) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) { write(t, c, packet(0, string(fakeError(e)))) }
	}
	number := func(n uint16) func(error) bool {
		return func(err error) bool {
			var server *mysql.MySQLError
			return errors.As(err, &server) && server.Number == n && !errors.As(err, new(*core.LostError))
		}
	}
	lost := func(cause error) func(error) bool {
		return func(err error) bool {
			var lost *core.LostError
			return errors.As(err, &lost) && lost.Host == "db.example:3306" && errors.Is(lost, cause)
		}
	}
	tests := map[string]struct {
		params string
		script func(t *testing.T, c net.Conn)
		want   func(error) bool
		fault  core.Fault
	}{
		"hangs up at once":          {"", func(_ *testing.T, c net.Conn) { _ = c.Close() }, lost(io.EOF), core.FaultLink},
		"hangs up in the greeting":  {"", func(t *testing.T, c net.Conn) { write(t, c, packet(0, greeting)[:20]); _ = c.Close() }, lost(io.EOF), core.FaultLink},
		"hangs up before the login": {"", func(t *testing.T, c net.Conn) { write(t, c, packet(0, greeting)); _ = c.Close() }, lost(io.ErrClosedPipe), core.FaultLink},
		"hangs up after the login": {"", func(t *testing.T, c net.Conn) {
			write(t, c, packet(0, greeting))
			readLogin(t, c)
			_ = c.Close()
		}, lost(io.EOF), core.FaultLink},
		"hangs up at SET": {"?sql_mode=%27ANSI%27", func(t *testing.T, c net.Conn) {
			write(t, c, packet(0, greeting))
			readLogin(t, c)
			write(t, c, packet(2, string(fakeOK(0))))
			readLogin(t, c)
			_ = c.Close()
		}, lost(io.EOF), core.FaultLink},
		"speaks HTTP": {"", func(t *testing.T, c net.Conn) {
			write(t, c, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}, lost(io.EOF), core.FaultLink},
		"speaks an old protocol": {"", func(t *testing.T, c net.Conn) { write(t, c, packet(0, "\x093.23\x00"+greeting)) },
			func(err error) bool { return !errors.As(err, new(*core.LostError)) }, core.FaultNone},
		"has no TLS": {"?tls=true", func(t *testing.T, c net.Conn) { write(t, c, packet(0, greeting)) },
			func(err error) bool { return errors.Is(err, mysql.ErrNoTLS) }, core.FaultNone},
		"too many connections": {"", refuses(serverError(1040, "08004")), number(1040), core.FaultBusy},
		"access denied":        {"", refuses(serverError(1045, "28000")), number(1045), core.FaultLogin},
		"host blocked":         {"", refuses(serverError(1129, "HY000")), number(1129), core.FaultNone},
		"shutting down":        {"", refuses(serverError(1053, "08S01")), number(1053), core.FaultShutdown},
		"denied after the login": {"", func(t *testing.T, c net.Conn) {
			write(t, c, packet(0, greeting))
			readLogin(t, c)
			write(t, c, packet(2, string(fakeError(serverError(1045, "28000")))))
			_ = c.Close()
		}, number(1045), core.FaultLogin},
		"no such variable": {"?nonesuch=1", func(t *testing.T, c net.Conn) {
			write(t, c, packet(0, greeting))
			readLogin(t, c)
			write(t, c, packet(2, string(fakeOK(0))))
			readLogin(t, c)
			write(t, c, packet(1, string(fakeError(serverError(1193, "HY000")))))
		}, number(1193), core.FaultNone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dial, closed := scripted(t, func(c net.Conn) { test.script(t, c) })
			k := connector(t, parsed(t, "app:secret@tcp(db.example)/x"+test.params), WithPlugins(), WithDialer(dial))
			_, err := k.Connect(t.Context())
			if !errors.Is(err, core.ErrConnect) || errors.Is(err, driver.ErrBadConn) || !test.want(err) {
				t.Errorf("%v", err)
			}
			if got := k.Classify(err); got != test.fault {
				t.Errorf("%v is classified %s, want %s", err, got, test.fault)
			}
			if !closed() {
				t.Error("the socket stayed open")
			}
			for l := range k.Cluster().Links() {
				t.Errorf("a connection to %s is left", l.Host())
			}
		})
	}
}

// A server that says nothing, and one that stops after the login.
func TestConnectWithDeadline(t *testing.T) {
	for name, script := range map[string]func(*testing.T, net.Conn){
		"silent":                 func(*testing.T, net.Conn) {},
		"silent after the login": func(t *testing.T, c net.Conn) { write(t, c, packet(0, greeting)); readLogin(t, c) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dial, closed := scripted(t, func(c net.Conn) { script(t, c) })
				k := connector(t, parsed(t, "app@tcp(db.example)/x"), WithPlugins(), WithDialer(dial))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				_, err := k.Connect(ctx)
				if !errors.Is(err, core.ErrConnect) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, driver.ErrBadConn) {
					t.Errorf("%v", err)
				}
				if k.Classify(err) != core.FaultCanceled || time.Since(began) != time.Minute || !closed() {
					t.Errorf("%s after %s", k.Classify(err), time.Since(began))
				}
			})
		})
	}
}

// Config.Timeout bounds the dial, readTimeout what follows.
func TestLimitsOfTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		began := time.Now()
		_, err := connector(t, parsed(t, "app@tcp(db.example)/x?timeout=3s"), WithPlugins(), WithDialer(hangs)).Connect(t.Context())
		if !errors.Is(err, core.ErrConnect) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("timeout: %v after %s", err, time.Since(began))
		}
		dial, closed := scripted(t, func(net.Conn) {})
		began = time.Now()
		_, err = connector(t, parsed(t, "app@tcp(db.example)/x?readTimeout=3s"), WithPlugins(), WithDialer(dial)).Connect(t.Context())
		if !errors.Is(err, core.ErrConnect) || errors.Is(err, driver.ErrBadConn) || time.Since(began) != 3*time.Second || !closed() {
			t.Errorf("readTimeout: %v after %s", err, time.Since(began))
		}
	})
}

// A readTimeout that expires is a loss: the server may have run the statement.
func TestReadTimeout(t *testing.T) {
	for name, call := range map[string]func(context.Context, *sql.Conn) error{
		"exec": func(ctx context.Context, c *sql.Conn) error { _, err := c.ExecContext(ctx, "slow"); return err },
		"rows": func(ctx context.Context, c *sql.Conn) error {
			rows, err := c.QueryContext(ctx, "slow rows")
			if err != nil {
				return err
			}
			for rows.Next() {
			}
			return errors.Join(rows.Err(), rows.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t, map[string]fakeReply{"slow": {silent: true}, "slow rows": {columns: []string{"s"}, rows: [][]any{{"a"}}, silent: true}})
				db := sql.OpenDB(connector(t, parsed(t, "app@tcp(db.example)/x?readTimeout=7s"), WithPlugins(), WithDialer(s.dial)))
				defer db.Close()
				c, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				began := time.Now()
				err = call(t.Context(), c)
				var e *core.Error
				if !errors.As(err, &e) || e.Outcome != core.OutcomeUnknown || !errors.Is(err, core.ErrOutcomeUnknown) || !e.Sent ||
					!errors.As(err, new(*core.LostError)) || time.Since(began) != 7*time.Second {
					t.Errorf("%v after %s", err, time.Since(began))
				}
				if errors.Is(err, driver.ErrBadConn) {
					t.Error("database/sql would send it again")
				}
			})
		})
	}
}

// B79: a connection that the server has closed while it was idle is replaced unseen.
func TestStaleConnections(t *testing.T) {
	for _, params := range []string{"", "?readTimeout=1h"} {
		t.Run(params, func(t *testing.T) {
			s := startFake(t, nil)
			db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x"+params), WithPlugins()))
			defer db.Close()
			want := []string{"0", "1", "2"}
			for i, statement := range want {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Errorf("%s: %v", statement, err)
				}
				if got := len(s.logins()); got != i+1 {
					t.Errorf("%d logins, want %d", got, i+1)
				}
				s.hangUp()
			}
			if diff := cmp.Diff(want, s.seen()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// B80: the deadline that the last answer was awaited with has passed, which is no
// sign of a dead connection.
func TestLeftoverDeadline(t *testing.T) {
	for _, params := range []string{"", "&checkConnLiveness=false"} {
		t.Run(params, func(t *testing.T) {
			t.Parallel()
			const limit = 2 * time.Second
			s := startFake(t, nil)
			db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x?readTimeout="+limit.String()+params), WithPlugins()))
			defer db.Close()
			for range 2 {
				if _, err := db.ExecContext(t.Context(), "x"); err != nil {
					t.Error(err)
				}
				time.Sleep(limit + limit/10) // a real socket: no virtual time
			}
			if got := len(s.logins()); got != 1 {
				t.Errorf("%d logins: a good connection was thrown away", got)
			}
			s.hangUp()
			if _, err := db.ExecContext(t.Context(), "x"); err != nil || len(s.logins()) != 2 {
				t.Errorf("%v, %d logins: a dead connection was kept", err, len(s.logins()))
			}
		})
	}
}

// In memory there is no descriptor to look at; that is no sign of a dead connection.
func TestIdleInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t, nil)
		db := sql.OpenDB(connector(t, parsed(t, "app@tcp(db.example)/x?readTimeout=1s"), WithPlugins(), WithDialer(s.dial)))
		defer db.Close()
		for range 3 {
			if _, err := db.ExecContext(t.Context(), "x"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		}
		if got := len(s.logins()); got != 1 {
			t.Errorf("%d logins", got)
		}
	})
}

// rejectReadOnly as with the bare driver: the statement goes to other connections,
// which here are no better.
func TestRejectReadOnly(t *testing.T) {
	for params, want := range map[string]int{"": 1, "?rejectReadOnly=true": 3} {
		s := startFake(t, map[string]fakeReply{"write": {err: serverError(1836, "HY000")}})
		db := sql.OpenDB(connector(t, parsed(t, "app@tcp("+s.addr+")/x"+params), WithPlugins()))
		_, err := db.ExecContext(t.Context(), "write")
		var server *mysql.MySQLError
		if !errors.As(err, &server) || server.Number != 1836 {
			t.Errorf("%s: %v", params, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if len(s.seen()) != want || len(s.logins()) != want {
			t.Errorf("%s: %d statements on %d connections, want %d", params, len(s.seen()), len(s.logins()), want)
		}
	}
}
