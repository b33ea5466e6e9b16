package federated

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated/internal/idptest"
)

const (
	writer   = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	password = "c0rrect horse"
)

// provider is an identity provider that can be told to fail.
type provider struct {
	failure atomic.Pointer[Error]
	calls   atomic.Int64
	takes   time.Duration // default: 2 seconds
	ends    bool          // only with the context
}

func (p *provider) signIn(ctx context.Context) (core.Secret, error) {
	p.calls.Add(1)
	if p.ends {
		<-ctx.Done()
		return "", ctx.Err()
	}
	time.Sleep(cmp.Or(p.takes, 2*time.Second)) // virtual
	if e := p.failure.Load(); e != nil {
		fresh := *e
		return "", &fresh
	}
	return assertion, nil
}

// fixture is a handle with the plugin.
type fixture struct {
	provider
	sts  idptest.STS
	log  strings.Builder
	k    *core.Connector
	auth core.Authenticator
}

func validOptions() Options {
	return Options{
		Endpoint: "idp.example.com", User: "jane", Password: password,
		RoleARN: roleARN, ProviderARN: providerARN, DBUser: "app",
	}
}

func start(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{}
	o := validOptions()
	o.AWS = awsOf(&f.sts)
	if change != nil {
		change(&o)
	}
	p, err := New("saml", o, f.signIn)
	if err != nil {
		t.Fatal(err)
	}
	f.auth = p.(core.Authenticator)
	f.k, err = core.NewConnector(core.Config{Addr: writer + ":5432", User: "ignored", Plugins: []core.Plugin{p}, Log: slog.New(slog.NewTextHandler(&f.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.k.Close()
		for _, secret := range []string{password, assertion, idptest.SecretAccessKey, idptest.SessionToken, "X-Amz-Signature"} {
			if strings.Contains(f.log.String(), secret) {
				t.Errorf("%q is in the log", secret)
			}
		}
	})
	return f
}

// login asks for the token of a login, and returns what it says.
func (f *fixture) login(t *testing.T) (url.Values, error) {
	t.Helper()
	user, token, err := f.k.Credentials(t.Context())
	idptest.NoSecret(t, err, password, assertion, idptest.SecretAccessKey, idptest.SessionToken)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse("https://" + string(token))
	if err != nil {
		t.Fatal("the token is no address")
	}
	q := u.Query()
	if user != "app" || u.Host != writer+":5432" || q.Get("DBUser") != "app" || q.Get("X-Amz-Security-Token") != idptest.SessionToken || !strings.HasSuffix(q.Get("X-Amz-Credential"), "/us-east-1/rds-db/aws4_request") {
		t.Fatalf("token for %s at %s, signed as %s", user, u.Host, q.Get("X-Amz-Credential"))
	}
	return q, nil
}

func (f *fixture) mustLogin(t *testing.T) (call int) {
	t.Helper()
	q, err := f.login(t)
	if err != nil {
		t.Fatal(err)
	}
	var rest string
	if _, err := fmt.Sscanf(q.Get("X-Amz-Credential"), "ASIAEXAMPLE%09d/%s", &call, &rest); err != nil {
		t.Fatal(err)
	}
	return call
}

// However many log in at once, there is one sign-in.
func TestOneSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		var dials sync.WaitGroup
		for range 500 {
			dials.Go(func() {
				if _, err := f.login(t); err != nil {
					t.Error(err)
				}
			})
		}
		dials.Wait()
		if f.calls.Load() != 1 || len(f.sts.Calls()) != 1 {
			t.Errorf("%d sign-ins, %d calls of STS", f.calls.Load(), len(f.sts.Calls()))
		}
	})
}

