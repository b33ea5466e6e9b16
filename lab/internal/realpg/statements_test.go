package realpg

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
)

func TestParseLog(t *testing.T) {
	entry := func(process, message string) string {
		return "awsdb\x1f1700000000.042\x1f" + process + "\x1fapp\x1fshop\x1fcart|1\x1f" + message + "\n"
	}
	statement := func(process int, sql, parameters string) Statement {
		return Statement{
			Time: time.Unix(1700000000, 42_000_000).UTC(), Process: process, User: "app", Database: "shop", Application: "cart|1",
			SQL: sql, Parameters: parameters,
		}
	}
	cases := []struct {
		name string
		log  string
		want []Statement
	}{
		{"empty", "", nil},
		{"simple protocol", entry("7", "LOG:  statement: select 1"), []Statement{statement(7, "select 1", "")}},
		{"extended protocol", entry("7", "LOG:  execute stmt_1/p: select $1: text") + entry("7", "DETAIL:  parameters: $1 = 'a'"),
			[]Statement{statement(7, "select $1: text", "$1 = 'a'")}},
		{"several lines", entry("7", "LOG:  statement: select\n\t\t1,\n\t\n\t2"), []Statement{statement(7, "select\n\t1,\n\n2", "")}},
		{"mixed sessions", entry("7", "LOG:  execute <unnamed>: a") + entry("8", "LOG:  execute <unnamed>: b") +
			entry("7", "DETAIL:  parameters: $1 = '7'") + entry("8", "DETAIL:  parameters: $1 = '8'"),
			[]Statement{statement(7, "a", "$1 = '7'"), statement(8, "b", "$1 = '8'")}},
		{"an error's details", entry("7", "LOG:  statement: a") + entry("7", "ERROR:  duplicate key") + entry("7", "DETAIL:  parameters: no") +
			entry("7", "STATEMENT:  a"), []Statement{statement(7, "a", "")}},
		{"other lines", "no entry\n" + entry("7", "LOG:  duration: 1 ms") + "awsdb\x1fbroken\n" + entry("x", "LOG:  statement: a"), nil},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseLog(test.log)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestStatements counts what a server was asked for, and by whom, across a crash.
func TestStatements(t *testing.T) {
	c := startCluster(t, Options{Instances: 2})
	before := time.Now().Add(-time.Millisecond).Truncate(time.Millisecond)
	connection := mustDial(t, c, "instance-1")
	mustExec(t, connection, "create table items (id int primary key, name text)")
	for range 2 {
		_, _ = connection.Exec(t.Context(), "insert into items values ($1, $2)", 1, "it's\ntwo lines") // the second one fails
	}
	mustExec(t, connection, "select 1;\nselect 2", pgx.QueryExecModeSimpleProtocol)
	if _, err := connection.Exec(t.Context(), "this is no SQL"); err == nil {
		t.Fatal("no error")
	}
	if err := c.Exec(t.Context(), "instance-1", "select 'control plane'"); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill("instance-1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rejoin(t.Context(), "instance-1"); err != nil {
		t.Fatal(err)
	}
	mustExec(t, mustDial(t, c, "instance-1"), "select 3", pgx.QueryExecModeSimpleProtocol)

	got, err := c.Statements("instance-1")
	if err != nil {
		t.Fatal(err)
	}
	parameters := "$1 = '1', $2 = 'it''s\ntwo lines'"
	var want []Statement
	for _, s := range []Statement{
		{SQL: "create table items (id int primary key, name text)"},
		{SQL: "insert into items values ($1, $2)", Parameters: parameters},
		{SQL: "insert into items values ($1, $2)", Parameters: parameters},
		{SQL: "select 1;\nselect 2"},
		{SQL: "select 3"},
	} {
		s.User, s.Database, s.Application = "app", "app", "client"
		want = append(want, s)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Statement{}, "Time", "Process")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range got {
		if s.Time.Before(before) || s.Time.After(time.Now()) || s.Process == 0 {
			t.Errorf("%q at %s in process %d", s.SQL, s.Time, s.Process)
		}
	}
	other, err := c.Statements("instance-2")
	if err != nil || len(other) > 0 {
		t.Errorf("the other instance: %v, %v", other, err)
	}
}

// TestStopSilencesSessions: a stopped server answers nothing, a continued one answers what it was asked meanwhile.
func TestStopSilencesSessions(t *testing.T) {
	c := startCluster(t, Options{Instances: 1})
	connection := mustDial(t, c, "instance-1")
	mustExec(t, connection, "select 1")
	if err := c.Stop("instance-1"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := connection.Exec(context.WithoutCancel(t.Context()), "select 2")
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
