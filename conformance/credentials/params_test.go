package credentials

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// environment makes an identity that of this process, for the SDK's default chain.
func environment(t *testing.T, s *stage, i cloud.Identity) {
	t.Helper()
	s.secret("a secret key", i.SecretAccessKey)
	s.secret("a session token", i.SessionToken)
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": i.AccessKeyID, "AWS_SECRET_ACCESS_KEY": i.SecretAccessKey, "AWS_SESSION_TOKEN": i.SessionToken,
		"AWS_REGION": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(key, value)
	}
}

// byDSN opens a handle whose plugins are those that the connection string chooses.
func (s *stage) byDSN(dsn string) (*frontend.Handle, error) {
	h, err := s.front.Open(frontend.Options{Lab: s.Cluster, DSN: dsn, Logger: slog.New(s), Params: map[string]string{"topology-monitoring-user": watch}})
	return h, s.err(err)
}

// unverified are parameters for TLS that does not verify the server.
func unverified(f frontend.Frontend) string {
	if f.Driver() == frontend.MySQL.Driver() {
		return "tls=skip-verify"
	}
	return "sslmode=require"
}

// A connection string is all that is needed: without a password, and with any parameter of iam, it
// logs in with tokens.
func TestIAMByConnectionString(t *testing.T) {
	for _, test := range []struct {
		params  []string
		anyTLS  bool     // the connection string asks for TLS that verifies nothing
		remedy  []string // what the error says; nothing: logs in
		atOpen  bool
		nothing bool // there are no AWS credentials
	}{
		{},
		{params: []string{"plugins=iam"}},
		{params: []string{"wrapper_plugins=failover,iam,efm"}},
		{params: []string{"iam_region=us-east-1"}},
		{params: []string{"iamRegion=us-east-1", "iamExpirationSec=60", "iam_default_port=-1"}},
		{params: []string{"iam_expiration=0"}},
		{params: []string{"iamHost=mydb-1" + domain}},
		{anyTLS: true, params: []string{"iam_insecure_transport=true"}},
		{anyTLS: true, remedy: []string{"iam_insecure_transport=true", "global-bundle.pem"}},
		{anyTLS: true, params: []string{"iam_insecure_transport=false"}, remedy: []string{"iam_insecure_transport=true"}},
		{params: []string{"plugins=iam,aws_secrets_manager", "secrets_manager_secret_id=x"}, remedy: []string{"iam", "aws_secrets_manager"}, atOpen: true},
		{params: []string{"aws_profile=nobody's"}, remedy: []string{"nobody's", "aws_profile"}},
		{params: []string{"plugins=iam"}, nothing: true, remedy: []string{"AWS_ACCESS_KEY_ID", "aws_profile"}},
	} {
		t.Run(strings.Join(test.params, " "), func(t *testing.T) {
			frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, f, lab.Options{Auth: lab.IAM, Instances: 1})
					environment(t, s, s.aws.AddIdentity("app", cloud.Policy{DBUsers: []string{app, watch}}))
					if test.nothing {
						environment(t, s, cloud.Identity{})
					}
					dsn := s.DSN(s.Endpoint(), test.params...)
					if test.anyTLS {
						dsn = f.DSN(frontend.Login{User: app, Host: s.Endpoint(), Database: "app"}, append(slices.Clone(test.params), unverified(f))...)
					}
					h, err := s.byDSN(dsn)
					if err == nil {
						defer h.Close() //nolint:errcheck // not what is tested
						err = s.err(h.Dial(t.Context()))
						if test.atOpen {
							t.Error("it was opened")
						}
					}
					if (err == nil) != (len(test.remedy) == 0) {
						t.Errorf("%v: %v", test.params, err)
					}
					for _, text := range test.remedy {
						if err != nil && !strings.Contains(err.Error(), text) {
							t.Errorf("the error does not say %q: %v", text, err)
						}
					}
				})
			})
		})
	}
}

