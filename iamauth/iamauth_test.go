package iamauth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

const (
	clusterName = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	accessKey   = "AKIDENVIRONMENT"
	secretKey   = "SECRET-OF-THE-ENVIRONMENT"
)

// environment gives the SDK's chain credentials and nothing else.
func environment(t *testing.T) {
	t.Helper()
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_CONFIG_FILE": t.TempDir() + "/config", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/credentials", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(key, value)
	}
}

// handle opens a Connector as a driver does for a DSN.
func handle(t *testing.T, addr, password string, params map[string]string, plugins ...core.Plugin) (*core.Connector, error) {
	t.Helper()
	keys := map[string]string{}
	for key, value := range params {
		keys[key] = value
	}
	settings, err := core.TakeSettings(keys)
	for key := range keys {
		t.Errorf("parameter %s is not known", key)
	}
	k, err := core.NewConnector(core.Config{
		Addr: addr, User: "app", Password: core.Secret(password), Settings: settings, Problems: []error{err}, Plugins: plugins,
	})
	if err == nil {
		t.Cleanup(func() {
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return k, err
}

// signed is what a token says.
type signed struct{ Host, User, Region, AccessKeyID string }

func inspect(t *testing.T, token core.Secret) signed {
	t.Helper()
	u, err := url.Parse("https://" + string(token))
	if err != nil {
		t.Fatal("a token that is no URL")
	}
	scope := strings.Split(u.Query().Get("X-Amz-Credential"), "/")
	if len(scope) != 5 || scope[3] != "rds-db" || u.Query().Get("X-Amz-Expires") != "900" {
		t.Fatal("not a token")
	}
	return signed{u.Host, u.Query().Get("DBUser"), scope[2], scope[0]}
}

// The plugin runs when there is no password, or when it is configured.
func TestWhenThePluginRuns(t *testing.T) {
	environment(t)
	for name, test := range map[string]struct {
		addr     string
		password string
		params   map[string]string
		want     bool
	}{
		"no password":           {want: true},
		"a name of one's own":   {addr: "db.internal:5432", params: map[string]string{"iam_host": clusterName}, want: true},
		"trusted by the host":   {addr: "localhost:5432"},
		"trusted by address":    {addr: "10.0.0.1:5432"},
		"trusted by IPv6":       {addr: "[::1]:5432"},
		"trusted on a socket":   {addr: "/var/run/postgresql"},
		"a tunnel":              {addr: "127.0.0.1:15432", params: map[string]string{"iam_host": clusterName}, want: true},
		"password":              {password: "p"},
		"password and a region": {password: "p", params: map[string]string{"iamRegion": "us-east-1"}, want: true},
		"password and a host":   {password: "p", params: map[string]string{"iam_host": clusterName}, want: true},
		"named":                 {password: "p", params: map[string]string{"plugins": "iam"}, want: true},
		"none":                  {params: map[string]string{"plugins": "none"}},
		"a profile alone":       {password: "p", params: map[string]string{"aws_profile": "production"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			if test.addr == "" {
				test.addr = clusterName + ":5432"
			}
			k, err := handle(t, test.addr, test.password, test.params)
			if err != nil {
				t.Fatal(err)
			}
			user, password, err := k.Credentials(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := string(password) != test.password; got != test.want || user != "app" {
				t.Errorf("%s: runs %t, user %s", name, got, user)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	environment(t)
	for name, test := range map[string]struct {
		addr   string
		params map[string]string
		want   signed
	}{
		"none": {clusterName + ":5432", nil, signed{clusterName + ":5432", "app", "us-east-1", accessKey}},
		"tunnel": {"localhost:15432", map[string]string{"iamHost": clusterName, "iamDefaultPort": "5432"},
			signed{clusterName + ":5432", "app", "us-east-1", accessKey}},
		"name without a region": {"localhost:5432", map[string]string{"iam_host": "db.internal", "iam_region": "eu-west-1", "iam_default_port": "-1"},
			signed{"db.internal:5432", "app", "eu-west-1", accessKey}},
		"of other wrappers": {clusterName + ":5432", map[string]string{"wrapper_plugins": "iam", "iamAccessTokenPropertyName": "password"},
			signed{clusterName + ":5432", "app", "us-east-1", accessKey}},
	} {
		synctest.Test(t, func(t *testing.T) {
			k, err := handle(t, test.addr, "", test.params)
			if err != nil {
				t.Fatal(err)
			}
			_, token, err := k.Credentials(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, inspect(t, token)); diff != "" {
				t.Errorf("%s: token (-want +got):\n%s", name, diff)
			}
		})
	}
}

func TestExpirationParameter(t *testing.T) {
	environment(t)
	for spelling, want := range map[string]time.Duration{
		"":                     870 * time.Second,
		"iam_expiration=60":    time.Minute,
		"iamExpirationSec=60":  time.Minute,
		"iam_expiration=2m":    2 * time.Minute,
		"iam_expiration=90000": 870 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			params := map[string]string{}
			if key, value, ok := strings.Cut(spelling, "="); ok {
				params[key] = value
			}
			k, err := handle(t, clusterName+":5432", "", params)
			if err != nil {
				t.Fatal(err)
			}
			token := func() core.Secret {
				_, token, err := k.Credentials(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			first := token()
			time.Sleep(want - time.Second)
			early := token() == first
			time.Sleep(time.Second)
			if late := token() == first; !early || late {
				t.Errorf("%q: the token is used before its end %t, after it %t", spelling, early, late)
			}
		})
	}
}

func TestMistakesAreFoundAtOpen(t *testing.T) {
	for name, test := range map[string]struct {
		params map[string]string
		want   string
	}{
		"region":               {map[string]string{"iam_region": "us-east-1a"}, `awsdb: configuration: plugin iam: iam_region: "us-east-1a" is no AWS region: want a name such as us-east-1`},
		"another region":       {map[string]string{"iam_region": "us-east-2"}, "awsdb: configuration: plugin iam: iam_region: region us-east-2 contradicts the host name " + clusterName + ", which is in us-east-1"},
		"another partition":    {map[string]string{"iam_region": "cn-north-1"}, "awsdb: configuration: plugin iam: iam_region: region cn-north-1 contradicts the host name " + clusterName + ", which is in us-east-1"},
		"host that has a port": {map[string]string{"iam_host": "db.internal:5432"}, `awsdb: configuration: plugin iam: iam_host="db.internal:5432": want a host name without a port, such as mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com`},
		"port":                 {map[string]string{"iam_default_port": "70000"}, "awsdb: configuration: plugin iam: iam_default_port=70000: want a port, or -1 for the one that is dialled"},
	} {
		_, err := handle(t, clusterName+":5432", "", test.params)
		if !errors.Is(err, core.ErrConfig) || err.Error() != test.want {
			t.Errorf("%s: error %v\nwant %s", name, err, test.want)
		}
	}
	_, err := New(Options{Region: "mars"})
	if want := `awsdb: configuration: iamauth.Options: iam_region: "mars" is no AWS region: want a name such as us-east-1`; !errors.Is(err, core.ErrConfig) || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
}

func TestErrorsOfALogin(t *testing.T) {
	environment(t)
	for name, test := range map[string]struct {
		addr   string
		params map[string]string
		want   string
	}{
		"host":    {"10.1.2.3:5432", map[string]string{"plugins": "iam"}, `"10.1.2.3" is no RDS name and no alias of one: name in iam_host`},
		"region":  {"localhost:5432", map[string]string{"iam_host": "db.internal"}, `the region of "db.internal" is unknown: set iam_region`},
		"profile": {clusterName + ":5432", map[string]string{"aws_profile": "nobody"}, `no profile "nobody" in the AWS configuration files`},
	} {
		k, err := handle(t, test.addr, "", test.params)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = k.Credentials(t.Context())
		var e *core.Error
		if !errors.As(err, &e) || e.Phase != "credentials" || !errors.Is(err, core.ErrConnect) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v\nwant one with %s", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), secretKey) {
			t.Errorf("%s: the error shows the secret key", name)
		}
	}
}

// slow is a provider that takes a second, and counts.
type slow struct {
	mu    sync.Mutex
	calls int
}

// Retrieve implements aws.CredentialsProvider.
func (s *slow) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
		return aws.Credentials{AccessKeyID: "AK", SecretAccessKey: secretKey, CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
}

// One plugin may serve several handles, and any of them may be closed at any time.
func TestSeveralHandles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		provider := &slow{}
		p, err := New(Options{AWS: awsauth.Options{Credentials: provider}})
		if err != nil {
			t.Fatal(err)
		}
		first, err := handle(t, clusterName+":5432", "", nil, p)
		if err != nil {
			t.Fatal(err)
		}
		second, err := handle(t, clusterName+":5432", "", nil, p)
		if err != nil {
			t.Fatal(err)
		}
		var logins sync.WaitGroup
		logins.Go(func() {
			if _, _, err := first.Credentials(t.Context()); !errors.Is(err, core.ErrClosed) {
				t.Errorf("of the handle that is closed meanwhile: %v", err)
			}
		})
		synctest.Wait()
		logins.Go(func() {
			if _, _, err := second.Credentials(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := first.Close(); err != nil { // in the middle of the retrieval
			t.Error(err)
		}
		logins.Wait()
		if provider.calls > 2 {
			t.Errorf("%d retrievals, want one, and one more for what was cut", provider.calls)
		}

		time.Sleep(2 * time.Hour)
		logins.Go(func() {
			if _, _, err := second.Credentials(t.Context()); !errors.Is(err, core.ErrClosed) {
				t.Errorf("while the last handle is closed: %v", err)
			}
		})
		synctest.Wait()
		if err := second.Close(); err != nil {
			t.Error(err)
		}
		logins.Wait()
	})
}

// B92: two handles with two profiles against one host.
func TestTwoIdentities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handles []*core.Connector
		for _, name := range []string{"ALICE", "BOB"} {
			p, err := New(Options{AWS: awsauth.Options{Credentials: credentials.NewStaticCredentialsProvider(name, secretKey, "")}})
			if err != nil {
				t.Fatal(err)
			}
			k, err := handle(t, clusterName+":5432", "", nil, p)
			if err != nil {
				t.Fatal(err)
			}
			handles = append(handles, k)
		}
		for range 3 {
			for n, name := range []string{"ALICE", "BOB"} {
				_, token, err := handles[n].Credentials(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := inspect(t, token).AccessKeyID; got != name {
					t.Errorf("%s got a token of %s", name, got)
				}
			}
			time.Sleep(20 * time.Minute)
		}
	})
}

// Whoever opts out of tokens that are kept gets a new one for each login.
func TestExpirationOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Options{Expiration: -1, AnyTransport: true, AWS: awsauth.Options{Credentials: credentials.NewStaticCredentialsProvider("AK", secretKey, "")}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		login := p.(interface {
			core.Authenticator
			core.Runner
		})
		go login.Run(ctx, nil)
		target := core.Target{Login: core.Login{User: "app", Host: clusterName, Port: 5432, Own: true}}
		seen := map[core.Secret]bool{}
		for range 3 {
			answer, err := login.Authenticate(ctx, target)
			if err != nil {
				t.Fatal(err)
			}
			if !answer.Fresh || answer.Transport != core.TransportAny {
				t.Errorf("fresh %t, transport %s", answer.Fresh, answer.Transport)
			}
			seen[answer.Password] = true
			time.Sleep(time.Second)
		}
		if len(seen) != 3 {
			t.Errorf("%d tokens for three logins", len(seen))
		}
	})
}
