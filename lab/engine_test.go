package lab_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab"
)

// engine is what a test that holds for both engines has to know of one.
type engine struct {
	name           string
	flavor, global lab.Flavor // of Aurora
	port           string

	insert, sleep string // statements: into table t, with one parameter; for so many seconds
	self, reader  string // queries: who answers, and whether it is a reader
	indexes       string // query: the indexes of table t
	waiting       string // query: how many sessions wait for a lock on a table

	status, lag, fresh            string // table of the instances, a column of it, and a condition on its rows
	globalStatus, globalInstances string // tables of the regions and of the instances there

	withoutTLS, connectTimeout string   // parameters of a DSN; the timeout is 3 seconds
	clearPassword              []string // those with which the driver sends its password as it is

	// Codes of errors.
	refusedWrite, refusedTable  string
	insecure, tooMany, shutdown string
	wrongPassword, wrongToken   string
	retry                       string

	tellsIdle       bool   // an idle session hears of a shutdown
	refusedFenced   string // what a real writer, replaced while it runs, answers a write with; "": silence
	reservedSetting string // that real servers need for themselves
}

var engines = []engine{{
	name: "PostgreSQL", flavor: lab.AuroraPG, global: lab.GlobalAuroraPG, port: "5432",
	insert: "insert into t values ($1)", sleep: "select pg_sleep(%v)",
	self: "select aurora_db_instance_identifier()", reader: "select pg_is_in_recovery()",
	indexes: "select indexname from pg_indexes where tablename = 't'",
	waiting: "select count(*) from pg_stat_activity where wait_event_type = 'Lock'",
	status:  "aurora_replica_status()", lag: "replica_lag_in_msec", fresh: "last_update_timestamp > now() - interval '5 minutes'",
	globalStatus: "aurora_global_db_status()", globalInstances: "aurora_global_db_instance_status()",
	withoutTLS: "sslmode=disable", connectTimeout: "connect_timeout=3",
	refusedWrite: "25006", refusedTable: "25006", insecure: "28000", tooMany: "53300", shutdown: "57P01", retry: "40001",
	wrongPassword: "28P01", wrongToken: "28000",
	tellsIdle: true, reservedSetting: "synchronous_commit",
}, {
	name: "MySQL", flavor: lab.AuroraMySQL, global: lab.GlobalAuroraMySQL, port: "3306",
	insert: "insert into t values (?)", sleep: "select sleep(%v)",
	self: "select @@aurora_server_id", reader: "select @@innodb_read_only",
	indexes: "select distinct index_name from information_schema.statistics where table_name = 't'",
	waiting: "select count(*) from information_schema.processlist where state = 'Waiting for table metadata lock'",
	status:  "information_schema.replica_host_status", lag: "replica_lag_in_milliseconds", fresh: "last_update_timestamp > now() - interval 5 minute",
	globalStatus: "information_schema.aurora_global_db_status", globalInstances: "information_schema.aurora_global_db_instance_status",
	withoutTLS: "tls=false", connectTimeout: "timeout=3s", clearPassword: []string{"allowCleartextPasswords=true"},
	refusedWrite: "1290", refusedTable: "1836", insecure: "3159", tooMany: "1040", shutdown: "1053", retry: "1213",
	wrongPassword: "1045", wrongToken: "1045",
	refusedFenced: "1290", reservedSetting: "read_only",
}}

// eachEngine runs f with both.
func eachEngine(t *testing.T, f func(t *testing.T, e engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { f(t, e) })
	}
}

// everywhere runs f with each engine and on each network; the flavor is Aurora's.
func everywhere(t *testing.T, o lab.Options, f func(t *testing.T, e engine, cluster *lab.Cluster)) {
	eachEngine(t, func(t *testing.T, e engine) {
		o := o
		o.Flavor = e.flavor
		eachNetwork(t, o, func(t *testing.T, cluster *lab.Cluster) { f(t, e, cluster) })
	})
}

// eachNetwork runs f in a bubble over memory and in real time over loopback.
func eachNetwork(t *testing.T, o lab.Options, f func(t *testing.T, cluster *lab.Cluster)) {
	t.Run("memory", func(t *testing.T) { bubble(t, o, f) })
	t.Run("loopback", func(t *testing.T) { f(t, start(t, o)) })
}

