package lab_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/lab"
)

// answer is what a query gives: its rows, "a|b", or the number of its error.
func answer(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return "error " + code(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		fields, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range fields {
			targets[i] = &fields[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, field := range fields {
			parts = append(parts, field.String)
		}
		lines = append(lines, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		return "error " + code(err)
	}
	return strings.Join(lines, " ")
}

// TestMySQLFlavors: what a client asks to find out what it talks to, on the writer mydb-1 and the reader mydb-2.
func TestMySQLFlavors(t *testing.T) {
	const (
		none          = "error 1193" // unknown system variable
		noTable       = "error 1146"
		noInformation = "error 1109" // unknown table in information_schema
	)
	type answers struct{ writer, reader string }
	both := func(s string) answers { return answers{s, s} }
	for name, tc := range map[string]struct {
		flavor lab.Flavor
		want   map[string]answers
	}{
		"Aurora": {lab.AuroraMySQL, map[string]answers{
			"select @@aurora_server_id":                                                                 {"mydb-1", "mydb-2"},
			"show variables like 'aurora_version'":                                                      both("aurora_version|3.08.0"),
			"select @@innodb_read_only, @@read_only":                                                    {"0|0", "1|1"},
			"select @@version, @@version_comment":                                                       both("8.0.39|Source distribution"),
			"select count(*) from information_schema.replica_host_status":                               both("3"),
			"select count(*) from information_schema.aurora_global_db_status":                           both(noInformation),
			"select count(*) from information_schema.aurora_global_db_instance_status":                  both(noInformation),
			"select count(*) from mysql.rds_topology":                                                   both(noTable),
			"show replica status":                                                                       both(""),
			"select table_name from information_schema.tables where table_name = 'REPLICA_HOST_STATUS'": both("REPLICA_HOST_STATUS"),
		}},
		"global": {lab.GlobalAuroraMySQL, map[string]answers{
			"select count(*) from information_schema.replica_host_status":              both("3"),
			"select count(*) from information_schema.aurora_global_db_status":          both("2"),
			"select count(*) from information_schema.aurora_global_db_instance_status": both("6"),
		}},
		"Multi-AZ": {lab.MultiAZMySQL, map[string]answers{
			"select @@aurora_server_id":              both(none),
			"show variables like 'aurora_version'":   both(""),
			"select @@innodb_read_only, @@read_only": {"0|0", "0|1"},
			"select @@report_host": {
				"mydb-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com", "mydb-2.c9xyz0abcdef.us-east-1.rds.amazonaws.com",
			},
			"select port from mysql.rds_topology where id = @@server_id":  both("3306"),
			"select count(*) from information_schema.replica_host_status": both(noInformation),
		}},
		"RDS": {lab.RDSMySQL, map[string]answers{
			"select @@aurora_server_id":                                   both(none),
			"select @@version_comment":                                    both("Source distribution"),
			"select count(*) from information_schema.replica_host_status": both(noInformation),
			"select count(*) from mysql.rds_topology":                     both(noTable),
		}},
		"MySQL": {lab.MySQL, map[string]answers{
			"select @@aurora_version":                 both(none),
			"select @@version_comment":                both("MySQL Community Server - GPL"),
			"select count(*) from mysql.rds_topology": both(noTable),
			"select @@tx_isolation":                   both(none), // MySQL 8 has it no longer
		}},
		"MariaDB": {lab.MariaDB, map[string]answers{
			"select @@aurora_version":  both(none),
			"select @@version":         both("10.11.14-MariaDB"),
			"select @@super_read_only": both(none),
			"select @@tx_isolation":    both("REPEATABLE-READ"),
			"select count(*) from information_schema.replica_host_status": both(noInformation),
			"select sum(seq) from seq_1_to_10":                            both("55"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lab.Options{Flavor: tc.flavor}, func(t *testing.T, cluster *lab.Cluster) {
				writer, reader := open(t, cluster, cluster.Instance("mydb-1").Host()), open(t, cluster, cluster.Instance("mydb-2").Host())
				got := map[string]answers{}
				for query := range tc.want {
					got[query] = answers{answer(t, writer, query), answer(t, reader, query)}
				}
				for query, want := range tc.want {
					if got[query] != want {
						t.Errorf("%s: %q, want %q", query, got[query], want)
					}
				}
			})
		})
	}
}

func TestMySQLReplication(t *testing.T) {
	for name, flavor := range map[string]lab.Flavor{"Multi-AZ": lab.MultiAZMySQL, "MySQL": lab.MySQL, "MariaDB": lab.MariaDB} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lab.Options{Flavor: flavor}, func(t *testing.T, cluster *lab.Cluster) {
				ask := func(id, query string) string { return answer(t, open(t, cluster, cluster.Instance(id).Host()), query) }
				// source is the host that an instance replicates from.
				source := func(id string) string {
					fields := strings.Split(ask(id, "show slave status"), "|")
					if len(fields) < 2 {
						return ""
					}
					return fields[1]
				}
				sources := func() []string { return []string{source("mydb-1"), source("mydb-2"), source("mydb-3")} }
				first, second := cluster.Instance("mydb-1").Host(), cluster.Instance("mydb-2").Host()
				wantEqual(t, "sources", sources(), []string{"", first, first})
				wantEqual(t, "servers have numbers of their own", ask("mydb-1", "select @@server_id") != ask("mydb-2", "select @@server_id"), true)
				promote(t, cluster, "mydb-2", lab.PromoteOptions{StatusLag: time.Minute})
				wantEqual(t, "who writes", []string{ask("mydb-1", "select @@read_only"), ask("mydb-2", "select @@read_only")}, []string{"1", "0"})
				wantEqual(t, "sources, lagging", source("mydb-3"), first)
				time.Sleep(time.Minute)
				wantEqual(t, "sources after the promotion", sources(), []string{second, "", second})
				wantEqual(t, "a write to the old writer", ask("mydb-1", "create table t (id int)"), "error 1290")
				wantEqual(t, "a write to the new one", ask("mydb-2", "create table t (id int)"), "")
			})
		})
	}
}

