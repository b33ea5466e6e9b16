package credentials

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
)

// secretToken is as long as a token signed with temporary credentials.
var secretToken = "token-" + strings.Repeat("0123456789abcdef", 64)

// bearer brings a token for every login.
type bearer struct{ transport core.Transport }

func (bearer) Code() string { return "bearer" }

func (b bearer) Authenticate(_ context.Context, t core.Target) (core.Target, error) {
	t.User, t.Password, t.Transport, t.Fresh = "app", core.Secret(secretToken), b.transport, true
	return t, nil
}

func (bearer) LoginFailed(context.Context, core.Target, error) bool { return false }

// wiretap reads what clients send, which may be encrypted.
type wiretap struct {
	dial core.DialFunc
	mu   sync.Mutex
	sent []byte
}

func (w *wiretap) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := w.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &tapped{c, w}, nil
}

func (w *wiretap) read(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(string(w.sent), text)
}

type tapped struct {
	net.Conn
	tap *wiretap
}

func (c *tapped) Write(b []byte) (int, error) {
	c.tap.mu.Lock()
	c.tap.sent = append(c.tap.sent, b...)
	c.tap.mu.Unlock()
	return c.Conn.Write(b)
}

// transports says of each way to connect what becomes of a token. FILE stands for the
// certificate authorities.
type transports struct {
	name     string
	params   []string
	verified bool // TLS verifies the server, the token is sent
	plain    bool // there may be no TLS at all
	stranger bool // the authority is not known
}

var transportsOf = map[string][]transports{
	"postgresql": {
		{name: "nothing said"}, // is prefer
		{name: "disable", params: []string{"sslmode=disable"}, plain: true},
		{name: "allow", params: []string{"sslmode=allow"}, plain: true},
		{name: "prefer", params: []string{"sslmode=prefer"}},
		{name: "require", params: []string{"sslmode=require"}},
		{name: "require with authorities", params: []string{"sslmode=require", "sslrootcert=FILE"}, verified: true}, // is verify-ca, as with libpq
		{name: "verify-ca", params: []string{"sslmode=verify-ca", "sslrootcert=FILE"}, verified: true},
		{name: "verify-full", params: []string{"sslmode=verify-full", "sslrootcert=FILE"}, verified: true},
		{name: "verify-full by the operating system's authorities", params: []string{"sslmode=verify-full"}, verified: true, stranger: true},
	},
	"mysql": {
		{name: "nothing said", plain: true},
		{name: "disabled", params: []string{"ssl_disabled=true"}, plain: true},
		{name: "false", params: []string{"tls=false"}, plain: true},
		{name: "preferred", params: []string{"tls=preferred"}},
		{name: "skip-verify", params: []string{"tls=skip-verify"}},
		{name: "certificate not verified", params: []string{"ssl_ca=FILE", "ssl_verify_cert=false"}},
		{name: "the driver's own switch", params: []string{"allowCleartextPasswords=true"}, plain: true},
		{name: "the driver's own switch, skip-verify", params: []string{"allowCleartextPasswords=true", "tls=skip-verify"}},
		{name: "name not verified", params: []string{"ssl_ca=FILE", "ssl_verify_identity=false"}, verified: true},
		{name: "verified", params: []string{"ssl_ca=FILE"}, verified: true},
		{name: "verified by the operating system's authorities", params: []string{"tls=true"}, verified: true, stranger: true},
	},
}

// A token goes over TLS that verifies the server, whatever is configured, unless the user
// says that it need not. Else not even a packet is sent.
func TestTransportOfTokens(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		ways := transportsOf[f.Name()]
		if ways == nil {
			ways = transportsOf["postgresql"]
		}
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { transport(t, f, way) })
			})
		}
	})
}

