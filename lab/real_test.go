package lab_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab"
)

// startReal starts real servers; that there are none to start is a failure.
func startReal(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	if os.Getenv("AWSDB_UNIT") == "1" {
		t.Skip("AWSDB_UNIT=1: needs PostgreSQL and MariaDB servers")
	}
	cluster, err := lab.StartReal(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cluster.Close()
		if err := cluster.Err(); err != nil {
			t.Errorf("Err: %v", err)
		}
	})
	return cluster
}

// eachReal runs f with each engine's real servers; the flavor is Aurora's.
func eachReal(t *testing.T, o lab.Options, f func(t *testing.T, e engine, cluster *lab.Cluster)) {
	eachEngine(t, func(t *testing.T, e engine) {
		o := o
		o.Flavor = e.flavor
		f(t, e, startReal(t, o))
	})
}

// patience is how long a real server may take for anything. Only a test that fails waits for so long.
const patience = 20 * time.Second

func promote(t *testing.T, cluster *lab.Cluster, id string, o lab.PromoteOptions) {
	t.Helper()
	if err := cluster.Promote(id, o); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "writer", cluster.Writer().ID(), id)
}

func TestRealCrash(t *testing.T) {
	eachReal(t, lab.Options{TLS: lab.TLSRequired}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		old := cluster.Writer()
		db := open(t, cluster, cluster.Endpoint())
		exec(t, db, "create table t (id int)")
		exec(t, db, e.insert, 1)
		wantEqual(t, "who answers", column(t, db, e.self), []string{"mydb-1"})
		wantCode(t, login(t, cluster, old.Host(), e.withoutTLS)(t.Context()), e.insecure)

		conn := connect(t, cluster, cluster.Endpoint())
		old.Crash()
		if err := within(patience, ping(conn)); !cut(err) {
			t.Errorf("a session of a killed server: %v", err)
		}
		wantError(t, within(patience, dial(cluster, old)), syscall.ECONNREFUSED)
		promote(t, cluster, "mydb-3", lab.PromoteOptions{})
		wantEqual(t, "writers as the new one sees them", e.writers(t, open(t, cluster, cluster.Endpoint())), []string{"mydb-3"})
		exec(t, open(t, cluster, cluster.Endpoint()), e.insert, 2)
		old.Restart()
		wantEqual(t, "the old writer is a reader", e.isReader(t, cluster, old), true)
		wantEqual(t, "rows after the failover", cluster.Rows("t"), [][]any{{int64(1)}, {int64(2)}})

		var inserts []string
		for _, i := range cluster.Instances() {
			for _, s := range i.Statements() {
				if strings.HasPrefix(s.SQL, "insert") {
					inserts = append(inserts, fmt.Sprint(i.ID(), " ", s.User, " ", s.SQL, s.Args, " ", s.Writer, s.Ran))
				}
			}
		}
		wantEqual(t, "inserts", inserts, []string{
			"mydb-1 app " + e.insert + "[1] true true", "mydb-3 app " + e.insert + "[2] true true",
		})
		if old.Logins() < 2 || old.Dials() < old.Logins() {
			t.Errorf("%d logins, %d dials", old.Logins(), old.Dials())
		}
		old.ResetStatements()
		wantEqual(t, "statements after a reset", len(old.Statements()), 0)
	})
}

// TestRealCrashOfALock: a killed server does not let those go on who have waited for a session that is ended with it.
func TestRealCrashOfALock(t *testing.T) {
	for ended, end := range map[string]func(*lab.Instance){"crash": (*lab.Instance).Crash, "restart": (*lab.Instance).Restart} {
		t.Run(ended, func(t *testing.T) {
			eachReal(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
				old := cluster.Writer()
				db := open(t, cluster, old.Host())
				exec(t, db, "create table t (id int)")
				holder, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = holder.Rollback() }()
				if _, err := holder.Exec(e.insert, 1); err != nil {
					t.Fatal(err)
				}
				const waiting = 3
				var failed sync.WaitGroup
				for n := range waiting {
					failed.Go(func() {
						if _, err := db.Exec(fmt.Sprintf("create index i%d on t (id)", n)); err == nil {
							t.Errorf("index %d was made", n)
						}
					})
				}
				for limit := time.Now().Add(patience); column(t, db, e.waiting)[0] != fmt.Sprint(waiting); time.Sleep(time.Millisecond) {
					if time.Now().After(limit) {
						t.Fatal("nobody waits for the table")
					}
				}
				end(old)
				failed.Wait()
				if ended == "crash" {
					promote(t, cluster, "mydb-2", lab.PromoteOptions{})
				}
				wantEqual(t, "indexes", column(t, open(t, cluster, cluster.Endpoint()), e.indexes), []string(nil))
			})
		})
	}
}

