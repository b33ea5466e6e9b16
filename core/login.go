package core

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

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
	var refused error
	for {
		asked, err := k.authenticate(ctx, t)
		if err != nil {
			return nil, nil, k.noCredentials(ctx, t, err, refused)
		}
		n, l, err := k.ask(ctx, asked)
		if err == nil {
			return n, l, nil
		}
		if !k.Refused(err) {
			return nil, nil, explain(t.Host, err)
		}
		refused = err
		if t.Refused == 0 {
			t.RefusedSince = time.Now()
		}
		t.Refused++
		asked.Refused, asked.RefusedSince = t.Refused, t.RefusedSince
		if !k.loginAgain(ctx, asked, err) {
			return nil, nil, err
		}
	}
}

// ask is openNative within the time that the host has for it.
func (k *Connector) ask(ctx context.Context, t Target) (Native, *Link, error) {
	if t.limit == 0 {
		return k.openNative(ctx, t)
	}
	limited, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	n, l, err := k.openNative(limited, t)
	if err != nil {
		return nil, nil, timeoutError(ctx, limited, "connect to "+t.Host.Addr, err)
	}
	return n, l, nil
}

// Refused tells that the server may have refused the credentials. A Multi-AZ instance that reboots
// says the same as one that is given a token that has become useless: what that means for the host
// is a matter of its dialect, but other credentials are worth an attempt.
func (k *Connector) Refused(err error) bool {
	return k.Classify(err) == FaultLogin || k.engine.Classify(err, nil) == FaultLogin
}

// loginAgain tells whether there are other credentials to try.
func (k *Connector) loginAgain(ctx context.Context, t Target, err error) bool {
	if len(k.chain.authenticators) == 0 || k.ownPassword(t) {
		return false
	}
	ctx, done := k.awaiting(ctx, t)
	defer done()
	for _, a := range k.chain.authenticators {
		if a.LoginFailed(ctx, t, err) && ctx.Err() == nil {
			return true
		}
	}
	return false
}

// ownPassword tells that t is a monitoring connection with a password of its own.
func (k *Connector) ownPassword(t Target) bool {
	_, own := k.settings.Prefixed(t.Monitor)["password"]
	return own
}

func (k *Connector) authenticate(ctx context.Context, t Target) (Target, error) {
	if len(k.chain.authenticators) == 0 || k.ownPassword(t) {
		return t, nil
	}
	bound, done := k.awaiting(ctx, t)
	defer done()
	t.Login = k.loginOf(t)
	for _, a := range k.chain.authenticators {
		asked, err := a.Authenticate(bound, t)
		if err != nil {
			if ctx.Err() == nil && bound.Err() != nil {
				err = context.Cause(bound) // the handle was closed, and no caller has given up
			}
			return t, err
		}
		t = asked
	}
	if t.keyless != nil {
		t.keyless(false)
	}
	return t, nil
}

// awaiting returns the context in which credentials for t are waited for: it ends with ctx
// and with the handle. Who watches the host is told that it is not asked meanwhile.
func (k *Connector) awaiting(ctx context.Context, t Target) (context.Context, context.CancelFunc) {
	if t.keyless != nil {
		t.keyless(true)
	}
	if t.Monitor == "" {
		return k.Bound(ctx)
	}
	return boundTo(ctx, k.ctx) // hosts are watched until the handle is closed
}

// Credentials returns the user, and the password or token, that a login to the host of
// the connection string would use now: for tools that log in by themselves. Without an
// Authenticator they are those of the connection string. The error matches ErrConnect.
func (k *Connector) Credentials(ctx context.Context) (user string, password Secret, err error) {
	if k.draining.Load() {
		return "", "", &Error{Op: OpConnect, Host: k.host.Addr, Kind: ErrClosed}
	}
	k.start()
	t := Target{Host: k.host}
	asked, err := k.authenticate(ctx, t)
	if err != nil {
		return "", "", k.noCredentials(ctx, t, err, nil)
	}
	if asked.User == "" {
		return k.settings.login.User, k.settings.login.Password, nil
	}
	return asked.User, asked.Password, nil
}

