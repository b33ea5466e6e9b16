package real

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// openings keep what is said first on each connection, in the clear.
type openings struct {
	mu    sync.Mutex
	codes map[uint32]int // of PostgreSQL's startup packets
}

// The codes of startup packets; PostgreSQL's manual, "Message Formats".
const (
	cancelCode = 80877102
	tlsCode    = 80877103
)

// dial notes what is written first.
func (o *openings) dial(dial core.DialFunc) core.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &opening{Conn: c, all: o}, nil
	}
}

func (o *openings) count(code uint32) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.codes[code]
}

type opening struct {
	net.Conn
	all  *openings
	once sync.Once
}

func (c *opening) Write(b []byte) (int, error) {
	c.once.Do(func() {
		if len(b) >= 8 {
			c.all.mu.Lock()
			defer c.all.mu.Unlock()
			c.all.codes[binary.BigEndian.Uint32(b[4:])]++
		}
	})
	return c.Conn.Write(b)
}

// TestPoolSessions: whatever pgx can do it can do on a pool's connections, which are encrypted and logged in by
// SCRAM, at first and after a failover, and what a failover interrupts says so.
func TestPoolSessions(t *testing.T) {
	c := start(t, frontend.PostgreSQL, lab.Options{TLS: lab.TLSRequired})
	said := &openings{codes: map[uint32]int{}}
	p := dialPool(t, c, said.dial(c.DialContext), c.Endpoint(), detection.Params("require_auth=scram-sha-256", "application_name=sessions")...)
	must(t, "create a table", func(ctx context.Context) error {
		_, err := p.Exec(ctx, "create table copied (id int primary key, name text)")
		return err
	})
	uses := map[string]func(ctx context.Context, t *testing.T, p *pgdriver.Pool) error{
		"encryption": encrypted, "copy": copies, "batch": batches, "notifications": notifications,
		"cursor": cursor, "large object": largeObject, "hijacked": hijacked,
	}
	useAll := func(when string) {
		for name, use := range uses {
			must(t, name+", "+when, func(ctx context.Context) error { return use(ctx, t, p) })
		}
		cancelled(t, p)
	}
	useAll("at first")
	interrupted(t, c, p)
	useAll("after a failover")
	if n := said.count(cancelCode); n > 0 {
		t.Errorf("%d cancel requests in the clear", n)
	}
	if said.count(tlsCode) == 0 {
		t.Error("no connection asked for TLS: the test does not see them")
	}
	p.Close()
	if n := p.Stat().TotalConns(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

func must(t *testing.T, what string, call func(ctx context.Context) error) {
	t.Helper()
	if err := bounded(patience, call); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func encrypted(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	var tls bool
	err := p.QueryRow(ctx, "select ssl from pg_stat_ssl where pid = pg_backend_pid()").Scan(&tls)
	if err == nil && !tls {
		t.Error("the session is not encrypted")
	}
	return err
}

func copies(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	if _, err := p.Exec(ctx, "truncate copied"); err != nil {
		return err
	}
	const rows = 10_000
	in := func() error {
		n, err := p.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "name"},
			pgx.CopyFromSlice(rows, func(n int) ([]any, error) { return []any{n, fmt.Sprint("row ", n)}, nil }))
		if err == nil && n != rows {
			t.Errorf("%d rows copied", n)
		}
		return err
	}
	if err := in(); err != nil {
		return err
	}
	codes := frontend.PostgreSQL.Codes()
	if err := in(); frontend.PostgreSQL.Code(err) != codes.UniqueViolation || errors.Is(err, core.ErrFailover) {
		t.Errorf("copying the same rows again: %v", err)
	}
	return p.AcquireFunc(ctx, func(c pgdriver.Conn) error {
		var out bytes.Buffer
		_, err := c.Conn().PgConn().CopyTo(ctx, &out, "copy copied to stdout")
		if n := bytes.Count(out.Bytes(), []byte("\n")); err == nil && n != rows {
			t.Errorf("%d rows copied out", n)
		}
		return err
	})
}

func batches(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	b := &pgx.Batch{}
	var sum int
	for n := range 10 {
		b.Queue("select $1::int", n).QueryRow(func(row pgx.Row) error {
			var got int
			err := row.Scan(&got)
			sum += got
			return err
		})
	}
	err := p.SendBatch(ctx, b).Close()
	if err == nil && sum != 45 {
		t.Errorf("the batch's results make %d, want 45", sum)
	}
	return err
}

func notifications(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	return p.AcquireFunc(ctx, func(c pgdriver.Conn) error {
		if _, err := c.Exec(ctx, "listen news"); err != nil {
			return err
		}
		if _, err := p.Exec(ctx, "select pg_notify('news', 'hello')"); err != nil {
			return err
		}
		note, err := c.Conn().WaitForNotification(ctx)
		if err == nil && note.Payload != "hello" {
			t.Errorf("notification %q", note.Payload)
		}
		if err == nil {
			_, err = c.Exec(ctx, "unlisten news")
		}
		return err
	})
}

func cursor(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "declare c cursor for select generate_series(1, 25)"); err != nil {
			return err
		}
		var all []int
		for {
			rows, _ := tx.Query(ctx, "fetch 10 from c") // CollectRows tells
			some, err := pgx.CollectRows(rows, pgx.RowTo[int])
			if err != nil {
				return err
			}
			if len(some) == 0 {
				break
			}
			all = append(all, some...)
		}
		if len(all) != 25 || all[24] != 25 {
			t.Errorf("the cursor gave %v", all)
		}
		return nil
	})
}

