package pgserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab/internal/fate"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

func TestLogin(t *testing.T) {
	users := map[string]string{"app": "secret"}
	busy := &sqlengine.Error{Code: "53300", Message: "sorry, too many clients already"}
	tests := []struct {
		name, parameters string
		config           Config
		want             string
	}{
		{"trust", "", Config{}, ""},
		{"scram", "", Config{Account: accounts(SCRAM, users)}, ""},
		{"scram, wrong password", "password=wrong", Config{Account: accounts(SCRAM, users)}, "28P01"},
		{"scram, unknown user", "user=nobody", Config{Account: accounts(SCRAM, users)}, "28P01"},
		{"cleartext", "", Config{Account: accounts(Cleartext, users)}, ""},
		{"cleartext, wrong password", "password=wrong", Config{Account: accounts(Cleartext, users)}, "28P01"},
		{"verified", "password=token", Config{Account: verified(Cleartext, func(password string) bool { return password == "token" })}, ""},
		{"not verified", "", Config{Account: verified(Cleartext, func(string) bool { return false })}, "28P01"},
		{"token without TLS", "", Config{Account: verified(PAM, func(string) bool { return true })}, "28000"},
		{"unknown database", "", Config{Database: "other"}, "3D000"},
		{"no TLS", "", Config{RequireTLS: true}, "28000"},
		{"refused", "", Config{Login: func(string) error { return busy }}, "53300"},
		{"refused otherwise", "", Config{Login: func(string) error { return errors.New("no") }}, "28000"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := start(t, test.config)
			conn, err := pgx.ConnectConfig(t.Context(), in.configFor(t, test.parameters))
			if got := code(err); got != test.want {
				t.Errorf("%q, want %q (%v)", got, test.want, err)
			}
			if err == nil {
				if n := in.Sessions(); n != 1 {
					t.Errorf("%d sessions", n)
				}
				_ = conn.Close(t.Context())
			}
			in.serving.Wait()
			if n := in.Sessions(); n != 0 {
				t.Errorf("%d sessions left", n)
			}
		})
	}
}

// certificate makes a self-signed certificate for a host name.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := certificate(t, "mydb-1")
	in := start(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, RequireTLS: true, Account: accounts(SCRAM, map[string]string{"app": "secret"})})
	config := in.configFor(t, "")
	config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "mydb-1"}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, conn, "select 1 + 1"); got[0][0] != int32(2) {
		t.Error(got)
	}
	_ = conn.Close(t.Context())

	config = in.configFor(t, "")
	config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "mydb-2"}
	var wrongName x509.HostnameError
	if _, err := pgx.ConnectConfig(t.Context(), config); !errors.As(err, &wrongName) {
		t.Error(err)
	}
	declines := start(t, Config{})
	config = declines.configFor(t, "")
	config.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "mydb-1"}
	if _, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		t.Error("TLS without TLS")
	}
}

func TestStandardLibraryAndPool(t *testing.T) {
	in := start(t, Config{Account: accounts(SCRAM, map[string]string{"app": "secret"})})
	db := stdlib.OpenDB(*in.configFor(t, ""))
	defer db.Close()
	if _, err := db.Exec("create table kv (k text primary key, v int, at timestamptz)"); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := tx.Prepare("insert into kv values ($1, $2, $3)")
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range []string{"a", "b"} {
		if _, err := stmt.Exec(k, i, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var v int
	var got time.Time
	if err := db.QueryRow("select v, at from kv where k = $1", "b").Scan(&v, &got); err != nil || v != 1 || !got.Equal(at) {
		t.Error(v, got, err)
	}
	if err := db.QueryRow("select v from kv where k = $1", "z").Scan(&v); !errors.Is(err, sql.ErrNoRows) {
		t.Error(err)
	}

	config, err := pgxpool.ParseConfig("host=mydb-1 user=app password=secret database=app sslmode=disable pool_max_conns=3")
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.DialFunc = in.dial
	config.ConnConfig.LookupFunc = in.configFor(t, "").LookupFunc
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var n int64
			if err := pool.QueryRow(t.Context(), "select count(*) from kv").Scan(&n); err != nil || n != 2 {
				t.Error(n, err)
			}
		})
	}
	wg.Wait()
}

func TestTCP(t *testing.T) {
	server := New(Config{Store: sqlengine.NewStore(), Host: newHost("mydb-1", true)})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { server.ServeConn(conn) })
		}
	})
	defer wg.Wait()
	defer listener.Close()
	conn, err := pgx.Connect(t.Context(), "postgres://app@"+listener.Addr().String()+"/app?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	got := rowsOf(t, conn, "select inet_server_addr(), inet_server_port(), x from generate_series(1, 3000) x")
	if len(got) != 3000 || got[0][0] != "127.0.0.1" || got[0][1] != int32(listener.Addr().(*net.TCPAddr).Port) {
		t.Error(len(got), got[0])
	}
}

