// Package realmaria runs a cluster of real MariaDB servers on loopback and puts them through what happens to an Aurora MySQL
// cluster: a writer that dies or hangs, promotions, a former writer that comes back. It is to MySQL what realpg is to
// PostgreSQL; MariaDB stands in because no MySQL server can be had as a package.
//
// One server is the primary, the others replicate from it, by GTID. Aurora's instances share one durable storage, these copy
// transactions to each other, so replication is semi-synchronous: a commit is acknowledged, and can be seen, when at least one
// reader has received it, and Promote promotes a reader that has everything any of them has. An acknowledged commit is
// therefore never lost. A former primary that still runs becomes a reader at once; one that was stopped, and then continued
// without being told, cannot acknowledge a commit: it waits for readers that no longer listen to it. When no reader is left,
// a primary acknowledges commits alone, as Aurora's does.
//
// One way around that is left open, as it is MariaDB's own: KILL QUERY ends the wait of a commit, which then seems to have
// succeeded.
//
// What MariaDB lacks of Aurora and RDS is put in by a proxy for each instance, see Cluster.Proxy: a client that connects to
// Addr directly gets plain MariaDB, without TLS.
//
// The tests of this module are the only users. Servers are told apart by port, not by address, so nothing of this needs
// privileges; root runs them as user mysql.
package realmaria

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/awsdb/awsdb/lab/internal/mysqlproxy"
	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// ErrClosed is returned by the methods of a closed Cluster.
var ErrClosed = errors.New("realmaria: cluster is closed")

// masterPrivileges are about what RDS grants a master user. It may not write to a reader, read the server's files or change
// what the cluster depends on.
const masterPrivileges = `select, insert, update, delete, create, drop, process, references, index, alter, show databases,
	create temporary tables, lock tables, execute, create view, show view, create routine, alter routine, create user, event, trigger,
	binlog monitor, slave monitor, delete history`

// A Cluster is a set of running servers. Its methods may be called from any goroutine; those that change roles wait for
// each other.
type Cluster struct {
	// Constant after Start.
	options  Options
	found    installation
	who      realserver.Account
	root     string // holds everything the servers write
	template realserver.Template
	nodes    []*node
	control  *realserver.Control

	primary  atomic.Pointer[node] // stored only under control
	promoted atomic.Int64         // see PromotedAt; nanoseconds since 1970

	// Whoever has taken control may change what follows.

	// history counts promotions. Only data directories of the current one may follow the primary as they are.
	history int
	// origins has the number of the last transaction that each history took over from the one before.
	origins []uint64
	// quorum are the readers that may be the only one to have an acknowledged commit. While it is empty, the primary is.
	quorum []*node
}

// Start brings up all servers and returns when every reader follows the primary and accepts connections.
// The error has ErrNotInstalled in its chain when the machine has no MariaDB server programs.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	found, err := findInstallation(ctx)
	if err != nil {
		return nil, err
	}
	who, err := realserver.AccountOf("mysql")
	if err != nil {
		return nil, fmt.Errorf("realmaria: %w", err)
	}
	c := &Cluster{options: options, found: found, who: who, control: realserver.NewControl(ErrClosed), origins: []uint64{0}}
	if err := c.start(ctx); err != nil {
		return nil, fmt.Errorf("realmaria: starting the cluster: %w", errors.Join(err, c.Close()))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	root, err := c.who.MakeRoot("awsdb-realmaria-")
	c.root = root
	if err != nil {
		return err
	}
	if strings.ContainsAny(root, "\"\\\n") {
		return fmt.Errorf("the name of directory %s has a character that option files cannot quote: set TMPDIR to another directory", root)
	}
	if c.template, err = prepareTemplate(ctx, c.found, c.who, c.options.Flavor, root); err != nil {
		return err
	}
	if err := c.makeNodes(); err != nil {
		return err
	}
	primary := c.nodes[0]
	c.primary.Store(primary)
	primary.relay.mend()
	if err := c.writeTopology(); err != nil {
		return err
	}
	err = realserver.Each(c.nodes, func(n *node) error {
		if err := c.furnish(n); err != nil {
			return err
		}
		arguments := asReader
		if n == primary {
			arguments = asPrimary
		}
		if err := n.launch(c.found, c.who, c.template.Data, arguments); err != nil {
			return err
		}
		return c.awaitReady(ctx, n, &n.server, n.port)
	})
	if err != nil {
		return err
	}
	return c.populate(ctx, primary)
}