func largeObject(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	content := bytes.Repeat([]byte("large "), 100_000)
	return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
		objects := tx.LargeObjects()
		id, err := objects.Create(ctx, 0)
		if err != nil {
			return err
		}
		object, err := objects.Open(ctx, id, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
		if err != nil {
			return err
		}
		if _, err := object.Write(content); err != nil {
			return err
		}
		if _, err := object.Seek(0, io.SeekStart); err != nil {
			return err
		}
		got, err := io.ReadAll(object)
		if err == nil && !bytes.Equal(got, content) {
			t.Errorf("%d bytes of %d were read", len(got), len(content))
		}
		return err
	})
}

func hijacked(ctx context.Context, t *testing.T, p *pgdriver.Pool) error {
	acquired, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	c := acquired.Hijack()
	var one int
	if err := c.QueryRow(ctx, "select 1").Scan(&one); err != nil {
		return err
	}
	return c.Close(ctx)
}

// cancelled: the caller who gives up has the server end the statement, which would go on for an hour.
func cancelled(t *testing.T, p *pgdriver.Pool) {
	t.Helper()
	const statement = "select pg_sleep(3600) as cancelled"
	err := bounded(200*time.Millisecond, func(ctx context.Context) error { _, err := p.Exec(ctx, statement); return err })
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, core.ErrOutcomeUnknown) || errors.Is(err, core.ErrFailover) {
		t.Errorf("a call whose deadline passed: %v", err)
	}
	gone(t, p, statement)
}

// gone waits until no session runs a statement.
func gone(t *testing.T, p *pgdriver.Pool, statement string) {
	t.Helper()
	eventually(t, statement+" goes on", func() bool { return running(t, p, statement) == 0 })
}

func running(t *testing.T, p *pgdriver.Pool, statement string) (n int) {
	t.Helper()
	must(t, "count the sessions", func(ctx context.Context) error {
		return p.QueryRow(ctx, "select count(*) from pg_stat_activity where state = 'active' and query = $1", statement).Scan(&n)
	})
	return n
}

