package failover

import (
	"context"
	"time"

	"github.com/awsdb/awsdb/core"
)

// tracker is "aurora_connection_tracker": connections are opened as the DSN says,
// and dropped when a topology takes away the role that their host had.
type tracker struct{}

// Code implements core.Plugin.
func (*tracker) Code() string { return "aurora_connection_tracker" }

// WrapConnect implements core.ConnectWrapper.
func (*tracker) WrapConnect(k *core.Connector, next core.ConnectFunc) core.ConnectFunc {
	return func(ctx context.Context, t core.Target) (*core.Conn, error) {
		c, err := next(ctx, t)
		if err != nil || !follow(ctx, k) {
			return c, err
		}
		id, err := c.Identify(ctx)
		if err != nil {
			_ = c.Close() // the error matters
			return nil, err
		}
		if c.Link().Want() == core.RoleUnknown && id.Role == core.RoleWriter {
			c.Expect(core.RoleWriter)
		}
		return c, nil
	}
}

// follow starts the topology monitor. It tells whether there is a topology.
func follow(ctx context.Context, k *core.Connector) bool {
	if k.Endpoint().Kind == core.EndpointProxy {
		return false
	}
	if err := k.Cluster().Ready(ctx); err != nil {
		k.Log().Debug("no topology yet", "error", err)
		return false
	}
	return k.Cluster().Dialect().Clustered()
}

// staleDNS is "stale_dns": it leaves a writer endpoint that leads to a reader.
type staleDNS struct{}

// Code implements core.Plugin.
func (*staleDNS) Code() string { return "stale_dns" }

// WrapConnect implements core.ConnectWrapper.
func (*staleDNS) WrapConnect(k *core.Connector, next core.ConnectFunc) core.ConnectFunc {
	return func(ctx context.Context, t core.Target) (*core.Conn, error) {
		c, err := next(ctx, t)
		if err != nil || t.Host.ID != "" || !follow(ctx, k) || ofEndpoint(k.Endpoint()) != StrictWriter {
			return c, err
		}
		id, err := c.Identify(ctx)
		if err == nil && id.Role == core.RoleWriter {
			return c, nil
		}
		_ = c.Close() // the wrong host, or a broken one
		if err != nil {
			return nil, err
		}
		k.Log().Info("writer endpoint leads to a reader", "endpoint", k.Endpoint().Host, "instance", id.ID)
		topology, err := k.Cluster().WaitSettled(ctx)
		if err != nil {
			return nil, err
		}
		w, ok := topology.Writer()
		if !ok {
			return nil, errNoWriter
		}
		t.Host = w
		if c, err = next(ctx, t); err != nil {
			return nil, err
		}
		if id, err = c.Identify(ctx); err == nil && id.Role != core.RoleWriter {
			err = wrongRoleError{id}
		}
		if err != nil {
			_ = c.Close() // the error matters
			return nil, err
		}
		return c, nil
	}
}

var initialParams = []core.Param{
	{Name: "reader_initial_connection_host_selector_strategy", Aliases: []core.Alias{{Name: "initial_connection_host_selector_strategy"}}, Default: "random", Doc: "How a reader is chosen: random or round_robin."},
	{Name: "open_connection_retry_timeout_ms", Aliases: []core.Alias{{Name: "initial_connection_retry_timeout_ms"}}, Kind: core.Duration, Unit: time.Millisecond, Default: "30000", Doc: "How long to look for an instance of the right role before connecting to whatever the endpoint leads to."},
	{Name: "open_connection_retry_interval_ms", Aliases: []core.Alias{{Name: "initial_connection_retry_interval_ms"}}, Kind: core.Duration, Unit: time.Millisecond, Ignored: true, Doc: "The next attempt is made when the topology has changed."},
	{Name: "verify_initial_connection_type", Aliases: []core.Alias{{Name: "verify_opened_connection_type"}}, Kind: core.Enum, Values: []string{"writer", "reader", "none"}, Doc: "The role to insist on. Default: by the endpoint."},
}

// initial is "initial_connection": the connects of failover, without the rest.
type initial struct {
	plugin *plugin
	off    bool
}

func initialFromSettings(s core.Settings) (core.Plugin, error) {
	o := Options{
		Timeout:        max(s.Duration("open_connection_retry_timeout_ms"), time.Millisecond),
		ReaderSelector: s.String("reader_initial_connection_host_selector_strategy"),
	}
	switch s.String("verify_initial_connection_type") {
	case "writer":
		o.Mode = StrictWriter
	case "reader":
		o.Mode = StrictReader
	}
	p, err := New(o)
	if err != nil {
		return nil, err
	}
	return &initial{plugin: p.(*plugin), off: s.String("verify_initial_connection_type") == "none"}, nil
}

// Code implements core.Plugin.
func (*initial) Code() string { return "initial_connection" }

// WrapConnect implements core.ConnectWrapper. Endpoints that name an instance are
// left alone unless a role is insisted on; when time is up, the connection is
// opened as the DSN says.
func (i *initial) WrapConnect(k *core.Connector, next core.ConnectFunc) core.ConnectFunc {
	land := i.plugin.WrapConnect(k, next)
	return func(ctx context.Context, t core.Target) (*core.Conn, error) {
		if i.off || t.Host.ID != "" || (i.plugin.mode == ByEndpoint && ofEndpoint(k.Endpoint()) == ByEndpoint) {
			return next(ctx, t)
		}
		c, err := land(ctx, t)
		if err != nil && ctx.Err() == nil && isTimeout(err) {
			k.Log().Warn("no instance of the right role in time; connecting to the endpoint as it is", "endpoint", k.Endpoint().Host, "error", err)
			return next(ctx, t)
		}
		return c, err
	}
}
