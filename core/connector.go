package core

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// DialFunc opens a socket, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Config is what a driver module hands to NewConnector.
type Config struct {
	// Engine opens and questions connections.
	Engine Engine
	// Family is the engine's name: "postgresql" or "mysql". Clusters of
	// different families are never shared.
	Family string
	// Driver is what sql.DB.Driver shall return.
	Driver driver.Driver
	// Addr is the DSN's "host:port".
	Addr string
	// User and Password are the DSN's.
	User     string
	Password Secret
	// Hook is Login's.
	Hook bool
	// Settings are the parameters, from TakeSettings.
	Settings Settings
	// Problems are mistakes found so far, from TakeSettings and the driver's own
	// checks; they are reported together with those that NewConnector finds.
	Problems []error
	// Plugins, when not nil, are the plugins to run, outermost first; the
	// parameter plugins and the registry are then not consulted.
	Plugins []Plugin
	// Log gets state changes. nil: nothing is logged.
	Log *slog.Logger
	// Dial opens sockets. nil: a net.Dialer.
	Dial DialFunc
	// Resolver finds the name behind an alias, so that a company's own name for a
	// cluster endpoint gets the same protection: it is asked if it has a method
	// LookupCNAME as *net.Resolver has. nil: net.DefaultResolver.
	Resolver Resolver
}

// Resolver looks host names up; *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
}

type cnameFunc func(ctx context.Context, host string) (string, error)

// cnameLookup is how r finds the name behind an alias.
func cnameLookup(r Resolver) cnameFunc {
	if r == nil {
		r = net.DefaultResolver
	}
	if r, ok := r.(interface {
		LookupCNAME(ctx context.Context, host string) (string, error)
	}); ok {
		return r.LookupCNAME
	}
	return func(context.Context, string) (string, error) {
		return "", errors.New("the resolver has no LookupCNAME")
	}
}

// Connector is the driver.Connector of one handle. Closing it (sql.DB.Close
// does) ends all that was started for the handle.
type Connector struct {
	engine    Engine
	driver    driver.Driver
	settings  Settings
	log       *slog.Logger
	dial      DialFunc
	plainDial bool // dial is a net.Dialer's
	cname     cnameFunc
	host      Host // the DSN's address, identity unknown
	endpoint  Endpoint
	alias     atomic.Pointer[Endpoint] // what endpoint is a CNAME of
	port      uint16
	cluster   *Cluster
	chain     *chain

	ctx       context.Context // ends with Close; parent of the handle's runners
	cancel    context.CancelCauseFunc
	closed    atomic.Bool
	calls     context.Context // ends with Drain
	endCalls  context.CancelCauseFunc
	draining  atomic.Bool
	abandoned atomic.Bool
	runners   sync.WaitGroup

	mu      sync.Mutex // guards started against Close
	started bool
}

