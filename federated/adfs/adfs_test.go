package adfs

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/idptest"
)

// adfs knows one account and one relying party.
func adfs(account, secret, party string) http.Handler {
	return provider{func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("loginToRp") == party {
			text(signInPage)(w, r)
		}
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("UserName") == account && r.FormValue("Password") == secret {
			text(assertionPage)(w, r)
			return
		}
		text(signInPage)(w, r)
	}}
}

// From connection string to token: with parameters of their own or with the connection
// string's user and password, in the spellings of the other wrappers, too.
func TestConnectionString(t *testing.T) {
	tests := map[string]map[string]string{
		"own":       {"idp_username": user, "idp_password": password, "ssl_secure": "false"},
		"camel":     {"idpUsername": user, "idpPassword": password, "sslInsecure": "true", "httpTimeoutMs": "30000", "iamTokenExpirationSec": "600"},
		"JDBC":      {"idpUsername": user, "idpPassword": password, "sslInsecure": "true", "httpClientConnectTimeout": "30000", "httpClientSocketTimeout": "30000", "idpName": "adfs", "iamTokenExpiration": "600"},
		"shared":    {"ssl_secure": "false"},
		"by plugin": {"ssl_secure": "false", "plugins": "federatedAuth"},
	}
	for name, more := range tests {
		t.Run(name, func(t *testing.T) {
			more["rp_identifier"] = "urn:test&more"
			idptest.CheckConnectionString(t, adfs(user, password, "urn:test&more"), user, password, more)
		})
	}
}

// Unless it is told not to, it believes no certificate that nobody vouches for.
func TestCertificate(t *testing.T) {
	asked := false
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true })
	k, err := idptest.Open(user, password, idptest.Parameters(idptest.Serve(t, h, &idptest.STS{})))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // it never fails
	if _, _, err := k.Credentials(t.Context()); !errors.Is(err, federated.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") || asked {
		t.Errorf("error %v", err)
	}
}

func TestMistakes(t *testing.T) {
	tests := map[string]struct {
		more map[string]string
		want string
	}{
		"endpoint":     {map[string]string{"plugins": "federated_auth", "idp_endpoint": ""}, "idp_endpoint is missing"},
		"no https":     {map[string]string{"idp_endpoint": "http://idp.example.com"}, "by https only"},
		"user":         {map[string]string{"db_user": ""}, "db_user is missing"},
		"role":         {map[string]string{"iam_role_arn": "app"}, "iam_role_arn="},
		"party":        {map[string]string{"rp_identifier": "a b"}, "rp_identifier="},
		"name":         {map[string]string{"idp_name": "ping"}, "want one of adfs"},
		"port":         {map[string]string{"idp_port": "0"}, "idp_port="},
		"limit":        {map[string]string{"http_request_connect_timeout": "soon"}, "want a number in seconds"},
		"two TLS":      {map[string]string{"ssl_secure": "true", "sslInsecure": "true"}, "keep one"},
		"region":       {map[string]string{"iam_region": "us-west-2"}, "contradicts"},
		"other plugin": {map[string]string{"plugins": "federated_auth,okta"}, "federated/okta"},
	}
	for name, test := range tests {
		_, err := idptest.Open(user, password, idptest.Parameters(test.more))
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
		idptest.NoSecret(t, err, password)
	}
	// All at once.
	_, err := New(Options{RelyingParty: "a b"})
	for _, want := range []string{"idp_endpoint", "rp_identifier", "iam_role_arn", "iam_idp_arn", "db_user", "idp_username", "idp_password"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s in it", err, want)
		}
	}
}

// Without an identity provider the plugin does not run.
func TestNotWanted(t *testing.T) {
	k, err := idptest.Open(user, password, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // it never fails
	if as, secret, err := k.Credentials(t.Context()); err != nil || as != user || string(secret) != password {
		t.Errorf("user %q, %v", as, err)
	}
}
