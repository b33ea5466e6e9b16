package federated_test

import (
	"testing"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The parameters of all wrappers, units included, end in the same options.
func TestFromSettings(t *testing.T) {
	all := federated.Options{
		Endpoint: "idp.example.com", Port: 8443, User: "jane", Password: "secret", RoleARN: "role", ProviderARN: "provider", DBUser: "app",
		Timeout: 30 * time.Second, InsecureTLS: true,
		TokenHost: "host", TokenPort: 5433, Region: "eu-west-1", Expiration: 10 * time.Minute, AnyTransport: true,
		AWS: awsauth.Options{Profile: "prod"},
	}
	tests := map[string]struct {
		parameters map[string]string
		want       federated.Options
	}{
		"Python": {map[string]string{
			"idp_endpoint": "idp.example.com", "idp_port": "8443", "idp_username": "jane", "idp_password": "secret", "iam_role_arn": "role", "iam_idp_arn": "provider", "db_user": "app",
			"http_request_connect_timeout": "30", "ssl_secure": "false", "iam_host": "host", "iam_default_port": "5433", "iam_region": "eu-west-1", "iam_token_expiration": "600",
			"iam_insecure_transport": "true", "aws_profile": "prod",
		}, all},
		"Go": {map[string]string{
			"idpEndpoint": "idp.example.com", "idpPort": "8443", "idpUsername": "jane", "idpPassword": "secret", "iamRoleArn": "role", "iamIdpArn": "provider", "dbUser": "app",
			"httpTimeoutMs": "30000", "sslInsecure": "true", "iamHost": "host", "iamDefaultPort": "5433", "iamRegion": "eu-west-1", "iamTokenExpirationSec": "600",
			"iamInsecureTransport": "true", "awsProfile": "prod",
		}, all},
		"JDBC": {map[string]string{"httpClientConnectTimeout": "30000", "httpClientSocketTimeout": "1000", "iamTokenExpiration": "600"},
			federated.Options{Port: 443, Timeout: 30 * time.Second, Expiration: 10 * time.Minute, TokenPort: -1}},
		"defaults":        {nil, federated.Options{Port: 443, Timeout: time.Minute, Expiration: 870 * time.Second, TokenPort: -1}},
		"no token twice":  {map[string]string{"iam_token_expiration": "0"}, federated.Options{Port: 443, Timeout: time.Minute, Expiration: -1, TokenPort: -1}},
		"secure":          {map[string]string{"ssl_secure": "true"}, federated.Options{Port: 443, Timeout: time.Minute, Expiration: 870 * time.Second, TokenPort: -1}},
		"not so insecure": {map[string]string{"ssl_insecure": "false"}, federated.Options{Port: 443, Timeout: time.Minute, Expiration: 870 * time.Second, TokenPort: -1}},
	}
	for name, test := range tests {
		s, err := core.TakeSettings(test.parameters)
		if err != nil {
			t.Fatal(err)
		}
		got, err := federated.FromSettings(s)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(federated.Options{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