// A day of logins: nobody waits for a sign-in but the first, and outages of the identity
// provider that are shorter than a quarter of an hour do not matter.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.mustLogin(t)
		for began := time.Now(); time.Since(began) < 24*time.Hour; time.Sleep(20 * time.Second) {
			f.failure.Store(nil)
			if time.Since(began)%time.Hour > 45*time.Minute && time.Since(began)%time.Hour < 57*time.Minute {
				f.failure.Store(&Error{Kind: ErrUnavailable, Step: "testing", Host: "idp"})
			}
			asked := time.Now()
			f.mustLogin(t)
			if time.Since(asked) != 0 {
				t.Fatalf("a login waited %s", time.Since(asked))
			}
		}
		if n := len(f.sts.Calls()); n < 24 || n > 33 {
			t.Errorf("%d calls of STS in a day", n)
		}
		if !strings.Contains(f.log.String(), "credentials of the role not renewed") {
			t.Error("failed renewals are not in the log")
		}
	})
}

// A wrong password is tried four times in the first half an hour, and at most five times
// in any, whoever asks how often; the error says why, and when it is tried again.
func TestWrongPassword(t *testing.T) {
	for _, kind := range []error{ErrPassword, ErrLocked, ErrMFA, ErrPasswordExpired} {
		synctest.Test(t, func(t *testing.T) {
			f := start(t, nil)
			f.failure.Store(&Error{Kind: kind, Step: "sending the password", Host: "idp"})
			for began := time.Now(); time.Since(began) < 30*time.Minute; time.Sleep(time.Second) {
				_, err := f.login(t)
				var e *Error
				if !errors.Is(err, kind) || !errors.Is(err, core.ErrConnect) || !errors.As(err, &e) || !e.Next.After(time.Now()) || !strings.Contains(err.Error(), "not tried again before 2000-01-01T0") {
					t.Fatalf("error %v, want %v", err, kind)
				}
			}
			if n := f.calls.Load(); n != 4 {
				t.Errorf("%d sign-ins in half an hour", n)
			}
			f.failure.Store(nil)
			time.Sleep(15 * time.Minute)
			f.mustLogin(t)
		})
	}
}

// What a setting must end is tried once in a minute, and does not count as wrong passwords.
func TestRefusedRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.sts.Fail(403, "AccessDenied", "no")
		for began := time.Now(); time.Since(began) < 30*time.Minute; time.Sleep(time.Second) {
			if _, err := f.login(t); !errors.Is(err, ErrRole) {
				t.Fatal(err)
			}
		}
		if n := f.calls.Load(); n < 25 || n > 30 {
			t.Errorf("%d sign-ins in half an hour", n)
		}
		f.sts.Fail(0, "", "")
		time.Sleep(time.Minute)
		f.mustLogin(t)
	})
}

// Other failures are repeated soon.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.failure.Store(&Error{Kind: ErrUnavailable, Step: "testing", Host: "idp", Status: 503})
		for range 60 {
			if _, err := f.login(t); !errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := f.calls.Load(); n < 5 || n > 30 {
			t.Errorf("%d sign-ins in a minute", n)
		}
		f.failure.Store(nil)
		time.Sleep(20 * time.Second)
		f.mustLogin(t)
	})
}

// A sign-in that is slow, in all its steps, has the time it needs.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.takes = 3*DefaultTimeout - time.Second
		asked := time.Now()
		f.mustLogin(t)
		if time.Since(asked) != f.takes {
			t.Errorf("waited %s", time.Since(asked))
		}
	})
}

// A step that hangs is named when its time is over.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		f := start(t, func(o *Options) {
			o.AWS = awsOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				idptest.Hang(w, r)
				close(hung)
			}))
		})
		asked := time.Now()
		_, err := f.login(t)
		if !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "assuming the role: no answer in time: context deadline exceeded: http_request_connect_timeout is 1m0s") || time.Since(asked) != 2*time.Second+DefaultTimeout {
			t.Errorf("after %s: %v", time.Since(asked), err)
		}
		<-hung
	})
}

// A caller's deadline ends its wait, not the sign-in.
func TestImpatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := f.k.Credentials(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		time.Sleep(2 * time.Second)
		asked := time.Now()
		f.mustLogin(t)
		if time.Since(asked) != 0 || f.calls.Load() != 1 {
			t.Errorf("waited %s, %d sign-ins", time.Since(asked), f.calls.Load())
		}
	})
}

