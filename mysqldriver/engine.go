package mysqldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// engine opens go-sql-driver's connections for one handle.
type engine struct {
	base      *mysql.Config            // of the application's connections; never modified
	monitors  map[string]*mysql.Config // of our own, by core.Target.Monitor
	addr      string                   // of the DSN, with a port
	host      string                   // of the DSN, without one
	port      uint16
	dial      core.DialFunc // the application's; nil: net.Dialer
	resolver  Resolver
	onConnect func(context.Context, driver.Conn) error
	reject    bool         // rejectReadOnly
	pinned    core.Dialect // wrapper_dialect
	log       *slog.Logger

	connectors sync.Map // of the driver, by what of a target it depends on: route to driver.Connector
}

// route is what of a target a configuration depends on.
type route struct{ addr, monitor string }

func newEngine(cfg *mysql.Config, settings core.Settings, o options) (*engine, error) {
	e := &engine{base: cfg, dial: o.dial, resolver: o.resolver, onConnect: o.onConnect, log: o.log}
	if e.dial == nil && cfg.DialFunc != nil {
		e.dial = cfg.DialFunc
	}
	cfg.Net, e.addr = address(cfg)
	cfg.Addr = e.addr
	e.host, e.port, _ = core.SplitHostPort(e.addr) // core.NewConnector reports what is wrong with it
	var problems []error
	if code := settings.String("wrapper_dialect"); code != "" {
		if e.pinned = dialectByCode(code); e.pinned == nil {
			problems = append(problems, fmt.Errorf("wrapper_dialect=%q: want one of %s", code, strings.Join(dialectCodes(), ", ")))
		}
	}
	if e.dial == nil && !slices.Contains([]string{"tcp", "tcp4", "tcp6", "unix"}, cfg.Net) {
		// Not quoted: without an @ before it, it is the password.
		problems = append(problems, errors.New("the network is neither tcp nor unix: write user:password@tcp(host:3306)/database; "+
			"awsdb opens the sockets itself and does not see what was given to mysql.RegisterDialContext: "+
			"use tcp with Config.DialFunc or mysqldriver.WithDialer"))
	}
	if _, err := mysql.NewConnector(cfg); err != nil { // the driver's own checks
		problems = append(problems, err)
	}
	// The driver would hide which error it met: core does the same, and knows more.
	e.reject, cfg.RejectReadOnly = cfg.RejectReadOnly, false
	if cfg.Logger == nil || cfg.Logger == standardLogger {
		cfg.Logger = quietLogger{o.log}
	}
	e.monitors = map[string]*mysql.Config{}
	for _, prefix := range core.MonitorPrefixes() {
		m, err := monitorConfig(cfg, prefix, settings.Prefixed(prefix))
		e.monitors[prefix] = m
		problems = append(problems, err)
	}
	return e, wrapConfig(problems)
}

// standardLogger is what configurations get unless the application has called
// mysql.SetLogger.
var standardLogger = mysql.NewConfig().Logger

// quietLogger is where the driver's own log goes, which by default writes every
// lost connection to standard error.
type quietLogger struct{ log *slog.Logger }

// Print implements mysql.Logger.
func (l quietLogger) Print(v ...any) { l.log.Debug("go-sql-driver", "message", fmt.Sprint(v...)) }

// monitorConfig is the configuration of our own connections: none of the
// application's session settings. overrides are the parameters that were given with
// the prefix.
func monitorConfig(cfg *mysql.Config, prefix string, overrides map[string]string) (*mysql.Config, error) {
	m := cfg.Clone()
	m.Params = map[string]string{}
	m.ParseTime = false
	m.ColumnsWithAlias = false
	m.MultiStatements = false
	m.AllowAllFiles = false
	m.CheckConnLiveness = false
	m.Timeout, m.ReadTimeout, m.WriteTimeout = 0, 0, 0 // contexts bound everything
	m.Logger = &mysql.NopLogger{}
	if m.MaxAllowedPacket == 0 {
		m.MaxAllowedPacket = mysql.NewConfig().MaxAllowedPacket // 0 costs a question per connection
	}
	attributes := []string{"program_name:awsdb-" + strings.TrimSuffix(strings.TrimSuffix(prefix, "-"), "-monitoring")}
	if m.ConnectionAttributes != "" {
		attributes = append(attributes, m.ConnectionAttributes)
	}
	m.ConnectionAttributes = strings.Join(attributes, ",")
	if err := m.Apply(mysql.EnableCompression(false)); err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		value := overrides[key]
		switch key {
		case "user":
			m.User = value
		case "password":
			m.Passwd = value
		case "database", "dbname":
			m.DBName = value
		case "connect_timeout", "connection_timeout":
			if err := seconds(&m.Timeout, value); err != nil {
				return nil, fmt.Errorf("%s%s=%q: %w", prefix, key, value, err)
			}
		case "host", "port", "tls", "unix_socket", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled":
			return nil, fmt.Errorf("%s%s cannot be set: monitoring connections go to the same hosts in the same way", prefix, key)
		default:
			m.Params[key] = value
		}
	}
	return m, nil
}