// TestMultiAZSource: the writer is who a reader replicates from, by its number in the topology.
func TestMultiAZSource(t *testing.T) {
	bubble(t, lab.Options{Flavor: lab.MultiAZMySQL}, func(t *testing.T, cluster *lab.Cluster) {
		wantEqual(t, "writer", multiAZWriter(t, cluster, "mydb-3"), cluster.Instance("mydb-1").Host())
		promote(t, cluster, "mydb-2", lab.PromoteOptions{})
		wantEqual(t, "writer after a promotion", multiAZWriter(t, cluster, "mydb-3"), cluster.Instance("mydb-2").Host())
	})
}

// multiAZWriter is the host of the writer as a reader of a Multi-AZ cluster tells it.
func multiAZWriter(t *testing.T, cluster *lab.Cluster, reader string) string {
	t.Helper()
	db := open(t, cluster, cluster.Instance(reader).Host())
	rows, err := db.Query("show replica status")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(columns, "Source_Server_Id")
	if at < 0 || !rows.Next() {
		t.Fatalf("no row of a reader with Source_Server_Id: %v, %v", columns, rows.Err())
	}
	values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		t.Fatal(err)
	}
	return answer(t, db, "select endpoint from mysql.rds_topology where id = "+values[at].String)
}

func TestMySQLSettings(t *testing.T) {
	settings := map[string]string{"max_connections": "77", "my_own": "yes"}
	bubble(t, lab.Options{Flavor: lab.MySQL, Settings: settings}, func(t *testing.T, cluster *lab.Cluster) {
		db := open(t, cluster, cluster.Endpoint(), "max_execution_time=1000")
		wantEqual(t, "variables", answer(t, db, "select @@max_connections, @@my_own, @@max_execution_time"), "77|yes|1000")
		_, err := db.Exec("select sleep(2)")
		wantCode(t, err, "3024")
	})
}

func TestMySQLErrors(t *testing.T) {
	for code, want := range map[string]mysql.MySQLError{
		"1213":  {Number: 1213, SQLState: [5]byte([]byte("40001")), Message: "no"},
		"4711":  {Number: 4711, SQLState: [5]byte([]byte("HY000")), Message: "no"},
		"40001": {Number: 40001, SQLState: [5]byte([]byte("HY000")), Message: "no"},
		"57P01": {Number: 1105, SQLState: [5]byte([]byte("HY000")),
			Message: `lab: error code "57P01": with a flavor of MySQL write a number, such as 1213`},
	} {
		bubble(t, lab.Options{Flavor: lab.AuroraMySQL}, func(t *testing.T, cluster *lab.Cluster) {
			writer := cluster.Writer()
			conn := connect(t, cluster, writer.Host())
			writer.OnStatement(func(lab.Statement) lab.Fate { return lab.Fail(code, "no") })
			writer.OnLogin(func(string) error { return &lab.LoginError{Code: code, Message: "no"} })
			for what, err := range map[string]error{
				"statement": ping(conn)(t.Context()), "login": login(t, cluster, writer.Host())(t.Context()),
			} {
				var got *mysql.MySQLError
				if !errors.As(err, &got) || *got != want {
					t.Errorf("%s made to fail with %s: %v, want %v", what, code, err, &want)
				}
			}
		})
	}
}

