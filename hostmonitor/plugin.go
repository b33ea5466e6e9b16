package hostmonitor

import (
	"context"

	"github.com/awsdb/awsdb/core"
)

// plugin is "host_monitoring_v2". All state is in the detector of the cluster.
type plugin struct{ options Options }

var (
	_ core.ConnectWrapper  = (*plugin)(nil)
	_ core.DeadlineWatcher = (*plugin)(nil)
	_ core.Runner          = (*plugin)(nil)
)

// Code implements core.Plugin.
func (p *plugin) Code() string { return "host_monitoring_v2" }

// WrapConnect implements core.ConnectWrapper: a connection is known by the instance
// that it leads to. It costs nothing where another plugin has asked already.
func (p *plugin) WrapConnect(k *core.Connector, next core.ConnectFunc) core.ConnectFunc {
	if behindProxy(k) {
		return next
	}
	return func(ctx context.Context, t core.Target) (*core.Conn, error) {
		c, err := next(ctx, t)
		if err != nil {
			return nil, err
		}
		if _, err := c.Identify(ctx); err != nil {
			_ = c.Close() // never used
			return nil, err
		}
		return c, nil
	}
}

// Run implements core.Runner.
func (p *plugin) Run(ctx context.Context, k *core.Connector) {
	if behindProxy(k) {
		return
	}
	d := detectorOf(k.Cluster())
	d.add(k, p.options)
	defer d.remove(k)
	d.lead(ctx)
}

// DeadlinePassed implements core.DeadlineWatcher.
func (p *plugin) DeadlinePassed(l *core.Link) {
	if !behindProxy(l.Connector()) {
		detectorOf(l.Connector().Cluster()).doubt(l)
	}
}

// behindProxy: behind RDS Proxy no connection leads to the same instance twice, and
// the proxy deals with instances that have failed.
func behindProxy(k *core.Connector) bool { return k.Endpoint().Kind == core.EndpointProxy }
