package realmaria

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/lab/internal/realserver"
	"github.com/awsdb/awsdb/lab/internal/realserver/servertest"
)

// startCluster starts a cluster that ends with the test.
func startCluster(t *testing.T, options Options) *Cluster {
	t.Helper()
	begin := time.Now()
	c, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("start: %d ms", time.Since(begin).Milliseconds())
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// configuration is how an application logs in to an instance; change may change it.
func configuration(c *Cluster, address string, change ...func(*mysql.Config)) *mysql.Config {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", address
	config.User, config.Passwd, config.DBName = c.options.User, c.options.Password, c.options.Database
	config.Logger, config.Timeout = &mysql.NopLogger{}, 5*time.Second
	for _, f := range change {
		f(config)
	}
	return config
}

// open makes one connection to an address as an application does.
func open(ctx context.Context, c *Cluster, address string, change ...func(*mysql.Config)) (*session, error) {
	connector, err := mysql.NewConnector(configuration(c, address, change...))
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	connection, err := pool.Conn(ctx)
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &session{connection, pool}, nil
}

func mustOpen(t *testing.T, c *Cluster, address string, change ...func(*mysql.Config)) *session {
	t.Helper()
	s, err := open(t.Context(), c, address, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.hangUp)
	return s
}

func mustExec(t *testing.T, s *session, statement string, arguments ...any) {
	t.Helper()
	if _, err := s.ExecContext(t.Context(), statement, arguments...); err != nil {
		t.Fatalf("%.100s: %v", statement, err)
	}
}

// one returns the first value of a query's first row as text, or the number of the server's error.
func one(ctx context.Context, s *session, query string, arguments ...any) string {
	var value sql.NullString
	err := s.QueryRowContext(ctx, query, arguments...).Scan(&value)
	switch {
	case number(err) != 0:
		return fmt.Sprintf("error %d", number(err))
	case errors.Is(err, sql.ErrNoRows):
		return "no row"
	case err != nil:
		return err.Error()
	case !value.Valid:
		return "null"
	}
	return value.String
}

// number is that of the error a server answered with, or 0.
func number(err error) uint16 {
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		return refused.Number
	}
	return 0
}

// eventually waits until an instance answers the query with one value that is wanted.
func eventually(t *testing.T, c *Cluster, name, query, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got string
	err := realserver.Poll(ctx, func() (bool, error) {
		rows, err := c.Query(ctx, name, query)
		if err != nil || len(rows) != 1 {
			got = fmt.Sprint(rows, err)
			return false, nil
		}
		got = fmt.Sprint(rows[0][0])
		return got == want, nil
	})
	if err != nil {
		t.Fatalf("%s on %s: got %s, want %s", query, name, got, want)
	}
}

// viaProxy returns an address where clients reach the instance through its proxy.
func viaProxy(t *testing.T, c *Cluster, name string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer client.Close()
				server, err := net.Dial("tcp", c.Addr(name))
				if err != nil {
					return
				}
				defer server.Close()
				defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
				_ = c.Proxy(name).Copy(client, server)
			})
		}
	})
	t.Cleanup(func() { listener.Close(); cancel(); serving.Wait() })
	return listener.Addr().String()
}

