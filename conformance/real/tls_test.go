package real

import (
	"crypto/x509"
	"errors"
	"testing"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
)

// TestVerifyFull: the servers' certificates are checked against the host that is really dialled.
func TestVerifyFull(t *testing.T) { frontend.Each(t, verifyFull) }

func verifyFull(t *testing.T, f frontend.Frontend) {
	c := start(t, f, lab.Options{TLS: lab.TLSRequired})
	db := open(t, c, c.Endpoint())
	for _, when := range []string{"at first", "after a failover", "after another one"} {
		if got := scalar[string](t, db.DB, c.sql.InstanceID); got != c.Writer().ID() {
			t.Errorf("%s: connected to %s, the writer is %s", when, got, c.Writer().ID())
		}
		replaceWriter(t, c)
		follows(t, db)
	}

	c.Alias("db.example.com", c.Endpoint())
	if err := open(t, c, "db.example.com").PingContext(t.Context()); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("a host name that no certificate has: %v", err)
	}
	other := start(t, f, lab.Options{TLS: lab.TLSRequired, Instances: 1})
	stranger := openWith(t, c, frontend.Options{DSN: c.DSN(c.Endpoint()), Authorities: other.RootCAs()})
	if err := stranger.PingContext(t.Context()); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("an authority that is not the servers': %v", err)
	}
	// The servers take no connection that is not encrypted: those above are.
	plain := open(t, c, c.Endpoint(), f.Params().NoTLS)
	c.says(t, "without TLS", plain.PingContext(t.Context()), c.codes.TLSRequired)
}
