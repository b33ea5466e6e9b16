package pgdriver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/awsdb/awsdb/core"
)

// ConfigurePool changes cfg so that the pool which pgxpool.NewWithConfig makes of it
// follows its cluster. It is for code that wants to build the pool itself; [NewPool] does
// both. The result ends what the pool starts in the background: close the pool, then it.
// Errors match core.ErrConfig.
//
// Of the connection string awsdb's parameters are recognised as with "awspg". What the
// application has set in cfg goes on working, in this order for a new connection:
//
//  1. TraceConnectStart of the Tracer;
//  2. BeforeConnect, before each login: Host and Port are what is about to be dialled, as
//     somebody needs to know who makes a token for it: an instance, or the endpoint of the
//     connection string while the cluster is not known yet. They cannot be changed. It
//     runs for awsdb's own connections too, which need credentials as well. User,
//     Password, Database, TLS, session settings, the query mode and the sizes of the
//     caches may be set here, for this connection; callbacks and the Tracer in cfg only;
//  3. LookupFunc, DialFunc, TLS and AfterNetConnect, for each address that is tried;
//  4. ValidateConnect, and so target_session_attrs;
//  5. pgconn's AfterConnect, TraceConnectEnd, the hook of [WithOnConnect], and the pool's
//     AfterConnect, once, on the connection that is handed out;
//
// and for one that is taken from the pool ShouldPing, a look of awsdb's whether the
// connection is lost or its host has another role by now, and PrepareConn (or
// BeforeAcquire). Without a ShouldPing nothing is pinged. AfterRelease and BeforeClose run
// as ever. Steps 2 to 4 are repeated for each host that a connect tries. Of ConnConfig the
// pool reports, by Config, no TLSConfig, Fallbacks, and ConnectTimeout: they apply
// beneath, to each login. What logs in is fixed by then: of a configuration that has been
// changed afterwards, in its host, port, user, password, database or session settings, a
// pool opens no connections, but says so by an error that matches core.ErrConfig. So does
// pgx.ConnectConfig, which does not notice another password.
func ConfigurePool(cfg *pgxpool.Config, opts ...Option) (*core.Connector, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if cfg == nil || cfg.ConnConfig == nil {
		return nil, fmt.Errorf("%w: a pool needs a configuration from pgxpool.ParseConfig", core.ErrConfig)
	}
	onConnect := o.onConnect
	o.onConnect, o.beforeConnect = nil, cfg.BeforeConnect
	login := loginConfig(cfg.ConnConfig)
	hooked := cfg.BeforeConnect != nil
	if !hooked { // which is to see those of the connection on top
		withoutCaches(login)
	}
	k, err := newConnector(login, o)
	if err != nil {
		return nil, err
	}
	all := &sessions{connector: k, hooked: hooked, open: map[uint64]*session{}}
	c := surfaceConfig(cfg.ConnConfig)
	c.RuntimeParams = maps.Clone(login.RuntimeParams)
	c.RuntimeParams[configuredKey] = "yes"
	c.DialFunc = all.dial
	cfg.ConnConfig, all.surface = c, c.Copy()
	all.hook(cfg, onConnect)
	return k, nil
}

// configuredKey marks a configuration. No server sees it: pgx's login is answered by us.
const configuredKey = "awsdb_configured"

// changed reports whether somebody wants another login than the one that was configured,
// as who opens one more pool by what Config says. He would get connections of the first
// kind: to the first database, for instance.
func changed(was, c *pgx.ConnConfig) bool {
	return c.Host != was.Host || c.Port != was.Port || c.User != was.User || c.Password != was.Password ||
		c.Database != was.Database || !maps.Equal(c.RuntimeParams, was.RuntimeParams)
}

var errChanged = fmt.Errorf("%w: host, port, user, password, database or a session setting was changed in the configuration of a pool that follows its cluster, where that has no effect: parse the connection string again and change that", core.ErrConfig)

// loginTimeout is pgxpool's limit for a connection where the application sets none:
// nobody may be waiting for it any more.
const loginTimeout = 2 * time.Minute

// loginConfig is the part of c that opens connections.
func loginConfig(c *pgx.ConnConfig) *pgx.ConnConfig {
	c = c.Copy()
	c.Tracer = nil
	c.AfterConnect = nil
	c.OnNotification = nil
	c.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: pg.Conn()}
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = loginTimeout
	}
	return c
}

