package pgxpool

import (
	"context"
	"database/sql"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// watching is how many logins awsdb's own connections have made.
func watching(c *lab.Cluster) *atomic.Int64 {
	n := new(atomic.Int64)
	for _, i := range c.Instances() {
		i.OnLogin(func(user string) error {
			if user == watch {
				n.Add(1)
			}
			return nil
		})
	}
	return n
}

// Two pools, for writing and for reading, of one cluster: they share what watches it, and
// each follows its own role.
func TestTwoPoolsOneCluster(t *testing.T) {
	logins := map[string]int64{}
	for _, params := range [][]string{{"cluster_id=one"}, nil} {
		virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
			name := "own"
			if params != nil {
				name = "shared"
			}
			n := watching(c)
			writer := open(t, c, c.Endpoint(), append([]string{"failover_mode=strict-writer"}, params...)...)
			readers := open(t, c, c.Endpoint(), append([]string{"failover_mode=strict-reader"}, params...)...)
			lands(t, writer, "mydb-1")
			lands(t, readers, "mydb-2", "mydb-3")
			if same := writer.Connector().Cluster() == readers.Connector().Cluster(); same != (params != nil) {
				t.Errorf("one cluster: %v", same)
			}
			for _, to := range []string{"mydb-2", "mydb-3"} {
				old := c.Writer()
				crash(t, c, to)
				lands(t, writer, to)
				old.Restart()
				time.Sleep(time.Minute)
				lands(t, readers, readersOf(c)...)
			}
			logins[name] = n.Load()
			readers.Close()
			lands(t, writer, "mydb-3")
			crash(t, c, "mydb-1")
			lands(t, writer, "mydb-1")
		})
	}
	if logins["shared"] == 0 || logins["shared"]*3 > logins["own"]*2 {
		t.Errorf("awsdb's own connections: %v", logins)
	}
}

func readersOf(c *lab.Cluster) []string {
	var ids []string
	for _, i := range c.Readers() {
		ids = append(ids, i.ID())
	}
	return ids
}

// database/sql over the pool, for those who need a *stdlib.Conn.
func TestDatabaseSQLOverThePool(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c, "pool_max_conns=4")
		db := stdlib.OpenDBFromPool(p.Pool.Pool)
		defer db.Close() //nolint:errcheck // has nothing to report
		whereDB := func(want string) {
			t.Helper()
			var id string
			if err := db.QueryRowContext(t.Context(), whereAmI).Scan(&id); err != nil || id != want {
				t.Errorf("landed on %q, want %s: %v", id, want, err)
			}
		}
		whereDB("mydb-1")
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Raw(func(native any) error {
			return native.(*stdlib.Conn).Conn().Ping(t.Context())
		})
		if err != nil {
			t.Error(err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		crash(t, c, "mydb-2")
		whereDB("mydb-2")

		// What was in flight is delivered once, and not hidden.
		call := async(func() error {
			_, err := db.ExecContext(context.Background(), "insert into t (id) select 1 from pg_sleep(100)")
			return err
		})
		time.Sleep(5 * time.Second)
		c.Writer().Crash()
		promote(t, c, "mydb-3")
		err = (<-call).err
		demand.Is(t, "ExecContext", pgdriver.Cause(err), core.ErrFailover, core.ErrOutcomeUnknown)
		time.Sleep(2 * time.Second)
		whereDB("mydb-3")
		if n := delivered(c, "pg_sleep(100)"); n != 1 {
			t.Errorf("the statement was delivered %d times", n)
		}

		err = core.RunTx(t.Context(), db, nil, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "insert into t (id) values (7)")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// RunTx repeats what a failover has undone, and only that.
func TestRunTx(t *testing.T) {
	virtual(t, lab.Options{}, func(t *testing.T, c *lab.Cluster) {
		p := writable(t, c)
		attempts := 0
		err := pgdriver.RunTx(t.Context(), p, pgx.TxOptions{}, func(tx pgx.Tx) error {
			attempts++
			if _, err := tx.Exec(t.Context(), "insert into t (id) values ($1)", attempts); err != nil {
				return err
			}
			if attempts == 1 {
				c.Writer().Crash()
				promote(t, c, "mydb-2")
			}
			_, err := tx.Exec(t.Context(), "insert into t (id) values ($1)", 10+attempts)
			return err
		})
		if err != nil || attempts != 2 || len(c.Rows("t")) != 2 {
			t.Errorf("%d attempts, rows %v: %v", attempts, c.Rows("t"), err)
		}

		// A commit whose answer is lost is not repeated.
		attempts = 0
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if s.SQL == "commit" {
				return lab.CutAfter()
			}
			return lab.Run()
		})
		err = pgdriver.RunTx(t.Context(), p, pgx.TxOptions{}, func(tx pgx.Tx) error {
			attempts++
			_, err := tx.Exec(t.Context(), "insert into t (id) values (100)")
			return err
		})
		demand.Is(t, "RunTx", err, core.ErrOutcomeUnknown)
		if attempts != 1 || len(c.Rows("t")) != 3 {
			t.Errorf("%d attempts, rows %v", attempts, c.Rows("t"))
		}

		// What the server asks to repeat is repeated, with the bare pool as well.
		c.Writer().OnStatement(nil)
		attempts = 0
		refusals := 2
		c.Writer().OnStatement(func(s lab.Statement) lab.Fate {
			if s.SQL == "insert into t (id) values (200)" && refusals > 0 {
				refusals--
				return lab.Fail("40001", "could not serialize access")
			}
			return lab.Run()
		})
		err = pgdriver.RunTx(t.Context(), p.Pool.Pool, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
			attempts++
			_, err := tx.Exec(t.Context(), "insert into t (id) values (200)")
			return err
		})
		if err != nil || attempts != 3 {
			t.Errorf("%d attempts: %v", attempts, err)
		}
	})
}