func TestStartAndClose(t *testing.T) {
	temporary := servertest.TemporaryDirectory(t)
	c := startCluster(t, Options{})
	if diff := cmp.Diff([]string{"instance-1", "instance-2", "instance-3"}, c.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	var members []realserver.Member
	for _, n := range c.nodes {
		found, err := n.server.Running().Tree()
		if err != nil || len(found) == 0 {
			t.Fatalf("%s has no process: %v", n, err)
		}
		members = append(members, found...)
	}
	if err := c.Kill("instance-2"); err != nil { // Close has to cope with every state
		t.Fatal(err)
	}
	if err := c.Stop("instance-1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if alive, err := realserver.AnyAlive(members); alive || err != nil {
		t.Errorf("a server process is left: %t, %v", alive, err)
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	for call, err := range map[string]error{
		"Close": c.Close(), "Promote": c.Promote(t.Context(), ""), "Rejoin": c.Rejoin(t.Context(), "instance-2"),
		"Continue": c.Continue("instance-1"),
	} {
		if want := call != "Close"; errors.Is(err, ErrClosed) != want {
			t.Errorf("%s after Close: %v", call, err)
		}
	}
}

func TestReplication(t *testing.T) {
	c := startCluster(t, Options{
		Names: []string{"a", "b"}, User: `it's`, Password: `p'w"\ %`, Database: "My `db", Settings: map[string]string{"max-connections": "33"},
	})
	writer := mustOpen(t, c, c.Addr("a"))
	mustExec(t, writer, "create table items (id int, name text)")
	mustExec(t, writer, "insert into items values (1, '😀')")
	eventually(t, c, "b", "select name from items", "😀")
	eventually(t, c, "b", "select @@max_connections", "33")
	reader := mustOpen(t, c, c.Addr("b"))
	for _, statement := range []string{"insert into items values (11, '')", "create table more (id int)", "start transaction read write"} {
		if _, err := reader.ExecContext(t.Context(), statement); number(err) != 1290 {
			t.Errorf("%s on the reader: %v, want error 1290", statement, err)
		}
	}
	for _, statement := range []string{
		"set global read_only = 0",
		"select 1 into outfile '/tmp/awsdb-test'", // 1045 before the release of November 2026
		"set global general_log = 0",
		"stop slave",
		"set global rpl_semi_sync_master_enabled = 0",
		"set sql_log_bin = 0",
	} {
		_, err := reader.ExecContext(t.Context(), statement)
		if n := number(err); n != 1227 && n != 1045 {
			t.Errorf("%s by the application: %v, want error 1227 or 1045", statement, err)
		}
	}
}

func TestRows(t *testing.T) {
	c := startCluster(t, Options{Instances: 1})
	s := mustOpen(t, c, c.Addr("instance-1"))
	mustExec(t, s, "create table t (a tinyint, b bigint unsigned, c float, d double, e decimal(5,2), f varchar(9), g varbinary(9), h datetime(3), i json, j time, k text)")
	mustExec(t, s, `insert into t values (-1, 18446744073709551615, 0.5, 0.25, 1.50, 'it''s', x'00ff', '2026-01-02 03:04:05.678', '{"a": 1}', '11:12:13', null)`)
	want := [][]any{{
		int64(-1), uint64(18446744073709551615), 0.5, 0.25, "1.50", "it's", []byte{0, 255}, time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC), `{"a": 1}`, "11:12:13", nil,
	}}
	for _, table := range []string{"t", "app.t"} {
		got, err := c.Rows(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", table, diff)
		}
	}
	if rows, err := c.Rows(t.Context(), "unknown"); rows != nil || err != nil {
		t.Errorf("rows of an unknown table: %v, %v", rows, err)
	}
	mustExec(t, s, "delete from t")
	if rows, err := c.Rows(t.Context(), "t"); rows == nil || len(rows) != 0 || err != nil {
		t.Errorf("rows of an empty table: %v, %v", rows, err)
	}
	if err := c.DropSessions(t.Context(), "instance-1"); err != nil {
		t.Fatal(err)
	}
	if err := s.PingContext(t.Context()); err == nil {
		t.Error("a session survived DropSessions")
	}
}

func TestInvalidOptions(t *testing.T) {
	cases := []struct {
		name    string
		options Options
		want    string
	}{
		{"too many", Options{Instances: 10}, "from 1 to 9"},
		{"names do not match", Options{Instances: 2, Names: []string{"a"}}, "1 names for 2 instances"},
		{"bad name", Options{Names: []string{"A"}}, `instance name "A"`},
		{"same name", Options{Names: []string{"a", "a"}}, "twice"},
		{"flavor", Options{Flavor: "pg"}, `flavor "pg"`},
		{"superuser", Options{User: "rdsadmin"}, "another name"},
		{"user", Options{User: "a@b"}, "characters other than"},
		{"database", Options{Database: strings.Repeat("x", 65)}, "64 characters"},
		{"suffix", Options{Suffix: "a,b"}, "DNS name"},
		{"port", Options{EndpointPort: 70000}, "endpoint port"},
		{"TLS for nobody", Options{Names: []string{"a"}, RequireTLS: true}, "0 TLS configurations for 1 instances"},
		{"reserved setting", Options{Settings: map[string]string{"Read-Only": "off"}}, "leave it out"},
		{"no setting", Options{Settings: map[string]string{"a b": "c"}}, "not the name"},
		{"two lines", Options{Settings: map[string]string{"max_connections": "1\nread_only=0"}}, "one line"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c, err := Start(t.Context(), test.options)
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
		})
	}
}

func TestUnknownInstance(t *testing.T) {
	c := startCluster(t, Options{Instances: 1, Flavor: MariaDB})
	_, queryError := c.Query(t.Context(), "nobody", "select 1")
	_, statementsError := c.Statements("nobody")
	_, loginsError := c.Logins("nobody")
	for call, err := range map[string]error{
		"Kill": c.Kill("nobody"), "Stop": c.Stop("nobody"), "Continue": c.Continue("nobody"), "Shutdown": c.Shutdown("nobody"),
		"Promote": c.Promote(t.Context(), "nobody"), "Rejoin": c.Rejoin(t.Context(), "nobody"), "Query": queryError,
		"Exec": c.Exec(t.Context(), "nobody", "select 1"), "Statements": statementsError, "Logins": loginsError,
		"DropSessions": c.DropSessions(t.Context(), "nobody"),
	} {
		if err == nil {
			t.Errorf("%s of an unknown instance is no error", call)
		}
	}
	if c.Addr("nobody") != "" || c.Proxy("nobody") != nil {
		t.Error("an unknown instance has an address or a proxy")
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	temporary := servertest.TemporaryDirectory(t)
	_, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_variable": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_variable") {
		t.Errorf("error %v does not have the server's reason", err)
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
}

func TestFindInstallation(t *testing.T) {
	found, err := findInstallation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(found.version, "MariaDB") {
		t.Errorf("version %q", found.version)
	}
	_, err = firstInstallation(t.Context(), []string{"", t.TempDir()})
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "apt-get install mariadb-server") {
		t.Errorf("without programs: %v, want ErrNotInstalled and what to install", err)
	}
}

// firstOf is the first value of the first row as text.
func firstOf(rows *sql.Rows) string {
	columns, err := rows.Columns()
	if err != nil {
		return err.Error()
	}
	if !rows.Next() {
		return "no row"
	}
	values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return err.Error()
	}
	if !values[0].Valid {
		return "null"
	}
	return values[0].String
}
