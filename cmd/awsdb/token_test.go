package main

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/awsdb/awsdb/lab/cloud"
)

const endpoint = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"

// account lets the SDK's default chain find an identity of a cloud, and nothing of this
// machine's.
func account(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	identity := cloud.Identity{}
	if c != nil {
		identity = c.AddIdentity("app", cloud.Policy{})
	}
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": identity.AccessKeyID, "AWS_SECRET_ACCESS_KEY": identity.SecretAccessKey, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(key, value)
	}
}

// What is printed logs in to the host it was asked for, in every form.
func TestToken(t *testing.T) {
	aws := cloud.New(cloud.Options{})
	account(t, aws)
	tests := map[string]struct {
		args []string
		port int
		user string
	}{
		"flags":        {[]string{"--host", endpoint, "--user", "app"}, 5432, "app"},
		"a port":       {[]string{"--host", endpoint, "--user", "app", "--port", "3306"}, 3306, "app"},
		"an odd user":  {[]string{"--host", endpoint, "--user", "ann@example+1"}, 5432, "ann@example+1"},
		"PostgreSQL":   {[]string{"postgres://app@" + endpoint + "/shop?sslmode=verify-full"}, 5432, "app"},
		"key = value":  {[]string{"host=" + endpoint + " user=app dbname=shop"}, 5432, "app"},
		"MySQL":        {[]string{"app@tcp(" + endpoint + ")/shop?tls=true"}, 3306, "app"},
		"for a tunnel": {[]string{"postgres://app@localhost:15432/shop?iam_host=" + endpoint + "&iam_default_port=5432"}, 5432, "app"},
		"the region":   {[]string{"--host", endpoint, "--user", "app", "--region", "us-east-1"}, 5432, "app"},
	}
	for name, test := range tests {
		for _, escape := range []bool{false, true} {
			args := append([]string{"token"}, test.args...)
			if escape {
				args = append(args, "--escape")
			}
			code, out, problems := execute(t.Context(), args...)
			if code != exitOK || problems != "" {
				t.Errorf("%s: exit code %d: %s", name, code, problems)
				continue
			}
			token, complete := strings.CutSuffix(out, "\n")
			if escape {
				if strings.ContainsAny(token, "/?&@ ") {
					t.Errorf("%s: not escaped", name)
				}
				token, _ = url.QueryUnescape(token)
			}
			if err := aws.VerifyToken(token, []string{endpoint}, test.port, test.user, "us-east-1"); err != nil || !complete {
				t.Errorf("%s, escaped %v: %v", name, escape, err)
			}
		}
	}
}

// Other plugins' credentials come out as well.
func TestTokenOfSecret(t *testing.T) {
	aws := cloud.New(cloud.Options{})
	account(t, aws)
	aws.PutSecret("prod/db", `{"username": "app", "password": "a +b/"}`)
	server := httptest.NewServer(aws)
	defer server.Close()
	dsn := "postgres://" + endpoint + "/shop?secrets_manager_secret_id=prod/db&secrets_manager_endpoint=" + url.QueryEscape(server.URL)
	for want, args := range map[string][]string{"a +b/\n": {"token", dsn}, "a%20%2Bb%2F\n": {"token", "--escape", dsn}} {
		if code, out, problems := execute(t.Context(), args...); code != exitOK || out != want {
			t.Errorf("exit code %d: %q, want %q: %s", code, out, want, problems)
		}
	}
}

// Whoever gets no token learns why, and nothing else is printed where a script takes it
// for one.
func TestNoToken(t *testing.T) {
	account(t, nil)
	tests := map[string]struct {
		args     []string
		code     int
		problems []string
	}{
		"nothing said":   {nil, exitUsage, []string{"--host and --user", "see awsdb token --help"}},
		"no user":        {[]string{"--host", endpoint}, exitUsage, []string{"--host and --user"}},
		"both":           {[]string{"--host", endpoint, "postgres://app@h/db"}, exitUsage, []string{"connection string"}},
		"unquoted":       {[]string{"host=h", "user=u"}, exitUsage, []string{"quotes"}},
		"wrong region":   {[]string{"--host", endpoint, "--user", "app", "--region", "us-east-1a"}, exitUsage, []string{"us-east-1a"}},
		"no plugin":      {[]string{"postgres://app@" + endpoint + "/shop?plugins=none"}, exitFailed, []string{"plugins=iam"}},
		"no credentials": {[]string{"--host", endpoint, "--user", "app"}, exitFailed, []string{"credentials"}},
		"no RDS name":    {[]string{"--host", "db.invalid", "--user", "app"}, exitFailed, []string{"iam_host"}},
	}
	for name, test := range tests {
		code, out, problems := execute(t.Context(), append([]string{"token"}, test.args...)...)
		if code != test.code || out != "" {
			t.Errorf("%s: exit code %d, output %q", name, code, out)
		}
		contains(t, name, problems, test.problems)
	}
}
