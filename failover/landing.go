package failover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/awsdb/awsdb/core"
)

// landing is the opening of one connection: it tries hosts until one of them has
// the right role by its own word.
type landing struct {
	plugin    *plugin
	connector *core.Connector
	cluster   *core.Cluster
	next      core.ConnectFunc
	target    core.Target

	waited   bool      // for the writer to be known
	failures int       // in a row
	last     error     // of the latest attempt, for the error when time is up
	refused  time.Time // since when the login is; zero if the latest attempt failed otherwise
}

// land returns a connection to the right host. It gives up when the server
// refuses the login or ctx ends.
func (l *landing) land(ctx context.Context) (*core.Conn, error) {
	for {
		c, err := l.attempt(ctx)
		if err == nil && c.Link().Condemned() == nil {
			return c, nil
		}
		if err == nil { // the host was replaced while we were connecting
			err = c.Link().Condemned()
			_ = c.Close() // never used
		}
		if !l.retry(ctx, err) {
			return nil, l.giveUp(ctx, err)
		}
	}
}

// attempt tries the mode's hosts once.
func (l *landing) attempt(ctx context.Context) (*core.Conn, error) {
	mode := l.plugin.mode
	if mode == ByEndpoint {
		mode = ofEndpoint(l.connector.Endpoint())
	}
	if mode == ByEndpoint {
		mode = Mode(l.plugin.resolved.Load())
	}
	switch mode {
	case ByEndpoint:
		return l.firstByName(ctx)
	case asNamed:
		return l.byName(ctx)
	case StrictWriter:
		return l.writer(ctx)
	}
	return l.reader(ctx, mode)
}

// writer connects to the writer, once it is not in doubt.
func (l *landing) writer(ctx context.Context) (*core.Conn, error) {
	l.waited = l.waited || l.cluster.Searching()
	t, err := l.cluster.WaitSettled(ctx)
	if err != nil {
		return nil, err
	}
	h, ok := t.Writer()
	if !ok {
		return nil, errNoWriter
	}
	return l.open(ctx, h, StrictWriter)
}

var errNoWriter = errors.New("the cluster has no writer at the moment")

// firstByName finds out what the name in the DSN leads to.
func (l *landing) firstByName(ctx context.Context) (*core.Conn, error) {
	if l.failures > 0 {
		return l.writer(ctx)
	}
	c, err := l.open(ctx, l.named(), ByEndpoint)
	if err != nil {
		return nil, err
	}
	id, err := c.Identify(ctx)
	if err != nil {
		return nil, err
	}
	mode := asNamed
	if id.Role == core.RoleWriter {
		mode = StrictWriter
		c.Expect(core.RoleWriter)
	}
	l.plugin.resolved.CompareAndSwap(0, uint32(mode))
	l.connector.Log().Debug("failover mode taken from the host that the name leads to", "instance", id.ID, "mode", mode)
	return c, nil
}

// byName keeps to the host that the DSN names while it can be reached. A name that
// is not an instance's own may lead to the writer one day: DNS was late when it
// was first used, or it has been moved.
func (l *landing) byName(ctx context.Context) (*core.Conn, error) {
	h := l.named()
	if l.cluster.Down(h.ID) == nil && !l.plugin.readers.avoid(h.ID) {
		c, err := l.open(ctx, h, asNamed)
		if err == nil && h.ID == "" {
			l.followWriter(ctx, c)
		}
		if err == nil || !l.lost(ctx, err) {
			return c, err
		}
		l.plugin.readers.failed(h.ID)
	}
	if h.ID != "" {
		return l.writer(ctx)
	}
	return l.reader(ctx, ReaderOrWriter)
}

// followWriter makes the handle one for the writer if that is where c has landed.
func (l *landing) followWriter(ctx context.Context, c *core.Conn) {
	id, err := c.Identify(ctx) // known already
	if err != nil || id.Role != core.RoleWriter || !l.plugin.resolved.CompareAndSwap(uint32(asNamed), uint32(StrictWriter)) {
		return
	}
	l.connector.Log().Info("the name leads to the writer now", "host", l.connector.Host().Addr, "instance", id.ID)
	for other := range l.cluster.Links() {
		if other.Connector() == l.connector && other != c.Link() {
			other.Condemn(errors.New("the name it was opened by leads to the writer now"))
		}
	}
	c.Expect(core.RoleWriter)
}

