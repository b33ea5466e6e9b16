package real

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// native calls f with the pgx connection under a connection of the pool.
func native(t *testing.T, conn *sql.Conn, f func(ctx context.Context, c *pgx.Conn) error) {
	t.Helper()
	err := bounded(patience, func(ctx context.Context) error {
		return conn.Raw(func(driverConn any) error {
			c, ok := pgdriver.Unwrap(driverConn)
			if !ok {
				return fmt.Errorf("no pgx connection under %T", driverConn)
			}
			return f(ctx, c)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func session(t *testing.T, db handle) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestCopyAndNotifications(t *testing.T) {
	cluster := startCluster(t, lab.Options{})
	db := open(t, cluster, cluster.URL(cluster.Endpoint()))
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
		if stateOf(err) != "23505" {
			t.Errorf("copying the same rows again: %v, want SQLSTATE 23505", err)
		}
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

// TestSessionSettings: whatever the application asks for in the connection string or in its hook holds on every
// connection, those that a failover makes necessary included.
func TestSessionSettings(t *testing.T) {
	cluster := startCluster(t, lab.Options{})
	hooks := make(chan struct{}, 100)
	db := open(t, cluster, cluster.URL(cluster.Endpoint(),
		"application_name=shop", "TimeZone=Asia/Tokyo", "statement_timeout=54321", "options=-c work_mem=5MB -c shop.tenant=blue", "search_path=shop,public"),
		pgdriver.WithOnConnect(func(ctx context.Context, c *pgx.Conn) error {
			hooks <- struct{}{}
			_, err := c.Exec(ctx, "set shop.hook = 'ran'")
			return err
		}))
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
	follows(t, db.DB)
	check("after a failover")
}

// TestVerifyFull: the servers' certificates are checked against the host that is really dialled.
func TestVerifyFull(t *testing.T) {
	cluster := startCluster(t, lab.Options{TLS: lab.TLSRequired})
	db := open(t, cluster, cluster.URL(cluster.Endpoint()))
	encrypted := "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
	for _, when := range []string{"at first", "after a failover", "after another one"} {
		if !scalar[bool](t, db.DB, encrypted) {
			t.Errorf("%s: the connection is not encrypted", when)
		}
		if got := scalar[string](t, db.DB, "select aurora_db_instance_identifier()"); got != cluster.Writer().ID() {
			t.Errorf("%s: connected to %s, the writer is %s", when, got, cluster.Writer().ID())
		}
		replaceWriter(t, cluster)
		follows(t, db.DB)
	}

	cluster.Alias("db.example.com", cluster.Endpoint())
	alias := open(t, cluster, cluster.URL("db.example.com"))
	if err := alias.PingContext(t.Context()); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("a host name that no certificate has: %v", err)
	}
	other := startCluster(t, lab.Options{TLS: lab.TLSRequired, Instances: 1})
	stranger := open(t, cluster, cluster.URL(cluster.Endpoint(), "sslrootcert="+other.CAFile()))
	if err := stranger.PingContext(t.Context()); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("an authority that is not the servers': %v", err)
	}
	plain := open(t, cluster, cluster.URL(cluster.Endpoint(), "sslmode=disable"))
	var refused *pgconn.PgError
	if err := plain.PingContext(t.Context()); !errors.As(err, &refused) || refused.Code != "28000" {
		t.Errorf("without TLS: %v, want SQLSTATE 28000", err)
	}
}
