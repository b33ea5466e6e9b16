package core

import (
	"context"
	"slices"
)

// Plugin is a value that adds behaviour to a Connector. What it can do is found
// by type assertion, once, when the chain is built: it implements any of
// ConnectWrapper, Authenticator, Gate, Recoverer, Observer, DeadlineWatcher and Runner. A new
// ability is a new interface, never a new method of an old one. A plugin that
// does not watch calls is not visited by calls.
type Plugin interface {
	// Code is the plugin's name in the parameter plugins.
	Code() string
}

// ConnectFunc opens one connection.
type ConnectFunc func(ctx context.Context, t Target) (*Conn, error)

// ConnectWrapper surrounds the opening of a connection: it may choose the host,
// verify what came back, wait, or try again. This is the only around-advice.
type ConnectWrapper interface {
	// WrapConnect is called once per Connector, when the chain is built.
	WrapConnect(k *Connector, next ConnectFunc) ConnectFunc
}

// Authenticator supplies credentials. It is asked before every login: of the
// application, of pools, and of monitoring connections that have no password of their
// own.
type Authenticator interface {
	// Authenticate returns t with User and Password set, and Transport and Fresh where
	// they apply.
	Authenticate(ctx context.Context, t Target) (Target, error)
	// LoginFailed is told that the server refused the credentials of t. It returns true
	// when the login shall be tried again, with what Authenticate then says; it may wait
	// for that within ctx. It is called after every login that is refused, and is the one
	// to see to it that these are few: t.Fresh, t.Refused and t.RefusedSince tell.
	LoginFailed(ctx context.Context, t Target, err error) bool
}

// Gate may hold or refuse a call before anything is sent.
type Gate interface {
	Admit(ctx context.Context, c *Conn, call Call) error
}

// Recoverer sees a call that failed because its connection is lost or its host
// has the wrong role. It may act, wait, and complete e (its Kind above all).
// The context is the caller's.
type Recoverer interface {
	Recover(ctx context.Context, c *Conn, call Call, e *Error)
}

// Observer sees every call; it is for telemetry.
type Observer interface {
	CallStart(ctx context.Context, c *Conn, call Call) context.Context
	CallEnd(ctx context.Context, c *Conn, call Call, err error)
}

// Runner has background work. Run is called on a goroutine of the Cluster with
// a context that ends when the Connector is closed; it must return then.
type Runner interface {
	Run(ctx context.Context, k *Connector)
}

// DeadlineWatcher is told of calls that ended because their deadline passed. That is
// no sign of the host's health, but a reason to look.
type DeadlineWatcher interface {
	// DeadlinePassed is called before the caller gets its error, so that it must not
	// block. l is the connection of the call.
	DeadlinePassed(l *Link)
}

// Call describes a call to plugins. It is passed by value.
type Call struct {
	Op    Op
	Query string // the statement, where there is one
}

// chain is the compiled form of a Connector's plugins.
type chain struct {
	connect        ConnectFunc
	authenticators []Authenticator
	gates          []Gate
	recoverers     []Recoverer
	observers      []Observer
	deadlines      []DeadlineWatcher
	runners        []Runner
	unwatched      bool // no gate and no observer: calls pass without a look at either
}

// compile sorts out who can do what. plugins are ordered outermost first.
func (k *Connector) compile(plugins []Plugin) *chain {
	ch := &chain{}
	for _, p := range plugins {
		if a, ok := p.(Authenticator); ok {
			ch.authenticators = append(ch.authenticators, a)
		}
		if g, ok := p.(Gate); ok {
			ch.gates = append(ch.gates, g)
		}
		if r, ok := p.(Recoverer); ok {
			ch.recoverers = append(ch.recoverers, r)
		}
		if o, ok := p.(Observer); ok {
			ch.observers = append(ch.observers, o)
		}
		if d, ok := p.(DeadlineWatcher); ok {
			ch.deadlines = append(ch.deadlines, d)
		}
		if r, ok := p.(Runner); ok {
			ch.runners = append(ch.runners, r)
		}
	}
	ch.unwatched = len(ch.gates) == 0 && len(ch.observers) == 0
	ch.connect = k.open
	for _, p := range slices.Backward(plugins) {
		if w, ok := p.(ConnectWrapper); ok {
			ch.connect = w.WrapConnect(k, ch.connect)
		}
	}
	return ch
}
