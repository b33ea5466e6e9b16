package secrets

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

// Mistakes are told when the plugin is made, all of them, with what to write instead.
func TestWrongOptions(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		want    []string
	}{
		"nothing":         {Options{}, []string{"secrets_manager_secret_id"}},
		"all":             {Options{Region: "x", Endpoint: "y", RetryInterval: -1}, []string{"SecretID", `"x" is no AWS region`, "endpoint", "retry interval"}},
		"region":          {Options{SecretID: "s", Region: "US-EAST-1"}, []string{"us-east-1"}},
		"other region":    {Options{SecretID: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s", Region: "us-east-1"}, []string{"us-east-1 contradicts", "eu-west-1"}},
		"ARN of a bucket": {Options{SecretID: "arn:aws:s3:::hidden"}, []string{"no ARN of a secret", "arn:aws:secretsmanager:"}},
		"ARN cut off":     {Options{SecretID: "arn:aws:secretsmanager:eu-west-1:123456789012"}, []string{"no ARN of a secret"}},
		"ARN's region":    {Options{SecretID: "arn:aws:secretsmanager:europe:123456789012:secret:s"}, []string{`"europe" is no AWS region`}},
		"relative URL":    {Options{SecretID: "s", Endpoint: "localhost:4566"}, []string{"absolute URL"}},
		"other scheme":    {Options{SecretID: "s", Endpoint: "ftp://localhost"}, []string{"https://"}},
		"no host":         {Options{SecretID: "s", Endpoint: "https://:443"}, []string{"https://"}},
		"no URL":          {Options{SecretID: "s", Endpoint: "https://user:hidden 1@%"}, []string{"https://"}},
		"a password":      {Options{SecretID: "s", Endpoint: "https://user:hidden@localhost"}, []string{"https://"}},
		"expiration":      {Options{SecretID: "s", Expiration: pointer(-time.Second)}, []string{"expiration: -1s is negative"}},
		"retry timeout":   {Options{SecretID: "s", RetryTimeout: pointer(-time.Second)}, []string{"retry timeout: -1s"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(test.options)
			if p != nil || !errors.Is(err, core.ErrConfig) {
				t.Fatalf("New: %v, %v", p, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "user:hidden") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
}

// The parameters have the names of the other wrappers, and their units.
func TestParameters(t *testing.T) {
	type made struct {
		ID, Region, Endpoint, User, Password string
		Expiration, Timeout, Interval        time.Duration
	}
	with := func(change func(m *made)) made {
		m := made{"s", "", "", "username", "password", defaultExpiration, defaultRetryTimeout, defaultRetryInterval}
		change(&m)
		return m
	}
	for name, test := range map[string]struct {
		params map[string]string
		want   made
	}{
		"defaults": {map[string]string{"secrets_manager_secret_id": "s"}, with(func(*made) {})},
		"ARN": {map[string]string{"secret_id": "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-1"}, with(func(m *made) {
			m.ID, m.Region = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!cluster-1", "us-east-1"
		})},
		"Go":       {map[string]string{"secretsManagerSecretId": "s", "secretsManagerRegion": "us-east-1", "secretsManagerExpirationSec": "60"}, with(func(m *made) { m.Region, m.Expiration = "us-east-1", time.Minute })},
		"Go, keys": {map[string]string{"secretsManagerSecretId": "s", "secretsManagerSecretUsernameProperty": "u", "secretsManagerSecretPasswordProperty": "p"}, with(func(m *made) { m.User, m.Password = "u", "p" })},
		"JDBC":     {map[string]string{"secretsManagerSecretId": "s", "secretsManagerExpirationTimeSec": "0", "secretsManagerConnectRetryTimeoutMs": "0", "secretsManagerConnectRetryIntervalMs": "250"}, with(func(m *made) { m.Expiration, m.Timeout, m.Interval = 0, 0, 250*time.Millisecond })},
		"Python":   {map[string]string{"secrets_manager_secret_id": "s", "secrets_manager_expiration": "31536000", "secrets_manager_secret_username_key": "u", "secrets_manager_secret_password_key": "p"}, with(func(m *made) { m.Expiration, m.User, m.Password = 365*24*time.Hour, "u", "p" })},
		"Node":     {map[string]string{"secretId": "s", "secretRegion": "us-east-1", "secretEndpoint": "https://localhost", "secretUsernameProperty": "u", "secretPasswordProperty": "p", "secretExpirationSec": "60"}, made{"s", "us-east-1", "https://localhost", "u", "p", time.Minute, defaultRetryTimeout, defaultRetryInterval}},
		"ODBC":     {map[string]string{"SECRET_ID": "s", "SECRET_REGION": "us-east-1", "SECRET_ENDPOINT": "https://localhost"}, with(func(m *made) { m.Region, m.Endpoint = "us-east-1", "https://localhost" })},
		"units":    {map[string]string{"secret_id": "s", "secrets_manager_expiration": "5m", "secrets_manager_connect_retry_timeout_ms": "1m"}, with(func(m *made) { m.Expiration, m.Timeout = 5*time.Minute, time.Minute })},
	} {
		t.Run(name, func(t *testing.T) {
			settings, err := core.TakeSettings(maps.Clone(test.params))
			if err != nil {
				t.Fatal(err)
			}
			built, err := fromSettings(settings)
			if err != nil {
				t.Fatal(err)
			}
			p := built.(*plugin)
			got := made{p.store.id, p.region, p.store.endpoint, p.store.keys.user, p.store.keys.password, p.expiration, p.retryTimeout, p.retryInterval}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A connection string is checked when it is opened.
func TestWrongParameters(t *testing.T) {
	for name, test := range map[string]struct {
		params map[string]string
		want   string
	}{
		"no secret":           {map[string]string{"secrets_manager_region": "us-east-1"}, "set secrets_manager_secret_id"},
		"nothing but a name":  {map[string]string{"plugins": "awsSecretsManager"}, "set secrets_manager_secret_id"},
		"empty":               {map[string]string{"secret_id": "s", "secrets_manager_secret_username_key": ""}, "secrets_manager_secret_username_key is empty"},
		"negative":            {map[string]string{"secret_id": "s", "secrets_manager_expiration": "-1"}, "secrets_manager_expiration"},
		"interval":            {map[string]string{"secret_id": "s", "secrets_manager_connect_retry_interval_ms": "0"}, "secrets_manager_connect_retry_interval_ms"},
		"region and ARN":      {map[string]string{"secret_id": "arn:aws:secretsmanager:us-east-1:123456789012:secret:s", "secret_region": "us-west-1"}, "us-west-1 contradicts"},
		"misspelt":            {map[string]string{"secrets_manager_secret": "s"}, "unknown parameter"},
		"nothing to complain": {map[string]string{"secret_id": "s", "plugins": "aws_secrets_manager2"}, ""},
		"not wanted":          {map[string]string{"secret_id": "s", "plugins": "none"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := handleOf(test.params)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if err := k.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}

// handleOf opens what a connection string with these parameters would.
func handleOf(params map[string]string) (*core.Connector, error) {
	settings, problems := core.TakeSettings(maps.Clone(params))
	return core.NewConnector(core.Config{
		Engine: newDatabase("app", "first password"), Family: "fake", Addr: dsnAddr, Settings: settings, Problems: []error{problems}, Dial: dialNowhere,
	})
}

// The whole way, from a connection string over HTTP: with what the environment says, and
// in the region of the database.
func TestConnectionString(t *testing.T) {
	m := newManager("app", "first password")
	var scope string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope = r.Header.Get("Authorization")
		answer, err := m.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		if _, err := io.Copy(w, answer.Body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "the-aws-secret-key")
	t.Setenv("AWS_REGION", "sa-east-1")
	k, err := handleOf(map[string]string{"secrets_manager_secret_id": secretID, "secrets_manager_endpoint": server.URL})
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	user, password, err := k.Credentials(t.Context())
	if err != nil || user != "app" || password != "first password" {
		t.Errorf("credentials of %q: %v", user, err)
	}
	if want := "/eu-west-1/secretsmanager/aws4_request"; !strings.Contains(scope, want) {
		t.Errorf("signed as %s, want %s", scope, want)
	}
	if n := m.called(stageCurrent); n != 1 {
		t.Errorf("%d calls", n)
	}
	if err := errors.Join(c.Close(), k.Close()); err != nil {
		t.Error(err)
	}
}