// TestRealValues: Rows in Go's types, and what AdminExec may do and the application's user may not.
func TestRealValues(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		flavor        lab.Flavor
		create        string
		insert        string
		row           []any
		table         string // with its schema
		admin, broken string
		effect        string // a query that gives 1 after admin
		forbidden     string // to the user
		code          string
	}{
		"PostgreSQL": {
			flavor: lab.PG,
			create: "create table t (id int, name text, at timestamptz, raw bytea, price numeric, tags jsonb, ok bool, f float4, n int)",
			insert: `insert into t values ($1, $2, '2026-01-02 03:04:05Z', '\x00ff', 1.50, '{"a": 1}', true, 0.5, null)`,
			row:    []any{int64(1), "it's", at, []byte{0, 255}, "1.50", `{"a": 1}`, true, 0.5, nil}, table: "public.t",
			admin: "alter table t owner to rdsadmin", broken: "alter table t owner to nobody",
			effect: "select count(*) from pg_tables where tableowner = 'rdsadmin' and tablename = 't'", forbidden: "select from t", code: "42501",
		},
		"MariaDB": {
			flavor: lab.MariaDB,
			create: "create table t (id int, name text, at datetime, raw blob, price decimal(6, 2), tags json, ok bool, f float, n int)",
			insert: `insert into t values (?, ?, '2026-01-02 03:04:05', x'00ff', 1.50, '{"a": 1}', true, 0.5, null)`,
			row:    []any{int64(1), "it's", at, []byte{0, 255}, "1.50", `{"a": 1}`, int64(1), 0.5, nil}, table: "app.t",
			admin: "set global max_error_count = 77", broken: "set global no_such_variable = 1",
			effect: "select @@global.max_error_count = 77", forbidden: "set global max_error_count = 78", code: "1227",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := startReal(t, lab.Options{Flavor: tc.flavor, Instances: 1})
			db := open(t, cluster, cluster.Endpoint())
			exec(t, db, tc.create)
			exec(t, db, tc.insert, 1, "it's")
			rows := cluster.Rows(tc.table)
			for _, row := range rows {
				row[2] = row[2].(time.Time).UTC()
			}
			wantEqual(t, "rows", rows, [][]any{tc.row})
			if rows := cluster.Rows("unknown"); rows != nil {
				t.Errorf("rows of an unknown table: %v", rows)
			}
			cluster.Writer().ResetStatements()
			if err := cluster.AdminExec(t.Context(), "mydb-1", tc.broken); err == nil {
				t.Errorf("%s: no error", tc.broken)
			}
			if err := cluster.AdminExec(t.Context(), "mydb-1", tc.admin); err != nil {
				t.Error(err)
			}
			wantEqual(t, "statements of the superuser", len(cluster.Writer().Statements()), 0)
			wantEqual(t, "effect", column(t, db, tc.effect), []string{"1"})
			_, err := db.Exec(tc.forbidden)
			wantCode(t, err, tc.code)
		})
	}
}

func TestRealParameters(t *testing.T) {
	cluster := startReal(t, lab.Options{Instances: 1, Flavor: lab.PG})
	db := open(t, cluster, cluster.Endpoint(), "options=-c work_mem=5MB -c lab.word=a+b")
	wantEqual(t, "settings given in the URL", column(t, db, "select current_setting('lab.word') || current_setting('work_mem')"), []string{"a+b5MB"})
}