func transport(t *testing.T, f frontend.Frontend, way transports) {
	var mu sync.Mutex
	received := map[string]int{}
	verify := func(_, password string) bool {
		mu.Lock()
		defer mu.Unlock()
		received[password]++
		return password == secretToken
	}
	c, err := lab.Start(lab.Options{
		Flavor: f.Flavors().Aurora, Network: lab.Memory, Instances: 2, TLS: lab.TLSOptional,
		Auth: lab.Cleartext, VerifyPassword: verify,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dsn := f.DSN(frontend.Login{User: "app", Host: c.Endpoint(), Database: "app"}, replaceAll(way.params, "FILE", c.CAFile())...)
	try := func(transport core.Transport) (tap *wiretap, dials int, err error) {
		e := newEvidence()
		e.secret("the token", secretToken)
		mu.Lock()
		clear(received)
		mu.Unlock()
		before := dialsOf(c)
		tap = &wiretap{dial: c.DialContext}
		h, err := f.Open(frontend.Options{Lab: c, DSN: dsn, Dial: tap.DialContext, Plugins: append(linked(t), bearer{transport})})
		if err != nil {
			t.Fatal(err)
		}
		err = e.err(h.PingContext(t.Context()))
		if closed := h.Close(); closed != nil {
			t.Error(closed)
		}
		e.check(t)
		return tap, dialsOf(c) - before, err
	}

	tap, dials, err := try(core.TransportVerified)
	switch {
	case way.stranger:
		if !errors.As(err, new(x509.UnknownAuthorityError)) || !strings.Contains(err.Error(), "global-bundle.pem") {
			t.Errorf("the error does not say where to get the certificates: %v", err)
		}
	case way.verified:
		if err != nil {
			t.Errorf("over TLS that verifies the server: %v", err)
		}
		if received[secretToken] == 0 {
			t.Error("the server has not seen the token")
		}
	default:
		if !errors.Is(err, core.ErrConfig) || dials > 0 {
			t.Fatalf("%d connections to the host, and %v", dials, err)
		}
		for _, remedy := range []string{f.Params().VerifiedTLS("/path")[0][:5], "global-bundle.pem", "iam_insecure_transport=true", c.Endpoint()} {
			if !strings.Contains(err.Error(), remedy) {
				t.Errorf("the error does not say %q: %v", remedy, err)
			}
		}
	}
	if (!way.verified || way.stranger) && len(received) > 0 {
		t.Errorf("the server was sent %d passwords", len(received))
	}
	if tap.read(secretToken[:40]) {
		t.Error("the token can be read on the wire")
	}

	tap, _, err = try(core.TransportAny)
	readable := tap.read(secretToken[:40])
	switch {
	case way.stranger:
		if err == nil || len(received) > 0 {
			t.Errorf("the user does not mind, but has asked for verification: %v", err)
		}
	case way.plain && f.Driver() == frontend.MySQL.Driver():
		if f.Code(err) != f.Codes().TLSRequired { // the server takes none without TLS
			t.Errorf("the server's own refusal: %v", err)
		}
	case err != nil:
		t.Errorf("the user does not mind: %v", err)
	case readable != way.plain:
		t.Errorf("the token can be read on the wire: %v, want %v", readable, way.plain)
	}
}

// A token is for the host in the certificate: one that pretends to be it gets none.
func TestTransportToAnImpostor(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		synctest.Test(t, func(t *testing.T) {
			received := false
			c, err := lab.Start(lab.Options{
				Flavor: f.Flavors().Aurora, Network: lab.Memory, TLS: lab.TLSOptional,
				Auth: lab.Cleartext, VerifyPassword: func(string, string) bool { received = true; return true },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDNS("elsewhere.c9xyz0abcdef.us-east-1.rds.amazonaws.com", "mydb-1")
			login := frontend.Login{User: "app", Host: "elsewhere.c9xyz0abcdef.us-east-1.rds.amazonaws.com", Database: "app"}
			h, err := f.Open(frontend.Options{
				Lab: c, DSN: f.DSN(login, f.Params().VerifiedTLS(c.CAFile())...), Plugins: append(linked(t), bearer{core.TransportVerified}),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close() //nolint:errcheck // not what is tested
			if err := h.PingContext(t.Context()); !errors.As(err, new(x509.HostnameError)) || received {
				t.Errorf("received %v, and %v", received, err)
			}
		})
	})
}

func replaceAll(texts []string, old, replacement string) []string {
	texts = slices.Clone(texts)
	for n := range texts {
		texts[n] = strings.ReplaceAll(texts[n], old, replacement)
	}
	return texts
}

func dialsOf(c *lab.Cluster) int {
	n := 0
	for _, i := range c.Instances() {
		n += i.Dials()
	}
	return n
}
