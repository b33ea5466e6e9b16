package awsauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
)

const (
	cluster  = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	instance = "mydb-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	green    = "mydb-1-green-abc123.c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	global   = "mydb.global-abcdefghijkl.global.rds.amazonaws.com"
)

// secretKey and session are what no error and no log may show.
const (
	secretKey = "SECRET-ACCESS-KEY"
	session   = "SESSION-TOKEN"
)

// role is a provider whose credentials expire, or not. It counts.
type role struct {
	mu      sync.Mutex
	calls   int
	life    time.Duration // 0: they do not expire
	takes   time.Duration
	err     error
	keyID   string // "": a new one each time
	panicky bool
}

// Retrieve implements aws.CredentialsProvider.
func (r *role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	r.mu.Lock()
	r.calls++
	c := aws.Credentials{AccessKeyID: r.keyID, SecretAccessKey: secretKey}
	if r.keyID == "" {
		c.AccessKeyID = fmt.Sprintf("AK%d", r.calls)
	}
	if r.life != 0 {
		c.CanExpire, c.Expires, c.SessionToken = true, time.Now().Add(r.life), session
	}
	err, takes, panicky := r.err, r.takes, r.panicky
	r.mu.Unlock()
	if panicky {
		panic(secretKey)
	}
	select {
	case <-time.After(takes):
		return c, err
	case <-ctx.Done():
		return aws.Credentials{}, ctx.Err()
	}
}

func (r *role) set(change func(*role)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(r)
}

func (r *role) asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// tokensOf returns options whose tokens are signed by r.
func tokensOf(r aws.CredentialsProvider, change func(*TokenOptions)) TokenOptions {
	kept := KeepCredentials(r)
	o := TokenOptions{Code: "test", Credentials: func(context.Context, string) (aws.CredentialsProvider, error) { return kept, nil }}
	if change != nil {
		change(&o)
	}
	return o
}

// signing runs f in virtual time with a plugin that one handle runs.
func signing(t *testing.T, o func() TokenOptions, f func(t *testing.T, p *Tokens)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, err := NewTokens(o())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() { p.Run(ctx, nil) })
		defer runs.Wait()
		defer cancel()
		f(t, p)
	})
}

// dial is the Target of a login to the connection string's own host.
func dial(host string) core.Target {
	return core.Target{Host: core.Host{Addr: host}, Login: core.Login{User: "app", Host: host, Port: 5432, Own: true}}
}

