package lab_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silence is how long a test in real time waits before it believes that no answer comes.
const silence = 100 * time.Millisecond

func start(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	cluster, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

// eachNetwork runs f in a bubble over memory and in real time over loopback.
func eachNetwork(t *testing.T, o lab.Options, f func(t *testing.T, cluster *lab.Cluster)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := o
			o.Network = lab.Memory
			f(t, start(t, o))
		})
	})
	t.Run("loopback", func(t *testing.T) { f(t, start(t, o)) })
}

func config(t *testing.T, cluster *lab.Cluster, host string, params ...string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(cluster.DSN(host, params...))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
	return cfg
}

func open(t *testing.T, cluster *lab.Cluster, host string, params ...string) *sql.DB {
	t.Helper()
	db := stdlib.OpenDB(*config(t, cluster, host, params...))
	t.Cleanup(func() { db.Close() })
	return db
}

func connect(t *testing.T, cluster *lab.Cluster, host string, params ...string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config(t, cluster, host, params...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // fails after a fault
	return conn
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// within gives f a context of its own.
func within(d time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	return f(ctx)
}

func ping(conn *pgx.Conn) func(ctx context.Context) error {
	return func(ctx context.Context) error { _, err := conn.Exec(ctx, "select 1"); return err }
}

// dialed is a bare connection to a host.
func dialed(t *testing.T, cluster *lab.Cluster, host string) net.Conn {
	t.Helper()
	conn, err := cluster.DialContext(t.Context(), "tcp", net.JoinHostPort(host, "5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// hanging is the outcome of a long statement that the instance has received when hanging returns.
func hanging(t *testing.T, cluster *lab.Cluster, i *lab.Instance) <-chan error {
	t.Helper()
	conn := connect(t, cluster, i.Host())
	i.ResetStatements()
	result := make(chan error, 1)
	go func() {
		result <- within(time.Hour, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "select pg_sleep(7200)")
			return err
		})
	}()
	for len(i.Statements()) == 0 {
		time.Sleep(time.Millisecond)
	}
	return result
}

func dial(cluster *lab.Cluster, host string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		conn, err := cluster.DialContext(ctx, "tcp", net.JoinHostPort(host, "5432"))
		if err == nil {
			conn.Close()
		}
		return err
	}
}

func code(err error) string {
	var pgError *pgconn.PgError
	if errors.As(err, &pgError) {
		return pgError.Code
	}
	return ""
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	if code(err) != want {
		t.Errorf("error %v, want SQLSTATE %s", err, want)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func identity(t *testing.T, db *sql.DB) string {
	t.Helper()
	var id string
	if err := db.QueryRowContext(t.Context(), "select aurora_db_instance_identifier()").Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestReadAndWrite(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		db := open(t, cluster, cluster.Endpoint())
		exec(t, db, "create table t (id int primary key, name text)")
		exec(t, db, "insert into t values ($1, $2)", 1, "one")

		reader := open(t, cluster, cluster.ReaderEndpoint())
		var name string
		if err := reader.QueryRow("select name from t where id = $1", 1).Scan(&name); err != nil || name != "one" {
			t.Errorf("the reader says %q, %v", name, err)
		}
		_, err := reader.Exec("insert into t values (2, 'two')")
		wantCode(t, err, "25006")
		if got := identity(t, db); got != "mydb-1" {
			t.Errorf("the cluster endpoint leads to %s", got)
		}
		if rows := cluster.Rows("t"); len(rows) != 1 || rows[0][1] != "one" {
			t.Errorf("committed: %v", rows)
		}
	})
}

func TestPool(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		cfg, err := pgxpool.ParseConfig(cluster.DSN(cluster.Endpoint()))
		if err != nil {
			t.Fatal(err)
		}
		cfg.ConnConfig.DialFunc, cfg.ConnConfig.LookupFunc = cluster.DialContext, cluster.LookupHost
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		var n int
		if err := pool.QueryRow(t.Context(), "select 41 + 1").Scan(&n); err != nil || n != 42 {
			t.Errorf("%d, %v", n, err)
		}
		if writer := cluster.Writer(); writer.Dials() == 0 || writer.Logins() == 0 || writer.Connections() == 0 {
			t.Errorf("dials %d, logins %d, connections %d", writer.Dials(), writer.Logins(), writer.Connections())
		}
	})
}

func TestLatencyIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := start(t, lab.Options{Network: lab.Memory, Latency: 5 * time.Millisecond})
		conn := connect(t, cluster, cluster.Endpoint(), "default_query_exec_mode=exec")
		begin := time.Now()
		if err := ping(conn)(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin).Round(100 * time.Microsecond); took != 10*time.Millisecond {
			t.Errorf("a round trip took %v, want 10ms", took)
		}
	})
}

