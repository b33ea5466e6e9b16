package mysqldriver

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// A token is sent in the clear only where TLS verifies the server; otherwise the driver is
// not even allowed to.
func TestForToken(t *testing.T) {
	const custom, careless = "token-test-custom", "token-test-careless"
	for name, c := range map[string]*tls.Config{custom: {ServerName: "db.example"}, careless: {InsecureSkipVerify: true}} { //nolint:gosec // that is the point
		if err := mysql.RegisterTLSConfig(name, c); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mysql.DeregisterTLSConfig(name) })
	}
	for name, allowed := range map[string]bool{
		"": false, "false": false, "preferred": false, "skip-verify": false, "true": true, custom: true, careless: false, "unknown": false,
	} {
		inCode := mysql.NewConfig()
		inCode.Addr, inCode.TLSConfig = "db.example:3306", name
		configs := map[string]*mysql.Config{"in code": inCode}
		if parsed, err := mysql.ParseDSN("app@tcp(db.example:3306)/app?tls=" + name); err == nil && name != "" {
			configs["parsed"] = parsed
		}
		for way, cfg := range configs {
			anyway := cfg.Clone()
			err := forToken(cfg, core.TransportVerified)
			if (err == nil) != allowed || cfg.AllowCleartextPasswords != allowed {
				t.Errorf("tls=%s, %s: %v, clear text %v", name, way, err, cfg.AllowCleartextPasswords)
			}
			if err != nil && (!strings.Contains(err.Error(), "ssl_ca=") || !strings.Contains(err.Error(), "db.example:3306")) {
				t.Errorf("tls=%s, %s: %v does not say what to write", name, way, err)
			}
			if err := forToken(anyway, core.TransportAny); err != nil || !anyway.AllowCleartextPasswords {
				t.Errorf("tls=%s, %s, anyway: %v", name, way, err)
			}
		}
	}
	withVerifier := mysql.NewConfig()
	withVerifier.TLS = &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return nil }} //nolint:gosec // that is the point
	if !verifies(withVerifier) {
		t.Error("a function of the application's own does not count")
	}
	fallback := mysql.NewConfig()
	fallback.TLS, fallback.AllowFallbackToPlaintext = &tls.Config{ServerName: "db.example"}, true
	if verifies(fallback) {
		t.Error("a connection that may do without TLS counts as verified")
	}
}