// inBubbles runs f with each engine in virtual time; the flavor is Aurora's.
func inBubbles(t *testing.T, o lab.Options, f func(t *testing.T, e engine, cluster *lab.Cluster)) {
	eachEngine(t, func(t *testing.T, e engine) {
		o := o
		o.Flavor = e.flavor
		bubble(t, o, func(t *testing.T, cluster *lab.Cluster) { f(t, e, cluster) })
	})
}

// bubble runs f in virtual time.
func bubble(t *testing.T, o lab.Options, f func(t *testing.T, cluster *lab.Cluster)) {
	synctest.Test(t, func(t *testing.T) {
		o.Network = lab.Memory
		f(t, start(t, o))
	})
}

func start(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	cluster, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func pgxConfig(t *testing.T, cluster *lab.Cluster, dsn string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	return cfg
}

// mysqlConfig is what go-sql-driver needs, with the authority where there is TLS.
func mysqlConfig(t *testing.T, cluster *lab.Cluster, host, dsn string) *mysql.Config {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	delete(cfg.Params, "ssl_ca") // awsmysql's, not the driver's
	if cluster.RootCAs() != nil && cfg.TLSConfig != "false" {
		cfg.TLS = &tls.Config{RootCAs: cluster.RootCAs(), ServerName: host}
	}
	cfg.DialFunc, cfg.Logger = cluster.DialContext, &mysql.NopLogger{}
	return cfg
}

// open is a pool of connections made by the unmodified driver.
func open(t *testing.T, cluster *lab.Cluster, host string, params ...string) *sql.DB {
	t.Helper()
	return openDSN(t, cluster, host, cluster.DSN(host, params...))
}

func openDSN(t *testing.T, cluster *lab.Cluster, host, dsn string) *sql.DB {
	t.Helper()
	if strings.HasPrefix(dsn, "postgres://") {
		return pool(t, stdlib.GetConnector(*pgxConfig(t, cluster, dsn)))
	}
	connector, err := mysql.NewConnector(mysqlConfig(t, cluster, host, dsn))
	if err != nil {
		t.Fatal(err)
	}
	return pool(t, connector)
}

func pool(t *testing.T, connector driver.Connector) *sql.DB {
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// connect is one connection, which database/sql does not replace.
func connect(t *testing.T, cluster *lab.Cluster, host string, params ...string) *sql.Conn {
	t.Helper()
	conn, err := open(t, cluster, host, params...).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // fails after a fault
	return conn
}

// login is the outcome of an attempt to log in.
func login(t *testing.T, cluster *lab.Cluster, host string, params ...string) func(ctx context.Context) error {
	db := open(t, cluster, host, params...)
	return func(ctx context.Context) error {
		conn, err := db.Conn(ctx)
		if err == nil {
			conn.Close()
		}
		return err
	}
}

// within gives f a context of its own.
func within(d time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx)
}

func ping(conn *sql.Conn) func(ctx context.Context) error { return running(conn, "select 1") }

func running(conn *sql.Conn, query string, args ...any) func(ctx context.Context) error {
	return func(ctx context.Context) error { _, err := conn.ExecContext(ctx, query, args...); return err }
}

func dial(cluster *lab.Cluster, i *lab.Instance) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		conn, err := cluster.DialContext(ctx, "tcp", i.Addr())
		if err == nil {
			conn.Close()
		}
		return err
	}
}

// dialed is a bare connection to an instance.
func dialed(t *testing.T, cluster *lab.Cluster, i *lab.Instance) net.Conn {
	t.Helper()
	conn, err := cluster.DialContext(t.Context(), "tcp", i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hanging is the outcome of a long statement that the instance has received when hanging returns.
func hanging(t *testing.T, e engine, cluster *lab.Cluster, i *lab.Instance) <-chan error {
	t.Helper()
	conn := connect(t, cluster, i.Host())
	i.ResetStatements()
	result := make(chan error, 1)
	go func() { result <- within(time.Hour, running(conn, fmt.Sprintf(e.sleep, 7200))) }()
	for len(i.Statements()) == 0 {
		time.Sleep(time.Millisecond)
	}
	return result
}

func exec(t *testing.T, db interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// column is the text of the only column of a query's rows.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// code is the SQLSTATE of PostgreSQL's error or the number of MySQL's; "" for what no server has said.
func code(err error) string {
	var postgreSQL *pgconn.PgError
	var mySQL *mysql.MySQLError
	switch {
	case errors.As(err, &postgreSQL):
		return postgreSQL.Code
	case errors.As(err, &mySQL):
		return strconv.Itoa(int(mySQL.Number))
	}
	return ""
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if code(err) != want {
		t.Errorf("error %v, want code %s", err, want)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