// makeNodes gives every instance its ports.
func (c *Cluster) makeNodes() error {
	var ports []int
	for i, name := range c.options.Names {
		port, err := realserver.FreePort(ports)
		if err != nil {
			return err
		}
		ports = append(ports, port)
		n := &node{name: name, number: i + 1, port: port, root: c.root, reader: i > 0}
		n.proxy = &mysqlproxy.Proxy{TLS: c.options.TLS[name], RequireTLS: c.options.RequireTLS}
		if r := newRewriter(c.options.Flavor, name); r != nil {
			n.proxy.Rewrite = r.rewrite
		}
		if n.relay, err = newRelay(n.address()); err != nil {
			return err
		}
		n.relay.cut() // until it is the primary
		c.nodes = append(c.nodes, n)
	}
	return nil
}

// furnish makes the node's data directory and configuration.
func (c *Cluster) furnish(n *node) error {
	if err := realserver.CopyTree(c.template.Data, n.data(), c.who); err != nil {
		return err
	}
	if err := realserver.MakeDirectory(c.who, n.file("tmp")); err != nil {
		return err
	}
	return realserver.WriteFile(c.who, n.file("cnf"), n.configuration(c.options), 0o600)
}

// populate makes the account and the database, and waits until all readers have them.
func (c *Cluster) populate(ctx context.Context, primary *node) error {
	s, err := c.dial(ctx, primary, primary.port, "", map[string]string{"sql_log_off": "1"}) // this is replicated
	if err != nil {
		return err
	}
	defer s.hangUp()
	user := quoteLiteral(c.options.User) + "@'%'"
	err = s.run(ctx,
		"create database if not exists "+quoteName(c.options.Database),
		"create user "+user+" identified by "+quoteLiteral(c.options.Password),
		"grant "+masterPrivileges+" on *.* to "+user+" with grant option")
	if err != nil {
		return err
	}
	if err := realserver.Each(c.nodes[1:], func(n *node) error { return c.follow(ctx, n) }); err != nil {
		return err
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	if len(c.quorum) < len(c.nodes)-1 {
		return fmt.Errorf("only %d of %d readers follow the primary after %s", len(c.quorum), len(c.nodes)-1, attachLimit)
	}
	last, err := s.written(ctx)
	if err != nil {
		return err
	}
	return realserver.Each(c.nodes[1:], func(n *node) error { return c.awaitApplied(ctx, n, last) })
}

// awaitApplied waits until a transaction of the primary's can be seen on the reader.
func (c *Cluster) awaitApplied(ctx context.Context, n *node, number uint64) error {
	s, err := c.open(ctx, n)
	if err != nil {
		return err
	}
	defer s.hangUp()
	return realserver.Poll(ctx, func() (bool, error) {
		applied, err := s.applied(ctx)
		return applied >= number, err
	})
}

// Close ends every server and removes every file. It waits for a running Promote or Rejoin, which it interrupts. It may be
// called more than once.
func (c *Cluster) Close() error {
	return c.control.Close(func() error {
		err := realserver.Each(c.nodes, (*node).kill)
		for _, n := range c.nodes {
			n.relay.close()
		}
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

// Proxy returns what has to be between a client and Addr for the instance to seem to be of its flavor and to speak TLS. It is
// nil for an unknown name.
func (c *Cluster) Proxy(name string) *mysqlproxy.Proxy {
	n, err := c.find(name)
	if err != nil {
		return nil
	}
	return n.proxy
}

func (c *Cluster) find(name string) (*node, error) {
	n, err := realserver.Find(c.nodes, name)
	if err != nil {
		return nil, fmt.Errorf("realmaria: %w", err)
	}
	return n, nil
}

// healthyReaders are the readers that run and have the current history. The caller is in control.
func (c *Cluster) healthyReaders() []*node {
	var healthy []*node
	for _, n := range c.nodes {
		if n.reader && n.history == c.history && n.up() {
			healthy = append(healthy, n)
		}
	}
	return healthy
}

// writeTopology tells the servers who is the writer and who has been lost since when. The caller is in control.
func (c *Cluster) writeTopology() error {
	type instance struct {
		ID       string   `json:"id"`
		Number   int      `json:"number"`
		Writer   int      `json:"writer"`
		Endpoint string   `json:"endpoint"`
		Port     int      `json:"port"`
		Lost     *float64 `json:"lost"` // seconds since 1970
	}
	var topology []instance
	for _, n := range c.nodes {
		i := instance{ID: n.name, Number: n.number, Endpoint: n.name + "." + c.options.Suffix, Port: n.port}
		if n == c.primary.Load() {
			i.Writer = 1
		}
		if c.options.EndpointPort != 0 {
			i.Port = c.options.EndpointPort
		}
		if lost := n.server.LostSince(); !lost.IsZero() {
			seconds := float64(lost.UnixMilli()) / float64(time.Second/time.Millisecond)
			i.Lost = &seconds
		}
		topology = append(topology, i)
	}
	text, err := json.Marshal(topology)
	if err != nil {
		return err
	}
	// load_file reads what everybody may read only. Nobody else gets into the directory.
	return realserver.WriteFile(c.who, filepath.Join(c.root, "topology.json"), string(text), 0o644)
}
