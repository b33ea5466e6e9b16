package mysqldriver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"maps"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// Option changes what NewConnector builds.
type Option func(*options)

type options struct {
	params    map[string]string
	plugins   []core.Plugin
	log       *slog.Logger
	dial      core.DialFunc
	resolver  Resolver
	onConnect func(context.Context, driver.Conn) error
}

// Resolver looks host names up; *net.Resolver is one. If it also has
// LookupCNAME(ctx, host) (string, error), that is used to find out which
// cluster endpoint a company's own name stands for.
type Resolver = core.Resolver

// WithParams adds parameters as they could stand in the DSN, awsdb's own or system
// variables. They override those of the configuration.
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

// WithResolver looks names up before they are dialled. Default: the dialer does.
func WithResolver(r Resolver) Option { return func(o *options) { o.resolver = r } }

// WithOnConnect runs hook on every new connection of the application, also those
// opened after a failover, before anybody uses it: the place for session settings.
// conn is go-sql-driver's own. An error closes the connection and fails the
// connect. It does not run on awsdb's own monitoring connections.
func WithOnConnect(hook func(ctx context.Context, conn driver.Conn) error) Option {
	return func(o *options) { o.onConnect = hook }
}

// NewConnector returns a Connector, for sql.OpenDB, that connects as cfg says. cfg
// comes from ParseDSN, mysql.ParseDSN or mysql.NewConfig; awsdb's parameters among
// its Params are recognised as in a DSN. It is copied. A function given to
// mysql.BeforeConnect runs for each connection, monitoring connections included. All
// mistakes are reported in one error matching core.ErrConfig.
func NewConnector(cfg *mysql.Config, opts ...Option) (driver.Connector, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if cfg == nil {
		return nil, fmt.Errorf("%w: NewConnector needs a configuration from mysql.NewConfig or mysql.ParseDSN", core.ErrConfig)
	}
	return newConnector(cfg.Clone(), o)
}

// newConnector takes awsdb's keys out of what would be sent to the server.
func newConnector(cfg *mysql.Config, o options) (driver.Connector, error) {
	params := maps.Clone(cfg.Params)
	if params == nil {
		params = map[string]string{}
	}
	maps.Copy(params, o.params)
	settings, problems := core.TakeSettings(params)
	cfg.Params = params
	tlsProblem := takeTLS(cfg)
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	if ignored := takeIgnored(params); len(ignored) > 0 {
		o.log.Debug("parameters have no effect in Go", "parameters", ignored)
	}
	e, err := newEngine(cfg, settings, o)
	k, err := core.NewConnector(core.Config{
		Problems: []error{problems, tlsProblem, err},
		Engine:   e,
		Family:   "mysql",
		Driver:   Driver{},
		Addr:     e.addr,
		User:     cfg.User,
		Password: core.Secret(cfg.Passwd),
		Settings: settings,
		Plugins:  o.plugins,
		Log:      o.log,
		Dial:     e.dial,
		Resolver: o.resolver,
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}