// TestMySQLStatements: what counts as a statement, and how its arguments are seen.
func TestMySQLStatements(t *testing.T) {
	bubble(t, lab.Options{Flavor: lab.AuroraMySQL}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host(), "multiStatements=true")
		exec(t, conn, "create table t (i bigint, f double, s text, b blob, at datetime(6), n int)")
		writer.ResetStatements()
		at := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
		tx, err := conn.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		insert, err := tx.Prepare("insert into t values (?, ?, ?, ?, ?, ?)") // which is none
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := insert.Exec(-7, 0.5, "it's", []byte("raw"), at, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		exec(t, conn, "delete from t; select 1;")
		exec(t, connect(t, cluster, cluster.Instance("mydb-2").Host(), "interpolateParams=true"), "select ?", "x")

		var got []string
		for _, i := range cluster.Instances() {
			for _, s := range i.Statements() {
				got = append(got, fmt.Sprintf("%s %q %v tx %t writer %t", i.ID(), s.SQL, s.Args, s.InTx, s.Writer))
			}
		}
		insertion := `mydb-1 "insert into t values (?, ?, ?, ?, ?, ?)" [-7 0.5 it's raw 2026-01-02 03:04:05.000678 <nil>] tx true writer true`
		wantEqual(t, "statements", got, []string{
			`mydb-1 "START TRANSACTION" [] tx false writer true`, insertion, insertion, `mydb-1 "COMMIT" [] tx true writer true`,
			`mydb-1 "delete from t" [] tx false writer true`, `mydb-1 "select 1" [] tx false writer true`,
			`mydb-2 "select 'x'" [] tx false writer false`,
		})
	})
}

func TestMySQLValues(t *testing.T) {
	bubble(t, lab.Options{Flavor: lab.AuroraMySQL}, func(t *testing.T, cluster *lab.Cluster) {
		db := open(t, cluster, cluster.Endpoint(), "parseTime=true")
		exec(t, db, "create table t (id int auto_increment primary key, ok bool, f double, s varchar(20), b blob, d decimal(6,2), at datetime, n int)")
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		insert := "insert into t (ok, f, s, b, d, at, n) values (?, ?, ?, ?, ?, ?, ?)"
		exec(t, db, insert, true, 0.5, "it's", []byte{0, 255}, "1.50", at, nil)
		result, err := open(t, cluster, cluster.Endpoint(), "interpolateParams=true").Exec(insert, true, 0.5, "it's", []byte{0, 255}, "1.50", at, nil)
		if err != nil {
			t.Fatal(err)
		}
		id, err := result.LastInsertId()
		if err != nil || id != 2 {
			t.Errorf("id %d, %v", id, err)
		}
		row := []any{int64(1), 0.5, "it's", []byte{0, 255}, "1.50", at, nil}
		rows := cluster.Rows("t")
		wantEqual(t, "rows", rows, [][]any{append([]any{int64(1)}, row...), append([]any{int64(2)}, row...)})

		var got struct {
			id int
			ok bool
			f  float64
			s  string
			b  []byte
			d  string
			at time.Time
			n  sql.NullInt64
		}
		for _, query := range []string{"select * from t where id = ?", "select * from t where id = 1 or id = ? limit 1"} {
			if err := db.QueryRow(query, 1).Scan(&got.id, &got.ok, &got.f, &got.s, &got.b, &got.d, &got.at, &got.n); err != nil {
				t.Fatal(err)
			}
			if got.id != 1 || !got.ok || got.f != 0.5 || got.s != "it's" || !bytes.Equal(got.b, []byte{0, 255}) || got.d != "1.50" || !got.at.Equal(at) || got.n.Valid {
				t.Errorf("%s: %+v", query, got)
			}
		}
	})
}

