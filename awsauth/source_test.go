package awsauth

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"
)

// home gives the SDK's chain nothing but files in a directory of the test's own.
func home(t *testing.T) (file string) {
	t.Helper()
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // restores it at the end
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	file = filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", file)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(filepath.Dir(file), "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const twoProfiles = `[default]
region = us-east-1
aws_access_key_id = DEFAULT
aws_secret_access_key = s
[profile other]
region = eu-west-1
aws_access_key_id = OTHER
aws_secret_access_key = s
`

// signer returns the access key of the source's credentials.
func signer(t *testing.T, s *Source) string {
	t.Helper()
	provider, err := s.Credentials(t.Context(), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := provider.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKeyID
}

func TestSource(t *testing.T) {
	static := credentials.NewStaticCredentialsProvider("STATIC", "s", "")
	client := &http.Client{}
	tests := map[string]struct {
		options        Options
		env            map[string]string
		signer, region string
	}{
		"default chain":         {signer: "DEFAULT", region: "us-east-1"},
		"profile":               {options: Options{Profile: "other"}, signer: "OTHER", region: "eu-west-1"},
		"AWS_PROFILE":           {env: map[string]string{"AWS_PROFILE": "other"}, signer: "OTHER", region: "eu-west-1"},
		"environment":           {env: map[string]string{"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-west-2"}, signer: "ENV", region: "us-west-2"},
		"credentials":           {options: Options{Credentials: static}, signer: "STATIC", region: "us-east-1"},
		"profile, region":       {options: Options{Profile: "other", Region: "us-west-1"}, signer: "OTHER", region: "us-west-1"},
		"config":                {options: Options{Config: &aws.Config{Region: "ap-south-1", Credentials: static}}, signer: "STATIC", region: "ap-south-1"},
		"config, overridden":    {options: Options{Config: &aws.Config{Region: "ap-south-1"}, Credentials: static, Region: "us-west-1"}, signer: "STATIC", region: "us-west-1"},
		"client":                {options: Options{HTTPClient: client}, signer: "DEFAULT", region: "us-east-1"},
		"config and the client": {options: Options{Config: &aws.Config{Credentials: static}, HTTPClient: client}, signer: "STATIC"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			write(t, home(t), twoProfiles)
			for key, value := range test.env {
				t.Setenv(key, value)
			}
			s := NewSource(test.options)
			region, err := s.Region(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.signer, test.region}, []string{signer(t, s), region}); diff != "" {
				t.Errorf("signer, region (-want +got):\n%s", diff)
			}
			cfg, err := s.Config(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.options.HTTPClient != nil && cfg.HTTPClient != test.options.HTTPClient {
				t.Error("another HTTP client")
			}
			if c, err := cfg.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != test.signer {
				t.Errorf("the configuration is signed for by %s: %v", c.AccessKeyID, err)
			}
		})
	}
}

// The SDK takes no client but its own where authorities are named: the application's is
// used all the same.
func TestSourceClientBesideAuthorities(t *testing.T) {
	write(t, home(t), twoProfiles)
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "bundle.pem")
	write(t, bundle, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	t.Setenv("AWS_CA_BUNDLE", bundle)
	client := &http.Client{}
	s := NewSource(Options{HTTPClient: client})
	cfg, err := s.Config(t.Context())
	if err != nil || cfg.HTTPClient != client || signer(t, s) != "DEFAULT" {
		t.Errorf("%v, %T", err, cfg.HTTPClient)
	}
	if _, err := NewSource(Options{HTTPClient: client, Profile: "none"}).Config(t.Context()); err == nil || !strings.Contains(err.Error(), `no profile "none"`) {
		t.Errorf("another mistake: %v", err)
	}
}

func TestSourceErrors(t *testing.T) {
	file := home(t)
	t.Run("profile", func(t *testing.T) {
		s := NewSource(Options{Profile: "other"})
		_, err := s.Credentials(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), `no profile "other" in the AWS configuration files: name another in aws_profile`) {
			t.Errorf("error %v", err)
		}
		write(t, file, twoProfiles) // an error is not kept
		if got := signer(t, s); got != "OTHER" {
			t.Errorf("signed by %q", got)
		}
		write(t, file, "") // the configuration is
		if got := signer(t, s); got != "OTHER" {
			t.Errorf("signed by %q", got)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		write(t, file, "")
		provider, err := NewSource(Options{}).Credentials(t.Context(), "")
		if err == nil {
			_, err = provider.Retrieve(t.Context())
		}
		if !errors.Is(err, ErrNoCredentials) || !strings.Contains(err.Error(), "set AWS_ACCESS_KEY_ID") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("config without credentials", func(t *testing.T) {
		if _, err := NewSource(Options{Config: &aws.Config{}}).Credentials(t.Context(), ""); !errors.Is(err, ErrNoCredentials) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("config and profile", func(t *testing.T) {
		if _, err := NewSource(Options{Config: &aws.Config{}, Profile: "other"}).Config(t.Context()); err == nil || !strings.Contains(err.Error(), "both Config and Profile") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("somebody is loading", func(t *testing.T) {
		s := NewSource(Options{})
		s.turn <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Config(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

// Credentials of a role come from the chain with the time that they really end at, and a
// server's refusal has them replaced though they have not expired.
func TestSourceOfRoleCredentials(t *testing.T) {
	home(t)
	end := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	var asked atomic.Int32
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":"AK%d","SecretAccessKey":"s","Token":"t","Expiration":%q}`, asked.Add(1), end.Format(time.RFC3339))
	}))
	defer container.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.URL)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	provider, err := NewSource(Options{HTTPClient: client}).Credentials(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := provider.Retrieve(t.Context())
		if err != nil || c.AccessKeyID != "AK1" || !c.Expires.Equal(end) {
			t.Errorf("%s until %s, want AK1 until %s: %v", c.AccessKeyID, c.Expires, end, err)
		}
	}
	kept, ok := provider.(*keeper)
	if !ok {
		t.Fatalf("the provider is a %T", provider)
	}
	kept.renewNow("AK0")
	if got := retrieve(t, provider); got != "AK1" {
		t.Errorf("%s, want AK1: others were refused", got)
	}
	kept.renewNow("AK1")
	if got := retrieve(t, provider); got != "AK2" {
		t.Errorf("%s, want AK2", got)
	}
	container.Close()
	kept.renewNow("AK2")
	if got := retrieve(t, provider); got != "AK2" {
		t.Errorf("%s, want AK2: it has not expired", got)
	}
}

// B94: the SDK quotes what a credential_process has printed when it cannot read it, as with a
// warning in front of the credentials. How the process ended is told.
func TestCredentialProcess(t *testing.T) {
	const key = "wJalrXUtnFEMI"
	file := home(t)
	for script, want := range map[string]string{
		`echo 'warning: old'; echo '{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"` + key + `"}'`:      "credential_process",
		`echo '{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"` + key + `","Expiration":"in an hour"}'`: "credential_process",
		`echo '{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"` + key + `","Expiration":1}'`:            "credential_process",
		`echo '{"Version":1,"AccessKeyId":"AK","SecretAccessKey":"` + key + `"}'; exit 7`:                   "exit status 7",
		`echo '{"Version":2,"AccessKeyId":"AK","SecretAccessKey":"` + key + `"}'`:                           "wrong version",
	} {
		program := filepath.Join(t.TempDir(), "process")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil { //nolint:gosec // it is to be run
			t.Fatal(err)
		}
		write(t, file, "[default]\nregion = us-east-1\ncredential_process = "+program+"\n")
		cfg, err := config.LoadDefaultConfig(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, options := range map[string]Options{"chain": {}, "provider": {Credentials: aws.CredentialsProviderFunc(cfg.Credentials.Retrieve)}, "config": {Config: &cfg}, "cache": {Credentials: cfg.Credentials}} {
			p, err := NewTokens(TokenOptions{Code: "iam", Credentials: NewSource(options).Credentials})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.identify(t.Context(), "us-east-1")
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), key) {
				t.Errorf("%s, %s: %v", name, script, err)
			}
		}
	}
}
