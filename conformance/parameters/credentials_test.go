package parameters

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
	_ "github.com/awsdb/awsdb/failover"
	_ "github.com/awsdb/awsdb/federated/adfs"
	_ "github.com/awsdb/awsdb/federated/okta"
	_ "github.com/awsdb/awsdb/hostmonitor"
	_ "github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
	_ "github.com/awsdb/awsdb/secrets"
)

// spelling is one way to write a parameter, and what it means.
type spelling struct {
	key, value, name string
	want             any
}

// spellings are those of the Python, Go, JDBC, and Node.js wrappers, spec 13.6 and 10.
var spellings = []spelling{
	{"iam_host", "db", "iam_host", "db"}, {"iamHost", "db", "iam_host", "db"},
	{"iam_default_port", "5433", "iam_default_port", 5433}, {"iamDefaultPort", "-1", "iam_default_port", -1},
	{"iam_region", "eu-west-1", "iam_region", "eu-west-1"}, {"iamRegion", "eu-west-1", "iam_region", "eu-west-1"},
	{"iam_expiration", "900", "iam_expiration", 15 * time.Minute}, {"iamExpiration", "60", "iam_expiration", time.Minute},
	{"iamExpirationSec", "60", "iam_expiration", time.Minute}, {"iam_expiration", "2m", "iam_expiration", 2 * time.Minute},
	{"iamAccessTokenPropertyName", "password", "iam_access_token_property_name", "password"},
	{"awsProfile", "prod", "aws_profile", "prod"}, {"aws_profile", "prod", "aws_profile", "prod"},

	{"secrets_manager_secret_id", "s", "secrets_manager_secret_id", "s"}, {"secretsManagerSecretId", "s", "secrets_manager_secret_id", "s"}, {"secretId", "s", "secrets_manager_secret_id", "s"},
	{"secrets_manager_region", "r", "secrets_manager_region", "r"}, {"secretsManagerRegion", "r", "secrets_manager_region", "r"}, {"secretRegion", "r", "secrets_manager_region", "r"},
	{"secrets_manager_endpoint", "u", "secrets_manager_endpoint", "u"}, {"secretsManagerEndpoint", "u", "secrets_manager_endpoint", "u"}, {"secretEndpoint", "u", "secrets_manager_endpoint", "u"},
	{"secrets_manager_secret_username_key", "u", "secrets_manager_secret_username_key", "u"}, {"secretsManagerSecretUsernameProperty", "u", "secrets_manager_secret_username_key", "u"},
	{"secretUsernameProperty", "u", "secrets_manager_secret_username_key", "u"},
	{"secrets_manager_secret_password_key", "p", "secrets_manager_secret_password_key", "p"}, {"secretsManagerSecretPasswordProperty", "p", "secrets_manager_secret_password_key", "p"},
	{"secretPasswordProperty", "p", "secrets_manager_secret_password_key", "p"},
	{"secrets_manager_expiration", "31536000", "secrets_manager_expiration", 365 * 24 * time.Hour}, {"secretsManagerExpirationSec", "300", "secrets_manager_expiration", 5 * time.Minute},
	{"secretsManagerExpirationTimeSec", "300", "secrets_manager_expiration", 5 * time.Minute}, {"secretExpirationSec", "300", "secrets_manager_expiration", 5 * time.Minute},
	{"secretsManagerConnectRetryTimeoutMs", "20000", "secrets_manager_connect_retry_timeout_ms", 20 * time.Second},
	{"secretsManagerConnectRetryIntervalMs", "500", "secrets_manager_connect_retry_interval_ms", 500 * time.Millisecond},

	{"db_user", "app", "db_user", "app"}, {"dbUser", "app", "db_user", "app"},
	{"idp_endpoint", "idp", "idp_endpoint", "idp"}, {"idpEndpoint", "idp", "idp_endpoint", "idp"},
	{"idp_port", "8443", "idp_port", 8443}, {"idpPort", "8443", "idp_port", 8443},
	{"idp_username", "jane", "idp_username", "jane"}, {"idpUsername", "jane", "idp_username", "jane"},
	{"idp_password", "pw", "idp_password", "pw"}, {"idpPassword", "pw", "idp_password", "pw"},
	{"iam_role_arn", "a", "iam_role_arn", "a"}, {"iamRoleArn", "a", "iam_role_arn", "a"},
	{"iam_idp_arn", "a", "iam_idp_arn", "a"}, {"iamIdpArn", "a", "iam_idp_arn", "a"},
	{"rp_identifier", "urn:a", "rp_identifier", "urn:a"}, {"rpIdentifier", "urn:a", "rp_identifier", "urn:a"},
	{"idp_name", "adfs", "idp_name", "adfs"}, {"idpName", "adfs", "idp_name", "adfs"},
	{"app_id", "x", "app_id", "x"}, {"appId", "x", "app_id", "x"},
	{"iam_token_expiration", "600", "iam_token_expiration", 10 * time.Minute}, {"iamTokenExpiration", "600", "iam_token_expiration", 10 * time.Minute},
	{"iamTokenExpirationSec", "600", "iam_token_expiration", 10 * time.Minute},
	{"http_request_connect_timeout", "60", "http_request_connect_timeout", time.Minute}, {"httpTimeoutMs", "60000", "http_request_connect_timeout", time.Minute},
	{"httpClientConnectTimeout", "60000", "http_request_connect_timeout", time.Minute}, {"httpClientSocketTimeout", "60000", "http_client_socket_timeout", time.Minute},
	{"ssl_secure", "false", "ssl_secure", false}, {"sslSecure", "true", "ssl_secure", true}, {"sslInsecure", "true", "ssl_insecure", true}, {"ssl_insecure", "false", "ssl_insecure", false},
}

