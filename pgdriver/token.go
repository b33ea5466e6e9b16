package pgdriver

import (
	"crypto/tls"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

// forToken leaves of the ways to connect that cfg has those by which a token may be sent:
// to the host that it was made for and, unless the user does not mind, over TLS that
// verifies the server. PostgreSQL is given a token as it is.
func forToken(cfg *pgx.ConnConfig, transport core.Transport) error {
	var left []*pgconn.FallbackConfig
	for _, f := range cfg.Fallbacks {
		if f.Host == cfg.Host && f.Port == cfg.Port && (transport == core.TransportAny || verifies(f.TLSConfig)) {
			left = append(left, f)
		}
	}
	cfg.Fallbacks = left
	if transport == core.TransportAny || verifies(cfg.TLSConfig) {
		return nil
	}
	return fmt.Errorf("%w: a login token must not be sent to %s: whoever reads it can log in, and the connection has no TLS that verifies the server: "+
		"write sslmode=verify-full and sslrootcert=/path/to/global-bundle.pem, from https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, "+
		"or iam_insecure_transport=true if nobody else is on this network", core.ErrConfig, address(cfg))
}

// verifies tells whether a server without a certificate is turned away. pgx does so by a
// function of its own for sslmode=verify-ca.
func verifies(c *tls.Config) bool {
	return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil)
}
