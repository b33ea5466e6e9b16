package cluster

import (
	"database/sql"
	"testing"

	"github.com/awsdb/awsdb/lab"
)

// Stalling is a part of [Engine.Stall], in lower case.
const Stalling = "sleep("

// Stall is a statement that takes minutes on mydb-1, the first writer, and no time on other instances.
func (e Engine) Stall() string {
	if e == PostgreSQL {
		return "SELECT pg_sleep(CASE aurora_db_instance_identifier() WHEN 'mydb-1' THEN 300 ELSE 0 END)"
	}
	return "SELECT SLEEP(IF(@@aurora_server_id = 'mydb-1', 300, 0))"
}

// stalled counts the sessions in which a statement that contains a text sleeps, or waits for a table that another session
// has locked. For a moment others may wait for a table as well: the server reads some on its own account.
func (e Engine) stalled() string {
	if e == PostgreSQL {
		return "SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('PgSleep', 'relation') AND strpos(lower(query), $1) > 0"
	}
	return "SELECT count(*) FROM information_schema.processlist " +
		"WHERE state IN ('User sleep', 'Waiting for table metadata lock') AND locate(?, lower(info)) > 0"
}

// FailOverInMid does work in which [Engine.Stall] runs, or another statement that contains a text, in lower case, waits for a
// table. It kills the writer in the midst of that, promotes mydb-2, and returns the error of work.
func FailOverInMid(t *testing.T, e Engine, c *lab.Cluster, text string, work func() error) error {
	t.Helper()
	db, err := sql.Open(e.Driver, c.DSN(c.Endpoint()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result := make(chan error, 1)
	go func() { result <- work() }()
	Await(t, "the statement that stalls", func() bool {
		select {
		case err := <-result:
			t.Fatalf("the work is done, and has not stalled: %v", err)
		default:
		}
		var sessions int
		if err := db.QueryRowContext(t.Context(), e.stalled(), text).Scan(&sessions); err != nil {
			t.Fatal(err)
		}
		return sessions > 0
	})
	FailOver(t, c, "mydb-2")
	return <-result
}
