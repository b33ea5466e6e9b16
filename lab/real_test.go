package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab"
)

// startReal starts real servers; that there are none to start is a failure.
func startReal(t *testing.T, o lab.Options) *lab.Cluster {
	t.Helper()
	if os.Getenv("AWSDB_UNIT") == "1" {
		t.Skip("AWSDB_UNIT=1: needs PostgreSQL servers")
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

// patience is how long a real server may take for anything. Only a test that fails waits for so long.
const patience = 20 * time.Second

func promote(t *testing.T, cluster *lab.Cluster, id string, o lab.PromoteOptions) {
	t.Helper()
	if err := cluster.Promote(id, o); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "writer", cluster.Writer().ID(), id)
}

// isRole waits until an instance says that it is a reader, or is none.
func isRole(t *testing.T, cluster *lab.Cluster, i *lab.Instance, reader bool) {
	t.Helper()
	conn := connect(t, cluster, i.Host())
	var got bool
	if err := conn.QueryRow(t.Context(), "select pg_is_in_recovery()").Scan(&got); err != nil || got != reader {
		t.Errorf("%s: reader %t, %v, want %t", i.ID(), got, err, reader)
	}
}

func TestRealCrash(t *testing.T) {
	cluster := startReal(t, lab.Options{TLS: lab.TLSRequired})
	old := cluster.Writer()
	db := open(t, cluster, cluster.Endpoint())
	exec(t, db, "create table t (id int, name text, at timestamptz, raw bytea, price numeric, tags jsonb, ok bool, f float4)")
	if err := cluster.AdminExec(t.Context(), "mydb-1", "alter table t owner to postgres"); err == nil {
		t.Error("there is no role postgres, but AdminExec gives it a table")
	}
	if err := cluster.AdminExec(t.Context(), "mydb-1", "alter table t owner to rdsadmin"); err != nil {
		t.Error(err)
	}
	if _, err := db.Exec("select from t"); code(err) != "42501" {
		t.Errorf("reading somebody else's table: %v, want 42501", err)
	}
	if err := cluster.AdminExec(t.Context(), "mydb-1", "alter table t owner to app"); err != nil {
		t.Error(err)
	}
	exec(t, db, "insert into t values ($1, $2, '2026-01-02 03:04:05Z', '\\x00ff', 1.50, '{\"a\": 1}', true, 0.5)", 1, "it's")
	want := [][]any{{
		int64(1), "it's", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), []byte{0, 255}, "1.50", `{"a": 1}`, true, 0.5,
	}}
	rows := cluster.Rows("public.t")
	for _, row := range rows {
		row[2] = row[2].(time.Time).UTC()
	}
	wantEqual(t, "rows", rows, want)
	if rows := cluster.Rows("unknown"); rows != nil {
		t.Errorf("rows of an unknown table: %v", rows)
	}
	wantEqual(t, "name of the writer", column(t, db, "select aurora_db_instance_identifier()"), []string{"mydb-1"})
	if _, err := pgx.ConnectConfig(t.Context(), config(t, cluster, old.Host(), "sslmode=disable")); code(err) != "28000" {
		t.Errorf("a session without TLS: %v, want 28000", err)
	}

	conn := connect(t, cluster, cluster.Endpoint(), "options=-c work_mem=5MB -c lab.word=a+b")
	var word string
	if err := conn.QueryRow(t.Context(), "select current_setting('lab.word') || current_setting('work_mem')").Scan(&word); err != nil || word != "a+b5MB" {
		t.Errorf("settings given in the URL: %s, %v", word, err)
	}
	old.Crash()
	err := within(patience, ping(conn))
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a session of a killed server: %v", err)
	}
	if err := within(patience, dial(cluster, old.Host())); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing a killed server: %v, want a refusal", err)
	}
	promote(t, cluster, "mydb-3", lab.PromoteOptions{})
	exec(t, open(t, cluster, cluster.Endpoint()), "insert into t (id) values ($1)", 2)
	old.Restart()
	isRole(t, cluster, old, true)
	wantEqual(t, "rows after the failover", len(cluster.Rows("t")), 2)

	var inserts []string
	for _, i := range cluster.Instances() {
		for _, s := range i.Statements() {
			if strings.HasPrefix(s.SQL, "insert") {
				inserts = append(inserts, fmt.Sprintln(i.ID(), s.User, s.Args, s.Writer, s.Ran))
			}
		}
	}
	wantEqual(t, "inserts", inserts, []string{"mydb-1 app [1 it's] true true\n", "mydb-3 app [2] true true\n"})
	if old.Logins() < 2 || old.Dials() < old.Logins() {
		t.Errorf("%d logins, %d dials", old.Logins(), old.Dials())
	}
	old.ResetStatements()
	wantEqual(t, "statements after a reset", len(old.Statements()), 0)
}

