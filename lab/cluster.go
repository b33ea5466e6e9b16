package lab

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realmaria"
	"github.com/awsdb/awsdb/lab/internal/realpg"
	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// Cluster is a running cluster. All methods are safe for concurrent use.
type Cluster struct {
	options   Options
	store     *sqlengine.Store // nil with real servers
	real      realServers      // nil without
	authority *authority       // nil without TLS
	key       *rsa.PrivateKey  // what clients of MySQL encrypt passwords with; nil if they have no need to
	transport transport
	conceal   func() // takes the cluster out of the RDS API

	life       context.Context // ends with Close
	end        context.CancelFunc
	goroutines sync.WaitGroup

	mu         sync.Mutex // guards the rest; never held while waiting
	closed     bool
	instances  []*Instance // in the order they were added
	added      map[string]int
	passwords  map[string]string // by user
	promotions []promotion       // who is and was the writer, the present one last
	zone       zone
	listeners  map[*Instance]*net.TCPListener // of Publish
	err        error                          // the first failure of what returns no error
}

// Start starts a cluster. Close it when done.
func Start(o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c, err := newCluster(o)
	if err != nil {
		return nil, err
	}
	c.store = sqlengine.NewStore()
	if err := c.populate(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// newCluster makes a cluster with its endpoints and without instances.
func newCluster(o Options) (*Cluster, error) {
	c := &Cluster{options: o, passwords: o.initialPasswords(), added: map[string]int{}, zone: newZone(), conceal: func() {}}
	c.life, c.end = context.WithCancel(context.Background())
	c.transport = loopback{}
	if o.Network == Memory {
		c.transport = memory{latency: o.Latency}
	}
	if o.TLS != TLSOff {
		var err error
		if c.authority, err = newAuthority(); err != nil {
			c.end()
			return nil, err
		}
	}
	if o.Flavor.family() == mySQL && (o.Auth == Password || o.Auth == IAM) && o.TLS != TLSRequired {
		var err error
		if c.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			c.end()
			return nil, err
		}
	}
	for _, region := range c.regions() {
		c.zone.endpoints[c.name("cluster", region)] = endpoint{kind: writerEndpoint, region: region}
		c.zone.endpoints[c.name("cluster-ro", region)] = endpoint{kind: readerEndpoint, region: region}
	}
	if name := c.GlobalEndpoint(); name != "" {
		c.zone.endpoints[name] = endpoint{kind: globalEndpoint}
	}
	if o.Cloud != nil {
		c.conceal = o.Cloud.Describe(c.describe)
	}
	return c, nil
}

// populate adds the instances the options ask for.
func (c *Cluster) populate() error {
	for _, region := range c.regions() {
		for n := range c.options.Instances {
			if _, err := c.add(c.instanceID(region, n), region); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends the cluster: every connection, goroutine and socket of it. It may be called more than once.
func (c *Cluster) Close() {
	c.mu.Lock()
	c.unpublish()
	c.closed = true
	instances := slices.Clone(c.instances)
	c.mu.Unlock()
	c.conceal()
	c.end()
	for _, i := range instances {
		i.close()
	}
	if c.real != nil {
		c.fail(c.real.Close())
	}
	c.goroutines.Wait()
	c.transport.settle()
	if c.authority != nil {
		c.authority.close()
	}
}

// run starts a goroutine that Close awaits; false when the cluster is closed.
func (c *Cluster) run(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.goroutines.Go(f)
	return true
}

// domain labels: the account part is the same for all clusters of the lab.
const account = "c9xyz0abcdef"

func (c *Cluster) regions() []string {
	return append([]string{c.options.Region}, c.options.SecondaryRegions...)
}

// regionName is the identifier of the regional cluster.
func (c *Cluster) regionName(region string) string {
	if region == c.options.Region {
		return c.options.Name
	}
	return c.options.Name + "-" + region
}

// instanceID is the identifier of the region's nth instance at the start, counting from 0.
func (c *Cluster) instanceID(region string, n int) string {
	return fmt.Sprintf("%s-%d", c.regionName(region), n+1)
}

// name is a cluster endpoint's DNS name.
func (c *Cluster) name(marker, region string) string {
	return fmt.Sprintf("%s.%s-%s.%s.rds.amazonaws.com", c.regionName(region), marker, account, region)
}

// Endpoint is the DNS name that follows the writer, "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com".
func (c *Cluster) Endpoint() string { return c.name("cluster", c.options.Region) }

// ReaderEndpoint is the DNS name that rotates over the readers, or the writer when there is none.
func (c *Cluster) ReaderEndpoint() string { return c.name("cluster-ro", c.options.Region) }

// RegionEndpoint is the cluster endpoint of one region of a global database. It does not exist in DNS while the
// writer is elsewhere.
func (c *Cluster) RegionEndpoint(region string) string { return c.name("cluster", region) }

// RegionReaderEndpoint is the reader endpoint of one region of a global database.
func (c *Cluster) RegionReaderEndpoint(region string) string { return c.name("cluster-ro", region) }

// GlobalEndpoint is the DNS name that follows the writer of a global database through the regions; "" for
// other flavors.
func (c *Cluster) GlobalEndpoint() string {
	if !c.options.Flavor.global() {
		return ""
	}
	return fmt.Sprintf("%s.global-%s.global.rds.amazonaws.com", c.options.Name, account)
}

// InstancePattern is the template of the instances' names in the primary region,
// "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com".
func (c *Cluster) InstancePattern() string { return c.instanceHost("?", c.options.Region) }

func (c *Cluster) instanceHost(id, region string) string {
	return fmt.Sprintf("%s.%s.%s.rds.amazonaws.com", id, account, region)
}

// RootCAs is the authority that signed the instances' certificates; nil without TLS. The certificates begin at
// the time of Start, which in a testing/synctest bubble is the year 2000.
func (c *Cluster) RootCAs() *x509.CertPool {
	if c.authority == nil {
		return nil
	}
	return c.authority.pool()
}

// CAFile is RootCAs as a PEM file, for sslrootcert or ssl_ca; Close removes it. "" without TLS.
func (c *Cluster) CAFile() string {
	if c.authority == nil {
		return ""
	}
	return c.authority.file
}

// Instances are all instances in the order they were added.
func (c *Cluster) Instances() []*Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.instances)
}

// Instance is the instance with the given identifier, or nil.
func (c *Cluster) Instance(id string) *Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance(id)
}

func (c *Cluster) instance(id string) *Instance {
	for _, i := range c.instances {
		if i.id == id {
			return i
		}
	}
	return nil
}

// Writer is the instance that accepts writes, whether or not it is up.
func (c *Cluster) Writer() *Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance(c.writer())
}