// Every spelling of the other wrappers is known, in its unit.
func TestCredentialSpellings(t *testing.T) {
	for _, s := range spellings {
		keys := map[string]string{s.key: s.value}
		settings, err := core.TakeSettings(keys)
		if err != nil || len(keys) > 0 || !settings.Given(s.name) {
			t.Errorf("%s=%s: %v, left over %v", s.key, s.value, err, keys)
			continue
		}
		var got any
		switch s.want.(type) {
		case int:
			got = settings.Int(s.name)
		case bool:
			got = settings.Bool(s.name)
		case time.Duration:
			got = settings.Duration(s.name)
		default:
			got = settings.String(s.name)
		}
		if got != s.want {
			t.Errorf("%s=%s: %s is %v, want %v", s.key, s.value, s.name, got, s.want)
		}
	}
}

// A value that cannot be right is named as it was written, and so is the key; none of them is
// taken silently for the default.
func TestWrongCredentialValues(t *testing.T) {
	for _, pair := range [][2]string{
		{"iamDefaultPort", "postgres"}, {"iam_default_port", "-2"}, {"iamExpirationSec", "-1"}, {"iam_expiration", "soon"},
		{"iam_insecure_transport", "perhaps"}, {"secretsManagerExpirationSec", "-5"}, {"secretsManagerConnectRetryIntervalMs", "0"},
		{"idpPort", "0"}, {"idp_name", "okta"}, {"httpTimeoutMs", "-1"}, {"sslInsecure", "maybe"}, {"iamTokenExpirationSec", "x"},
	} {
		_, err := core.TakeSettings(map[string]string{pair[0]: pair[1]})
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), pair[0]+"="+fmt.Sprintf("%q", pair[1])) {
			t.Errorf("%s=%s: %v", pair[0], pair[1], err)
		}
	}
}

const (
	host = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	idp  = "&idp_endpoint=idp.example.com&db_user=app&idp_username=jane&idp_password=pw&iam_role_arn=arn:aws:iam::123456789012:role/app&iam_idp_arn=arn:aws:iam::123456789012:saml-provider/p"
)

