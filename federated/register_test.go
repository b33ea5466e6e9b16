package federated_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/federated/adfs"
	"github.com/awsdb/awsdb/federated/internal/idptest"
	_ "github.com/awsdb/awsdb/federated/okta"
)

// With both linked in, the parameters decide which one runs.
func TestBothLinked(t *testing.T) {
	tests := map[string]struct {
		parameters map[string]string
		want       string // in the error
	}{
		"AD FS":  {map[string]string{"idp_endpoint": "idp.example.com"}, "plugin federated_auth: "},
		"Okta":   {map[string]string{"idp_endpoint": "idp.example.com", "app_id": "exk123"}, "plugin okta: "},
		"forced": {map[string]string{"idp_endpoint": "idp.example.com", "plugins": "okta"}, "plugin okta: "},
		"both":   {map[string]string{"idp_endpoint": "idp.example.com", "plugins": "okta,federated_auth"}, "cannot run together"},
	}
	for name, test := range tests {
		_, err := idptest.Open("jane", "secret", test.parameters) // incomplete, so that it tells its name
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, test.want)
		}
		if name != "both" && err != nil && strings.Count(err.Error(), "db_user is missing") != 1 {
			t.Errorf("%s: error %v, want it once", name, err)
		}
	}
}