func TestSeveralStatements(t *testing.T) {
	bubble(t, lab.Options{Flavor: lab.AuroraMySQL}, func(t *testing.T, cluster *lab.Cluster) {
		db := open(t, cluster, cluster.Endpoint(), "multiStatements=true")
		exec(t, db, "create table t (id int); insert into t values (1), (2)")
		rows, err := db.Query("select id from t; select id + 10 from t; insert into t values (3); select 'a;b'")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got [][]string
		for more := true; more; more = rows.NextResultSet() {
			var result []string
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					t.Fatal(err)
				}
				result = append(result, s)
			}
			got = append(got, result)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "results", got, [][]string{{"1", "2"}, {"11", "12"}, {"a;b"}})
		wantEqual(t, "rows", len(cluster.Rows("t")), 3)
		_, err = open(t, cluster, cluster.Endpoint()).Exec("select 1; select 2")
		wantCode(t, err, "1064") // without the parameter
	})
}

// counted counts what passes a connection, in both directions.
type counted struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

// TestBigPackets: more than a packet of 16 MiB can hold, there and back, also compressed.
func TestBigPackets(t *testing.T) {
	const size = 20 << 20
	text := strings.Repeat("0123456789abcdef", size/16)
	for name, params := range map[string][]string{"plain": nil, "compressed": {"compress=true"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lab.Options{Flavor: lab.AuroraMySQL}, func(t *testing.T, cluster *lab.Cluster) {
				cfg := mysqlConfig(t, cluster, cluster.Endpoint(), cluster.DSN(cluster.Endpoint(), params...))
				var traffic atomic.Int64
				cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := cluster.DialContext(ctx, network, addr)
					return counted{conn, &traffic}, err
				}
				connector, err := mysql.NewConnector(cfg)
				if err != nil {
					t.Fatal(err)
				}
				db := pool(t, connector)
				exec(t, db, "create table t (s longtext)")
				exec(t, db, "insert into t values (?)", text)
				for _, query := range []string{"select s from t", "select s from t where 1 = ?"} {
					var args []any
					if strings.Contains(query, "?") {
						args = []any{1}
					}
					var got string
					if err := db.QueryRow(query, args...).Scan(&got); err != nil || got != text {
						t.Errorf("%s: %d bytes, %v", query, len(got), err)
					}
				}
				wantEqual(t, "less traffic than data", traffic.Load() < size, params != nil)
			})
		})
	}
}

func TestLoadDataLocal(t *testing.T) {
	mysql.RegisterReaderHandler("lab-orders", func() io.Reader { return strings.NewReader("1\tbook\n2\tlamp\n3\t\\N\n") })
	t.Cleanup(func() { mysql.DeregisterReaderHandler("lab-orders") })
	everyTLS := map[string]lab.TLSMode{"plain": lab.TLSOff, "TLS": lab.TLSRequired}
	for name, mode := range everyTLS {
		t.Run(name, func(t *testing.T) {
			eachNetwork(t, lab.Options{Flavor: lab.AuroraMySQL, TLS: mode}, func(t *testing.T, cluster *lab.Cluster) {
				db := open(t, cluster, cluster.Endpoint())
				exec(t, db, "create table t (id int, item varchar(20))")
				result, err := db.Exec("load data local infile 'Reader::lab-orders' into table t")
				if err != nil {
					t.Fatal(err)
				}
				n, err := result.RowsAffected()
				if err != nil || n != 3 {
					t.Errorf("%d rows, %v", n, err)
				}
				wantEqual(t, "rows", cluster.Rows("t"), [][]any{{int64(1), "book"}, {int64(2), "lamp"}, {int64(3), nil}})
			})
		})
	}
}

func TestKillQuery(t *testing.T) {
	eachNetwork(t, lab.Options{Flavor: lab.AuroraMySQL}, func(t *testing.T, cluster *lab.Cluster) {
		conn := connect(t, cluster, cluster.Endpoint())
		var number int
		if err := conn.QueryRowContext(t.Context(), "select connection_id()").Scan(&number); err != nil {
			t.Fatal(err)
		}
		other := open(t, cluster, cluster.Endpoint())
		exec(t, other, "create table t (id int)")
		exec(t, other, "insert into t values (1), (2)")
		go func() {
			time.Sleep(silence)
			if _, err := other.Exec(fmt.Sprintf("kill query %d", number)); err != nil {
				t.Error(err)
			}
		}()
		_, err := conn.ExecContext(t.Context(), "select sleep(3600) from t")
		wantCode(t, err, "1317")
		if err := ping(conn)(t.Context()); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