func TestRealFreeze(t *testing.T) {
	eachReal(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		old := cluster.Writer()
		exec(t, open(t, cluster, old.Host()), "create table t (id int)")
		held := connect(t, cluster, old.Host())
		old.Freeze()
		wantError(t, within(silence, running(held, "insert into t values (1)")), context.DeadlineExceeded)
		if err := within(patience, dial(cluster, old)); err != nil {
			t.Errorf("its kernel accepts no connection: %v", err)
		}
		promote(t, cluster, "mydb-2", lab.PromoteOptions{DNSLag: time.Hour})
		wantEqual(t, "DNS", lookup(t, cluster, cluster.Endpoint()), "mydb-1")
		cluster.SetDNS(cluster.Endpoint(), "mydb-2")
		exec(t, open(t, cluster, cluster.Endpoint()), "insert into t values (2)")

		old.Heal()
		wantEqual(t, "the old writer, whom nobody has told, is a reader", e.isReader(t, cluster, old), false)
		fenced := connect(t, cluster, old.Host())
		wantError(t, within(5*silence, running(fenced, "insert into t values (3)")), context.DeadlineExceeded)
		old.Restart()
		_, err := open(t, cluster, old.Host()).Exec("insert into t values (4)")
		wantCode(t, err, e.refusedWrite)
		wantEqual(t, "rows", cluster.Rows("t"), [][]any{{int64(2)}})
	})
}

func TestRealPromotionOfALiveCluster(t *testing.T) {
	eachReal(t, lab.Options{Instances: 2}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		old := cluster.Writer()
		exec(t, open(t, cluster, old.Host()), "create table t (id int)")
		committing, writing := connect(t, cluster, old.Host()), connect(t, cluster, old.Host())
		exec(t, committing, "begin")
		exec(t, committing, "insert into t values (1)")
		promote(t, cluster, "mydb-2", lab.PromoteOptions{})
		for name, err := range map[string]error{
			"a commit": within(5*silence, running(committing, "commit")),
			"a write":  within(5*silence, running(writing, "insert into t values (2)")),
		} {
			if code(err) != e.refusedFenced || e.refusedFenced == "" && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s on the old writer: %v", name, err)
			}
		}
		wantEqual(t, "rows", cluster.Rows("t"), [][]any{})
	})
}

func TestRealShutdownAndFailover(t *testing.T) {
	eachReal(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		idle, busy := connect(t, cluster, cluster.Endpoint()), hanging(t, e, cluster, cluster.Writer())
		<-cluster.Failover(lab.FailoverOptions{Fault: (*lab.Instance).Shutdown, After: silence, RestartAfter: time.Millisecond})
		e.wantDropped(t, within(patience, ping(idle)))
		e.wantDropped(t, <-busy) // MariaDB does not even say it to a running statement
		wantEqual(t, "writer", cluster.Writer().ID(), "mydb-2")
		wantEqual(t, "the old writer is a reader", e.isReader(t, cluster, cluster.Instance("mydb-1")), true)
		wantEqual(t, "the new writer is a reader", e.isReader(t, cluster, cluster.Instance("mydb-2")), false)

		// The same while both run: a planned promotion.
		reader, writer := connect(t, cluster, cluster.Instance("mydb-3").Host()), connect(t, cluster, cluster.Endpoint())
		promote(t, cluster, "mydb-3", lab.PromoteOptions{DropSessions: true})
		e.wantDropped(t, within(patience, ping(reader)))
		e.wantDropped(t, within(patience, ping(writer)))

		// Without a promotion, a writer that restarts is the writer again.
		cluster.Writer().Crash()
		cluster.Writer().Restart()
		wantEqual(t, "the restarted writer is a reader", e.isReader(t, cluster, cluster.Instance("mydb-3")), false)
		exec(t, open(t, cluster, cluster.Endpoint()), "create table t (id int)")
	})
}