func TestFates(t *testing.T) {
	tests := []struct {
		name   string
		fate   fate.Fate
		sql    string
		code   string // SQLSTATE, or "none" for a broken connection
		stored int    // how many rows the INSERT left
		rows   int    // how many came back
		alive  bool
	}{
		{"run", fate.Run(), "", "", 2, 2, true},
		{"cut before", fate.CutBefore(), "", "none", 0, 0, false},
		{"cut after", fate.CutAfter(), "", "none", 2, 0, false},
		{"cut after one row", fate.CutAfterRows(1), "", "none", 2, 1, false},
		{"fail", fate.Fail(&sqlengine.Error{Code: "40001", Message: "no"}), "", "40001", 0, 0, true},
		{"fatal", fate.Fail(&sqlengine.Error{Severity: "FATAL", Code: "57P01", Message: "no"}), "", "57P01", 0, 0, false},
		{"delay", fate.Delay(time.Minute), "", "", 2, 2, true},
	}
	for _, mode := range modes {
		for _, test := range tests {
			t.Run(mode.String()+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := sqlengine.NewStore()
					in := start(t, Config{Store: store, Statement: func(s fate.Statement) fate.Fate {
						if strings.HasPrefix(s.SQL, "insert") {
							return test.fate
						}
						return fate.Run()
					}})
					conn := in.connect(t, "")
					mustExec(t, conn, "create table kv (k text)")
					began := time.Now()
					n, err := 0, error(nil)
					rows, err := conn.Query(t.Context(), "insert into kv values ('a'), ('b') returning k", mode)
					if err == nil {
						for rows.Next() {
							n++
						}
						err = rows.Err()
					}
					if code(err) != test.code || n != test.rows || len(store.Rows("kv")) != test.stored || conn.IsClosed() == test.alive {
						t.Errorf("code %q, %d rows, stored %v, closed %v", code(err), n, store.Rows("kv"), conn.IsClosed())
					}
					if took := time.Since(began); took != test.fate.Delay {
						t.Errorf("took %v, want %v", took, test.fate.Delay)
					}
				})
			})
		}
	}
}

// TestHang: a statement that hangs is executed or not, and never answered, until its client gives up.
func TestHang(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := sqlengine.NewStore()
			in := start(t, Config{Store: store, Statement: func(s fate.Statement) fate.Fate {
				switch {
				case !strings.HasPrefix(s.SQL, "insert"):
					return fate.Run()
				case after:
					return fate.HangAfter()
				}
				return fate.HangBefore()
			}})
			conn := in.connect(t, "")
			mustExec(t, conn, "create table kv (k text)")
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			began := time.Now()
			_, err := conn.Exec(ctx, "insert into kv values ('a')")
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
				t.Error(err, time.Since(began))
			}
			if stored := len(store.Rows("kv")) == 1; stored != after {
				t.Errorf("stored: %v", stored)
			}
		})
	}
}