// NewConnector builds the Connector of one handle. It opens nothing and starts
// no goroutine; the first connection does. Errors match ErrConfig and name every
// problem.
func NewConnector(cfg Config) (*Connector, error) {
	problems := append([]error(nil), cfg.Problems...)
	host, port, err := SplitHostPort(cfg.Addr)
	if err != nil {
		problems = append(problems, err)
	}
	options, err := clusterSettings(cfg.Settings)
	if err != nil {
		problems = append(problems, err)
	}
	cfg.Settings.login = Login{User: cfg.User, Password: cfg.Password, Hook: cfg.Hook, Host: ParseEndpoint(host).Host, Port: port, Own: true}
	running := cfg.Plugins
	if running == nil {
		if running, err = plugins.build(cfg.Settings); err != nil {
			problems = append(problems, err)
		}
	}
	if err := configError(problems); err != nil {
		return nil, err
	}
	k := &Connector{
		engine:   cfg.Engine,
		driver:   cfg.Driver,
		settings: cfg.Settings,
		log:      cfg.Log,
		dial:     cfg.Dial,
		cname:    cnameLookup(cfg.Resolver),
		host:     Host{Addr: cfg.Addr},
		endpoint: ParseEndpoint(host),
		port:     port,
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.dial == nil {
		k.dial, k.plainDial = new(net.Dialer).DialContext, true
	}
	if k.cluster, err = join(k, shareKey{cfg.Family, cfg.Settings.String("cluster_id")}, options, k.log); err != nil {
		return nil, err
	}
	k.ctx, k.cancel = context.WithCancelCause(k.cluster.ctx)
	k.calls, k.endCalls = context.WithCancelCause(k.ctx)
	k.chain = k.compile(running)
	return k, nil
}

func clusterSettings(s Settings) (clusterOptions, error) {
	o := clusterOptions{
		refresh:        s.Duration("topology_refresh_ms"),
		fastRefresh:    s.Duration("cluster_topology_high_refresh_rate_ms"),
		connectTimeout: s.Duration("cluster_topology_connect_timeout_ms"),
		queryTimeout:   s.Duration("cluster_topology_socket_timeout_ms"),
		verifyTimeout:  s.Duration("auxiliary_query_timeout_sec"),
		dialect:        s.String("wrapper_dialect"),
		keepAlive: net.KeepAliveConfig{
			Enable:   s.Bool("tcp_keepalive"),
			Idle:     s.Duration("tcp_keepalive_time"),
			Interval: s.Duration("tcp_keepalive_interval"),
			Count:    s.Int("tcp_keepalive_probes"),
		},
		userTimeout: s.Duration("tcp_user_timeout_ms"),
	}
	var problems []error
	var err error
	if pattern := s.String("cluster_instance_host_pattern"); pattern != "" {
		if o.template, err = parseHostTemplate(pattern); err != nil {
			problems = append(problems, err)
		}
	}
	if patterns := s.String("global_cluster_instance_host_patterns"); patterns != "" {
		if o.global, err = parseGlobalTemplates(patterns); err != nil {
			problems = append(problems, err)
		}
	}
	return o, configError(problems)
}

// Cluster returns what the handle's connections share.
func (k *Connector) Cluster() *Cluster { return k.cluster }

// Endpoint returns the parsed host name of the DSN or, once the cluster is
// known, of the cluster endpoint that it is an alias of. An alias that ends at an
// instance stays what it is: resolvers follow a chain to its end, and a cluster
// endpoint is itself an alias of the instance that happens to serve it.
func (k *Connector) Endpoint() Endpoint {
	if alias := k.alias.Load(); alias != nil && alias.Kind != EndpointInstance {
		return *alias
	}
	return k.endpoint
}

// Host returns the address of the DSN; its ID is empty.
func (k *Connector) Host() Host { return k.host }

// Settings returns the handle's parameters.
func (k *Connector) Settings() Settings { return k.settings }

// Format implements fmt.Formatter: no verb shows the password and the parameters.
func (k *Connector) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("core.Connector of " + k.host.Addr))
}

// Log returns the handle's logger; it is never nil.
func (k *Connector) Log() *slog.Logger { return k.log }

// Bound returns a context that ends with ctx and when the handle is drained or closed,
// for waiting on a caller's behalf.
func (k *Connector) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return boundTo(ctx, k.calls)
}