func TestRealFreeze(t *testing.T) {
	cluster := startReal(t, lab.Options{})
	old := cluster.Writer()
	db := open(t, cluster, old.Host())
	exec(t, db, "create table t (id int)")
	held := connect(t, cluster, old.Host())
	old.Freeze()
	if err := within(silence, func(ctx context.Context) error { _, err := held.Exec(ctx, "insert into t values (1)"); return err }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen server: %v", err)
	}
	if err := within(patience, dial(cluster, old.Host())); err != nil {
		t.Errorf("its kernel accepts no connection: %v", err)
	}
	promote(t, cluster, "mydb-2", lab.PromoteOptions{DNSLag: time.Hour})
	wantEqual(t, "DNS", lookup(t, cluster, cluster.Endpoint()), "mydb-1")
	cluster.SetDNS(cluster.Endpoint(), "mydb-2")
	exec(t, open(t, cluster, cluster.Endpoint()), "insert into t values (2)")

	old.Heal()
	isRole(t, cluster, old, false) // nobody has told it
	fenced := connect(t, cluster, old.Host())
	err := within(5*silence, func(ctx context.Context) error { _, err := fenced.Exec(ctx, "insert into t values (3)"); return err })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a write to the replaced writer: %v, want silence", err)
	}
	old.Restart()
	_, err = open(t, cluster, old.Host()).Exec("insert into t values (4)")
	wantCode(t, err, "25006")
	wantEqual(t, "rows", cluster.Rows("t"), [][]any{{int64(2)}})
}

func TestRealShutdownAndFailover(t *testing.T) {
	cluster := startReal(t, lab.Options{})
	idle := connect(t, cluster, cluster.Endpoint())
	<-cluster.Failover(lab.FailoverOptions{Fault: (*lab.Instance).Shutdown, After: silence, RestartAfter: time.Millisecond})
	wantCode(t, within(patience, ping(idle)), "57P01")
	wantEqual(t, "writer", cluster.Writer().ID(), "mydb-2")
	isRole(t, cluster, cluster.Instance("mydb-1"), true)
	isRole(t, cluster, cluster.Instance("mydb-2"), false)

	// The same while both run: a planned promotion.
	reader, writer := connect(t, cluster, cluster.Instance("mydb-3").Host()), connect(t, cluster, cluster.Endpoint())
	promote(t, cluster, "mydb-3", lab.PromoteOptions{DropSessions: true})
	wantCode(t, within(patience, ping(reader)), "57P01")
	wantCode(t, within(patience, ping(writer)), "57P01")

	// Without a promotion, a writer that restarts is the writer again.
	cluster.Writer().Crash()
	cluster.Writer().Restart()
	isRole(t, cluster, cluster.Instance("mydb-3"), false)
	exec(t, open(t, cluster, cluster.Endpoint()), "create table t (id int)")
}

func TestRealNetworkFaults(t *testing.T) {
	cluster := startReal(t, lab.Options{Instances: 1})
	i := cluster.Writer()
	exec(t, open(t, cluster, i.Host()), "create table t (id int)")
	insert := func(conn *pgx.Conn, id int) error {
		return within(silence, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "insert into t values ($1)", pgx.QueryExecModeExec, id)
			return err
		})
	}
	lost := connect(t, cluster, i.Host())
	i.Vanish(lab.LosingRequests)
	if err := insert(lost, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("in a black hole: %v", err)
	}
	if err := within(silence, dial(cluster, i.Host())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("dialing into a black hole: %v", err)
	}
	i.Restart() // what was lost is lost for good
	wantEqual(t, "rows", cluster.Rows("t"), [][]any{})

	mute := connect(t, cluster, i.Host())
	i.Vanish(lab.LosingAnswers)
	i.Heal()
	i.HangAfter(0)
	if err := insert(mute, 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with answers held back: %v", err)
	}
	for began := time.Now(); len(cluster.Rows("t")) == 0 && time.Since(began) < patience; {
		time.Sleep(time.Millisecond)
	}
	wantEqual(t, "rows", cluster.Rows("t"), [][]any{{int64(2)}})
	i.Heal()

	live := connect(t, cluster, i.Host())
	i.Refuse()
	if err := within(patience, dial(cluster, i.Host())); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refusing: %v", err)
	}
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
	if err := within(patience, ping(live)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("after a reset: %v", err)
	}
	if err := within(patience, ping(connect(t, cluster, i.Host()))); err != nil {
		t.Errorf("a new connection after a reset: %v", err)
	}
}

func TestRealRefusals(t *testing.T) {
	for name, o := range map[string]lab.Options{
		"memory":         {Network: lab.Memory},
		"global":         {Flavor: lab.GlobalAuroraPG},
		"RDS":            {Flavor: lab.RDSPG},
		"trust":          {Auth: lab.Trust},
		"many":           {Instances: 50},
		"a setting used": {Settings: map[string]string{"synchronous_commit": "off"}},
	} {
		if cluster, err := lab.StartReal(t.Context(), o); err == nil {
			cluster.Close()
			t.Errorf("%s: no error", name)
		} else if !strings.HasPrefix(err.Error(), "lab: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	cluster := startReal(t, lab.Options{Instances: 1, Flavor: lab.PG})
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
}