// noCredentials is the error of a login that was not tried, or not again after the
// server had refused it. A limit that an Authenticator has set itself is not the caller's.
func (k *Connector) noCredentials(ctx context.Context, t Target, err, refused error) error {
	if ctx.Err() == nil {
		err = notContext{err}
	}
	if refused != nil {
		err = fmt.Errorf("%w; the server has refused those used before: %w", err, refused)
	}
	return &Error{Op: OpConnect, Kind: ErrConnect, Host: t.Host.Addr, Phase: "credentials", Err: harmless(err)}
}

// unauthenticated tells that err is of a login that found no credentials: the host was not
// asked, or has refused others before.
func unauthenticated(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Phase == "credentials"
}

// loginOf is what the connection string says of logging in to t.
func (k *Connector) loginOf(t Target) Login {
	login := k.settings.login
	if own, given := k.settings.Prefixed(t.Monitor)["user"]; given {
		login.User = own
	}
	host, port, err := SplitHostPort(t.Host.Addr)
	if err != nil {
		host = t.Host.Addr
	}
	if port == 0 {
		port = k.port
	}
	host = ParseEndpoint(host).Host
	login.Own = host == login.Host && port == login.Port
	login.Host, login.Port = host, port
	login.Canonical = func(ctx context.Context) Endpoint { return k.canonical(ctx, host) }
	return login
}

// explain says what to do where an operating system does not know who signs the
// certificates of RDS, as most do not.
func explain(h Host, err error) error {
	if !errors.As(err, new(x509.UnknownAuthorityError)) {
		return err
	}
	if host, _, bad := SplitHostPort(h.Addr); bad != nil || !ParseEndpoint(host).IsRDS() {
		return err
	}
	return fmt.Errorf("%w: RDS has certificate authorities of its own: download https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem "+
		"and name the file in the connection string, sslrootcert=/path (PostgreSQL) or ssl_ca=/path (MySQL)", err)
}

// openNative lets the engine connect through our dialer. What a driver dials for
// anything else, with a context that is not ours, is its cancel request: it gets a
// socket too, but not for a monitoring connection, which is thrown away anyway, nor
// where there is nothing to cancel, nor for one that was cut: the request would go to
// a host that may be dead, and keep a place in the pool for as long as the driver waits
// for it. pgx sends one, from a goroutine, also for a login that failed.
func (k *Connector) openNative(ctx context.Context, t Target) (Native, *Link, error) {
	var opened atomic.Pointer[Link]
	o := k.dialOptions(t)
	t.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if ctx.Value(openingKey{}) == &opened {
			return k.cluster.dial(ctx, o, network, addr)
		}
		l := opened.Load()
		if l == nil || o.owner == nil {
			return nil, errBroken
		}
		if lost := l.Lost(); lost != nil && lost.Aborted {
			return nil, lost
		}
		side := o
		side.id, side.side = l.Host(), true
		return k.cluster.dial(ctx, side, network, addr)
	}
	n, l, err := k.engine.Open(context.WithValue(ctx, openingKey{}, &opened), t)
	if err != nil {
		return nil, nil, err
	}
	opened.Store(l)
	return n, l, nil
}

// openingKey marks the contexts of an opening, by the connection that is to come of it.
type openingKey struct{}

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

// openMonitor opens one of our own connections. The host has the time limit for each login, and
// credentials have patience: how long they take says nothing about the host. keyless is told
// that there are no credentials yet, and that there are.
func (k *Connector) openMonitor(ctx context.Context, h Host, limit, patience time.Duration, keyless func(bool)) (Native, *Link, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+limit)
	defer cancel()
	return k.login(ctx, Target{Host: h, Monitor: topologyPrefix, limit: limit, keyless: keyless})
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
	ctx, cancel := boundTo(ctx, k.ctx)
	defer cancel()
	n, l, err := k.login(ctx, t)
	if err != nil && k.closed.Load() {
		return nil, nil, ErrClosed
	}
	return n, l, err
}