// Open implements core.Engine.
func (e *engine) Open(ctx context.Context, t core.Target) (core.Native, *core.Link, error) {
	connector, err := e.connector(t)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", core.ErrConfig, err)
	}
	s := &slot{dial: t.Dial, located: t.Located}
	opened, err := connector.Connect(context.WithValue(ctx, slotKey{}, s))
	link := s.link
	if err != nil {
		return nil, nil, reveal(link, err)
	}
	native, ok := opened.(nativeConn)
	if !ok {
		return nil, nil, errors.Join(fmt.Errorf("go-sql-driver's connection of type %T lacks an interface it used to have", opened), opened.Close())
	}
	if t.Monitor == "" && e.onConnect != nil {
		if err := e.onConnect(ctx, native); err != nil {
			_ = native.Close() // the hook's error is what matters
			return nil, nil, fmt.Errorf("on-connect hook: %w", reveal(link, err))
		}
	}
	return &conn{nativeConn: native}, link, nil
}

// connector returns the driver's Connector for a target. Its connections share
// the configuration, as they do with the bare driver: one for each connection
// would be half a kilobyte. A user of the target's own comes with a password that
// is good for one login; and where TLS is only preferred the driver takes it out of
// the configuration, for good, when it meets a server without.
func (e *engine) connector(t core.Target) (driver.Connector, error) {
	preferred := e.base.AllowFallbackToPlaintext || e.base.TLSConfig == "preferred"
	r, shared := route{t.Host.Addr, t.Monitor}, t.User == "" && !preferred
	if k, ok := e.connectors.Load(r); ok && shared {
		return k.(driver.Connector), nil
	}
	cfg := e.forTarget(t)
	if t.Transport != core.TransportAsConfigured {
		if err := forToken(cfg, t.Transport); err != nil {
			return nil, err
		}
	}
	cfg.DialFunc = e.dialTarget
	k, err := mysql.NewConnector(cfg)
	if err == nil && shared {
		e.connectors.Store(r, k)
	}
	return k, err
}

// slot is one connect attempt: how to dial, and what came of it. It travels in the
// context, since configurations are shared.
type slot struct {
	dial    core.DialFunc
	located bool // no names to look up
	link    *core.Link
}

type slotKey struct{}

// dialTarget is the DialFunc of every configuration.
func (e *engine) dialTarget(ctx context.Context, network, addr string) (net.Conn, error) {
	s, ok := ctx.Value(slotKey{}).(*slot)
	if !ok {
		return nil, errors.New("mysqldriver: connect through the engine") // cannot happen
	}
	dial := e.lookUpAndDial
	if s.located || e.resolver == nil {
		dial = dialNamed
	}
	opened, err := dial(ctx, s.dial, network, addr)
	if err != nil {
		return nil, err
	}
	s.link, _ = opened.(*core.Link)
	return visible(opened, s.link), nil
}

// visible hides SyscallConn of connections that are no sockets: the driver takes
// its failure for a dead connection.
func visible(opened net.Conn, link *core.Link) net.Conn {
	if link != nil {
		if _, err := link.SyscallConn(); err != nil {
			return struct{ net.Conn }{link}
		}
	}
	return opened
}

// reveal adds the reason to what the driver makes of every fault of its socket.
func reveal(link *core.Link, err error) error {
	if link == nil || errors.As(err, new(*mysql.MySQLError)) {
		return err
	}
	lost := link.Lost()
	if lost == nil {
		lost = link.TimedOut()
	}
	if lost == nil {
		return err
	}
	switch classify(err) {
	case core.FaultClosed:
		return lost // the driver's error says nothing
	case core.FaultNone: // the driver has an error for a failed write that it does not export
		return fmt.Errorf("%w: %w", lost, err)
	}
	return err
}

func dialNamed(ctx context.Context, dial core.DialFunc, network, addr string) (net.Conn, error) {
	return dial(ctx, network, addr)
}

// lookUpAndDial dials the addresses of a name in turn, as the application's resolver
// finds them.
func (e *engine) lookUpAndDial(ctx context.Context, dial core.DialFunc, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if network == "unix" || err != nil || net.ParseIP(host) != nil {
		return dial(ctx, network, addr)
	}
	addrs, err := e.resolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	for _, a := range addrs {
		var c net.Conn
		if c, err = dial(ctx, network, net.JoinHostPort(a, port)); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return nil, err
}

// forTarget returns a configuration for one connect attempt: same TLS choices, with
// the server name that belongs to the host dialled.
func (e *engine) forTarget(t core.Target) *mysql.Config {
	base := e.base
	if t.Monitor != "" {
		base = e.monitors[t.Monitor]
	}
	cfg := base.Clone()
	if t.User != "" {
		cfg.User, cfg.Passwd = t.User, string(t.Password)
	}
	host, port, err := core.SplitHostPort(t.Host.Addr)
	if err != nil || cfg.Net == "unix" {
		return cfg
	}
	if port == 0 {
		port = e.port
	}
	cfg.Addr = net.JoinHostPort(host, strconv.Itoa(int(port)))
	cfg.TLS = tlsFor(cfg.TLS, e.host, host)
	return cfg
}

// RejectsReadOnly implements core.ReadOnlyRejecter.
func (e *engine) RejectsReadOnly() bool { return e.reject }

// Detect implements core.Engine.
func (e *engine) Detect(ctx context.Context, n core.Native, endpoint core.Endpoint) (core.Dialect, error) {
	if e.pinned != nil {
		return e.pinned, nil
	}
	return detect(ctx, n, endpoint, e.log)
}
