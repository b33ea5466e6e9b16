package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// ErrNotInstalled is in the chain of the error of [StartReal] on a machine without the programs of the servers.
// The error's text says which package has them.
var ErrNotInstalled = errors.New("the database server's programs are not installed")

// realServers are the servers behind a cluster that is not simulated, by instance identifier.
type realServers interface {
	Primary() string       // who was promoted last
	PromotedAt() time.Time // when
	Addr(id string) string // where the server really listens
	Promote(ctx context.Context, id string) error
	Halt(id string) error // before Kill: it does nothing more
	Kill(id string) error
	Stop(id string) error // SIGSTOP
	Continue(id string) error
	Shutdown(id string) error
	Rejoin(ctx context.Context, id string) error // as a reader, or the primary that it is
	Exec(ctx context.Context, id, sql string, args ...any) error
	Logins(id string) (int, error)
	Close() error

	// connect copies between a client and the server until either ends the connection, and returns what the server's
	// end was lost with.
	connect(id string, client net.Conn, server *net.TCPConn) error
	dropSessions(ctx context.Context, id string) error
	// received are the statements of clients; Writer is not set.
	received(id string) ([]Statement, error)
	// rows are the rows of a table on the primary; nil when there is no such table.
	rows(ctx context.Context, table string) ([][]any, error)
}

// StartReal is [Start] with real servers behind the instances, PostgreSQL's or MariaDB's: for tests with SQL that the
// simulation does not have. ctx bounds the start, one or two seconds. See "Real servers" in the package's
// documentation for what differs; Options that have no meaning there are refused.
func StartReal(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := o.checkReal(); err != nil {
		return nil, err
	}
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	start := startPostgreSQL
	if o.Flavor.family() == mySQL {
		start = startMariaDB
	}
	if c.real, err = start(ctx, c); err != nil {
		c.Close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := c.populate(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// checkReal tells why the servers cannot be real.
func (o Options) checkReal() error {
	switch {
	case o.Network != Loopback:
		return errors.New("lab: real servers cannot run in memory: leave Network as lab.Loopback, or use lab.Start")
	case o.Auth != Password:
		return errors.New("lab: real servers check passwords only: leave Auth as lab.Password, or use lab.Start")
	case len(o.Users) > 0:
		return errors.New("lab: real servers start with one user: create the other Users by Cluster.AdminExec, or use lab.Start")
	}
	switch o.Flavor {
	case AuroraPG, MultiAZPG, PG, AuroraMySQL, MultiAZMySQL, MariaDB:
		return nil
	}
	return errors.New("lab: real servers can be of Flavor lab.AuroraPG, MultiAZPG, PG, AuroraMySQL, MultiAZMySQL or MariaDB only: use lab.Start for the others")
}

// realNames are the identifiers of the instances.
func (c *Cluster) realNames() []string {
	var names []string
	for n := range c.options.Instances {
		names = append(names, c.instanceID(c.options.Region, n))
	}
	return names
}

// realSuffix is what follows the identifier in an instance's DNS name.
func (c *Cluster) realSuffix() string { return strings.TrimPrefix(c.InstancePattern(), "?.") }

// realCertificates are the certificates of the instances; none without TLS.
func (c *Cluster) realCertificates() (map[string]*tls.Certificate, error) {
	certificates := map[string]*tls.Certificate{}
	if c.authority == nil {
		return certificates, nil
	}
	for _, id := range c.realNames() {
		certificate, err := c.authority.issue(c.certificateNames(c.instanceHost(id, c.options.Region), c.options.Region))
		if err != nil {
			return nil, err
		}
		certificates[id] = certificate
	}
	return certificates, nil
}

// mustSimulate panics when the instances are real servers: a test that asks for what those cannot do is wrong.
func (c *Cluster) mustSimulate(what string) {
	if c.real != nil {
		panic("lab: " + what + " needs a simulated cluster: lab.Start")
	}
}

// newBackend makes what is behind a new instance.
func (c *Cluster) newBackend(i *Instance) backend {
	if c.real != nil {
		return &server{Instance: i}
	}
	return newProcess(i)
}

// promoteReal promotes a real server and tells from when on it was the writer.
func (c *Cluster) promoteReal(i *Instance, o PromoteOptions) (time.Time, error) {
	if o.StatusLag != 0 {
		return time.Time{}, errors.New("the status functions of real servers have no StatusLag: leave it 0")
	}
	if err := c.real.Promote(c.life, i.id); err != nil {
		return time.Time{}, err
	}
	return c.real.PromotedAt().Truncate(time.Millisecond), nil
}

// AdminExec runs a statement as superuser on the server of an instance, in Options.Database: for grants, settings and
// whatever else a test has to prepare that Options.User may not do. The statement is not among the instance's
// Statements. It is an error in a simulated cluster, which has no superuser.
func (c *Cluster) AdminExec(ctx context.Context, id, sql string, args ...any) error {
	if c.real == nil {
		return errors.New("lab: AdminExec needs real servers: lab.StartReal")
	}
	if err := c.real.Exec(ctx, id, sql, args...); err != nil {
		return fmt.Errorf("lab: admin on %s: %w", id, err)
	}
	return nil
}

// controlLimit bounds what the control plane asks a server for its own purposes.
const controlLimit = 10 * time.Second

// realRows reads a table on the writer.
func (c *Cluster) realRows(table string) [][]any {
	ctx, cancel := context.WithTimeout(c.life, controlLimit)
	defer cancel()
	rows, err := c.real.rows(ctx, table)
	if err != nil {
		c.fail(fmt.Errorf("lab: rows of %s: %w", table, err))
	}
	return rows
}