func TestCrashAndRestart(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn, bare := connect(t, cluster, writer.Host()), dialed(t, cluster, writer.Host())
		writer.Crash()
		_, err := bare.Read(make([]byte, 1))
		wantError(t, err, syscall.ECONNRESET)
		if err := within(time.Minute, ping(conn)); err == nil {
			t.Error("a crashed instance answered")
		}
		wantError(t, within(time.Minute, dial(cluster, writer.Host())), syscall.ECONNREFUSED)
		if writer.Connections() != 0 {
			t.Errorf("%d connections", writer.Connections())
		}
		writer.Restart()
		if err := ping(connect(t, cluster, writer.Host()))(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestACrashedProcessCommitsNothing(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		db := open(t, cluster, writer.Host())
		exec(t, db, "create table t (id int)")
		writer.OnStatement(func(s lab.Statement) lab.Fate {
			if s.SQL == "insert into t values (1)" {
				writer.Crash()
			}
			return lab.Run()
		})
		if _, err := db.Exec("insert into t values (1)"); err == nil {
			t.Error("the insert was acknowledged")
		}
		if rows := cluster.Rows("t"); len(rows) != 0 {
			t.Errorf("committed: %v", rows)
		}
	})
}

func TestFreeze(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host())
		writer.Freeze()
		result := make(chan error, 1)
		go func() { result <- within(time.Minute, ping(conn)) }()
		if err := within(silence, dial(cluster, writer.Host())); err != nil {
			t.Errorf("dial: %v", err)
		}
		err := within(silence, func(ctx context.Context) error {
			_, err := pgx.ConnectConfig(ctx, config(t, cluster, writer.Host()))
			return err
		})
		wantError(t, err, context.DeadlineExceeded)
		select {
		case err := <-result:
			t.Errorf("a frozen instance answered: %v", err)
		default:
		}
		writer.Heal()
		if err := <-result; err != nil {
			t.Errorf("after heal: %v", err)
		}
	})
}

func TestVanish(t *testing.T) {
	for name, tc := range map[string]struct {
		loss lab.Loss
		rows int // committed while the host is away
	}{
		"losing requests": {lab.LosingRequests, 0},
		"losing answers":  {lab.LosingAnswers, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := start(t, lab.Options{Network: lab.Memory, Latency: time.Millisecond})
				writer := cluster.Writer()
				exec(t, open(t, cluster, writer.Host()), "create table t (id int)")
				conn := connect(t, cluster, writer.Host(), "default_query_exec_mode=simple_protocol")
				result := make(chan error, 1)
				go func() {
					result <- within(time.Minute, func(ctx context.Context) error {
						_, err := conn.Exec(ctx, "insert into t values (1)")
						return err
					})
				}()
				synctest.Wait() // sent, not yet arrived
				writer.Vanish(tc.loss)
				begin := time.Now()
				wantError(t, <-result, context.DeadlineExceeded)
				if took := time.Since(begin); took < time.Minute {
					t.Errorf("the call ended after %v", took)
				}
				if rows := cluster.Rows("t"); len(rows) != tc.rows {
					t.Errorf("committed: %v, want %d rows", rows, tc.rows)
				}
				wantError(t, within(10*time.Second, dial(cluster, writer.Host())), context.DeadlineExceeded)
				begin = time.Now()
				wantError(t, dial(cluster, writer.Host())(t.Context()), syscall.ETIMEDOUT)
				if took := time.Since(begin).Round(time.Second); took != 127*time.Second {
					t.Errorf("the kernel gave up after %v", took)
				}
			})
		})
	}
}

func TestVanishAndHeal(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host())
		writer.Vanish(lab.LosingRequests)
		result := make(chan error, 2)
		go func() { result <- within(time.Minute, ping(conn)) }()
		go func() { result <- within(time.Minute, dial(cluster, writer.Host())) }()
		time.Sleep(silence)
		select {
		case err := <-result:
			t.Fatalf("an answer out of the black hole: %v", err)
		default:
		}
		writer.Heal()
		for range 2 {
			if err := <-result; err != nil {
				t.Errorf("after heal: %v", err)
			}
		}
	})
}