// Readers are all other instances.
func (c *Cluster) Readers() []*Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	writer := c.writer()
	return slices.DeleteFunc(slices.Clone(c.instances), func(i *Instance) bool { return i.id == writer })
}

// Rows are the committed rows of a table, in the order they were inserted, and nil for an unknown table. Values
// are nil, bool (PostgreSQL's), int64, float64, string (also for numeric, uuid and jsonb), []byte or time.Time.
// Real servers give the rows in the order they are stored and every other type as its text in SQL; the table's name may
// be qualified by a schema.
func (c *Cluster) Rows(table string) [][]any {
	if c.real != nil {
		return c.realRows(table)
	}
	return c.store.Rows(table)
}

// Err is the first failure of a call that returns no error: Failover, and with real servers also the faults,
// Heal, Restart, Rows, Statements, Logins and Close. A test looks at it in the end.
func (c *Cluster) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail keeps an error, unless it is nil, for Err. What fails because the cluster is being closed is none.
func (c *Cluster) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	closing := errors.Is(err, realpg.ErrClosed) || errors.Is(err, realmaria.ErrClosed) || c.closed && errors.Is(err, context.Canceled)
	if c.err == nil && !closing {
		c.err = err
	}
}

// writer is the identifier of the present writer. The caller holds mu.
func (c *Cluster) writer() string { return c.promotions[len(c.promotions)-1].id }

// promotion is one change of the writer.
type promotion struct {
	id       string
	at       time.Time // when it took effect; zero for the first writer
	statusAt time.Time // when the other instances' status shows it
	dnsAt    time.Time // when DNS shows it
}
