package lab_test

import (
	"database/sql"
	"errors"
	"net"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/lab"
)

// TestPublish: drivers that know nothing of the lab find it by its names.
func TestPublish(t *testing.T) {
	for name, test := range map[string]struct {
		flavor lab.Flavor
		driver string
		query  string
	}{
		"postgresql": {lab.AuroraPG, "pgx", "select aurora_db_instance_identifier()"},
		"mysql":      {lab.AuroraMySQL, "mysql", "select @@aurora_server_id"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := lab.Start(lab.Options{Flavor: test.flavor})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Publish(); err != nil {
				t.Fatal(err)
			}
			if err := c.Publish(); err == nil {
				t.Error("published twice")
			}
			if got := instance(t, test.driver, c.DSN(c.Endpoint()), test.query); got != "mydb-1" {
				t.Errorf("the endpoint leads to %s, want mydb-1", got)
			}
			c.Instance("mydb-1").Crash()
			if err := c.Promote("mydb-2", lab.PromoteOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := instance(t, test.driver, c.DSN(c.Endpoint()), test.query); got != "mydb-2" {
				t.Errorf("after a failover the endpoint leads to %s, want mydb-2", got)
			}
			if err := opened(t, test.driver, c.DSN(c.Instance("mydb-1").Host())).PingContext(t.Context()); err == nil {
				t.Error("an instance that is down answers")
			}
			alias, err := net.DefaultResolver.LookupCNAME(t.Context(), c.Endpoint())
			if want := c.Instance("mydb-2").Host() + "."; alias != want || err != nil {
				t.Errorf("the endpoint is an alias of %q (%v), want %q", alias, err, want)
			}
			var unknown *net.DNSError
			if _, err := net.DefaultResolver.LookupHost(t.Context(), "db.example.com"); !errors.As(err, &unknown) || !unknown.IsNotFound {
				t.Errorf("a name outside the cluster: %v", err)
			}
			c.FailDNS(true)
			if _, err := net.DefaultResolver.LookupHost(t.Context(), c.Endpoint()); !errors.As(err, &unknown) || unknown.IsNotFound {
				t.Errorf("while DNS fails: %v", err)
			}
			c.Close()
			if err := c.Publish(); err == nil {
				t.Error("a closed cluster can be published")
			}
		})
	}
}

func TestPublishNeedsANetwork(t *testing.T) {
	c, err := lab.Start(lab.Options{Network: lab.Memory})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Publish(); err == nil {
		t.Error("a cluster in memory can be published")
	}
}

// instance asks which instance a connection string leads to.
func instance(t *testing.T, driver, dsn, query string) (id string) {
	t.Helper()
	if err := opened(t, driver, dsn).QueryRowContext(t.Context(), query).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// opened is a pool that is closed with the test.
func opened(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
