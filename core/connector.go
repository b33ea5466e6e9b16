package core

import (
	"context"
	"database/sql/driver"
	"errors"
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

	ctx     context.Context // ends with Close; parent of the handle's runners
	cancel  context.CancelCauseFunc
	closed  atomic.Bool
	runners sync.WaitGroup

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
		if o.template, err = ParseHostTemplate(pattern); err != nil {
			problems = append(problems, err)
		}
	}
	if patterns := s.String("global_cluster_instance_host_patterns"); patterns != "" {
		if o.global, err = ParseGlobalTemplates(patterns); err != nil {
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

// Log returns the handle's logger; it is never nil.
func (k *Connector) Log() *slog.Logger { return k.log }

// Bound returns a context that ends with ctx and when the handle is closed, for
// waiting on a caller's behalf.
func (k *Connector) Bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(k.ctx, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// Classify names the kind of an error of the driver.
func (k *Connector) Classify(err error) Fault { return k.engine.Classify(err, k.cluster.Dialect()) }

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
	if k.closed.Load() {
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

// harmless hides a match with driver.ErrBadConn, at which database/sql would
// repeat what must not be repeated, and nothing else of err.
func harmless(err error) error {
	switch {
	case err == driver.ErrBadConn: //nolint:errorlint // the bare error; the next case is for the others
		return errBroken // says more
	case errors.Is(err, driver.ErrBadConn):
		return notBadConn{err}
	}
	return err
}

// notBadConn has no Unwrap: errors.Is and errors.As have to ask it.
type notBadConn struct{ err error }

// Error implements error.
func (e notBadConn) Error() string { return e.err.Error() }

// Is matches all that the error does but driver.ErrBadConn.
func (e notBadConn) Is(target error) bool {
	return target != driver.ErrBadConn && errors.Is(e.err, target) //nolint:errorlint // identity is meant
}

// As finds what the error holds.
func (e notBadConn) As(target any) bool { return errors.As(e.err, target) }

var errBroken = errors.New("connection is closed")

// open is the innermost connect: credentials, socket, login, wrapping.
func (k *Connector) open(ctx context.Context, t Target) (*Conn, error) {
	n, l, err := k.login(ctx, t)
	if err != nil {
		return nil, err
	}
	return newConn(k, n, l, t.Host), nil
}

// login opens one native connection with the credentials that apply now.
func (k *Connector) login(ctx context.Context, t Target) (Native, *Link, error) {
	t, err := k.authenticate(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	n, l, err := k.openNative(ctx, t)
	if err == nil || k.Classify(err) != FaultLogin {
		return n, l, err
	}
	for _, a := range k.chain.authenticators {
		if a.LoginFailed(ctx, t, err) {
			if t, err = k.authenticate(ctx, t); err != nil {
				return nil, nil, err
			}
			return k.openNative(ctx, t)
		}
	}
	return nil, nil, err
}

func (k *Connector) authenticate(ctx context.Context, t Target) (Target, error) {
	for _, a := range k.chain.authenticators {
		var err error
		if t, err = a.Authenticate(ctx, t); err != nil {
			return t, &Error{Op: OpConnect, Kind: ErrConnect, Host: t.Host.Addr, Phase: "credentials", Err: harmless(err)}
		}
	}
	return t, nil
}

// openNative lets the engine connect through our dialer. What a driver dials
// after the login is its cancel request: it gets a socket too, but not for a
// monitoring connection, which is thrown away anyway, nor for one that was cut: the
// request would go to a host that may be dead, and keep a place in the pool for as
// long as the driver waits for it.
func (k *Connector) openNative(ctx context.Context, t Target) (Native, *Link, error) {
	var opened atomic.Pointer[Link]
	o := k.dialOptions(t)
	t.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		l := opened.Load()
		if l == nil {
			return k.cluster.dial(ctx, o, network, addr)
		}
		if o.owner == nil {
			return nil, errBroken
		}
		if lost := l.Lost(); lost != nil && lost.Aborted {
			return nil, lost
		}
		side := o
		side.id, side.side = l.Host(), true
		return k.cluster.dial(ctx, side, network, addr)
	}
	n, l, err := k.engine.Open(ctx, t)
	if err != nil {
		opened.Store(neverOpened)
		return nil, nil, err
	}
	opened.Store(l)
	return n, l, nil
}

func (k *Connector) dialOptions(t Target) dialOptions {
	o := dialOptions{id: t.Host.ID, target: t.Host.Addr, want: t.Want, owner: k, dial: t.Dial, heard: t.heard}
	if t.Monitor != "" {
		o.owner = nil
	}
	if o.dial == nil {
		o.dial = k.dial
	}
	return o
}

// neverOpened stands for a connection whose opening failed: it needs no cancel request.
var neverOpened = func() *Link {
	l := &Link{}
	l.lost.Store(&LostError{Aborted: true, Err: errBroken})
	return l
}()

// openMonitor opens one of our own connections.
func (k *Connector) openMonitor(ctx context.Context, h Host) (Native, *Link, error) {
	return k.login(ctx, Target{Host: h, Monitor: topologyPrefix})
}

// OpenBeside opens a connection of awsdb's own to the very host that l, one of the
// handle's connections, leads to or tries to reach, without asking again where its
// name leads: names move, and a name server that is out of order says nothing about
// the host. prefix is one of [MonitorPrefixes]. An *Error with the phase "credentials"
// means that the host was not asked, and so does ErrClosed: a handle that is closed
// opens nothing, and Close awaits what is being opened. The connection is the caller's
// to close; it is not among [Cluster.Links], and is opened to hosts that are down as
// well. heard is called whenever the host has said something on it, by the goroutine
// that reads; it may be nil.
func (k *Connector) OpenBeside(ctx context.Context, l *Link, prefix string, heard func()) (Native, *Link, error) {
	network, addr := l.Place()
	return k.openOwn(ctx, Target{
		Host: Host{ID: l.Host(), Addr: l.target}, Monitor: prefix, Located: true,
		Dial:  func(ctx context.Context, _, _ string) (net.Conn, error) { return k.dial(ctx, network, addr) },
		heard: heard,
	})
}

// OpenAnew is OpenBeside by the way that new connections to the host of l take: by its
// name, which may lead elsewhere by now.
func (k *Connector) OpenAnew(ctx context.Context, l *Link, prefix string, heard func()) (Native, *Link, error) {
	h := Host{Addr: l.target}
	if known, ok := k.cluster.Topology().Host(l.Host()); ok {
		h = known
	}
	return k.openOwn(ctx, Target{Host: h, Monitor: prefix, heard: heard})
}

// openOwn opens a connection of awsdb's own on account of this handle alone.
func (k *Connector) openOwn(ctx context.Context, t Target) (Native, *Link, error) {
	k.mu.Lock()
	closed := k.closed.Load()
	if !closed {
		k.runners.Add(1)
	}
	k.mu.Unlock()
	if closed {
		return nil, nil, ErrClosed
	}
	defer k.runners.Done()
	ctx, stop := k.Bound(ctx)
	defer stop()
	n, l, err := k.login(ctx, t)
	if err != nil && k.closed.Load() {
		return nil, nil, ErrClosed
	}
	return n, l, err
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
	searching := k.cluster.Searching()
	k.cancel(ErrClosed)
	for l := range k.cluster.Links() {
		if l.owner == k && (l.side || l.released.Load() || l.opening.Load() || (searching && l.Blocked() > 0)) {
			l.Abort(ErrClosed)
		}
	}
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
