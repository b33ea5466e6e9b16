package core

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Target is one connect attempt. Plugins change it and pass it on; it is never
// shared.
type Target struct {
	// Host is where to connect to. Host.ID is empty while only an address is
	// known.
	Host Host
	// Want is the role the connection is opened for. RoleUnknown: any. When a
	// topology change takes the role away from the host, the connection is
	// condemned.
	Want Role
	// Monitor is set on awsdb's own connections: no user hooks run on them, and the
	// driver's parameters that were given with this prefix apply, one of
	// [MonitorPrefixes].
	Monitor string
	// Located tells that Dial knows where the host is, whatever it is asked for: names
	// need not be looked up.
	Located bool
	// User and Password replace those of the DSN when User is not empty.
	User     string
	Password Secret
	// Transport is how Password may be sent. Authenticators set it with a token.
	Transport Transport
	// Login is what the connection string says of logging in to the host. It is set
	// before Authenticators are asked.
	Login Login
	// Fresh is set by an Authenticator whose credentials were fetched for this very login,
	// so that there are no better ones when the server refuses them.
	Fresh bool
	// Refused counts the logins of this connect that the server has refused because of
	// their credentials, up to and with the one that LoginFailed is told of; RefusedSince is
	// when it refused the first.
	Refused      int
	RefusedSince time.Time
	// Dial must be used for every socket of this attempt.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	heard   func()        // see OpenBeside
	limit   time.Duration // for the host to let us in; 0: that of the context
	keyless func(bool)    // see openMonitor
}

// Login is what a connection string says of logging in to a host.
type Login struct {
	// User is that of the connection string or, for one of awsdb's own connections, that
	// of its parameters with the prefix.
	User string
	// Password is the one that belongs to User; "" when none was given.
	Password Secret
	// Hook tells that a function of the application's is called before each login, which may
	// set user and password.
	Hook bool
	// Host is the name or IP address that is dialled, in lower case, without port,
	// brackets and trailing dot.
	Host string
	// Port is the one that is dialled.
	Port uint16
	// Own tells that Host is the connection string's own, not an instance's that the
	// topology names.
	Own bool
	// Canonical asks the name server which RDS name Host is an alias of. The result's
	// Kind is EndpointOther when there is none, or none can be found out in time. It is nil
	// in [Settings.Login].
	Canonical func(ctx context.Context) Endpoint
}

// Transport says how a Target's password may be sent.
type Transport uint8

const (
	// TransportAsConfigured sends it as the connection string says, like any password.
	TransportAsConfigured Transport = iota
	// TransportVerified is for a token, which logs in whoever has it and is sent as it is. The
	// engine refuses to send it, with an error matching ErrConfig, unless TLS verifies the
	// server's certificate.
	TransportVerified
	// TransportAny is a token that the user wants to be sent anyway.
	TransportAny
)

var transportNames = [...]string{"as configured", "verified", "any"}

// String returns the transport in lower-case words.
func (t Transport) String() string { return transportNames[t] }

// Secret is a password or token. It prints as "***" in every format and log.
type Secret string

// String returns "***", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// Format implements fmt.Formatter: no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
