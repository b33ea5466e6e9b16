package bench

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/failover"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/pgdriver"
)

// server is where both drivers connect to: a cluster, and how to get there.
type server struct {
	cluster *lab.Cluster
	dial    core.DialFunc
}

// startServer starts a real PostgreSQL that looks like an Aurora cluster of one
// instance. Connections go to it directly, not through the lab's proxy.
func startServer(b *testing.B) server {
	b.Helper()
	cluster, err := lab.StartReal(ctx, lab.Options{Instances: 1, Settings: map[string]string{"max_connections": "200"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cluster.Close)
	proxied := server{cluster, cluster.DialContext}
	db := sql.OpenDB(proxied.bare(b))
	defer db.Close()
	var host, port string
	if err := db.QueryRowContext(ctx, "select host(inet_server_addr()), inet_server_port()::text").Scan(&host, &port); err != nil {
		b.Fatal(err)
	}
	return server{cluster, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
	}}
}

// startSimulation starts a simulated cluster.
func startSimulation(tb testing.TB) server {
	tb.Helper()
	cluster, err := lab.Start(lab.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cluster.Close)
	return server{cluster, cluster.DialContext}
}

func (s server) config(tb testing.TB) *pgx.ConnConfig {
	tb.Helper()
	cfg, err := pgx.ParseConfig(s.cluster.DSN(s.cluster.Endpoint()))
	if err != nil {
		tb.Fatal(err)
	}
	cfg.DialFunc, cfg.LookupFunc = pgconn.DialFunc(s.dial), s.cluster.LookupHost
	return cfg
}

// bare is pgx as it is, with its default settings.
func (s server) bare(tb testing.TB) driver.Connector { return stdlib.GetConnector(*s.config(tb)) }

// awsdb has the failover plugin on and its default settings.
func (s server) awsdb(tb testing.TB) driver.Connector {
	tb.Helper()
	plugin, err := failover.New(failover.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	k, err := pgdriver.NewConnector(s.config(tb), pgdriver.WithPlugins(plugin), pgdriver.WithResolver(s.cluster))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}