// onLoopback is a stage in real time, whose cloud is an HTTP server.
func onLoopback(t *testing.T, f frontend.Frontend, auth lab.Auth) (s *stage, plain, secure *url.URL) {
	t.Helper()
	aws := cloud.New(cloud.Options{})
	c, err := lab.Start(lab.Options{Flavor: f.Flavors().Aurora, TLS: lab.TLSRequired, Auth: auth, Cloud: aws, Instances: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s = &stage{c, newEvidence(), aws, f, f.SQL(), f.Codes()}
	t.Cleanup(func() { s.check(t) })
	http, https := httptest.NewServer(aws), httptest.NewTLSServer(aws)
	t.Cleanup(http.Close)
	t.Cleanup(https.Close)
	plain, err = url.Parse(http.URL)
	if err != nil {
		t.Fatal(err)
	}
	secure, err = url.Parse(https.URL)
	if err != nil {
		t.Fatal(err)
	}
	return s, plain, secure
}

// dials demands that a handle can connect.
func (s *stage) dials(t *testing.T, dsn string) {
	t.Helper()
	h, err := s.byDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() //nolint:errcheck // not what is tested
	if err := s.err(h.Dial(t.Context())); err != nil {
		t.Error(err)
	}
}

// The same of secrets, with a service that is reached by HTTP.
func TestSecretsByConnectionString(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		s, endpoint, _ := onLoopback(t, f, lab.Password)
		environment(t, s, s.aws.AddIdentity("reader", cloud.Policy{Secrets: []string{secretID}}))
		s.SetPassword(app, s.password(1))
		s.aws.PutSecret(secretID, secretText(app, s.password(1)))
		for _, params := range [][]string{
			{"secrets_manager_secret_id=" + secretID, "secrets_manager_endpoint=" + endpoint.String()},
			{"secretsManagerSecretId=" + s.aws.SecretARN(secretID), "secretsManagerEndpoint=" + endpoint.String(), "plugins=awsSecretsManager,failover"},
		} {
			s.dials(t, s.DSN(s.Endpoint(), params...))
		}
		t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint.String())
		s.dials(t, s.DSN(s.Endpoint(), "secretId="+secretID, "secretRegion=us-east-1"))
	})
}

// The same of sign-ins, with pages that are reached by HTTPS. What the connection string calls user and
// password are those of the identity provider.
func TestSignInByConnectionString(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		s, endpoint, idp := onLoopback(t, f, lab.IAM)
		environment(t, s, cloud.Identity{})
		t.Setenv("AWS_ENDPOINT_URL_STS", endpoint.String())
		role := s.aws.AddRole(roleOfApp, cloud.Policy{})
		s.aws.AddUser(alice, s.password(1))
		host, port, err := net.SplitHostPort(idp.Host)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []struct {
			service cloud.Operation
			params  []string
		}{
			{cloud.ADFS, []string{"idp_endpoint=" + host, "ssl_secure=false"}},
			{cloud.ADFS, []string{"idpEndpoint=" + host, "sslInsecure=true", "plugins=federatedAuth,failover"}},
			{cloud.Okta, []string{"idp_endpoint=" + host, "ssl_secure=false", "app_id=exk1awsdblab"}},
			{cloud.Okta, []string{"idpEndpoint=" + host, "sslInsecure=true", "appId=exk1awsdblab", "plugins=okta"}},
		} {
			params := append(of.params, "idp_port="+port, "db_user="+app, "iam_role_arn="+role, "iam_idp_arn="+s.aws.ProviderARN(of.service))
			s.dials(t, s.DSN(s.Endpoint(), append(params, "idp_username="+alice, "idp_password="+s.password(1))...))
			login := frontend.Login{User: alice, Password: "simple-0-pl4nted", Host: s.Endpoint(), Database: "app"}
			s.aws.AddUser(alice, login.Password)
			s.dials(t, f.DSN(login, append(params, f.Params().VerifiedTLS(s.CAFile())...)...))
			s.aws.AddUser(alice, s.password(1))
		}
	})
}