// Which plugin logs in where none is named: at most one, whatever is linked in.
func TestWhoLogsIn(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	for query, want := range map[string]string{
		"":                                       "iam",
		"password":                               "password",
		"&iam_region=us-east-1":                  "iam",
		"password&iam_region=us-east-1":          "iam",
		"password&aws_profile=p":                 "password",
		"&secretsManagerSecretId=s":              "aws_secrets_manager",
		"password&secret_id=s":                   "aws_secrets_manager",
		idp:                                      "federated_auth",
		"password" + idp:                         "federated_auth",
		idp + "&iam_region=us-east-1":            "federated_auth",
		idp + "&app_id=x":                        "okta",
		"&plugins=none":                          "password",
		"&plugins=failover":                      "password",
		"password&plugins=iam":                   "iam",
		"&plugins=iam,secretsManager&secretId=s": "conflict",
		"&plugins=okta,iam" + idp + "&app_id=x":  "conflict",
		"&secretId=s" + idp:                      "conflict",
	} {
		password := ""
		rest, given := strings.CutPrefix(query, "password")
		if given {
			password = ":pw"
		}
		if strings.Contains(rest, "plugins=none") || strings.Contains(rest, "plugins=failover") {
			password = ":pw"
		}
		k, err := pgdriver.Driver{}.OpenConnector("postgres://app" + password + "@" + host + ":5432/app?" + strings.TrimPrefix(rest, "&"))
		if err != nil {
			if want != "conflict" || !strings.Contains(err.Error(), "cannot run together") {
				t.Errorf("%q: %v", query, err)
			}
			continue
		}
		if got := whoLogsIn(t, k.(*core.Connector)); got != want { //nolint:errcheck // it is pgdriver's own
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

// Half of what a sign-in needs is a mistake to be told of when the handle is opened, not a login
// without credentials.
func TestHalfASignIn(t *testing.T) {
	for query, missing := range map[string]string{
		"db_user=app":                        "idp_endpoint",
		"idp_username=jane&idp_password=pw":  "idp_endpoint",
		"iam_role_arn=arn:aws:iam::1:role/a": "idp_endpoint",
		"idp_endpoint=idp.example.com":       "db_user",
		"app_id=x":                           "idp_endpoint",
		"secrets_manager_region=us-east-1":   "secrets_manager_secret_id",
	} {
		_, err := pgdriver.Driver{}.OpenConnector("postgres://app@" + host + "/app?" + query)
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), missing) || strings.Contains(err.Error(), "cannot run together") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

// whoLogsIn tells by what a login would use, or by the error if that is to be fetched.
func whoLogsIn(t *testing.T, k *core.Connector) string {
	t.Helper()
	defer k.Close() //nolint:errcheck // never fails
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if given := k.Settings().Given; given("secrets_manager_secret_id") || given("idp_endpoint") {
		cancel() // nobody is to be asked
	}
	_, password, err := k.Credentials(ctx)
	switch {
	case err == nil && strings.Contains(string(password), "X-Amz-Signature"):
		return "iam"
	case err == nil:
		return "password"
	}
	for _, code := range []string{"federated_auth", "okta", "iam", "aws_secrets_manager"} {
		if strings.Contains(err.Error(), ": "+code+": ") {
			return code
		}
	}
	return err.Error()
}

// The same parameters are known in every form of a connection string.
func TestCredentialsInEveryForm(t *testing.T) {
	query := url.Values{"plugins": {"iam"}, "iamRegion": {"us-east-1"}, "iamExpirationSec": {"60"}}.Encode()
	for _, dsn := range []string{
		"postgres://app@" + host + "/app?" + query,
		"postgresql+aws_wrapper_psycopg://app@" + host + "/app?" + query,
		"host=" + host + " user=app dbname=app plugins=iam iam_region=us-east-1 iamExpirationSec=60",
		"mysql://app@" + host + ":3306/app?" + query,
		"mysql+aws_wrapper_mysqlconnector://app@" + host + ":3306/app?" + query,
		"app@tcp(" + host + ":3306)/app?" + query,
	} {
		open := pgdriver.Driver{}.OpenConnector
		if strings.HasPrefix(dsn, "mysql") || strings.HasPrefix(dsn, "app@") {
			open = mysqldriver.Driver{}.OpenConnector
		}
		opened, err := open(dsn)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		k := opened.(*core.Connector) //nolint:errcheck // it is awsdb's own
		if got := k.Settings(); got.String("iam_region") != "us-east-1" || got.Duration("iam_expiration") != time.Minute || got.Login().User != "app" {
			t.Errorf("%s: region %q, expiration %s, user %q", dsn, got.String("iam_region"), got.Duration("iam_expiration"), got.Login().User)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}
