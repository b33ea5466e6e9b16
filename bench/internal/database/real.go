package database

import (
	"context"
	"database/sql"

	"github.com/awsdb/awsdb/lab"
)

// maxConnections is enough for two pools of a hundred.
const maxConnections = "250"

// StartReal starts a real server that looks like an Aurora cluster of one
// instance. ctx bounds the start.
//
// MariaDB is behind the lab's proxy, which is what makes it look like that.
// Connections to PostgreSQL may go to direct, its own address, since it answers
// Aurora's questions itself; elsewhere direct is the proxy's.
func (d Database) StartReal(ctx context.Context) (cluster *lab.Cluster, direct string, err error) {
	cluster, err = lab.StartReal(ctx, lab.Options{
		Flavor: d.Flavor, Instances: 1, Settings: map[string]string{"max_connections": maxConnections},
	})
	if err != nil {
		return nil, "", err
	}
	direct = cluster.Writer().ListenAddr()
	if d.listens != "" {
		direct, err = d.ownAddress(ctx, To(cluster))
	}
	if err != nil {
		cluster.Close()
		return nil, "", err
	}
	return cluster, direct, nil
}

// ownAddress is where the server says that it listens.
func (d Database) ownAddress(ctx context.Context, proxied Route) (addr string, err error) {
	connector, err := d.Bare(proxied)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	err = db.QueryRowContext(ctx, d.listens).Scan(&addr)
	return addr, err
}
