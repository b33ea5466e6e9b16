package mysqldriver

import (
	"crypto/tls"
	"fmt"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// forToken lets a token be sent as the server asks for it, as it is
// (mysql_clear_password), if TLS verifies the server or the user does not mind.
func forToken(cfg *mysql.Config, transport core.Transport) error {
	if transport != core.TransportAny && !verifies(cfg) {
		return fmt.Errorf("a login token must not be sent to %s: whoever reads it can log in, and the connection has no TLS that verifies the server: "+
			"write ssl_ca=/path/to/global-bundle.pem, from https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, "+
			"or iam_insecure_transport=true if nobody else is on this network", cfg.Addr)
	}
	cfg.AllowCleartextPasswords = true
	return nil
}

// verifies tells whether a server without a certificate is turned away.
func verifies(cfg *mysql.Config) bool {
	if cfg.AllowFallbackToPlaintext || cfg.TLSConfig == "preferred" {
		return false
	}
	c := cfg.TLS
	if c == nil {
		c = registered(cfg.TLSConfig)
	}
	return c != nil && (!c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil)
}

// registered is what the driver knows by the name that a Config made in code has for its
// TLS configuration; nil if nothing. Only the driver's parser tells.
func registered(name string) *tls.Config {
	if name == "" {
		return nil
	}
	d := mysql.NewConfig()
	d.TLSConfig = name
	parsed, err := mysql.ParseDSN(d.FormatDSN())
	if err != nil {
		return nil
	}
	return parsed.TLS
}