// authenticate fails the test when there is no token.
func authenticate(t *testing.T, p *Tokens, target core.Target) core.Target {
	t.Helper()
	answer, err := p.Authenticate(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// inspected is what a token says. Whether its signature is right is for conformance to test.
type inspected struct {
	Host, User, Region, AccessKeyID string
}

func inspect(t *testing.T, token core.Secret) inspected {
	t.Helper()
	u, err := url.Parse("https://" + string(token))
	if err != nil {
		t.Fatal("a token that is no URL")
	}
	q := u.Query()
	scope := strings.Split(q.Get("X-Amz-Credential"), "/")
	if len(scope) != 5 || scope[3] != "rds-db" || scope[4] != "aws4_request" || len(q.Get("X-Amz-Signature")) != 64 ||
		q.Get("X-Amz-Expires") != "900" || q.Get("Action") != "connect" {
		t.Fatal("not a token")
	}
	signed, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if age := time.Since(signed); err != nil || age < 0 || age >= tokenLife || scope[1] != signed.Format("20060102") {
		t.Fatalf("a token of the age %s", age)
	}
	return inspected{u.Host, q.Get("DBUser"), scope[2], scope[0]}
}

func TestTokensAreSignedForTheDatabase(t *testing.T) {
	alias := func(of string) func(context.Context) core.Endpoint {
		return func(context.Context) core.Endpoint { return core.ParseEndpoint(of) }
	}
	tests := map[string]struct {
		options func(*TokenOptions)
		target  func(*core.Target)
		want    inspected
	}{
		"cluster":  {want: inspected{cluster + ":5432", "app", "us-east-1", "AK"}},
		"instance": {target: func(t *core.Target) { t.Login.Host, t.Login.Own = instance, false }, want: inspected{instance + ":5432", "app", "us-east-1", "AK"}},
		"monitor's own user": {target: func(t *core.Target) { t.Login.User = "watcher" },
			want: inspected{cluster + ":5432", "watcher", "us-east-1", "AK"}},
		"user of the options": {options: func(o *TokenOptions) { o.User = "db user" },
			want: inspected{cluster + ":5432", "db user", "us-east-1", "AK"}},
		"port dialled": {target: func(t *core.Target) { t.Login.Port = 6432 }, want: inspected{cluster + ":6432", "app", "us-east-1", "AK"}},
		"port of the options": {options: func(o *TokenOptions) { o.Port = 5432 }, target: func(t *core.Target) { t.Login.Port = 15432 },
			want: inspected{cluster + ":5432", "app", "us-east-1", "AK"}},
		"negative port": {options: func(o *TokenOptions) { o.Port = -1 }, want: inspected{cluster + ":5432", "app", "us-east-1", "AK"}},
		"tunnel": {options: func(o *TokenOptions) { o.Host = strings.ToUpper(cluster) }, target: func(t *core.Target) { t.Login.Host = "127.0.0.1" },
			want: inspected{cluster + ":5432", "app", "us-east-1", "AK"}},
		"Host replaces the own RDS name": {options: func(o *TokenOptions) { o.Host = cluster }, target: func(t *core.Target) { t.Login.Host = instance },
			want: inspected{cluster + ":5432", "app", "us-east-1", "AK"}},
		"Host does not replace an instance's RDS name": {options: func(o *TokenOptions) { o.Host = cluster },
			target: func(t *core.Target) { t.Login.Host, t.Login.Own = instance, false }, want: inspected{instance + ":5432", "app", "us-east-1", "AK"}},
		"instance behind a tunnel": {options: func(o *TokenOptions) { o.Host = "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com" },
			target: func(t *core.Target) { t.Host.ID, t.Login.Host, t.Login.Own = "mydb-1", "mydb-1.tunnel", false },
			want:   inspected{instance + ":5432", "app", "us-east-1", "AK"}},
		"alias": {target: func(t *core.Target) { t.Login.Host, t.Login.Canonical = "db.example.com", alias(instance) },
			want: inspected{instance + ":5432", "app", "us-east-1", "AK"}},
		"alias, with a Host for instances": {options: func(o *TokenOptions) { o.Host = "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com" },
			target: func(t *core.Target) { t.Login.Host, t.Login.Canonical = "db.example.com", alias(instance) },
			want:   inspected{instance + ":5432", "app", "us-east-1", "AK"}},
		"Host that is no RDS name": {options: func(o *TokenOptions) { o.Host, o.RegionName = "db.internal", "us-east-2" },
			target: func(t *core.Target) { t.Login.Host = "localhost" }, want: inspected{"db.internal:5432", "app", "us-east-2", "AK"}},
		"region of the SDK": {options: func(o *TokenOptions) {
			o.Host, o.Region = "db.internal", func(context.Context) (string, error) { return "eu-west-1", nil }
		}, want: inspected{"db.internal:5432", "app", "eu-west-1", "AK"}},
		"global writer": {target: func(t *core.Target) {
			t.Login.Host, t.Login.Canonical = global, alias("mydb-1.c9xyz0abcdef.eu-west-2.rds.amazonaws.com")
		},
			want: inspected{global + ":5432", "app", "eu-west-2", "AK"}},
		"global writer with a region": {options: func(o *TokenOptions) { o.RegionName = "eu-west-2" }, target: func(t *core.Target) { t.Login.Host = global },
			want: inspected{global + ":5432", "app", "eu-west-2", "AK"}},
		"region given": {options: func(o *TokenOptions) { o.RegionName = "us-east-1" }, want: inspected{cluster + ":5432", "app", "us-east-1", "AK"}},
		"instance of another region": {options: func(o *TokenOptions) { o.RegionName = "us-east-1" }, target: func(t *core.Target) {
			t.Login.Host, t.Login.Own = "mydb-9.c9xyz0abcdef.eu-west-2.rds.amazonaws.com", false
		}, want: inspected{"mydb-9.c9xyz0abcdef.eu-west-2.rds.amazonaws.com:5432", "app", "eu-west-2", "AK"}},
		"China": {target: func(t *core.Target) { t.Login.Host = "mydb.cluster-c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn" },
			want: inspected{"mydb.cluster-c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn:5432", "app", "cn-north-1", "AK"}},
		"GovCloud": {target: func(t *core.Target) { t.Login.Host = "mydb.cluster-c9xyz0abcdef.us-gov-west-1.rds.amazonaws.com" },
			want: inspected{"mydb.cluster-c9xyz0abcdef.us-gov-west-1.rds.amazonaws.com:5432", "app", "us-gov-west-1", "AK"}},
		"proxy": {target: func(t *core.Target) { t.Login.Host = "mine.proxy-c9xyz0abcdef.us-east-1.rds.amazonaws.com" },
			want: inspected{"mine.proxy-c9xyz0abcdef.us-east-1.rds.amazonaws.com:5432", "app", "us-east-1", "AK"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			signing(t, func() TokenOptions { return tokensOf(&role{keyID: "AK"}, test.options) }, func(t *testing.T, p *Tokens) {
				target := dial(cluster)
				if test.target != nil {
					test.target(&target)
				}
				answer := authenticate(t, p, target)
				if diff := cmp.Diff(test.want, inspect(t, answer.Password)); diff != "" {
					t.Errorf("token (-want +got):\n%s", diff)
				}
				if answer.User != test.want.User || !answer.Fresh || answer.Transport != core.TransportVerified {
					t.Errorf("user %q, fresh %t, transport %v", answer.User, answer.Fresh, answer.Transport)
				}
			})
		})
	}
}

func TestTokenErrors(t *testing.T) {
	tests := map[string]struct {
		options func(*TokenOptions)
		target  func(*core.Target)
		want    string
	}{
		"no user": {target: func(t *core.Target) { t.Login.User = "" }, want: "test: no database user: put one into the connection string"},
		"no RDS name": {target: func(t *core.Target) { t.Login.Host = "localhost" },
			want: `test: "localhost" is no RDS name and no alias of one: name in iam_host the RDS name that tokens are to be signed for`},
		"IP address": {target: func(t *core.Target) { t.Login.Host = "10.0.0.1" },
			want: `test: "10.0.0.1" is no RDS name and no alias of one: name in iam_host the RDS name that tokens are to be signed for`},
		"an instance is wanted": {options: func(o *TokenOptions) { o.Host = "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com" }, target: func(t *core.Target) { t.Login.Host = "localhost" },
			want: `test: "localhost" is no RDS name and no alias of one, and iam_host needs an instance's identifier: name an RDS name without ?, such as the cluster's`},
		"no region": {target: func(t *core.Target) { t.Login.Host = global }, want: `test: the region of "` + global + `" is unknown: set iam_region`},
		"region of the SDK": {options: func(o *TokenOptions) { o.Region = func(context.Context) (string, error) { return "mars", nil } },
			target: func(t *core.Target) { t.Login.Host = global }, want: `test: "mars" is no AWS region: want a name such as us-east-1`},
		"no region of the SDK": {options: func(o *TokenOptions) {
			o.Region = func(context.Context) (string, error) { return "", errors.New("no such profile") }
		}, target: func(t *core.Target) { t.Login.Host = global }, want: "test: no such profile"},
		"contradiction that is found late": {options: func(o *TokenOptions) { o.RegionName = "us-west-2" },
			want: "test: iam_region: region us-west-2 contradicts the host name " + cluster + ", which is in us-east-1"},
		"no credentials": {options: func(o *TokenOptions) {
			o.Credentials = func(context.Context, string) (aws.CredentialsProvider, error) {
				return &role{err: errors.New("no such role")}, nil
			}
		}, want: "test: retrieving AWS credentials: no such role"},
		"no provider": {options: func(o *TokenOptions) {
			o.Credentials = func(context.Context, string) (aws.CredentialsProvider, error) {
				return nil, errors.New("no such profile")
			}
		}, want: "test: no such profile"},
		"panic of the provider": {options: func(o *TokenOptions) {
			o.Credentials = func(context.Context, string) (aws.CredentialsProvider, error) { return &role{panicky: true}, nil }
		}, want: "test: awsauth: fetching credentials panicked with a string"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			signing(t, func() TokenOptions { return tokensOf(&role{}, test.options) }, func(t *testing.T, p *Tokens) {
				target := dial(cluster)
				if test.target != nil {
					test.target(&target)
				}
				_, err := p.Authenticate(t.Context(), target)
				if err == nil || err.Error() != test.want {
					t.Errorf("error %v\nwant  %s", err, test.want)
				}
			})
		})
	}
}

func TestTokenOptionsThatCannotBeRight(t *testing.T) {
	negative := -time.Second
	tests := map[string]struct {
		options func(*TokenOptions)
		want    string
	}{
		"no code":              {func(o *TokenOptions) { o.Code = "" }, "needs Code and Credentials"},
		"negative expiration":  {func(o *TokenOptions) { o.Expiration = &negative }, "negative (-1s)"},
		"port":                 {func(o *TokenOptions) { o.Port = 65536 }, "iam_default_port=65536"},
		"host with a port":     {func(o *TokenOptions) { o.Host = cluster + ":5432" }, "without a port"},
		"URL for a host":       {func(o *TokenOptions) { o.Host = "https://" + cluster }, "without a port"},
		"no region":            {func(o *TokenOptions) { o.RegionName = "us-east-1a" }, `iam_region: "us-east-1a" is no AWS region`},
		"region of the DSN":    {func(o *TokenOptions) { o.RegionName, o.DSNHost = "us-west-2", cluster }, "contradicts the host name " + cluster},
		"region of Host":       {func(o *TokenOptions) { o.RegionName, o.Host = "us-west-2", cluster }, "contradicts the host name " + cluster},
		"partition of the DSN": {func(o *TokenOptions) { o.RegionName, o.DSNHost = "cn-north-1", global }, "names of its partition end in .amazonaws.com.cn"},
	}
	for name, test := range tests {
		_, err := NewTokens(tokensOf(&role{}, test.options))
		if !errors.Is(err, core.ErrConfig) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	for name, options := range map[string]func(*TokenOptions){
		"Host in another region than the DSN's": func(o *TokenOptions) { o.RegionName, o.DSNHost, o.Host = "us-east-1", "db.us-west-2.example", cluster },
		"tunnel":                                func(o *TokenOptions) { o.RegionName, o.DSNHost = "us-east-1", "localhost" },
		"absolute name":                         func(o *TokenOptions) { o.Host = cluster + "." },
	} {
		if _, err := NewTokens(tokensOf(&role{}, options)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
