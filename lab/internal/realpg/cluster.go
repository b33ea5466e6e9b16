// Package realpg runs a cluster of real PostgreSQL servers on loopback and puts them through what happens to an Aurora
// cluster: a writer that dies or hangs, promotions, switchovers, a former writer that comes back.
//
// One server is the primary, the others are its physical standbys. Aurora's instances share one durable storage, these copy
// the write-ahead log to each other, so replication is synchronous: a commit is acknowledged when at least one standby has
// it, and Promote promotes a standby that has everything any of them has. An acknowledged commit is therefore never lost,
// and a former primary that still runs cannot acknowledge one: its COMMIT waits for standbys that no longer listen to it.
// Two ways around that are left open, as they are PostgreSQL's own: a session that sets synchronous_commit to off, and
// a cancel request for a waiting COMMIT, which the server answers with success and a warning.
//
// The tests of this module are the only users. Servers are told apart by port, not by address, so nothing of this needs
// privileges; root runs them as user postgres.
package realpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// ErrClosed is returned by the methods of a closed Cluster.
var ErrClosed = errors.New("realpg: cluster is closed")

// hostBasedAuthentication asks everybody for a password, the servers themselves too: any user of the machine can reach
// the ports, and a superuser's session could run programs.
func hostBasedAuthentication(o Options) string {
	clients := "host"
	if o.RequireTLS {
		clients = "hostssl"
	}
	var text strings.Builder
	for _, line := range []string{"host replication " + superuser, "host all " + superuser, clients + " all all"} {
		text.WriteString(line + " 127.0.0.0/8 scram-sha-256\n")
	}
	return text.String()
}

// A Cluster is a set of running servers. Its methods may be called from any goroutine; those that change roles wait for
// each other.
type Cluster struct {
	// Constant after Start.
	options  Options
	found    installation
	who      realserver.Account
	root     string // holds everything the servers write
	password string // of the superuser
	nodes    []*node
	control  *realserver.Control

	primary  atomic.Pointer[node] // stored only under control
	promoted atomic.Int64         // see PromotedAt; nanoseconds since 1970

	// Whoever has taken control may change what follows.

	// history counts promotions. Only data directories of the current one may follow the primary.
	history int
	// quorum are the standbys that may be the only one to have an acknowledged commit. While it is empty, the primary is.
	quorum []*node
}

// Start brings up all servers and returns when every standby streams from the primary and accepts connections.
// The error has ErrNotInstalled in its chain when the machine has no PostgreSQL server programs.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	found, err := findInstallation(ctx)
	if err != nil {
		return nil, err
	}
	who, err := realserver.AccountOf("postgres")
	if err != nil {
		return nil, fmt.Errorf("realpg: %w", err)
	}
	c := &Cluster{options: options, found: found, who: who, control: realserver.NewControl(ErrClosed)}
	if err := c.start(ctx); err != nil {
		return nil, fmt.Errorf("realpg: starting the cluster: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.makeRoot(); err != nil {
		return err
	}
	prepared, err := prepareTemplate(ctx, c.found, c.who, c.options.Flavor, c.root)
	if err != nil {
		return err
	}
	c.password = prepared.Password
	var ports []int
	for _, name := range c.options.Names {
		port, err := realserver.FreePort(ports)
		if err != nil {
			return err
		}
		ports = append(ports, port)
		c.nodes = append(c.nodes, &node{name: name, port: port, root: c.root, standby: len(c.nodes) > 0})
	}
	primary := c.nodes[0]
	c.primary.Store(primary)
	c.quorum = slices.Clone(c.nodes[1:])
	if err := c.writeTopology(); err != nil {
		return err
	}
	err = realserver.Each(c.nodes, func(n *node) error {
		if err := c.furnish(n, prepared); err != nil {
			return err
		}
		return n.launch(c.found, c.who)
	})
	if err != nil {
		return err
	}
	if err := realserver.Each(c.nodes, func(n *node) error { return c.awaitReady(ctx, n) }); err != nil {
		return err
	}
	return c.populate(ctx, primary)
}

// makeRoot makes the cluster's directory, which the servers' account owns.
func (c *Cluster) makeRoot() error {
	root, err := c.who.MakeRoot("awsdb-realpg-")
	c.root = root
	if err != nil {
		return err
	}
	if strings.ContainsAny(root, "'\"\\%\n") {
		return fmt.Errorf("the name of directory %s has a character that PostgreSQL settings cannot quote: set TMPDIR to another directory", root)
	}
	return realserver.WriteFile(c.who, filepath.Join(root, "pg_hba.conf"), hostBasedAuthentication(c.options), 0o600)
}

// furnish makes the node's data directory and configuration.
func (c *Cluster) furnish(n *node, prepared realserver.Template) error {
	if err := realserver.CopyTree(prepared.Data, n.data(), c.who); err != nil {
		return err
	}
	if err := realserver.WriteFile(c.who, n.file("conf"), n.configuration(c.options), 0o600); err != nil {
		return err
	}
	if pair, ok := c.options.TLS[n.name]; ok {
		for kind, path := range map[string]string{"crt": pair.CertFile, "key": pair.KeyFile} {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := realserver.WriteFile(c.who, n.file(kind), string(content), 0o600); err != nil {
				return err
			}
		}
	}
	if n.standby {
		return c.writeStandby(n, c.primary.Load())
	}
	return realserver.WriteFile(c.who, n.autoFile(), settingLines(map[string]string{"synchronous_standby_names": synchronousNames(c.quorum)}), 0o600)
}

