package realpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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

// dial connects to an instance as the application does.
func dial(ctx context.Context, c *Cluster, name string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable&application_name=client&connect_timeout=5",
		c.options.User, c.options.Password, c.Addr(name), c.options.Database))
}

func mustDial(t *testing.T, c *Cluster, name string) *pgx.Conn {
	t.Helper()
	connection, err := dial(t.Context(), c, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(connection) })
	return connection
}

func mustExec(t *testing.T, connection *pgx.Conn, sql string, arguments ...any) {
	t.Helper()
	if _, err := connection.Exec(t.Context(), sql, arguments...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// eventually waits until an instance answers the query with one text that is wanted.
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

func sqlState(err error) string {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
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
		if err != nil {
			t.Fatal(err)
		}
		if len(found) < 4 {
			t.Errorf("%s has only %d processes", n.name, len(found))
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
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	for call, err := range map[string]error{
		"Close": c.Close(), "Promote": c.Promote(t.Context(), ""), "Rejoin": c.Rejoin(t.Context(), "instance-2"),
		"Switchover": c.Switchover(t.Context(), ""), "Continue": c.Continue("instance-1"),
	} {
		if want := call != "Close"; errors.Is(err, ErrClosed) != want {
			t.Errorf("%s after Close: %v", call, err)
		}
	}
}

func TestReplication(t *testing.T) {
	c := startCluster(t, Options{Names: []string{"a", "b"}, User: `it's`, Password: `p'w"\ %`, Database: "My db", Settings: map[string]string{"work_mem": "5MB"}})
	connection := mustDialConfig(t, c, "a")
	mustExec(t, connection, "create table items (id int)")
	mustExec(t, connection, "insert into items select generate_series(1, 10)")
	eventually(t, c, "b", "select count(*) from items", "10")
	eventually(t, c, "b", "show work_mem", "5MB")
	reader := mustDialConfig(t, c, "b")
	if _, err := reader.Exec(t.Context(), "insert into items values (11)"); sqlState(err) != "25006" {
		t.Errorf("a write on the standby: %v, want SQLSTATE 25006", err)
	}
	if _, err := connection.Exec(t.Context(), "select pg_read_file('postgresql.conf')"); sqlState(err) != "42501" {
		t.Errorf("the application reads a server file: %v, want SQLSTATE 42501", err)
	}
}

// mustDialConfig is mustDial for names that a URL would have to escape.
func mustDialConfig(t *testing.T, c *Cluster, name string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig("postgres://" + c.Addr(name) + "/?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password, config.Database = c.options.User, c.options.Password, c.options.Database
	connection, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(connection) })
	return connection
}

func TestFlavors(t *testing.T) {
	const (
		extensions = "select setting from pg_catalog.pg_settings where name = 'rds.extensions'"
		instance   = "select pg_catalog.aurora_db_instance_identifier()"
		version    = "select pg_catalog.aurora_version() ~ '^[0-9]+\\.[0-9]+\\.0$'"
		status     = "select string_agg(server_id || (session_id = 'MASTER_SESSION_ID')::text, ' ' order by server_id) from pg_catalog.aurora_replica_status() " +
			"where last_update_timestamp > now() - interval '5 min' and coalesce(replica_lag_in_msec, 0) < 100 and cpu >= 0"
		topology = "select string_agg(split_part(endpoint, '.', 1) || (id = rds_tools.dbi_resource_id())::text || port, ' ' order by endpoint) from rds_tools.show_topology('test-1')"
		source   = "select coalesce((rds_tools.multi_az_db_cluster_source_dbi_resource_id() = rds_tools.dbi_resource_id())::text, 'null')"
		reader   = "select pg_is_in_recovery()"
	)
	cases := []struct {
		flavor Flavor
		want   map[string][2]string // by query: what the writer x and the reader y answer; 5 characters alone are an SQLSTATE
	}{
		{AuroraPostgreSQL, map[string][2]string{
			extensions: {"rds_tools,aurora_stat_utils", "rds_tools,aurora_stat_utils"},
			instance:   {"x", "y"},
			version:    {"true", "true"},
			status:     {"xtrue yfalse", "xtrue yfalse"},
			topology:   {"xtrue5432 yfalse5432", "xfalse5432 ytrue5432"},
			source:     {"null", "null"},
			reader:     {"false", "true"},
		}},
		{MultiAZPostgreSQL, map[string][2]string{
			extensions: {"rds_tools", "rds_tools"},
			instance:   {"42883", "42883"},
			status:     {"42883", "42883"},
			topology:   {"xtrue5432 yfalse5432", "xfalse5432 ytrue5432"},
			source:     {"true", "false"},
		}},
		{PostgreSQL, map[string][2]string{
			extensions: {"", ""},
			instance:   {"42883", "42883"},
			topology:   {"3F000", "3F000"},
		}},
	}
	for _, test := range cases {
		t.Run(string(test.flavor), func(t *testing.T) {
			c := startCluster(t, Options{Names: []string{"x", "y"}, Flavor: test.flavor, EndpointPort: 5432})
			for i, name := range c.Names() {
				connection := mustDial(t, c, name)
				for query, want := range test.want {
					var got any
					err := connection.QueryRow(t.Context(), query).Scan(&got)
					answer := fmt.Sprint(got)
					if state := sqlState(err); state != "" {
						answer = state
					} else if errors.Is(err, pgx.ErrNoRows) {
						answer = ""
					} else if err != nil {
						t.Fatal(err)
					}
					if answer != want[i] {
						t.Errorf("%s: %s\ngot %q, want %q", name, query, answer, want[i])
					}
				}
			}
		})
	}
}

func TestInvalidOptions(t *testing.T) {
	cases := []struct {
		name    string
		options Options
		want    string
	}{
		{"too many", Options{Instances: 10}, "from 1 to 9"},
		{"negative", Options{Instances: -1}, "from 1 to 9"},
		{"names do not match", Options{Instances: 2, Names: []string{"a"}}, "1 names for 2 instances"},
		{"bad name", Options{Names: []string{"A"}}, `instance name "A"`},
		{"same name", Options{Names: []string{"a", "a"}}, "twice"},
		{"flavor", Options{Flavor: "mysql"}, `flavor "mysql"`},
		{"superuser", Options{User: "rdsadmin"}, "another name"},
		{"suffix", Options{Suffix: "a,b"}, "DNS name"},
		{"port", Options{EndpointPort: 70000}, "endpoint port"},
		{"TLS for nobody", Options{TLS: map[string]KeyPair{"z": {}}}, "no instance"},
		{"reserved setting", Options{Settings: map[string]string{"Synchronous_Commit": "off"}}, "leave it out"},
		{"no setting", Options{Settings: map[string]string{"a b": "c"}}, "not the name"},
		{"two lines", Options{Settings: map[string]string{"work_mem": "1MB\nfsync=on"}}, "one line"},
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
	c := startCluster(t, Options{Instances: 1, Flavor: PostgreSQL})
	_, queryError := c.Query(t.Context(), "nobody", "select 1")
	_, statementsError := c.Statements("nobody")
	for call, err := range map[string]error{
		"Kill": c.Kill("nobody"), "Stop": c.Stop("nobody"), "Continue": c.Continue("nobody"), "Shutdown": c.Shutdown("nobody"),
		"Promote": c.Promote(t.Context(), "nobody"), "Switchover": c.Switchover(t.Context(), "nobody"), "Rejoin": c.Rejoin(t.Context(), "nobody"),
		"Exec": c.Exec(t.Context(), "nobody", "select 1"), "Query": queryError, "Statements": statementsError,
	} {
		if err == nil {
			t.Errorf("%s of an unknown instance is no error", call)
		}
	}
	if got := c.Addr("nobody"); got != "" {
		t.Errorf("Addr of an unknown instance: %q", got)
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	temporary := servertest.TemporaryDirectory(t)
	_, err := Start(t.Context(), Options{Settings: map[string]string{"work_mem": "a lot"}})
	if err == nil || !strings.Contains(err.Error(), "configuration file") {
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
	if !strings.HasPrefix(found.version, "postgres (PostgreSQL) ") {
		t.Errorf("version %q", found.version)
	}
	if _, err := firstInstallation(t.Context(), []string{"", t.TempDir()}); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "install") {
		t.Errorf("without programs: %v, want ErrNotInstalled and what to install", err)
	}
	root := t.TempDir()
	for _, major := range []string{"9.6", "15", "17"} {
		if err := os.MkdirAll(filepath.Join(root, major, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{filepath.Join(root, "17", "bin"), filepath.Join(root, "15", "bin"), filepath.Join(root, "9.6", "bin")}
	if diff := cmp.Diff(want, packaged(root)); diff != "" {
		t.Errorf("packaged (-want +got):\n%s", diff)
	}
}
