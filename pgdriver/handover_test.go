package pgdriver

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/core"
)

// What the handover takes for granted of pgx, one test for each: CONTRIBUTING.md has the
// list. When one of them fails after an update of pgx, the handover needs another look.

// scripted is a socket on which nothing arrives but an error.
type scripted struct {
	net.Conn // nil: whatever else pgx calls is a surprise
	err      error

	mu      sync.Mutex // guards the rest: pgx cleans up in a goroutine
	written []string   // by call
	reads   int
}

func (c *scripted) Read([]byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	return 0, c.err
}

func (c *scripted) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = append(c.written, string(b))
	return len(b), nil
}

func (c *scripted) used() (written []string, reads int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.written), c.reads
}

func (*scripted) Close() error                { return nil }
func (*scripted) RemoteAddr() net.Addr        { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5432} }
func (*scripted) SetDeadline(time.Time) error { return nil }

// asItIs is what a scripted socket's errors mean.
func asItIs(err error) error { return err }

// overScripted has pgx connect by a session over a scripted socket.
func overScripted(t *testing.T, cfg *pgx.ConnConfig, from *pgconn.HijackedConn, socket *scripted) *pgx.Conn {
	t.Helper()
	said, err := greeting(from)
	if err != nil {
		t.Fatal(err)
	}
	all := &sessions{open: map[uint64]*session{}}
	cfg = surfaceConfig(cfg)
	dials := 0
	cfg.DialFunc = func(_ context.Context, network, _ string) (net.Conn, error) {
		if strings.HasPrefix(network, sessionNetwork) {
			return nil, net.ErrClosed // a cancel request
		}
		if dials++; dials > 1 {
			t.Error("dialled more than once")
		}
		return &session{Conn: socket, failed: asItIs, greeting: said, all: all}, nil
	}
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close(context.Background()) // there is nobody to say farewell to
		<-c.PgConn().CleanupDone()
	})
	return c
}