// named is the host that the DSN means: an instance of the cluster if its name is
// one, otherwise just the address.
func (l *landing) named() core.Host {
	if e := l.connector.Endpoint(); e.Kind == core.EndpointInstance {
		if h, ok := l.cluster.Topology().Host(e.Name); ok {
			return h
		}
	}
	return l.connector.Host()
}

// open connects to one host and verifies its role.
func (l *landing) open(ctx context.Context, h core.Host, mode Mode) (*core.Conn, error) {
	release := l.slot(ctx)
	defer release()
	t := l.target
	t.Host, t.Want = h, mode.wants()
	c, err := l.next(ctx, t)
	if err != nil {
		return nil, err
	}
	id, err := c.Identify(ctx)
	if err == nil && !mode.accepts(id.Role) {
		err = wrongRoleError{id}
	}
	if err != nil {
		_ = c.Close() // of no use
		return nil, err
	}
	c.Expect(mode.wants())
	return c, nil
}

// slot bounds the connects that were waiting for a failover to end: all of them
// wake at the same instant.
func (l *landing) slot(ctx context.Context) (release func()) {
	if l.failures == 0 && !l.waited {
		return func() {}
	}
	select {
	case l.plugin.slots <- struct{}{}:
		return func() { <-l.plugin.slots }
	case <-ctx.Done():
		return func() {}
	}
}

// wrongRoleError: the host answered, but is not what the topology said.
type wrongRoleError struct{ core.Identity }

// Error implements error.
func (e wrongRoleError) Error() string { return fmt.Sprintf("instance %s is a %s", e.ID, e.Role) }

// lost tells that err means that the host cannot be reached, as opposed to
// refusing us.
func (l *landing) lost(ctx context.Context, err error) bool {
	switch l.connector.Classify(err) {
	case core.FaultLink, core.FaultShutdown:
		return true
	case core.FaultCanceled:
		return ctx.Err() == nil // a limit of the driver's own, such as connect_timeout
	}
	return errors.Is(err, core.ErrQueryTimeout)
}

// Pauses between attempts that fail although the topology says the host is fine.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = time.Second
)

// refusedLimit is for how long a Multi-AZ cluster whose writer is alive may refuse a login like an
// instance that reboots, which lasts for a moment, until that is taken for what it says.
const refusedLimit = 5 * time.Second

// retry decides whether another attempt makes sense, and waits until it does.
func (l *landing) retry(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	l.last = err
	lost := l.lost(ctx, err)
	if lost && !l.plugin.connectFailover {
		return false
	}
	if !lost && !l.stale(err) {
		return false
	}
	l.failures++
	switch {
	case !l.connector.Refused(err):
		l.refused = time.Time{}
	case l.refused.IsZero():
		l.refused = time.Now()
	}
	host := l.connector.Host().Addr
	if w, ok := l.cluster.Topology().Writer(); ok {
		host = w.ID
	}
	t, reverifyErr := l.cluster.Reverify(ctx, host, err)
	if reverifyErr != nil {
		return false
	}
	if !l.refused.IsZero() && time.Since(l.refused) >= refusedLimit && t.Verified {
		l.failures = 0 // it is the login, whatever it looked like
		return false
	}
	return l.failures < 2 || l.pause(ctx)
}

// stale tells that the attempt failed because what we knew was out of date.
func (l *landing) stale(err error) bool {
	return errors.As(err, new(wrongRoleError)) || errors.As(err, new(*core.LostError)) || errors.Is(err, errNoWriter)
}

// pause keeps attempts apart when waiting for the topology does not.
func (l *landing) pause(ctx context.Context) bool {
	d := min(firstPause<<min(l.failures-2, 10), maxPause)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// giveUp makes the error for the caller.
func (l *landing) giveUp(ctx context.Context, err error) error {
	if l.failures == 0 && ctx.Err() == nil {
		return err // the first answer, as it was
	}
	if l.last != nil && !errors.Is(err, l.last) {
		err = errors.Join(err, l.last)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	e := &core.Error{Op: core.OpConnect, Kind: core.ErrConnect, Host: l.connector.Host().Addr, Phase: "dial", Err: err}
	if l.failures > 0 || errors.Is(err, errTimeout) {
		e.Kind, e.Phase = core.ErrFailoverFailed, "wait"
	}
	return e
}
