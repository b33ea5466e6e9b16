package pgdriver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

// Option changes what [NewConnector], [NewPool] and [ConfigurePool] build.
type Option func(*options)

type options struct {
	params    map[string]string
	plugins   []core.Plugin
	log       *slog.Logger
	dial      core.DialFunc
	resolver  Resolver
	onConnect func(context.Context, *pgx.Conn) error

	beforeConnect func(context.Context, *pgx.ConnConfig) error // a pool's
}

// Resolver looks host names up; *net.Resolver is one. If it also has
// LookupCNAME(ctx, host) (string, error), that is used to find out which
// cluster endpoint a company's own name stands for.
type Resolver = core.Resolver

// WithParams adds parameters as they could stand in the connection string. They
// override those of the configuration.
func WithParams(params map[string]string) Option {
	return func(o *options) { o.params = maps.Clone(params) }
}

// WithPlugins runs exactly these plugins, outermost first, instead of those that
// the parameter plugins and the registry choose. Without an argument no plugin
// runs.
func WithPlugins(plugins ...core.Plugin) Option {
	return func(o *options) { o.plugins = append([]core.Plugin{}, plugins...) }
}

// WithLogger sets who gets state changes (topology, hosts going down, failovers),
// at level Info or above, and details, at level Debug. Default: nobody.
func WithLogger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithDialer opens the sockets instead of the configuration's DialFunc.
func WithDialer(dial core.DialFunc) Option { return func(o *options) { o.dial = dial } }

// WithResolver looks names up instead of the configuration's LookupFunc.
func WithResolver(r Resolver) Option { return func(o *options) { o.resolver = r } }

// WithOnConnect runs hook on every new connection of the application, also those
// opened after a failover, before anybody uses it: the place for type
// registration and session settings. An error closes the connection and fails
// the connect. It does not run on awsdb's own monitoring connections. In a pool it
// runs before the configuration's AfterConnect, which does the same.
func WithOnConnect(hook func(context.Context, *pgx.Conn) error) Option {
	return func(o *options) { o.onConnect = hook }
}

// NewConnector returns a Connector, for sql.OpenDB, that connects as cfg says.
// cfg must come from ParseDSN or pgx.ParseConfig; awsdb's parameters among its
// RuntimeParams are recognised as in a connection string. cfg is copied. All mistakes
// are reported in one error matching core.ErrConfig.
func NewConnector(cfg *pgx.ConnConfig, opts ...Option) (driver.Connector, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if cfg == nil {
		return nil, fmt.Errorf("%w: NewConnector needs a configuration from pgx.ParseConfig", core.ErrConfig)
	}
	k, err := newConnector(cfg.Copy(), o)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// newConnector takes awsdb's keys out of what would be sent to the server.
func newConnector(cfg *pgx.ConnConfig, o options) (*core.Connector, error) {
	if cfg.RuntimeParams == nil {
		cfg.RuntimeParams = map[string]string{}
	}
	if _, twice := cfg.RuntimeParams[configuredKey]; twice {
		return nil, fmt.Errorf("%w: this configuration belongs to a pool that follows its cluster already: parse the connection string again", core.ErrConfig)
	}
	if foreignURL(cfg.RuntimeParams) {
		return nil, errForeignURL
	}
	maps.Copy(cfg.RuntimeParams, o.params)
	settings, problems := core.TakeSettings(cfg.RuntimeParams)
	if o.dial != nil {
		cfg.DialFunc = pgconn.DialFunc(o.dial)
	}
	if o.resolver != nil {
		cfg.LookupFunc = o.resolver.LookupHost
	}
	e, err := newEngine(cfg, settings, o)
	return core.NewConnector(core.Config{
		Problems: []error{problems, err},
		Engine:   e,
		Family:   "postgresql",
		Driver:   Driver{},
		Addr:     address(cfg),
		User:     cfg.User,
		Password: core.Secret(cfg.Password),
		Hook:     o.beforeConnect != nil,
		Settings: settings,
		Plugins:  o.plugins,
		Log:      o.log,
		Dial:     core.DialFunc(cfg.DialFunc),
		Resolver: o.resolver,
	})
}

// foreignURL tells that the connection string was a URL of a scheme that pgx does not know: pgx reads that as key=value,
// and would connect to this machine. The key holds a password as a rule.
func foreignURL(params map[string]string) bool {
	for key := range params {
		if strings.Contains(key, "://") {
			return true
		}
	}
	return false
}

// foreignScheme is [foreignURL] for a URL without parameters, which pgx refuses as it finds no "=" in it.
func foreignScheme(dsn string) bool {
	scheme, _, isURL := strings.Cut(dsn, "://")
	return isURL && scheme != "postgres" && scheme != "postgresql" && !strings.ContainsAny(scheme, "= \t\r\n")
}

var errForeignURL = fmt.Errorf("%w: the connection string begins with the scheme of a URL that pgx does not know: "+
	"write postgresql://user:password@host/database?key=value; the scheme of the Python wrapper is for sql.Open and ParseDSN only, MySQL has module mysqldriver", core.ErrConfig)

// address is where the DSN leads: "host:port", or the directory of a Unix socket.
func address(cfg *pgx.ConnConfig) string {
	if network, _ := pgconn.NetworkAddress(cfg.Host, cfg.Port); network == "unix" {
		return cfg.Host
	}
	return net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
}
