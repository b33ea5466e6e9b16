package okta

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated/internal/idptest"
)

// From connection string to token.
func TestConnectionString(t *testing.T) {
	o := organisation{func(w http.ResponseWriter, r *http.Request) {
		var sent map[string]string
		if json.NewDecoder(r.Body).Decode(&sent) == nil && sent["username"] == user && sent["password"] == password {
			success(w, r)
			return
		}
		reply(401, `{"errorCode":"E0000004"}`)(w, r)
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app/amazon_aws/exk123/sso/saml" && r.FormValue("onetimetoken") == token {
			reply(200, assertionPage)(w, r)
		}
	}}
	tests := map[string]map[string]string{
		"own":    {"idp_username": user, "idp_password": password, "ssl_secure": "false", "app_id": "exk123"},
		"camel":  {"idpUsername": user, "idpPassword": password, "sslInsecure": "true", "appId": "exk123"},
		"shared": {"ssl_secure": "false", "app_id": "exk123", "plugins": "okta"},
	}
	for name, more := range tests {
		t.Run(name, func(t *testing.T) { idptest.CheckConnectionString(t, o, user, password, more) })
	}
}

func TestMistakes(t *testing.T) {
	tests := map[string]struct {
		more map[string]string
		want string
	}{
		"no app":   {nil, "app_id is missing"}, // AD FS is not linked in here
		"odd app":  {map[string]string{"app_id": "exk/../admin"}, `app_id="exk/../admin"`},
		"endpoint": {map[string]string{"app_id": "exk123", "idp_endpoint": ""}, "idp_endpoint is missing"},
		"user":     {map[string]string{"app_id": "exk123", "db_user": ""}, "db_user is missing"},
	}
	for name, test := range tests {
		_, err := idptest.Open(user, password, idptest.Parameters(test.more))
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
		idptest.NoSecret(t, err, password)
	}
}
