package mysqldriver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// tlsKeys are MySQL Connector/Python's names for what go-sql-driver only has in
// code, behind a registry of the whole process.
var tlsKeys = []string{"ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"}

func hasTLSKeys(params map[string]string) bool {
	return slices.ContainsFunc(tlsKeys, func(key string) bool { _, ok := params[key]; return ok })
}

// takeTLS takes the TLS keys out of Params and makes a configuration of them.
func takeTLS(cfg *mysql.Config) error {
	if !hasTLSKeys(cfg.Params) {
		return nil
	}
	values := map[string]string{}
	for _, key := range tlsKeys {
		if value, ok := cfg.Params[key]; ok {
			values[key] = value
			delete(cfg.Params, key)
		}
	}
	flags := map[string]bool{"ssl_disabled": false, "ssl_verify_cert": true, "ssl_verify_identity": true}
	var problems []error
	for _, key := range tlsKeys {
		_, isFlag := flags[key]
		if value, given := values[key]; isFlag && given {
			var err error
			if flags[key], err = boolean(value); err != nil {
				problems = append(problems, fmt.Errorf("%s=%q: %w", key, value, err))
			}
		}
	}
	agreed := "true"
	if flags["ssl_disabled"] {
		agreed = "false"
	}
	if (cfg.TLS != nil && cfg.TLSConfig == "") || (cfg.TLSConfig != "" && cfg.TLSConfig != agreed) {
		problems = append(problems, errors.New("the ssl_… parameters contradict the other TLS configuration (tls=…, Config.TLS): keep one of them"))
		return wrapConfig(problems)
	}
	if flags["ssl_disabled"] {
		cfg.TLSConfig = "false"
		return wrapConfig(problems)
	}
	c, err := tlsConfig(values, flags["ssl_verify_cert"], flags["ssl_verify_identity"])
	cfg.TLS = c
	return wrapConfig(append(problems, err))
}

func wrapConfig(problems []error) error {
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w: %w", core.ErrConfig, err)
	}
	return nil
}

func tlsConfig(files map[string]string, verify, verifyName bool) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := files["ssl_ca"]; name != "" {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("ssl_ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ssl_ca=%q holds no certificate in PEM form", name)
		}
	}
	if cert, key := files["ssl_cert"], files["ssl_key"]; cert != "" || key != "" {
		if cert == "" || key == "" {
			return nil, errors.New("ssl_cert and ssl_key belong together: write both")
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("ssl_cert and ssl_key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	switch {
	case !verify:
		c.InsecureSkipVerify = true
	case !verifyName:
		c.InsecureSkipVerify = true // of crypto/tls, which always checks the name as well
		c.VerifyConnection = verifyChain(c.RootCAs)
	}
	return c, nil
}

// verifyChain checks the server's certificate without the name in it.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			o.Intermediates.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(o)
		return err
	}
}

// tlsFor replaces the server name that the driver took from the DSN's host. A name
// that the application has set otherwise stays; an empty one the driver fills in.
func tlsFor(c *tls.Config, from, to string) *tls.Config {
	if c == nil || c.ServerName == "" || !strings.EqualFold(c.ServerName, from) {
		return c
	}
	c = c.Clone()
	c.ServerName = to
	return c
}