// writeStandby makes the data directory of a server that is down a standby of source.
func (c *Cluster) writeStandby(n, source *node) error {
	if err := realserver.WriteFile(c.who, n.autoFile(), settingLines(map[string]string{"primary_conninfo": c.connectionInfo(source, n)}), 0o600); err != nil {
		return err
	}
	return realserver.WriteFile(c.who, n.signalFile(), "", 0o600)
}

// connectionInfo is the primary_conninfo with which n follows source.
func (c *Cluster) connectionInfo(source, n *node) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s application_name=%s sslmode=disable gssencmode=disable connect_timeout=2",
		source.port, superuser, c.password, n.name)
}

// synchronousNames is the synchronous_standby_names with which one of the nodes has to have a commit.
func synchronousNames(nodes []*node) string {
	if len(nodes) == 0 {
		return ""
	}
	var quoted []string
	for _, n := range nodes {
		quoted = append(quoted, `"`+n.name+`"`)
	}
	return "ANY 1 (" + strings.Join(quoted, ", ") + ")"
}

// populate makes the role and the database, and waits until all standbys have them.
func (c *Cluster) populate(ctx context.Context, primary *node) error {
	connection, err := c.open(ctx, primary, "postgres")
	if err != nil {
		return err
	}
	defer hangUp(connection)
	user, database := pgx.Identifier{c.options.User}.Sanitize(), pgx.Identifier{c.options.Database}.Sanitize()
	if _, err := connection.Exec(ctx, "create role "+user+" login createdb password "+quoteLiteral(c.options.Password)); err != nil {
		return fmt.Errorf("making role %s: %w", user, err)
	}
	statement := "create database " + database + " owner " + user
	if c.options.Database == "postgres" { // every server has it
		statement = "alter database " + database + " owner to " + user
	}
	if _, err := connection.Exec(ctx, statement); err != nil {
		return fmt.Errorf("making database %s: %w", database, err)
	}
	position, err := scalar[string](ctx, connection, "select pg_current_wal_flush_lsn()::text")
	if err != nil {
		return err
	}
	attached, err := awaitAttached(ctx, connection, realserver.Names(c.nodes[1:]))
	if err != nil {
		return err
	}
	if len(attached) < len(c.nodes)-1 {
		return fmt.Errorf("only %d of %d standbys stream from the primary after %s", len(attached), len(c.nodes)-1, attachLimit)
	}
	return realserver.Each(c.nodes[1:], func(n *node) error { return c.awaitReplay(ctx, n, position) })
}

// awaitReplay waits until what the primary had written at position can be seen on the standby.
func (c *Cluster) awaitReplay(ctx context.Context, n *node, position string) error {
	connection, err := c.open(ctx, n, "postgres")
	if err != nil {
		return err
	}
	defer hangUp(connection)
	return realserver.Poll(ctx, func() (bool, error) {
		return scalar[bool](ctx, connection, "select coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false)", position)
	})
}

// Close ends every server and removes every file. It waits for a running Promote, Rejoin or Switchover, which it
// interrupts. It may be called more than once.
func (c *Cluster) Close() error {
	return c.control.Close(func() error {
		err := realserver.Each(c.nodes, (*node).discard)
		if c.root == "" {
			return err
		}
		return errors.Join(err, os.RemoveAll(c.root))
	})
}

// Names returns the instance ids in the order of Options.Names.
func (c *Cluster) Names() []string { return realserver.Names(c.nodes) }

// Primary returns the name of the instance that was promoted last; it may be down.
func (c *Cluster) Primary() string { return c.primary.Load().name }

// PromotedAt returns when the latest promotion took effect, or a few milliseconds earlier; zero if there was none.
func (c *Cluster) PromotedAt() time.Time {
	if at := c.promoted.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Addr returns the address of an instance, 127.0.0.1:port, which stays the same until Close. It is empty for an
// unknown name.
func (c *Cluster) Addr(name string) string {
	n, err := c.find(name)
	if err != nil {
		return ""
	}
	return n.address()
}

func (c *Cluster) find(name string) (*node, error) {
	n, err := realserver.Find(c.nodes, name)
	if err != nil {
		return nil, fmt.Errorf("realpg: %w", err)
	}
	return n, nil
}

// healthyStandbys are the standbys that run and follow the current history. The caller is in control.
func (c *Cluster) healthyStandbys() []*node {
	var healthy []*node
	for _, n := range c.nodes {
		if n.standby && n.history == c.history && n.up() {
			healthy = append(healthy, n)
		}
	}
	return healthy
}

// writeTopology tells the servers who is the writer and who has been lost since when. The caller is in control.
func (c *Cluster) writeTopology() error {
	var text strings.Builder
	for _, n := range c.nodes {
		role, seen, port := "reader", "", n.port
		if n == c.primary.Load() {
			role = "writer"
		}
		if lost := n.server.LostSince(); !lost.IsZero() {
			seen = fmt.Sprintf("%.3f", float64(lost.UnixMilli())/float64(time.Second/time.Millisecond))
		}
		if c.options.EndpointPort != 0 {
			port = c.options.EndpointPort
		}
		fmt.Fprintf(&text, "%s,%s,%s.%s,%d,%s\n", n.name, role, n.name, c.options.Suffix, port, seen)
	}
	return realserver.WriteFile(c.who, filepath.Join(c.root, "topology.csv"), text.String(), 0o600)
}