func TestRefuseAndReset(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn, bare := connect(t, cluster, writer.Host()), dialed(t, cluster, writer.Host())
		writer.Refuse()
		if err := ping(conn)(t.Context()); err != nil {
			t.Errorf("live connection: %v", err)
		}
		wantError(t, dial(cluster, writer.Host())(t.Context()), syscall.ECONNREFUSED)
		writer.Heal()
		writer.ResetConnections()
		_, err := bare.Read(make([]byte, 1))
		wantError(t, err, syscall.ECONNRESET)
		connect(t, cluster, writer.Host())
	})
}

func TestSlowAndHangAfter(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conn := connect(t, cluster, writer.Host(), "default_query_exec_mode=exec")
		writer.Slow(silence)
		begin := time.Now()
		if err := ping(conn)(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < silence {
			t.Errorf("a slow answer took %v, want %v", took, silence)
		}
		writer.Slow(0)
		writer.HangAfter(7)
		wantError(t, within(silence, ping(conn)), context.DeadlineExceeded)
	})
}

func TestShutdown(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		result := hanging(t, cluster, writer)
		writer.Shutdown()
		wantCode(t, <-result, "57P01")
		wantError(t, dial(cluster, writer.Host())(t.Context()), syscall.ECONNREFUSED)
		writer.Restart()
		connect(t, cluster, writer.Host())
	})
}

func TestPeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := start(t, lab.Options{Network: lab.Memory})
		writer := cluster.Writer()
		conn, err := cluster.DialContext(t.Context(), "tcp", writer.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		peer := conn.(interface{ Alive() bool })
		if !peer.Alive() {
			t.Error("a new connection is not alive")
		}
		writer.ResetConnections()
		time.Sleep(time.Second)
		if peer.Alive() {
			t.Error("alive after a reset")
		}
	})
}

func TestFates(t *testing.T) {
	for name, tc := range map[string]struct {
		fate lab.Fate
		rows int
		ran  bool
		want func(error) bool
	}{
		"run":        {lab.Run(), 1, true, func(err error) bool { return err == nil }},
		"cut before": {lab.CutBefore(), 0, false, cut},
		"cut after":  {lab.CutAfter(), 1, true, cut},
		"hang before": {lab.HangBefore(), 0, false, func(err error) bool {
			return errors.Is(err, context.DeadlineExceeded)
		}},
		"hang after": {lab.HangAfter(), 1, true, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		"delay":      {lab.Delay(time.Second), 1, true, func(err error) bool { return err == nil }},
		"fail":       {lab.Fail("40001", "try again"), 0, false, func(err error) bool { return code(err) == "40001" }},
		"fail fatal": {lab.FailFatal("57P01", "bye"), 0, false, func(err error) bool { return code(err) == "57P01" }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := start(t, lab.Options{Network: lab.Memory})
				writer := cluster.Writer()
				exec(t, open(t, cluster, writer.Host()), "create table t (id int)")
				writer.OnStatement(func(s lab.Statement) lab.Fate {
					if s.SQL == "insert into t values ($1)" {
						return tc.fate
					}
					return lab.Run()
				})
				conn := connect(t, cluster, writer.Host(), "default_query_exec_mode=exec")
				writer.ResetStatements()
				err := within(time.Minute, func(ctx context.Context) error {
					_, err := conn.Exec(ctx, "insert into t values ($1)", 7)
					return err
				})
				if !tc.want(err) {
					t.Errorf("error %v", err)
				}
				if rows := cluster.Rows("t"); len(rows) != tc.rows {
					t.Errorf("committed: %v, want %d rows", rows, tc.rows)
				}
				received := writer.Statements()
				if len(received) != 1 || received[0].Ran != tc.ran || !received[0].Writer || received[0].User != "app" {
					t.Errorf("received: %+v", received)
				}
			})
		})
	}
}

func cut(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrClosed)
}

func TestRefusedLogin(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		cluster.Writer().OnLogin(func(string) error {
			return &lab.LoginError{Code: "53300", Message: "too many connections"}
		})
		_, err := pgx.ConnectConfig(t.Context(), config(t, cluster, cluster.Endpoint()))
		wantCode(t, err, "53300")
		if got := cluster.Writer().Logins(); got != 0 {
			t.Errorf("%d logins counted", got)
		}
	})
}

