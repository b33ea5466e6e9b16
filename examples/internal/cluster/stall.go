package cluster

import (
	"database/sql"
	"testing"

	"github.com/awsdb/awsdb/lab"
)

// Stall is a statement that takes minutes on mydb-1, the first writer, and no time on other instances.
func (e Engine) Stall() string {
	if e == PostgreSQL {
		return "SELECT pg_sleep(CASE aurora_db_instance_identifier() WHEN 'mydb-1' THEN 300 ELSE 0 END)"
	}
	return "SELECT SLEEP(IF(@@aurora_server_id = 'mydb-1', 300, 0))"
}

// stalled counts the sessions in which Stall runs, or a statement waits for a table that another session has locked.
func (e Engine) stalled() string {
	if e == PostgreSQL {
		return "SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('PgSleep', 'relation')"
	}
	return "SELECT count(*) FROM information_schema.processlist WHERE state IN ('User sleep', 'Waiting for table metadata lock')"
}

// FailOverInMid does work that runs [Engine.Stall], or waits for a table, kills the writer in the midst of that, promotes
// mydb-2, and returns the error of work.
func FailOverInMid(t *testing.T, e Engine, c *lab.Cluster, work func() error) error {
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
		if err := db.QueryRowContext(t.Context(), e.stalled()).Scan(&sessions); err != nil {
			t.Fatal(err)
		}
		return sessions > 0
	})
	FailOver(t, c, "mydb-2")
	return <-result
}