// A handle that is closed while credentials are renewed says nothing about it.
func TestClosedWhileRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.mustLogin(t)
		time.Sleep(46 * time.Minute)
		f.ends = true
		f.mustLogin(t)
		time.Sleep(30 * time.Second) // the next look of the tokens at the credentials
		f.mustLogin(t)
		time.Sleep(61 * time.Second)
		f.mustLogin(t)
		time.Sleep(time.Second)
		if n := f.calls.Load(); n != 2 {
			t.Fatalf("%d sign-ins", n)
		}
		if err := f.k.Close(); err != nil || f.log.String() != "" {
			t.Errorf("%v; log %s", err, f.log.String())
		}
	})
}

func TestOptions(t *testing.T) {
	tests := map[string]struct {
		change func(*Options)
		want   []string // nil: no error
	}{
		"valid": {func(*Options) {}, nil},
		"GovCloud": {func(o *Options) {
			o.RoleARN, o.ProviderARN = "arn:aws-us-gov:iam::123456789012:role/x", "arn:aws-us-gov:iam::210987654321:saml-provider/y"
		}, nil},
		"nothing":     {func(o *Options) { *o = Options{} }, []string{"iam_role_arn is missing", "iam_idp_arn is missing", "db_user is missing", "idp_username is missing", "idp_password is missing"}},
		"swapped":     {func(o *Options) { o.RoleARN, o.ProviderARN = o.ProviderARN, o.RoleARN }, []string{`iam_role_arn="` + providerARN + `": want arn:aws:iam::<account>:role/<name>`, "iam_idp_arn="}},
		"only a name": {func(o *Options) { o.RoleARN = "app" }, []string{`iam_role_arn="app"`}},
		"no account":  {func(o *Options) { o.RoleARN = "arn:aws:iam::12345:role/x" }, []string{"iam_role_arn="}},
		"no resource": {func(o *Options) { o.RoleARN = "arn:aws:iam::123456789012:role/" }, []string{"iam_role_arn="}},
		"not IAM":     {func(o *Options) { o.RoleARN = "arn:aws:sts::123456789012:role/x" }, []string{"iam_role_arn="}},
		"time limit":  {func(o *Options) { o.Timeout = -time.Second }, []string{"http_request_connect_timeout=-1s"}},
		"region":      {func(o *Options) { o.Region = "somewhere" }, []string{"iam_region"}},
		"token host":  {func(o *Options) { o.TokenHost = "a/b" }, []string{"iam_host"}},
	}
	for name, test := range tests {
		o := validOptions()
		test.change(&o)
		p, err := New("saml", o, (&provider{}).signIn)
		idptest.NoSecret(t, err, password)
		if test.want == nil {
			if err != nil || p.Code() != "saml" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, core.ErrConfig) {
			t.Errorf("%s: error %v", name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q in it", name, err, want)
			}
		}
	}
}

// Only refusals of the password that follow each other make the pause longer.
func TestPausesBeginAnew(t *testing.T) {
	wrong := func() error { return &Error{Kind: ErrPassword} }
	for name, between := range map[string]error{"success": nil, "refused role": &Error{Kind: ErrRole}} {
		synctest.Test(t, func(t *testing.T) {
			c := newCredentials(nil, &role{})
			_, _ = c.note(wrong()), c.note(wrong())
			_ = c.note(between)
			_ = c.note(wrong())
			var e *Error
			if err := c.paused(); !errors.As(err, &e) || e.Pause() != time.Minute {
				t.Errorf("%s: %v, want a pause of a minute", name, err)
			}
			time.Sleep(time.Minute)
			if err := c.paused(); err != nil {
				t.Errorf("%s: %v after the pause", name, err)
			}
		})
	}
}

func TestPauseAfter(t *testing.T) {
	for before, want := range []time.Duration{time.Minute, 4 * time.Minute, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute} {
		if got := pauseAfter(before); got != want {
			t.Errorf("after %d refusals %s, want %s", before, got, want)
		}
	}
}