// interrupted has the writer killed in the middle of everything.
func interrupted(t *testing.T, c *cluster, p *pgdriver.Pool) {
	must(t, "empty the table", func(ctx context.Context) error { _, err := p.Exec(ctx, "truncate copied"); return err })
	const statement = "select pg_sleep(3600)"
	ctx := t.Context()
	dead := make(chan struct{})
	hold, copying := make(chan struct{}), make(chan struct{})
	calls := map[string]func() error{
		"exec":          func() error { _, err := p.Exec(ctx, statement); return err },
		"bare exec":     func() error { _, err := p.Pool.Exec(ctx, statement); return pgdriver.Cause(err) },
		"row":           func() error { return p.QueryRow(ctx, statement).Scan(new(any)) },
		"batch":         func() error { return interruptedBatch(ctx, p, statement) },
		"copy":          func() error { return interruptedCopy(ctx, p, copying, dead) },
		"transaction":   func() error { return interruptedTx(ctx, p, hold, dead) },
		"notifications": func() error { return interruptedListener(ctx, p) },
		"hijacked":      func() error { return interruptedHijacked(ctx, p, statement) },
	}
	const sleeping, listening = 5, 1 // sessions that run statement, and that wait for news
	ended := map[string]error{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			err := call()
			mu.Lock()
			defer mu.Unlock()
			ended[name] = err
		})
	}
	<-hold
	<-copying
	eventually(t, "not all calls have begun", func() bool { return running(t, p, statement) == sleeping })
	eventually(t, "nobody listens", func() bool {
		var n int
		must(t, "count the sessions", func(ctx context.Context) error {
			return p.QueryRow(ctx, "select count(*) from pg_stat_activity where state = 'idle' and query = 'listen news'").Scan(&n)
		})
		return n == listening
	})
	old, next := c.Writer(), c.Readers()[0]
	old.Crash()
	close(dead)
	promote(t, c, next.ID(), lab.PromoteOptions{})
	group.Wait()
	old.Restart()
	for name, err := range ended {
		if !errors.Is(err, core.ErrFailover) {
			t.Errorf("%s: %v, want one that matches %v", name, err, core.ErrFailover)
		}
		if unknown := errors.Is(err, core.ErrOutcomeUnknown); unknown != (name != "transaction") {
			t.Errorf("%s: outcome unknown %t: %v", name, unknown, err)
		}
	}
	var rows int
	must(t, "count the rows", func(ctx context.Context) error {
		return p.QueryRow(ctx, "select count(*) from copied").Scan(&rows)
	})
	if rows != 0 {
		t.Errorf("%d rows of what was interrupted are there", rows)
	}
}

func interruptedBatch(ctx context.Context, p *pgdriver.Pool, statement string) error {
	b := &pgx.Batch{}
	b.Queue("insert into copied values (-1, 'batch')")
	b.Queue(statement)
	return p.SendBatch(ctx, b).Close()
}

// interruptedCopy stops in the middle until dead.
func interruptedCopy(ctx context.Context, p *pgdriver.Pool, begun chan<- struct{}, dead <-chan struct{}) error {
	const rows = 100_000
	_, err := p.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "name"}, pgx.CopyFromSlice(rows, func(n int) ([]any, error) {
		if n == rows/2 {
			close(begun)
			<-dead
		}
		return []any{n, "row"}, nil
	}))
	return err
}

// interruptedTx has a cursor open.
func interruptedTx(ctx context.Context, p *pgdriver.Pool, begun chan<- struct{}, dead <-chan struct{}) error {
	return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "declare c cursor for select generate_series(1, 1000000)")
		if err == nil {
			_, err = tx.Exec(ctx, "insert into copied values (-2, 'transaction')")
		}
		close(begun)
		if err != nil {
			return err
		}
		<-dead
		_, err = tx.Exec(ctx, "fetch 10 from c")
		return err
	})
}

func interruptedListener(ctx context.Context, p *pgdriver.Pool) error {
	return p.AcquireFunc(ctx, func(c pgdriver.Conn) error {
		if _, err := c.Exec(ctx, "listen news"); err != nil {
			return err
		}
		_, err := c.Conn().WaitForNotification(ctx)
		return pgdriver.Cause(err)
	})
}

func interruptedHijacked(ctx context.Context, p *pgdriver.Pool, statement string) error {
	acquired, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	c := acquired.Hijack()
	defer c.Close(ctx) //nolint:errcheck // its server is dead
	_, err = c.Exec(ctx, statement)
	return pgdriver.Cause(err)
}
