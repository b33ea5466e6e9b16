package pgdriver

import (
	"context"
	"crypto/tls"
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
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/awsdb/awsdb/core"
)

// engine opens pgx connections for one handle.
type engine struct {
	base      *pgx.ConnConfig            // of the application's connections; never modified
	monitors  map[string]*pgx.ConnConfig // of our own, by core.Target.Monitor
	onConnect func(context.Context, *pgx.Conn) error
	before    func(context.Context, *pgx.ConnConfig) error // runs before every login
	pinned    core.Dialect                                 // wrapper_dialect
	log       *slog.Logger

	mu    sync.Mutex                  // guards hosts
	hosts map[hostKey]*pgx.ConnConfig // one per instance of the cluster; read-only once there
}

type hostKey struct{ addr, monitor string }

func newEngine(cfg *pgx.ConnConfig, settings core.Settings, o options) (*engine, error) {
	e := &engine{base: cfg, onConnect: o.onConnect, before: o.beforeConnect, log: o.log, monitors: map[string]*pgx.ConnConfig{}, hosts: map[hostKey]*pgx.ConnConfig{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if code := settings.String("wrapper_dialect"); code != "" {
		if e.pinned = dialectByCode(code); e.pinned == nil {
			return nil, fmt.Errorf("%w: wrapper_dialect=%q: want one of %s", core.ErrConfig, code, strings.Join(dialectCodes(), ", "))
		}
	}
	var errs []error
	for _, prefix := range core.MonitorPrefixes() {
		m, err := monitorConfig(cfg, prefix, settings.Prefixed(prefix))
		e.monitors[prefix] = m
		errs = append(errs, err)
	}
	return e, errors.Join(errs...)
}

// monitorConfig is the configuration of our own connections: no hooks of the
// application, none of its session settings, no choice of hosts by role. overrides are
// the parameters that were given with the prefix.
func monitorConfig(cfg *pgx.ConnConfig, prefix string, overrides map[string]string) (*pgx.ConnConfig, error) {
	m := cfg.Copy()
	m.Tracer = nil
	m.ValidateConnect = nil
	m.AfterConnect = nil
	m.OnNotice = nil
	m.OnNotification = nil
	m.OnPgError = nil
	withoutCaches(m)
	name := m.RuntimeParams["application_name"]
	if name == "" {
		name = "awsdb"
	}
	// The topology's times are read in ISO format, whatever the server's default.
	m.RuntimeParams = map[string]string{"application_name": name + "-" + strings.TrimSuffix(strings.TrimSuffix(prefix, "-"), "-monitoring"), "datestyle": "ISO"}
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		value := overrides[key]
		switch key {
		case "user":
			m.User = value
		case "password":
			m.Password = value
		case "database", "dbname":
			m.Database = value
		case "connect_timeout":
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil || !(seconds >= 0 && seconds < 1e6) {
				return nil, fmt.Errorf("%w: %sconnect_timeout=%q: want a number of seconds", core.ErrConfig, prefix, value)
			}
			m.ConnectTimeout = time.Duration(seconds * float64(time.Second))
		case "host", "port", "target_session_attrs", "service", "servicefile", "passfile", "sslmode", "sslkey", "sslcert",
			"sslcertmode", "sslrootcert", "sslnegotiation", "sslpassword", "sslsni", "krbspn", "krbsrvname",
			"min_protocol_version", "max_protocol_version", "channel_binding", "require_auth":
			return nil, fmt.Errorf("%w: %s%s cannot be set: monitoring connections go to the same hosts in the same way", core.ErrConfig, prefix, key)
		default:
			m.RuntimeParams[key] = value
		}
	}
	return m, nil
}

// withoutCaches is for connections that run no statement which is worth keeping: pgx
// allocates both caches whole, which is most of what a connection holds.
func withoutCaches(c *pgx.ConnConfig) { c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0 }

// Open implements core.Engine.
func (e *engine) Open(ctx context.Context, t core.Target) (core.Native, *core.Link, error) {
	cfg := *e.forTarget(t)
	if e.before != nil {
		own, err := e.prepared(ctx, &cfg)
		if err != nil {
			return nil, nil, err
		}
		cfg = *own
	}
	if t.User != "" {
		cfg.User, cfg.Password = t.User, string(t.Password)
	}
	if t.Transport != core.TransportAsConfigured {
		if err := forToken(&cfg, t.Transport); err != nil {
			return nil, nil, err
		}
	}
	if t.Located {
		cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	var last *core.Link
	opened := false
	dial := t.Dial // is kept for cancel requests; the rest of t is not
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if l, ok := conn.(*core.Link); ok && !opened {
			last = l
		}
		return conn, err
	}
	native, err := connect(ctx, &cfg)
	opened = true
	if err != nil {
		return nil, nil, err
	}
	c := &conn{std: native}
	link := linkUnder(c.Conn().PgConn().Conn())
	if link == nil {
		link = last
	}
	if t.Monitor == "" && e.onConnect != nil {
		if err := e.onConnect(ctx, c.Conn()); err != nil {
			_ = c.Close() // the hook's error is what matters
			return nil, nil, fmt.Errorf("on-connect hook: %w", err)
		}
	}
	return c, link, nil
}

// prepared is what the application's BeforeConnect makes of the configuration for one
// host.
func (e *engine) prepared(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.ConnConfig, error) {
	own := cfg.Copy()
	if err := e.before(ctx, own); err != nil {
		return nil, &core.Error{Op: core.OpConnect, Kind: core.ErrConnect, Host: address(cfg), Phase: "credentials", Err: err}
	}
	if own.Host != cfg.Host || own.Port != cfg.Port {
		return nil, fmt.Errorf("%w: BeforeConnect has replaced the host %s by %s: awsdb chooses it; leave Host and Port as they are, or name the cluster in the connection string",
			core.ErrConfig, address(cfg), address(own))
	}
	return own, nil
}

// connect opens a connection by a configuration that is registered meanwhile.
// stdlib.GetConnector would do as well, but links pgxpool into every application.
func connect(ctx context.Context, cfg *pgx.ConnConfig) (*stdlib.Conn, error) {
	name := stdlib.RegisterConnConfig(cfg)
	defer stdlib.UnregisterConnConfig(name)
	connector, err := stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(name)
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.(*stdlib.Conn), nil
}

// linkUnder finds our socket under TLS and whatever else has a NetConn method.
func linkUnder(c net.Conn) *core.Link {
	for {
		if l, ok := c.(*core.Link); ok {
			return l
		}
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		c = inner.NetConn()
	}
}

// forTarget returns the configuration for one host.
func (e *engine) forTarget(t core.Target) *pgx.ConnConfig {
	base := e.base
	if t.Monitor != "" {
		base = e.monitors[t.Monitor]
	}
	host, port, err := core.SplitHostPort(t.Host.Addr)
	if err != nil {
		return base // the DSN's own address; pgx will say what is wrong with it
	}
	// The other hosts of the connection string are those of pgx to try, also for our first
	// look around; a host that is known is asked itself.
	if (t.Monitor == "" || t.Host.ID == "") && strings.EqualFold(host, base.Host) && (port == 0 || port == base.Port) {
		return base
	}
	key := hostKey{t.Host.Addr, t.Monitor}
	e.mu.Lock()
	defer e.mu.Unlock()
	cfg := e.hosts[key]
	if cfg == nil {
		cfg = forHost(base, host, port)
		e.hosts[key] = cfg
	}
	return cfg
}

// forHost copies base for another host: same TLS choices, with the server name
// that belongs to the host dialled.
func forHost(base *pgx.ConnConfig, host string, port uint16) *pgx.ConnConfig {
	cfg := base.Copy()
	if port == 0 {
		port = base.Port
	}
	cfg.Host, cfg.Port = host, port
	cfg.TLSConfig = tlsFor(base.TLSConfig, base.Host, host)
	cfg.Fallbacks = nil
	for _, f := range base.Fallbacks {
		if f.Host == base.Host && f.Port == base.Port {
			cfg.Fallbacks = append(cfg.Fallbacks, &pgconn.FallbackConfig{Host: host, Port: port, TLSConfig: tlsFor(f.TLSConfig, base.Host, host)})
		}
	}
	return cfg
}

// tlsFor replaces the server name that pgx took from the DSN's host. A name that
// the application has set otherwise stays.
func tlsFor(c *tls.Config, from, to string) *tls.Config {
	if c == nil || !strings.EqualFold(c.ServerName, from) {
		return c
	}
	c = c.Clone()
	c.ServerName = to
	return c
}

// Detect implements core.Engine.
func (e *engine) Detect(ctx context.Context, n core.Native, endpoint core.Endpoint) (core.Dialect, error) {
	if e.pinned != nil {
		return e.pinned, nil
	}
	return detect(ctx, n, endpoint, e.log)
}

var _ driver.Conn = (*conn)(nil)
