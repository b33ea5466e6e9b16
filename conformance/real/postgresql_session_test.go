package real

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// native calls f with the pgx connection under a connection of the pool.
func native(t *testing.T, conn *sql.Conn, f func(ctx context.Context, c *pgx.Conn) error) {
	t.Helper()
	err := bounded(patience, func(ctx context.Context) error { return raw(ctx, conn, f) })
	if err != nil {
		t.Fatal(err)
	}
}

func raw(ctx context.Context, conn *sql.Conn, f func(ctx context.Context, c *pgx.Conn) error) error {
	return conn.Raw(func(driverConn any) error {
		c, ok := pgdriver.Unwrap(driverConn)
		if !ok {
			return fmt.Errorf("no pgx connection under %T", driverConn)
		}
		return f(ctx, c)
	})
}

func session(t *testing.T, db *frontend.Handle) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestCopyAndNotifications(t *testing.T) {
	cluster := start(t, frontend.PostgreSQL, lab.Options{})
	db := open(t, cluster, cluster.Endpoint())
	mustExec(t, db.DB, "create table copied (id int primary key, name text)")
	const rows = 10_000
	conn := session(t, db)
	source := func() pgx.CopyFromSource {
		return pgx.CopyFromSlice(rows, func(n int) ([]any, error) { return []any{n, fmt.Sprint("row ", n)}, nil })
	}
	native(t, conn, func(ctx context.Context, c *pgx.Conn) error {
		n, err := c.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "name"}, source())
		if n != rows {
			t.Errorf("%d rows copied", n)
		}
		return err
	})
	if n := scalar[int](t, db.DB, "select count(*) from copied where name = 'row ' || id"); n != rows {
		t.Errorf("%d of %d rows are there", n, rows)
	}
	native(t, conn, func(ctx context.Context, c *pgx.Conn) error { // an error of the server's leaves the connection usable
		_, err := c.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"id", "name"}, source())
		cluster.says(t, "copying the same rows again", err, cluster.codes.UniqueViolation)
		return nil
	})
	if err := conn.PingContext(t.Context()); err != nil {
		t.Errorf("after a failed copy: %v", err)
	}

	native(t, conn, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "listen news")
		return err
	})
	mustExec(t, db.DB, "select pg_notify('news', 'hello')")
	native(t, conn, func(ctx context.Context, c *pgx.Conn) error {
		note, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if note.Channel != "news" || note.Payload != "hello" {
			t.Errorf("notification %s %q", note.Channel, note.Payload)
		}
		return nil
	})
}

// TestListenerAndCopyOnAHungServer: what waits beneath database/sql is watched like any call. A healthy server may stay
// silent for as long as there is nothing to say.
func TestListenerAndCopyOnAHungServer(t *testing.T) {
	cluster := start(t, frontend.PostgreSQL, lab.Options{})
	writer := cluster.Writer()
	db := open(t, cluster, cluster.Endpoint(), detection.Params("failover_timeout_sec=2")...)
	mustExec(t, db.DB, "create table copied (id int)")
	copying, listening := session(t, db), session(t, db)
	var calls waiting
	calls.call(func() error {
		return raw(t.Context(), listening, func(ctx context.Context, c *pgx.Conn) error {
			if _, err := c.Exec(ctx, "listen news"); err != nil {
				return err
			}
			_, err := c.WaitForNotification(ctx)
			return err
		})
	})
	calls.call(func() error {
		return raw(t.Context(), copying, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.PgConn().CopyTo(ctx, io.Discard, "copy (select pg_sleep(3600)) to stdout")
			return err
		})
	})
	time.Sleep(3 * detection.Total())
	calls.mu.Lock()
	for _, e := range calls.calls {
		t.Errorf("on a healthy server, a call ended after %v: %v", e.took, e.err)
	}
	calls.mu.Unlock()
	writer.Freeze()
	defer writer.Heal()
	began := time.Now()
	for _, e := range calls.wait() {
		wantAborted(t, "a call that waits", e.err)
	}
	t.Logf("both ended %v after the server had stopped", time.Since(began).Round(time.Millisecond))
}

// TestSessionSettings: whatever the application asks for in the connection string or in its hook holds on every
// connection, those that a failover makes necessary included.
func TestSessionSettings(t *testing.T) {
	cluster := start(t, frontend.PostgreSQL, lab.Options{})
	hooks := make(chan struct{}, 100)
	db := openWith(t, cluster, frontend.Options{
		DSN: cluster.DSN(cluster.Endpoint(), "application_name=shop", "TimeZone=Asia/Tokyo", "statement_timeout=54321",
			"options=-c work_mem=5MB -c shop.tenant=blue", "search_path=shop,public"),
		OnConnect: func(ctx context.Context, query frontend.Query) error {
			hooks <- struct{}{}
			_, err := query(ctx, "set shop.hook = 'ran'")
			return err
		},
	})
	want := []string{"shop", "Asia/Tokyo", "54321ms", "5MB", "blue", "shop,public", "ran"}
	check := func(when string) {
		t.Helper()
		var open []*sql.Conn
		for n := range 4 { // at the same time, so that each is another connection
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
			got := make([]string, len(want))
			err = conn.QueryRowContext(t.Context(), "select current_setting('application_name'), current_setting('timezone'), "+
				"current_setting('statement_timeout'), current_setting('work_mem'), current_setting('shop.tenant'), "+
				"replace(current_setting('search_path'), ' ', ''), current_setting('shop.hook')",
			).Scan(&got[0], &got[1], &got[2], &got[3], &got[4], &got[5], &got[6])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, connection %d (-want +got):\n%s", when, n, diff)
			}
		}
		for _, conn := range open {
			conn.Close()
		}
	}
	check("at first")
	if n := len(hooks); n != 4 {
		t.Errorf("the hook ran %d times for 4 connections: does it run on awsdb's own?", n)
	}
	replaceWriter(t, cluster)
	follows(t, db)
	check("after a failover")
}