// boundTo returns a context that ends with ctx and, as closed, with the handle's.
func boundTo(ctx, handle context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(handle, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// Classify names the kind of an error of the driver. What kept credentials from being
// found, such as a network that does not lead to AWS, is no fault of the host.
func (k *Connector) Classify(err error) Fault { return k.classify(err, k.cluster.Dialect()) }

func (k *Connector) classify(err error, d Dialect) Fault {
	fault := k.engine.Classify(err, d)
	if fault == FaultNone || fault == FaultLogin || !unauthenticated(err) {
		return fault
	}
	return FaultNone
}

// Driver implements driver.Connector.
func (k *Connector) Driver() driver.Driver { return k.driver }

// Connect implements driver.Connector. ctx bounds everything: waiting for a
// failover to end, the dial, TLS and the login.
func (k *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Open(ctx)
	if err != nil {
		return nil, err
	}
	return c.handOut(), nil
}

// Open is Connect with its result's own type.
func (k *Connector) Open(ctx context.Context) (*Conn, error) {
	if k.draining.Load() {
		return nil, &Error{Op: OpConnect, Host: k.host.Addr, Kind: ErrClosed}
	}
	k.start()
	c, err := k.chain.connect(ctx, Target{Host: k.host})
	if err != nil {
		return nil, k.connectError(err)
	}
	c.link.opening.Store(false)
	return c, nil
}

// soleTimeout bounds OpenSole; pgx's Driver.Open has the same limit.
const soleTimeout = time.Minute

// OpenSole opens the only connection of a Connector that nobody else knows, and
// that ends with it: what driver.Driver.Open needs. It takes a minute at most.
func (k *Connector) OpenSole() (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(k.ctx, soleTimeout) // driver.Driver has none
	defer cancel()
	c, err := k.Open(ctx)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	c.sole = true
	return c.handOut(), nil
}

// start begins the handle's background work with its first connection.
func (k *Connector) start() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.started || k.closed.Load() {
		return
	}
	k.started = true
	for _, name := range k.settings.unused {
		k.log.Debug("parameter has no effect", "parameter", name)
	}
	for _, r := range k.chain.runners {
		k.runners.Add(1)
		if !k.cluster.Go(func(context.Context) { defer k.runners.Done(); r.Run(k.ctx, k) }) {
			k.runners.Done()
		}
	}
}

// connectError makes sure that what the caller sees matches ErrConnect or says
// something more precise, and keeps everything below it.
func (k *Connector) connectError(err error) error {
	var e *Error
	if errors.As(err, &e) || errors.Is(err, ErrConfig) {
		return err
	}
	return &Error{Op: OpConnect, Host: k.host.Addr, Kind: ErrConnect, Err: harmless(err)}
}

// Drain is the first part of Close, for pools that wait until their users have given
// all connections back: nothing is opened any more, and calls that wait for a failover
// end with ErrClosed, but hosts are watched on behalf of the calls in flight. A driver
// that has given up a call may still tell the server so, until [Connector.Abandon].
func (k *Connector) Drain() {
	k.draining.Store(true)
	searching := k.cluster.Searching()
	k.endCalls(ErrClosed)
	for l := range k.cluster.Links() {
		if l.owner == k && (l.opening.Load() || (searching && l.Blocked() > 0)) {
			l.Abort(ErrClosed)
		}
	}
}

// Abandon is the second part of Close: what drivers still do with connections that they
// have closed is cut, and so are their cancel requests. It is for pools that wait for
// these, which may never be answered.
func (k *Connector) Abandon() {
	k.abandoned.Store(true)
	for l := range k.cluster.Links() {
		if l.owner == k && (l.side || l.released.Load()) {
			l.Abort(ErrClosed)
		}
	}
}

// admits tells whether a socket may be opened; side: for a cancel request.
func (k *Connector) admits(side bool) bool {
	return !k.draining.Load() || (side && !k.abandoned.Load())
}

// Close implements io.Closer: sql.DB.Close calls it. Calls that wait for a
// failover end with ErrClosed; background work is awaited; connections that
// their users have given back, or that hang on a host under suspicion, are cut.
// Calls in flight on healthy hosts finish as they would with the bare driver.
func (k *Connector) Close() error {
	k.mu.Lock()
	closed := k.closed.Swap(true)
	k.mu.Unlock()
	if closed {
		return nil
	}
	k.Drain()
	k.Abandon()
	k.cancel(ErrClosed)
	k.runners.Wait()
	leave(k)
	return nil
}

// sources are the Connectors whose settings monitoring connections may use.
func (c *Cluster) sources() []*Connector {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Connector(nil), c.connectors...)
}

// followed tells that there is a topology and that it is worth following.
func (c *Cluster) followed() bool {
	d := c.Dialect()
	return d != nil && d.Clustered() && c.Topology().Epoch > 0
}

// detect finds the dialect once per Cluster.
func (c *Cluster) detect(ctx context.Context, k *Connector, n Native) (Dialect, error) {
	if d := c.Dialect(); d != nil {
		return d, nil
	}
	d, err := k.engine.Detect(ctx, n, k.endpoint)
	if err != nil {
		return nil, err
	}
	c.dialect.Store(&d)
	c.log.Debug("database detected", "dialect", d.Code(), "host", k.host.Addr)
	return d, nil
}