// TestCutInBlock: a transaction whose client was cut off inside is rolled back, locks and all.
func TestCutInBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sqlengine.NewStore()
		in := start(t, Config{Store: store, Statement: func(s fate.Statement) fate.Fate {
			if s.SQL == "update kv set v = 1" && s.InTx {
				return fate.CutAfter()
			}
			return fate.Run()
		}})
		conn, other := in.connect(t, ""), in.connect(t, "")
		mustExec(t, conn, "create table kv (k text primary key, v int)")
		mustExec(t, conn, "insert into kv values ('a', 0)")
		mustExec(t, conn, "begin")
		if _, err := conn.Exec(t.Context(), "update kv set v = 1"); code(err) != "none" {
			t.Error(err)
		}
		mustExec(t, other, "update kv set v = v + 5")
		if diff := cmp.Diff([][]any{{"a", int64(5)}}, store.Rows("kv")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLostCommit(t *testing.T) {
	store := sqlengine.NewStore()
	in := start(t, Config{Store: store, Statement: func(s fate.Statement) fate.Fate {
		if s.SQL == "commit" {
			return fate.CutAfter()
		}
		return fate.Run()
	}})
	conn := in.connect(t, "")
	mustExec(t, conn, "create table kv (k text)")
	mustExec(t, conn, "begin")
	mustExec(t, conn, "insert into kv values ('a')")
	if _, err := conn.Exec(t.Context(), "commit"); code(err) != "none" {
		t.Error(err)
	}
	if got := store.Rows("kv"); len(got) != 1 {
		t.Error("the commit was not done")
	}
}

func TestStatementsSeen(t *testing.T) {
	var mu sync.Mutex
	var seen []fate.Statement
	h := newHost("mydb-1", true)
	conn := start(t, Config{Host: h, Statement: func(s fate.Statement) fate.Fate {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, s)
		return fate.Run()
	}}).connect(t, "")
	mustExec(t, conn, "create table kv (k text, v int)")
	mustExec(t, conn, "begin")
	mustExec(t, conn, "insert into kv values ($1, $2)", "a", 1)
	mustExec(t, conn, "rollback; select 2;  select 'x;y' -- end", pgx.QueryExecModeSimpleProtocol)
	h.writable.Store(false)
	_, _ = conn.Exec(t.Context(), "select nocolumn", pgx.QueryExecModeSimpleProtocol)
	want := []fate.Statement{
		{SQL: "create table kv (k text, v int)", Writable: true}, {SQL: "begin", Writable: true},
		{SQL: "insert into kv values ($1, $2)", Args: []any{"a", int64(1)}, InTx: true, Writable: true},
		{SQL: "rollback", InTx: true, Writable: true}, {SQL: "select 2", Writable: true}, {SQL: "select 'x;y'", Writable: true}, {SQL: "select nocolumn"},
	}
	for i := range want {
		want[i].Conn, want[i].User = 1, "app"
	}
	mu.Lock()
	defer mu.Unlock()
	if slices.ContainsFunc(seen, func(s fate.Statement) bool { return s.At.IsZero() }) {
		t.Error("no time")
	}
	if diff := cmp.Diff(want, seen, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(fate.Statement{}, "At")); diff != "" {
		t.Error(diff)
	}
}

func TestCancelAndTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, Config{})
		conn := in.connect(t, "")
		pid := conn.PgConn()
		result := make(chan error, 1)
		began := time.Now()
		go func() {
			_, err := conn.Exec(context.Background(), "select pg_sleep(3600)")
			result <- err
		}()
		time.Sleep(time.Second)
		if err := pid.CancelRequest(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-result; code(err) != "57014" || time.Since(began) != time.Second {
			t.Error(err, time.Since(began))
		}
		mustExec(t, conn, "set statement_timeout = '250ms'")
		began = time.Now()
		if _, err := conn.Exec(t.Context(), "select pg_sleep(1)"); code(err) != "57014" || time.Since(began) != 250*time.Millisecond {
			t.Error(err, time.Since(began))
		}
		mustExec(t, conn, "set statement_timeout = 0")
		mustExec(t, conn, "select pg_sleep(86400)")
	})
}

// TestSleepEndsWithClient: a running statement ends when its client goes, whatever else the client has sent.
func TestSleepEndsWithClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, Config{})
		conn := in.connect(t, "")
		began := time.Now()
		go func() {
			time.Sleep(time.Second)
			_ = conn.PgConn().Conn().Close()
		}()
		if _, err := conn.Exec(t.Context(), "select pg_sleep(3600)"); err == nil {
			t.Error("no error")
		}
		<-conn.PgConn().CleanupDone()
		in.serving.Wait()
		if took := time.Since(began); took > 20*time.Second { // pgx tries to send a cancel request first
			t.Error(took)
		}
	})
}

// TestNothingRunsOnceTerminated: not even what the client has sent already.
func TestNothingRunsOnceTerminated(t *testing.T) {
	var in *instance
	var ran []string
	in = start(t, Config{Statement: func(s fate.Statement) fate.Fate {
		ran = append(ran, s.SQL)
		in.Terminate("57P01")
		return fate.Run()
	}})
	frontend := in.connect(t, "").PgConn().Frontend()
	frontend.Send(&pgproto3.Query{String: "select 1"})
	frontend.Send(&pgproto3.Query{String: "select 2"})
	if err := frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := frontend.Receive(); err != nil {
			break // the server has closed the connection
		}
	}
	if len(ran) != 1 {
		t.Errorf("ran %q", ran)
	}
}

func TestTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := start(t, Config{Statement: func(s fate.Statement) fate.Fate {
			if s.SQL == "select 'hang'" {
				return fate.HangBefore()
			}
			return fate.Run()
		}})
		idle, busy, hanging := in.connect(t, ""), in.connect(t, ""), in.connect(t, "")
		silent, _ := in.dial(t.Context(), "", "") // never logs in
		results := make(chan error, 2)
		go func() {
			_, err := busy.Exec(context.Background(), "select pg_sleep(60)")
			results <- err
		}()
		go func() {
			_, err := hanging.Exec(context.Background(), "select 'hang'")
			results <- err
		}()
		time.Sleep(time.Second)
		if n := in.Sessions(); n != 3 {
			t.Errorf("%d sessions", n)
		}
		in.Terminate("57P01")
		for range 2 {
			if err := <-results; code(err) != "57P01" {
				t.Error(err)
			}
		}
		if _, err := idle.WaitForNotification(t.Context()); code(err) != "57P01" {
			t.Error(err)
		}
		<-idle.PgConn().CleanupDone()
		in.serving.Wait()
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			t.Error("a connection not logged in has survived")
		}
		if n := in.Sessions(); n != 0 {
			t.Errorf("%d sessions left", n)
		}
	})
}

func TestNotifications(t *testing.T) {
	in := start(t, Config{})
	listener, sender := in.connect(t, ""), in.connect(t, "")
	mustExec(t, listener, "listen news")
	mustExec(t, sender, "begin")
	mustExec(t, sender, "notify news, 'rolled back'")
	mustExec(t, sender, "rollback")
	mustExec(t, sender, "begin")
	mustExec(t, sender, "select pg_notify('news', 'hello')")
	mustExec(t, sender, "notify other, 'not for us'")
	mustExec(t, sender, "commit")
	got, err := listener.WaitForNotification(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &pgconn.Notification{PID: sender.PgConn().PID(), Channel: "news", Payload: "hello"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFlavors(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	status := []sqlengine.InstanceStatus{
		{ID: "mydb-1", Region: "us-east-1", Endpoint: "mydb-1.x", Port: 5432, Writer: true, CPU: 5, LastUpdate: at, ResourceID: "db-1"},
		{ID: "mydb-2", Region: "us-east-1", Endpoint: "mydb-2.x", Port: 5432, CPU: 7, LagMillis: 20},
		{ID: "far-1", Region: "eu-west-1", Endpoint: "far-1.x", Port: 5432, LagMillis: 90},
	}
	exist := func(names ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	tests := []struct {
		flavor     sqlengine.Flavor
		exists     map[string]bool
		extensions string
	}{
		{sqlengine.AuroraPG, exist("aurora_replica_status", "aurora_db_instance_identifier", "aurora_version"), "aurora_stat_utils"},
		{sqlengine.GlobalAuroraPG, exist("aurora_replica_status", "aurora_db_instance_identifier", "aurora_version", "aurora_global_db_status", "aurora_global_db_instance_status"), "aurora_stat_utils"},
		{sqlengine.MultiAZPG, exist("rds_tools.show_topology", "rds_tools.dbi_resource_id", "rds_tools.multi_az_db_cluster_source_dbi_resource_id"), "rds_tools"},
		{sqlengine.RDSPG, nil, "rds_tools"},
		{sqlengine.PG, nil, ""},
	}
	all := []string{"aurora_replica_status", "aurora_db_instance_identifier", "aurora_version", "aurora_global_db_status", "aurora_global_db_instance_status",
		"rds_tools.show_topology", "rds_tools.dbi_resource_id", "rds_tools.multi_az_db_cluster_source_dbi_resource_id"}
	for _, test := range tests {
		h := newHost("mydb-2", false)
		h.flavor, h.status = test.flavor, status
		conn := start(t, Config{Host: h}).connect(t, "")
		for _, name := range all {
			if got := rowsOf(t, conn, "select pg_catalog.to_regproc($1) is not null", name)[0][0]; got != test.exists[name] {
				t.Errorf("flavor %d: %s exists: %v", test.flavor, name, got)
			}
			_, err := conn.Exec(t.Context(), "select 1 from "+name+"()")
			if got := code(err); (got == "") != test.exists[name] || got != "" && got != "42883" {
				t.Errorf("flavor %d: %s: %v", test.flavor, name, err)
			}
		}
		got := rowsOf(t, conn, "select setting like '%aurora_stat_utils%', setting like '%rds_tools%' from pg_catalog.pg_settings where name operator(pg_catalog.=) 'rds.extensions'")
		want := [][]any{{test.extensions == "aurora_stat_utils", test.extensions == "rds_tools"}}
		if test.extensions == "" {
			want = nil
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("flavor %d: %s", test.flavor, diff)
		}
	}

	h := newHost("mydb-2", false)
	h.status = status[:2]
	conn := start(t, Config{Host: h}).connect(t, "search_path=evil")
	got := rowsOf(t, conn, `SELECT server_id, CASE WHEN SESSION_ID OPERATOR(pg_catalog.=) 'MASTER_SESSION_ID' THEN TRUE ELSE FALSE END, cpu,
		COALESCE(REPLICA_LAG_IN_MSEC, 0), LAST_UPDATE_TIMESTAMP FROM pg_catalog.aurora_replica_status()
		WHERE EXTRACT(EPOCH FROM (pg_catalog.now() OPERATOR(pg_catalog.-) LAST_UPDATE_TIMESTAMP)) OPERATOR(pg_catalog.<=) 300
		OR SESSION_ID OPERATOR(pg_catalog.=) 'MASTER_SESSION_ID' OR LAST_UPDATE_TIMESTAMP IS NULL`)
	if diff := cmp.Diff([][]any{{"mydb-1", true, 5.0, 0.0, at}, {"mydb-2", false, 7.0, 20.0, nil}}, got); diff != "" {
		t.Error(diff)
	}
	h.flavor, h.status = sqlengine.GlobalAuroraPG, status
	if got := rowsOf(t, conn, "select count(*) from aurora_global_db_status()"); got[0][0] != int64(2) {
		t.Error(got)
	}
	got = rowsOf(t, conn, "select server_id, session_id = 'MASTER_SESSION_ID', visibility_lag_in_msec, aws_region from aurora_global_db_instance_status()")
	if diff := cmp.Diff([][]any{{"mydb-1", true, nil, "us-east-1"}, {"mydb-2", false, 20.0, "us-east-1"}, {"far-1", false, 90.0, "eu-west-1"}}, got); diff != "" {
		t.Error(diff)
	}
	if got := rowsOf(t, conn, "select 'pg_catalog.aurora_global_db_status'::regproc::text, server_id from aurora_replica_status()"); len(got) != 2 {
		t.Error(got)
	}
	h.flavor = sqlengine.MultiAZPG
	got = rowsOf(t, conn, "select id, endpoint, port, (select rds_tools.multi_az_db_cluster_source_dbi_resource_id()), rds_tools.dbi_resource_id() from rds_tools.show_topology('lab-1') where port = 5432 limit 1")
	if diff := cmp.Diff([][]any{{"db-1", "mydb-1.x", int32(5432), "db-1", "mydb-2"}}, got); diff != "" {
		t.Error(diff)
	}
}

// TestPreparedStatements checks the extended protocol where pgx's own modes do not reach.
func TestPreparedStatements(t *testing.T) {
	conn := start(t, Config{}).connect(t, "")
	mustExec(t, conn, "create table kv (k text primary key, v int)")
	pg := conn.PgConn()
	if _, err := pg.Prepare(t.Context(), "s", "insert into kv values ($1, $2)", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := pg.Prepare(t.Context(), "s", "select 1", nil); code(err) != "42P05" {
		t.Error(err)
	}
	if err := pg.ExecPrepared(t.Context(), "nosuch", nil, nil, nil).Read().Err; code(err) != "26000" {
		t.Error(err)
	}
	if err := pg.ExecPrepared(t.Context(), "s", [][]byte{[]byte("a")}, nil, nil).Read().Err; code(err) != "08P01" {
		t.Error(err)
	}
	for _, k := range []string{"a", "b", "c"} {
		if err := pg.ExecPrepared(t.Context(), "s", [][]byte{[]byte(k), []byte("1")}, nil, nil).Read().Err; err != nil {
			t.Error(err)
		}
	}
	description, err := pg.Prepare(t.Context(), "q", "select v, k from kv where v >= $1 and k <> $2", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint32{pgtype.Int4OID, pgtype.TextOID}, description.ParamOIDs); diff != "" {
		t.Error(diff)
	}
	mustExec(t, conn, "alter table kv add column extra int")
	if r := pg.ExecPrepared(t.Context(), "q", [][]byte{[]byte("1"), []byte("a")}, nil, nil).Read(); r.Err != nil || len(r.Rows) != 2 {
		t.Error(r)
	}
	if _, err := pg.Prepare(t.Context(), "star", "select * from kv", nil); err != nil {
		t.Fatal(err)
	}
	mustExec(t, conn, "alter table kv add column more int")
	if err := pg.ExecPrepared(t.Context(), "star", nil, nil, nil).Read().Err; code(err) != "0A000" {
		t.Error(err)
	}
	if err := pg.Deallocate(t.Context(), "q"); err != nil {
		t.Error(err)
	}
	if err := pg.ExecPrepared(t.Context(), "q", nil, nil, nil).Read().Err; code(err) != "26000" {
		t.Error(err)
	}
	mustExec(t, conn, "") // an empty statement
	if err := extended(t, conn, "select 1; select 2"); code(err) != "42601" {
		t.Error(err)
	}
}