// surfaceConfig is the part of c for what is done with a connection that is open.
func surfaceConfig(c *pgx.ConnConfig) *pgx.ConnConfig {
	c = c.Copy()
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	c.TLSConfig, c.Fallbacks = nil, nil
	c.SSLNegotiation, c.SSLCertMode = "", ""
	c.RequireAuth, c.ChannelBinding = "", ""
	c.ConnectTimeout = 0 // the chain knows how long it may wait
	c.ValidateConnect = nil
	c.AfterNetConnect = nil

	c.AfterConnect = inherit(c.AfterConnect)
	onError, build := c.OnPgError, c.BuildContextWatcherHandler
	c.OnPgError = func(pg *pgconn.PgConn, e *pgconn.PgError) bool {
		if s, ok := pg.Conn().(*session); ok && e.Code == stateReadOnly && s.conn.Link().Want() == core.RoleWriter && !s.conn.ReadOnly() {
			s.conn.Cluster().Look(s.conn.Link().Host())
		}
		return onError == nil || onError(pg, e)
	}
	c.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		h := build(pg)
		if s, ok := pg.Conn().(*session); ok {
			return &deadlineHandler{h, s.conn}
		}
		return h
	}
	return c
}

// inherit gives the connection on top what ValidateConnect has noted on that of the login,
// and goes on with pgconn's AfterConnect.
func inherit(next func(context.Context, *pgconn.PgConn) error) func(context.Context, *pgconn.PgConn) error {
	return func(ctx context.Context, pg *pgconn.PgConn) error {
		if s, ok := pg.Conn().(*session); ok {
			maps.Copy(pg.CustomData(), s.noted)
			s.noted = nil
		}
		if next == nil {
			return nil
		}
		return next(ctx, pg)
	}
}

// deadlineHandler has the host looked at when a caller's deadline passes, whatever
// interface of pgx the call came through.
type deadlineHandler struct {
	ctxwatch.Handler
	conn *core.Conn
}

// HandleCancel implements ctxwatch.Handler.
func (h *deadlineHandler) HandleCancel(ctx context.Context) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		h.conn.DeadlinePassed()
	}
	h.Handler.HandleCancel(ctx)
}

// idleBeforeLook is how long a connection may have been idle to be handed out again
// without a look at its socket; core's limit, too.
const idleBeforeLook = time.Second

// usable tells whether the session may be handed out. pgxpool has looked at the clock
// already, which costs as much as all the rest.
func (s *session) usable(ctx context.Context) bool {
	if s.fresh {
		s.fresh = false
		link := s.conn.Link() // pgxpool keeps none that pgx has closed
		return link.Lost() == nil && link.Condemned() == nil
	}
	return s.conn.ResetSession(ctx) == nil
}

// hook chains awsdb's hooks with the application's.
func (a *sessions) hook(cfg *pgxpool.Config, onConnect func(context.Context, *pgx.Conn) error) {
	after, prepare, before, closing := cfg.AfterConnect, cfg.PrepareConn, cfg.BeforeAcquire, cfg.BeforeClose //nolint:staticcheck // deprecated, and still used
	if prepare == nil && before != nil {
		prepare = func(ctx context.Context, c *pgx.Conn) (bool, error) { return before(ctx, c), nil }
	}
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if changed(a.surface, c) {
			return errChanged
		}
		c.ConnectTimeout = 0 // pgxpool sets one
		c.Tracer = topTracer{c.Tracer}
		delete(c.RuntimeParams, configuredKey) // every connection keeps a copy
		return nil
	}
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		if s := sessionOf(c); s != nil {
			s.pgx = c
		}
		if onConnect != nil {
			if err := onConnect(ctx, c); err != nil {
				return fmt.Errorf("on-connect hook: %w", err)
			}
		}
		if after != nil {
			return after(ctx, c)
		}
		return nil
	}
	cfg.PrepareConn = func(ctx context.Context, c *pgx.Conn) (bool, error) {
		if s := sessionOf(c); s != nil {
			s.conn.TxEnded() // also when the application has ended it by a statement
			if !s.usable(ctx) {
				return false, nil
			}
		}
		if prepare != nil {
			return prepare(ctx, c)
		}
		return true, nil
	}
	ping := cfg.ShouldPing
	cfg.ShouldPing = func(ctx context.Context, params pgxpool.ShouldPingParams) bool {
		if s := sessionOf(params.Conn); s != nil {
			s.fresh = params.IdleDuration < idleBeforeLook
		}
		return ping != nil && ping(ctx, params)
	}
	cfg.BeforeClose = func(c *pgx.Conn) {
		if closing != nil {
			closing(c)
		}
		if s := sessionOf(c); s != nil {
			_ = s.conn.Close() // pgx closes the socket
		}
	}
}
