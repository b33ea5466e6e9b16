package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"testing"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// startPostgreSQL starts a real PostgreSQL that looks like an Aurora cluster of
// one instance. Connections go to it directly, not through the lab's proxy.
func startPostgreSQL(b *testing.B) contest {
	b.Helper()
	route := startReal(b, database.PostgreSQL)
	proxied, err := database.PostgreSQL.Bare(route)
	if err != nil {
		b.Fatal(err)
	}
	db := sql.OpenDB(proxied)
	defer db.Close()
	var host, port string
	if err := db.QueryRowContext(ctx, "select host(inet_server_addr()), inet_server_port()::text").Scan(&host, &port); err != nil {
		b.Fatal(err)
	}
	route.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
	}
	return newContest(database.PostgreSQL, route)
}

// startMariaDB starts a real MariaDB that looks like an Aurora cluster of one
// instance. Connections go through the lab's proxy, which is what makes it look
// like that, those of both contestants; it runs in this process, so that what it
// computes and allocates is counted, for both.
func startMariaDB(b *testing.B) contest {
	b.Helper()
	return newContest(database.MySQL, startReal(b, database.MySQL))
}

func startReal(b *testing.B, d database.Database) database.Route {
	b.Helper()
	cluster, err := lab.StartReal(ctx, lab.Options{
		Flavor: d.Flavor, Instances: 1, Settings: map[string]string{"max_connections": "200"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	return database.To(cluster)
}

// startSimulation starts a simulated cluster.
func startSimulation(tb testing.TB, d database.Database) contest {
	tb.Helper()
	cluster, err := lab.Start(lab.Options{Flavor: d.Flavor})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cluster.Close)
	return newContest(d, database.To(cluster))
}

func newContest(d database.Database, route database.Route) contest {
	must := func(tb testing.TB, k driver.Connector, err error) driver.Connector {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return k
	}
	return contest{
		statements{d.HundredRows, d.Argument},
		[]contestant{
			{"bare", func(tb testing.TB) driver.Connector {
				k, err := d.Bare(route)
				return must(tb, k, err)
			}},
			{"awsdb", func(tb testing.TB) driver.Connector {
				k, err := d.AWSDB(route, hostmonitor.Options{}, nil)
				return must(tb, k, err)
			}},
		},
	}
}