func TestRealNetworkFaults(t *testing.T) {
	eachReal(t, lab.Options{Instances: 1}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		i := cluster.Writer()
		exec(t, open(t, cluster, i.Host()), "create table t (id int)")
		insert := func(conn *sql.Conn, id int) error {
			return within(silence, running(conn, fmt.Sprintf("insert into t values (%d)", id)))
		}
		lost := connect(t, cluster, i.Host())
		i.Vanish(lab.LosingRequests)
		wantError(t, insert(lost, 1), context.DeadlineExceeded)
		wantError(t, within(silence, dial(cluster, i)), context.DeadlineExceeded)
		i.Restart() // what was lost is lost for good
		wantEqual(t, "rows", cluster.Rows("t"), [][]any{})

		mute := connect(t, cluster, i.Host())
		i.Vanish(lab.LosingAnswers)
		i.Heal()
		i.HangAfter(0)
		wantError(t, insert(mute, 2), context.DeadlineExceeded)
		for began := time.Now(); len(cluster.Rows("t")) == 0 && time.Since(began) < patience; {
			time.Sleep(time.Millisecond)
		}
		wantEqual(t, "rows", cluster.Rows("t"), [][]any{{int64(2)}})
		i.Heal()

		live := connect(t, cluster, i.Host())
		i.Refuse()
		wantError(t, within(patience, dial(cluster, i)), syscall.ECONNREFUSED)
		if err := within(patience, ping(live)); err != nil {
			t.Errorf("a live connection while new ones are refused: %v", err)
		}
		i.Heal()
		began := time.Now()
		i.Slow(silence)
		if err := within(patience, ping(live)); err != nil || time.Since(began) < silence {
			t.Errorf("slow: %v after %v", err, time.Since(began))
		}
		i.Slow(0)
		i.ResetConnections()
		if err := within(patience, ping(live)); !cut(err) {
			t.Errorf("after a reset: %v", err)
		}
		if err := within(patience, ping(connect(t, cluster, i.Host()))); err != nil {
			t.Errorf("a new connection after a reset: %v", err)
		}
	})
}

func TestRealRefusals(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for name, o := range map[string]lab.Options{
			"memory":         {Flavor: e.flavor, Network: lab.Memory},
			"global":         {Flavor: e.global},
			"trust":          {Flavor: e.flavor, Auth: lab.Trust},
			"many":           {Flavor: e.flavor, Instances: 50},
			"a setting used": {Flavor: e.flavor, Settings: map[string]string{e.reservedSetting: "off"}},
		} {
			refusedReal(t, name, o)
		}
	})
	refusedReal(t, "RDS for PostgreSQL", lab.Options{Flavor: lab.RDSPG})
	refusedReal(t, "RDS for MySQL", lab.Options{Flavor: lab.RDSMySQL})
	refusedReal(t, "MySQL", lab.Options{Flavor: lab.MySQL})
	refusedReal(t, "native passwords", lab.Options{Flavor: lab.MariaDB, Auth: lab.NativePassword})
}

func refusedReal(t *testing.T, name string, o lab.Options) {
	t.Helper()
	if cluster, err := lab.StartReal(t.Context(), o); err == nil {
		cluster.Close()
		t.Errorf("%s: no error", name)
	} else if !strings.HasPrefix(err.Error(), "lab: ") || errors.Is(err, lab.ErrNotInstalled) {
		t.Errorf("%s: %v", name, err)
	}
}

func TestRealCannot(t *testing.T) {
	eachReal(t, lab.Options{Instances: 1}, func(t *testing.T, _ engine, cluster *lab.Cluster) {
		if err := cluster.Promote("mydb-9", lab.PromoteOptions{}); err == nil {
			t.Error("promoting nobody is no error")
		}
		if _, err := cluster.AddReader("mydb-9"); err == nil {
			t.Error("AddReader is no error")
		}
		for name, call := range map[string]func(i *lab.Instance){
			"OnStatement":    func(i *lab.Instance) { i.OnStatement(nil) },
			"OnLogin":        func(i *lab.Instance) { i.OnLogin(nil) },
			"SetLoad":        func(i *lab.Instance) { i.SetLoad(1, 0) },
			"RemoveInstance": func(i *lab.Instance) { cluster.RemoveInstance(i.ID()) },
		} {
			func() {
				defer func() {
					if message := fmt.Sprint(recover()); !strings.Contains(message, name) {
						t.Errorf("%s: %s, want a panic that names it", name, message)
					}
				}()
				call(cluster.Writer())
			}()
		}
	})
}
