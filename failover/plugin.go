package failover

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/awsdb/awsdb/core"
)

// plugin is "failover".
type plugin struct {
	mode            Mode
	timeout         time.Duration
	connectFailover bool
	readers         *readers
	slots           chan struct{} // held by connects that waited for a failover
	resolved        atomic.Uint32 // Mode that ByEndpoint turned out to be, 0 until known
}

var (
	_ core.ConnectWrapper = (*plugin)(nil)
	_ core.Recoverer      = (*plugin)(nil)
	_ core.Runner         = (*plugin)(nil)
)

// Code implements core.Plugin.
func (p *plugin) Code() string { return "failover" }

// errTimeout is the cause of the context that failover_timeout_sec ends.
var errTimeout = errors.New("failover_timeout_sec has passed")

func isTimeout(err error) bool { return errors.Is(err, errTimeout) }

// WrapConnect implements core.ConnectWrapper.
func (p *plugin) WrapConnect(k *core.Connector, next core.ConnectFunc) core.ConnectFunc {
	return func(ctx context.Context, t core.Target) (*core.Conn, error) { return p.connect(ctx, k, next, t) }
}

func (p *plugin) connect(ctx context.Context, k *core.Connector, next core.ConnectFunc, t core.Target) (*core.Conn, error) {
	if t.Host.ID != "" || k.Endpoint().Kind == core.EndpointProxy {
		return next(ctx, t) // somebody has chosen the instance; a proxy fails over by itself
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTimeout)
	defer cancel()
	ctx, stop := k.Bound(ctx)
	defer stop()
	if err := k.Cluster().Ready(ctx); err != nil {
		return nil, err
	}
	if !k.Cluster().Dialect().Clustered() {
		return next(ctx, t)
	}
	return (&landing{plugin: p, connector: k, cluster: k.Cluster(), next: next, target: t}).land(ctx)
}

// Recover implements core.Recoverer: it waits until the right host is known and
// says so.
func (p *plugin) Recover(ctx context.Context, c *core.Conn, _ core.Call, e *core.Error) {
	cl := c.Cluster()
	if d := cl.Dialect(); d == nil || !d.Clustered() || c.Connector().Endpoint().Kind == core.EndpointProxy {
		return
	}
	if c.Link().Want() != core.RoleWriter && c.Connector().Classify(e.Err) == core.FaultReadOnly {
		p.wroteToReader(c)
		return
	}
	success := core.ErrFailoverSuccess
	if e.InTx {
		success = core.ErrTransactionResolutionUnknown
	}
	if c.Link().Want() != core.RoleWriter {
		// A reader was lost. The list of readers is good enough to go on with, and
		// the next connect avoids this one.
		p.readers.failed(e.Host)
		cl.Suspect(e.Host, e.Err)
		e.Kind = success
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, errTimeout)
	defer cancel()
	ctx, stop := c.Connector().Bound(ctx)
	defer stop()
	t, err := cl.Reverify(ctx, e.Host, e.Err)
	if err != nil {
		e.Kind, e.Phase, e.Err = core.ErrFailoverFailed, "wait", errors.Join(e.Err, err)
		return
	}
	switch w, ok := t.Writer(); {
	case ok && w.ID == e.Host && c.Connector().Classify(e.Err) == core.FaultReadOnly:
		return // it is the writer after all: the session was made read-only by its user
	case ok && cl.Down(w.ID) != nil:
		// The others agree that it is still the writer, and we know it to be dead.
		e.Kind, e.Phase, e.Err = core.ErrFailoverFailed, "wait", errors.Join(e.Err, cl.Down(w.ID))
	default:
		e.Kind = success
	}
}

// wroteToReader: the application writes where we took its name for one that means
// a reader. If the name is no instance's own, it may mean something else by now:
// the next connection finds out.
func (p *plugin) wroteToReader(c *core.Conn) {
	if Mode(p.resolved.Load()) == asNamed && c.Connector().Endpoint().Kind != core.EndpointInstance {
		c.Link().Condemn(errReadOnly)
	}
}

var errReadOnly = errors.New("a write was refused")

// A call that has been waiting for firstLook makes the monitor look at the
// writer, and again whenever the time has doubled, at least every maxLook.
const (
	lookEvery = 250 * time.Millisecond
	firstLook = 500 * time.Millisecond
	maxLook   = 30 * time.Second
)

// Run implements core.Runner: hung and vanished hosts are not reported by the
// network, so somebody has to notice calls that wait. It costs one pass over the
// connections four times a second.
func (p *plugin) Run(ctx context.Context, k *core.Connector) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for l := range k.Cluster().Links() {
			if l.Want() == core.RoleWriter && lookDue(l.Blocked()) {
				k.Cluster().Look(l.Host())
				break
			}
		}
	}
}

// lookDue tells whether the wait has crossed one of the moments to look since
// the last tick.
func lookDue(blocked time.Duration) bool {
	for at := firstLook; at <= blocked; {
		if blocked-at < lookEvery {
			return true
		}
		at += min(at, maxLook)
	}
	return false
}
