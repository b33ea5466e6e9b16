package bench

import (
	"context"
	"database/sql/driver"
	"net"
	"testing"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/hostmonitor"
	"github.com/awsdb/awsdb/lab"
)

// startReal starts a real server, see [database.Database.StartReal]. MariaDB's
// proxy runs in this process, so that what it computes and allocates is counted,
// for both contestants.
func startReal(b *testing.B, d database.Database) contest {
	b.Helper()
	return newContest(d, startRealServer(b, d))
}

func startRealServer(b *testing.B, d database.Database) database.Route {
	b.Helper()
	cluster, direct, err := d.StartReal(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	route := database.To(cluster)
	route.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, direct)
	}
	return route
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