// pgx logs in by one Write, before its first Read, and takes the greeting for the
// server's answer, however long the two are; nothing of it reaches the server.
func TestPgxIsGreetedFromMemory(t *testing.T) {
	for name, test := range map[string]struct {
		dsn  string
		from pgconn.HijackedConn
	}{
		"usual":  {"postgres://app@db.example/app", pgconn.HijackedConn{PID: 7, SecretKey: []byte{1, 2, 3, 4}}},
		"no key": {"postgres://app@db.example/app", pgconn.HijackedConn{}},
		"more than a buffer": {
			"postgres://" + strings.Repeat("a", 10_000) + "@db.example/app",
			pgconn.HijackedConn{PID: 8, SecretKey: []byte{1, 2, 3, 4}, ParameterStatuses: map[string]string{"long": strings.Repeat("b", 20_000)}},
		},
		"protocol 3.2": {
			"postgres://app@db.example/app?max_protocol_version=3.2",
			pgconn.HijackedConn{PID: 9, SecretKey: []byte(strings.Repeat("k", 32)), ParameterStatuses: map[string]string{"server_version": "18.0"}},
		},
		"what belongs to the login": {
			"postgres://app@db.example,db2.example/app?sslmode=require&require_auth=scram-sha-256&channel_binding=require&target_session_attrs=read-write&connect_timeout=1",
			pgconn.HijackedConn{PID: 10, SecretKey: []byte{1, 2, 3, 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.from.TxStatus = 'I'
			socket := &scripted{err: io.EOF}
			c := overScripted(t, parsed(t, test.dsn), &test.from, socket)
			if written, reads := socket.used(); len(written) > 0 || reads > 0 {
				t.Errorf("the server got %q and was read from %d times", written, reads)
			}
			pg := c.PgConn()
			if pg.PID() != test.from.PID || !slices.Equal(pg.SecretKey(), test.from.SecretKey) || pg.TxStatus() != 'I' {
				t.Errorf("pid %d, key %v, status %c", pg.PID(), pg.SecretKey(), pg.TxStatus())
			}
			for name, value := range test.from.ParameterStatuses {
				if pg.ParameterStatus(name) != value {
					t.Errorf("%s is %q", name, pg.ParameterStatus(name))
				}
			}
			if sessionOf(c) == nil {
				t.Errorf("pgx hides its socket: Conn is a %T", pg.Conn())
			}
		})
	}
}

// Whatever else pgx may begin with is noticed, not swallowed.
func TestSessionWantsALoginFirst(t *testing.T) {
	login, err := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app"}}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, first := range map[string][]byte{
		"nothing": {}, "less": login[:len(login)-1], "more": append(slices.Clone(login), 'X'), "too short": login[:3], "a query": []byte("Q\x00\x00\x00\x05\x00"),
	} {
		socket := &scripted{}
		s := &session{Conn: socket}
		if n, err := s.Write(first); n != 0 || !errors.Is(err, errNoLogin) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	socket := &scripted{}
	s := &session{Conn: socket}
	for _, b := range []string{string(login), "one", "two"} {
		if n, err := s.Write([]byte(b)); n != len(b) || err != nil {
			t.Errorf("%q: %d, %v", b, n, err)
		}
	}
	if written, _ := socket.used(); !slices.Equal(written, []string{"one", "two"}) {
		t.Errorf("the server got %q", written)
	}
}

// What breaks while pgx waits for an answer is told by every call, as no timeout, and as
// nothing that is safe to repeat. Where pgx by itself forgets it, so that "readable" is
// needed, is in the last column: if that changes in pgx, readable can go.
func TestPgxTellsWhyAReadFailed(t *testing.T) {
	ctx := t.Context()
	for name, test := range map[string]struct {
		call    func(c *pgx.Conn) error
		forgets bool
	}{
		"exec":                {func(c *pgx.Conn) error { _, err := c.Exec(ctx, "select 1"); return err }, true},
		"exec with arguments": {func(c *pgx.Conn) error { _, err := c.Exec(ctx, "select $1", 1); return err }, false},
		"exec described": {func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "select $1", pgx.QueryExecModeDescribeExec, 1)
			return err
		}, false},
		"exec undescribed": {func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "select $1", pgx.QueryExecModeExec, 1)
			return err
		}, false},
		"exec simple": {func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "select $1", pgx.QueryExecModeSimpleProtocol, 1)
			return err
		}, true},
		"query":        {func(c *pgx.Conn) error { rows, err := c.Query(ctx, "select 1"); return errors.Join(err, rows.Err()) }, false},
		"query simple": {func(c *pgx.Conn) error { return drain(c.Query(ctx, "select $1", pgx.QueryExecModeSimpleProtocol, 1)) }, true},
		"query row":    {func(c *pgx.Conn) error { return c.QueryRow(ctx, "select 1").Scan(new(int)) }, false},
		"begin":        {func(c *pgx.Conn) error { _, err := c.Begin(ctx); return err }, true},
		"ping":         {func(c *pgx.Conn) error { return c.Ping(ctx) }, false},
		"prepare":      {func(c *pgx.Conn) error { _, err := c.Prepare(ctx, "one", "select 1"); return err }, false},
		"deallocate":   {func(c *pgx.Conn) error { return c.Deallocate(ctx, "one") }, false},
		"copy from": {func(c *pgx.Conn) error {
			_, err := c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{1}}))
			return err
		}, false},
		"copy from a reader": {func(c *pgx.Conn) error {
			_, err := c.PgConn().CopyFrom(ctx, strings.NewReader("1\n"), "copy t from stdin")
			return err
		}, false},
		"copy to": {func(c *pgx.Conn) error { _, err := c.PgConn().CopyTo(ctx, io.Discard, "copy t to stdout"); return err }, false},
		"batch":   {func(c *pgx.Conn) error { return c.SendBatch(ctx, queued("select 1")).Close() }, false},
		"simple batch": {func(c *pgx.Conn) error {
			b := queued("select 1")
			b.Queue("select $1", 1)
			return c.SendBatch(ctx, b).Close()
		}, false},
		"pgconn's exec": {func(c *pgx.Conn) error { return c.PgConn().Exec(ctx, "select 1").Close() }, false},
		"notification":  {func(c *pgx.Conn) error { _, err := c.WaitForNotification(ctx); return err }, false},
	} {
		t.Run(name, func(t *testing.T) {
			from := &pgconn.HijackedConn{TxStatus: 'I', ParameterStatuses: map[string]string{"standard_conforming_strings": "on", "client_encoding": "UTF8"}}
			lost := &core.LostError{Host: "mydb-1", Err: errors.New("gone")}
			c := overScripted(t, parsed(t, "postgres://app@db.example/app"), from, &scripted{err: lost})
			err := test.call(c)
			for again := 0; !c.IsClosed(); again++ { // pgx leaves that to the caller who waits for a notification
				if again == maxFeigned || name != "notification" {
					t.Fatal("the connection passes for open")
				}
				err = test.call(c)
			}
			if !errors.Is(err, lost) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
				t.Errorf("%v: timeout %t, safe to retry %t", err, pgconn.Timeout(err), pgconn.SafeToRetry(err))
			}

			gone := errors.New("gone")
			err = test.call(overScripted(t, parsed(t, "postgres://app@db.example/app"), from, &scripted{err: gone}))
			if forgets := !errors.Is(err, gone); forgets != test.forgets {
				t.Errorf("pgx alone says %v, safe to retry %t", err, pgconn.SafeToRetry(err))
			}
		})
	}
}

func drain(rows pgx.Rows, err error) error {
	if err != nil {
		return err
	}
	rows.Close()
	return rows.Err()
}

func queued(sql string) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(sql)
	return b
}
