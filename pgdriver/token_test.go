package pgdriver

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/awsdb/awsdb/core"
)

// A token is sent by none of the ways that pgx would try unless TLS verifies the server
// there, and to no other host than it was made for.
func TestForToken(t *testing.T) {
	for params, allowed := range map[string]bool{
		"":                             false, // prefer
		"sslmode=disable":              false,
		"sslmode=allow":                false,
		"sslmode=prefer":               false,
		"sslmode=require":              false,
		"sslmode=verify-ca":            true,
		"sslmode=verify-full":          true,
		"sslmode=verify-full&sslsni=0": true,
		"sslmode=verify-full&sslnegotiation=direct": true,
	} {
		cfg, err := pgx.ParseConfig("postgres://app@db.example:5432,other.example:5432/app?" + params)
		if err != nil {
			t.Fatal(err)
		}
		anyway := *cfg
		err = forToken(cfg, core.TransportVerified)
		if (err == nil) != allowed || (err != nil && !errors.Is(err, core.ErrConfig)) {
			t.Errorf("%s: %v", params, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "sslmode=verify-full") || !strings.Contains(err.Error(), "db.example:5432")) {
			t.Errorf("%s: %v does not say what to write", params, err)
		}
		for _, f := range cfg.Fallbacks {
			if f.Host != cfg.Host || !verifies(f.TLSConfig) {
				t.Errorf("%s: also to %s, verified %v", params, f.Host, verifies(f.TLSConfig))
			}
		}
		if err := forToken(&anyway, core.TransportAny); err != nil {
			t.Errorf("%s, anyway: %v", params, err)
		}
		for _, f := range anyway.Fallbacks {
			if f.Host != cfg.Host {
				t.Errorf("%s, anyway: also to %s", params, f.Host)
			}
		}
		if params == "" && len(anyway.Fallbacks) != 1 {
			t.Errorf("prefer, anyway: %d other ways, want that without TLS", len(anyway.Fallbacks))
		}
	}
	if !verifies(&tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return nil }}) { //nolint:gosec // that is the point
		t.Error("a function of the application's own does not count")
	}
}
