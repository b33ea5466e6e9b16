package docs

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

// startLab starts a cluster in memory, in virtual time.
func startLab(t *testing.T, flavor lab.Flavor) *lab.Cluster {
	t.Helper()
	c, err := lab.Start(lab.Options{Flavor: flavor, Network: lab.Memory, Latency: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func pool(t *testing.T, connector driver.Connector, err error) *sql.DB {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestTargetSessionAttrs: the page's table of what becomes of old connection strings.
func TestTargetSessionAttrs(t *testing.T) {
	const page = "../../docs/from-target-session-attrs.md"
	for _, row := range rows(t, page, "<!-- target_session_attrs: checked by conformance/docs -->", "<!-- end of target_session_attrs -->") {
		hosts, attribute := quoted(row[0])[0], quoted(row[1])[0]
		t.Run(hosts+" "+attribute, func(t *testing.T) {
			before, after := followAttribute(t, hosts, attribute, "none")
			got := []string{before, after}
			before, after = followAttribute(t, hosts, attribute, "failover")
			got = append(got, before, after)
			var want []string
			for _, cell := range row[2:] {
				want = append(want, strings.Trim(cell, "`"))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("before and after without, before and after with failover:\n%s", diff)
			}
		})
	}
}

// followAttribute is where a pool is before a failover to mydb-2 and after it, while DNS still leads to mydb-1.
func followAttribute(t *testing.T, hosts, attribute, plugins string) (before, after string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := startLab(t, lab.AuroraPG)
		var addresses []string
		for host := range strings.SplitSeq(hosts, ",") {
			address := c.Endpoint()
			if host != "cluster" {
				address = c.Instance(host).Host()
			}
			addresses = append(addresses, address+":5432")
		}
		dsn := c.DSN("first.invalid", "target_session_attrs="+attribute, "plugins="+plugins, "failover_timeout_sec=10")
		cfg, err := pgdriver.ParseDSN(strings.Replace(dsn, "first.invalid:5432", strings.Join(addresses, ","), 1))
		if err != nil {
			t.Fatal(err)
		}
		connector, err := pgdriver.NewConnector(cfg, pgdriver.WithDialer(c.DialContext), pgdriver.WithResolver(c))
		db := pool(t, connector, err)
		before = whereIs(t.Context(), db)
		c.Writer().Crash()
		time.Sleep(time.Second) // the idle connection's end arrives
		if err := c.Promote("mydb-2", lab.PromoteOptions{DNSLag: time.Hour}); err != nil {
			t.Fatal(err)
		}
		after = whereIs(t.Context(), db)
	})
	return before, after
}

// whereIs is the instance that a pool is on.
func whereIs(ctx context.Context, db *sql.DB) string {
	var id string
	if err := db.QueryRowContext(ctx, "select aurora_db_instance_identifier()").Scan(&id); err != nil {
		return "an error"
	}
	return id
}

// TestRejectReadOnlyIsNotNeeded: what the page promises of a write that meets a demoted writer, with the option
// or without.
func TestRejectReadOnlyIsNotNeeded(t *testing.T) {
	for _, option := range []string{"rejectReadOnly=true", "rejectReadOnly=false"} {
		t.Run(option, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := startLab(t, lab.AuroraMySQL)
				cfg, err := mysql.ParseDSN(c.DSN(c.Endpoint(), option, "plugins=failover"))
				if err != nil {
					t.Fatal(err)
				}
				connector, err := mysqldriver.NewConnector(cfg, mysqldriver.WithDialer(c.DialContext), mysqldriver.WithResolver(c))
				db := pool(t, connector, err)
				if _, err := db.ExecContext(t.Context(), "create table t (id int)"); err != nil {
					t.Fatal(err)
				}
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				conn, err := db.Conn(t.Context()) // taken before the demotion, so that the pool cannot drop it
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				if err := c.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
					t.Fatal(err)
				}
				_, err = conn.ExecContext(t.Context(), "insert into t (id) values (1)")
				if !errors.Is(err, core.ErrFailoverSuccess) || !core.SafeToRepeat(err) {
					t.Errorf("the write: %v", err)
				}
				_, err = tx.ExecContext(t.Context(), "insert into t (id) values (2)")
				if !errors.Is(err, core.ErrTransactionResolutionUnknown) || errors.Is(err, core.ErrOutcomeUnknown) {
					t.Errorf("the transaction: %v", err)
				}
				if err := tx.Rollback(); err != nil {
					t.Errorf("rollback: %v", err)
				}
				err = core.Retry(t.Context(), func() error {
					_, err := db.ExecContext(t.Context(), "insert into t (id) values (3)")
					return err
				})
				if err != nil || len(c.Rows("t")) != 1 {
					t.Errorf("the retry: %v, rows %v", err, c.Rows("t"))
				}
			})
		})
	}
}
