package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silence is how long a test in real time waits before it believes that no answer comes.
const silence = 100 * time.Millisecond

func TestReadAndWrite(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		db := open(t, cluster, cluster.Endpoint())
		exec(t, db, "create table t (name text)")
		exec(t, db, e.insert, "one")

		reader := open(t, cluster, cluster.ReaderEndpoint())
		wantEqual(t, "what the reader says", column(t, reader, "select name from t"), []string{"one"})
		_, err := reader.Exec("insert into t values ('two')")
		wantCode(t, err, e.refusedWrite)
		wantEqual(t, "where the cluster endpoint leads", column(t, db, e.self), []string{"mydb-1"})
		wantEqual(t, "committed", cluster.Rows("t"), [][]any{{"one"}})
		if rows := cluster.Rows("unknown"); rows != nil {
			t.Errorf("rows of an unknown table: %v", rows)
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
	})
}

func TestCounts(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		counts := func() []int { return []int{writer.Dials(), writer.Logins(), writer.Connections()} }
		wantEqual(t, "dials, logins and connections at first", counts(), []int{0, 0, 0})
		connect(t, cluster, cluster.Endpoint())
		conn := connect(t, cluster, writer.Host())
		wantEqual(t, "with two connections", counts(), []int{2, 2, 2})
		conn.Close()
		wantEqual(t, "with one in the pool", counts(), []int{2, 2, 2})
		wantError(t, within(silence, login(t, cluster, cluster.Instance("mydb-2").Host())), nil)
		dialed(t, cluster, writer)
		wantEqual(t, "with one that does not log in", []int{writer.Dials(), writer.Logins()}, []int{3, 2})
	})
}

func TestLatencyIsExact(t *testing.T) {
	inBubbles(t, lab.Options{Latency: 5 * time.Millisecond}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		conn := connect(t, cluster, cluster.Endpoint())
		begin := time.Now()
		if err := ping(conn)(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "a round trip", time.Since(begin).Round(100*time.Microsecond), 10*time.Millisecond)
	})
}

func TestPeek(t *testing.T) {
	bubble(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer := cluster.Writer()
		peer := dialed(t, cluster, writer).(interface{ Alive() bool })
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

func TestCancelRequest(t *testing.T) {
	eachNetwork(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		conn, err := pgx.ConnectConfig(t.Context(), pgxConfig(t, cluster, cluster.DSN(cluster.Endpoint())))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		go func() {
			time.Sleep(silence)
			if err := conn.PgConn().CancelRequest(context.Background()); err != nil { // dials RemoteAddr
				t.Error(err)
			}
		}()
		_, err = conn.Exec(t.Context(), "select pg_sleep(3600)")
		wantCode(t, err, "57014")
	})
}

func TestDialErrors(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		for addr, want := range map[string]error{
			"10.20.0.11:5433":     syscall.ECONNREFUSED,
			"10.99.0.1:" + e.port: syscall.EHOSTUNREACH,
			"127.0.0.1:1":         syscall.EHOSTUNREACH, // nothing but the cluster
		} {
			_, err := cluster.DialContext(t.Context(), "tcp", addr)
			wantError(t, err, want)
			var opError *net.OpError
			if !errors.As(err, &opError) || opError.Op != "dial" {
				t.Errorf("%s: %v is no dial error", addr, err)
			}
		}
		_, err := cluster.DialContext(t.Context(), "tcp", net.JoinHostPort("nobody.example.com", e.port))
		var dnsError *net.DNSError
		if !errors.As(err, &dnsError) || !dnsError.IsNotFound {
			t.Errorf("unknown name: %v", err)
		}
		wantEqual(t, "address", cluster.Writer().Addr(), net.JoinHostPort(cluster.Writer().Host(), e.port))
	})
}

func TestCloseDuringTraffic(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		db := open(t, cluster, cluster.Endpoint())
		db.SetMaxOpenConns(4)
		ended := make(chan struct{})
		for range 4 {
			go func() {
				for {
					if _, err := db.Exec(fmt.Sprintf(e.sleep, 0.001)); err != nil {
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
		wantError(t, dial(cluster, writer)(t.Context()), syscall.ECONNREFUSED)
		if _, err := cluster.AddReader("mydb-9"); err == nil {
			t.Error("added a reader to a closed cluster")
		}
	})
}

func TestCloseWithHungSessions(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		writer := cluster.Writer()
		pings := []func(context.Context) error{ping(connect(t, cluster, writer.Host())), ping(connect(t, cluster, writer.Host()))}
		writer.OnStatement(func(lab.Statement) lab.Fate { return lab.HangAfter() })
		for _, ping := range pings {
			wantError(t, within(silence, ping), context.DeadlineExceeded)
		}
		writer.Slow(time.Hour)
		writer.HangAfter(0)
		cluster.Close() // goleak and synctest see what stays
	})
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]lab.Options{
		"name":              {Name: "My_DB"},
		"instances":         {Instances: -1},
		"flavor":            {Flavor: lab.MariaDB + 1},
		"latency":           {Latency: -time.Second},
		"verify":            {VerifyPassword: func(string, string) bool { return true }},
		"secondary":         {SecondaryRegions: []string{"eu-west-1"}},
		"secondary, MySQL":  {SecondaryRegions: []string{"eu-west-1"}, Flavor: lab.AuroraMySQL},
		"native":            {Auth: lab.NativePassword},
		"cleartext without": {Auth: lab.Cleartext, Flavor: lab.AuroraMySQL},
		"IAM, no cloud":     {Auth: lab.IAM, TLS: lab.TLSRequired},
		"IAM, no TLS":       {Auth: lab.IAM, Cloud: cloud.New(cloud.Options{})},
		"IAM users without": {IAMUsers: []string{"app"}},
		"IAM and password": {
			Auth: lab.IAM, TLS: lab.TLSRequired, Cloud: cloud.New(cloud.Options{}), Users: map[string]string{"app": "secret"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if cluster, err := lab.Start(o); err == nil {
				cluster.Close()
				t.Error("accepted")
			}
		})
	}
}