func TestWrongPassword(t *testing.T) {
	for name, o := range map[string]lab.Options{
		"SCRAM":     {},
		"cleartext": {Auth: lab.Cleartext},
		"verified": {Auth: lab.Cleartext, VerifyPassword: func(user, password string) bool {
			return user == "app" && password == "secret"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			eachNetwork(t, o, func(t *testing.T, cluster *lab.Cluster) {
				connect(t, cluster, cluster.Endpoint())
				cfg := config(t, cluster, cluster.Endpoint())
				cfg.Password = "wrong"
				_, err := pgx.ConnectConfig(t.Context(), cfg)
				wantCode(t, err, "28P01")
			})
		})
	}
}

func TestTLS(t *testing.T) {
	eachNetwork(t, lab.Options{TLS: lab.TLSRequired}, func(t *testing.T, cluster *lab.Cluster) {
		for _, host := range []string{cluster.Endpoint(), cluster.ReaderEndpoint(), cluster.Writer().Host()} {
			connect(t, cluster, host)
		}
		cluster.Alias("db.example.com", cluster.Endpoint())
		_, err := pgx.ConnectConfig(t.Context(), config(t, cluster, "db.example.com"))
		if err == nil {
			t.Error("verify-full accepted a name that is not in the certificate")
		}
		_, err = pgx.ConnectConfig(t.Context(), config(t, cluster, cluster.Endpoint(), "sslmode=disable"))
		wantCode(t, err, "28000")

		cfg := config(t, cluster, cluster.Endpoint())
		cfg.TLSConfig.RootCAs = cluster.RootCAs()
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		file := cluster.CAFile()
		cluster.Close()
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", file, err)
		}
	})
}

func TestCancelRequest(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		conn := connect(t, cluster, cluster.Endpoint())
		go func() {
			time.Sleep(silence)
			if err := conn.PgConn().CancelRequest(context.Background()); err != nil { // dials RemoteAddr
				t.Error(err)
			}
		}()
		_, err := conn.Exec(t.Context(), "select pg_sleep(3600)")
		wantCode(t, err, "57014")
	})
}

func TestDialErrors(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		for addr, want := range map[string]error{
			"10.20.0.11:5433": syscall.ECONNREFUSED,
			"10.99.0.1:5432":  syscall.EHOSTUNREACH,
			"127.0.0.1:1":     syscall.EHOSTUNREACH, // nothing but the cluster
		} {
			_, err := cluster.DialContext(t.Context(), "tcp", addr)
			wantError(t, err, want)
			var opError *net.OpError
			if !errors.As(err, &opError) || opError.Op != "dial" {
				t.Errorf("%s: %v is no dial error", addr, err)
			}
		}
		_, err := cluster.DialContext(t.Context(), "tcp", "nobody.example.com:5432")
		var dnsError *net.DNSError
		if !errors.As(err, &dnsError) || !dnsError.IsNotFound {
			t.Errorf("unknown name: %v", err)
		}
	})
}

func TestCloseDuringTraffic(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		db := open(t, cluster, cluster.Endpoint())
		db.SetMaxOpenConns(4)
		ended := make(chan struct{})
		for range 4 {
			go func() {
				for {
					if _, err := db.Exec("select pg_sleep(0.001)"); err != nil {
						ended <- struct{}{}
						return
					}
				}
			}()
		}
		time.Sleep(silence)
		cluster.Instance("mydb-2").Vanish(lab.LosingAnswers)
		cluster.Instance("mydb-3").Freeze()
		cluster.Close()
		cluster.Close()
		for range 4 {
			<-ended
		}
		wantError(t, dial(cluster, "10.20.0.11")(t.Context()), syscall.ECONNREFUSED)
		if _, err := cluster.AddReader("mydb-9"); err == nil {
			t.Error("added a reader to a closed cluster")
		}
	})
}

func TestCloseWithHungSessions(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		conns := []*pgx.Conn{connect(t, cluster, writer.Host()), connect(t, cluster, writer.Host())}
		writer.OnStatement(func(s lab.Statement) lab.Fate { return lab.HangAfter() })
		for _, conn := range conns {
			wantError(t, within(silence, ping(conn)), context.DeadlineExceeded)
		}
		writer.Slow(time.Hour)
		writer.HangAfter(0)
		cluster.Close() // goleak and synctest see what stays
	})
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]lab.Options{
		"name":      {Name: "My_DB"},
		"instances": {Instances: -1},
		"flavor":    {Flavor: lab.MariaDB + 1},
		"latency":   {Latency: -time.Second},
		"verify":    {VerifyPassword: func(string, string) bool { return true }},
		"secondary": {SecondaryRegions: []string{"eu-west-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if cluster, err := lab.Start(o); err == nil {
				cluster.Close()
				t.Error("accepted")
			}
		})
	}
}
