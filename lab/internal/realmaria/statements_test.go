package realmaria

import (
	"context"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseLog(t *testing.T) {
	row := func(session, command, argument string) string {
		return `"2026-11-22 16:31:48.042000","[app] @  [127.0.0.1]",` + session + `,1,"` + command + `","` + argument + `"` + "\n"
	}
	statement := func(session int64, sql string, arguments ...any) Statement {
		return Statement{Time: time.Date(2026, 11, 22, 16, 31, 48, 42e6, time.UTC), Session: session, User: "app", SQL: sql, Arguments: arguments}
	}
	cases := []struct {
		name string
		log  string
		want []Statement
	}{
		{"empty", "", nil},
		{"text protocol", row("7", "Connect", "app@127.0.0.1 on app using TCP/IP") + row("7", "Query", `select \"a\\\\\n`) + row("7", "Quit", ""),
			[]Statement{statement(7, "select \"a\\\\\n")}},
		{"binary protocol", row("7", "Prepare", "select ?") + row("8", "Prepare", "select  ?") + row("8", "Execute", "select  1") + row("7", "Execute", "select 2") + row("7", "Close stmt", ""),
			[]Statement{statement(8, "select  ?", "1"), statement(7, "select ?", "2")}},
		{"a new life", row("7", "Prepare", "select ?") + row("7", "Connect", "x") + row("7", "Execute", "select 1"), []Statement{statement(7, "select 1")}},
		{"half a row", row("7", "Query", "a") + `"2026-11-22 16:31:48.042000","[app] @  [127.0.0.1]",7,1,"Query","b`, []Statement{statement(7, "a")}},
		{"other rows", "no row\n" + `"2026","[app] @ ",7,1,"Query","a"` + "\n" + `"2026-11-22 16:31:48.0","rdsadmin[rdsadmin] @ ",7,1,"Query","a"` + "\n" +
			`"2026-11-22 16:31:48.0","[SQL thread] @ ",x,1,"Query","a"` + "\n", nil},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, statementsOf(parseLog(test.log)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for text, want := range map[string]string{"app[app] @ localhost [127.0.0.1]": "app", "[it's] @  [::1]": "it's", "": ""} {
		if got := userOf(text); got != want {
			t.Errorf("user of %q: %q", text, got)
		}
	}
}

// TestStatements counts what a server was asked for, and by whom, across a crash.
func TestStatements(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	before := time.Now().Add(-time.Millisecond)
	s := mustOpen(t, c, c.Addr("instance-1"), func(config *mysql.Config) { config.MultiStatements = true })
	mustExec(t, s, "create table items (id int primary key, name text)")
	for range 2 {
		_, _ = s.ExecContext(t.Context(), "insert into items values (?, ?)", 1, "it's\n\"two\" lines 😀\\") // the second one fails
	}
	mustExec(t, s, "do 1;\ndo 2")
	if _, err := s.ExecContext(t.Context(), "this is no SQL"); number(err) != 1064 {
		t.Fatalf("no SQL: %v", err)
	}
	if err := c.Exec(t.Context(), "instance-1", "do 'control plane'"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t.Context(), c, c.Addr("instance-1"), func(config *mysql.Config) { config.Passwd = "wrong" }); number(err) != 1045 {
		t.Fatalf("a wrong password: %v", err)
	}
	if err := c.Kill("instance-1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rejoin(t.Context(), "instance-1"); err != nil {
		t.Fatal(err)
	}
	mustExec(t, mustOpen(t, c, c.Addr("instance-1")), "do 3")

	got, err := c.Statements("instance-1")
	if err != nil {
		t.Fatal(err)
	}
	arguments := []any{"1", "it's\n\"two\" lines 😀\\"}
	var want []Statement
	for _, s := range []Statement{
		{SQL: "create table items (id int primary key, name text)"},
		{SQL: "insert into items values (?, ?)", Arguments: arguments},
		{SQL: "insert into items values (?, ?)", Arguments: arguments},
		{SQL: "do 1;\ndo 2"},
		{SQL: "this is no SQL"},
		{SQL: "do 3"},
	} {
		s.User = "app"
		want = append(want, s)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Statement{}, "Time", "Session")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range got {
		if s.Time.Before(before) || s.Time.After(time.Now()) || s.Session == 0 {
			t.Errorf("%q at %s in session %d", s.SQL, s.Time, s.Session)
		}
	}
	if logins, err := c.Logins("instance-1"); logins != 2 || err != nil {
		t.Errorf("%d logins, %v, want 2", logins, err)
	}
	other, err := c.Statements("instance-2")
	if err != nil || len(other) > 0 {
		t.Errorf("the other instance: %v, %v", other, err)
	}
}

// TestStopSilencesSessions: a stopped server answers nothing, a continued one answers what it was asked meanwhile.
func TestStopSilencesSessions(t *testing.T) {
	c := startCluster(t, Options{Instances: 1})
	s := mustOpen(t, c, c.Addr("instance-1"))
	mustExec(t, s, "do 1")
	if err := c.Stop("instance-1"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := s.ExecContext(context.WithoutCancel(t.Context()), "do 2")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a stopped server answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := c.Continue("instance-1"); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("after Continue: %v", err)
	}
}
