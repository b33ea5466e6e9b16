package credentials

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/adfs"
	"github.com/awsdb/awsdb/federated/okta"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// provider is one of the identity providers.
type provider struct {
	name         string
	service      cloud.Operation
	page, signIn cloud.Operation // the requests that make a sign-in; signIn is the one with the password
	build        func(federated.Options) (core.Plugin, error)
	lockedOut    error // what is said to who is locked out
}

var providers = []provider{
	{
		name: "ADFS", service: cloud.ADFS, page: cloud.ADFSPage, signIn: cloud.ADFSSignIn, lockedOut: federated.ErrPassword,
		build: func(o federated.Options) (core.Plugin, error) { return adfs.New(adfs.Options{Options: o}) },
	},
	{
		name: "Okta", service: cloud.Okta, page: cloud.OktaSAML, signIn: cloud.OktaAuthenticate, lockedOut: federated.ErrLocked,
		build: func(o federated.Options) (core.Plugin, error) {
			return okta.New(okta.Options{Options: o, AppID: "exk1awsdblab"})
		},
	},
}

const (
	alice     = "alice@example.com"
	roleOfApp = "app-role"
)

// federation is a stage with an identity provider, at which alice may assume a role.
type federation struct {
	*stage
	provider
	role string
}

// federatedly runs a test for each identity provider and each front end.
func federatedly(t *testing.T, o lab.Options, test func(t *testing.T, f *federation)) {
	t.Helper()
	o.Auth = lab.IAM
	for _, idp := range providers {
		t.Run(idp.name, func(t *testing.T) {
			virtual(t, o, func(t *testing.T, s *stage) {
				f := &federation{s, idp, s.aws.AddRole(roleOfApp, cloud.Policy{DBUsers: []string{app}})}
				s.aws.AddUser(alice, s.password(1))
				test(t, f)
			})
		})
	}
}

// options are right, but for what change does to them.
func (f *federation) options(change func(*federated.Options)) federated.Options {
	o := federated.Options{
		Endpoint: "idp.example.com", User: alice, Password: core.Secret(f.password(1)),
		RoleARN: f.role, ProviderARN: f.aws.ProviderARN(f.service), DBUser: app,
		HTTPClient: f.client(), AWS: f.config(nil), Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	return o
}

// handle opens a handle that signs in.
func (f *federation) handle(t *testing.T, change func(*federated.Options)) *pool {
	t.Helper()
	o := f.options(change)
	f.value("options", o)
	plugin, err := f.build(o)
	if err != nil {
		t.Fatal(err)
	}
	return f.open(t, f.Endpoint(), plugin)
}

// signIns is how often a password was sent until now.
func (f *federation) signIns() int { return f.aws.Calls(f.signIn) }

// B84: a sign-in is good for the life of the role's credentials, and is repeated ahead of their end.
func TestB84_FederatedLogins(t *testing.T) {
	federatedly(t, lab.Options{}, func(t *testing.T, f *federation) {
		p := f.handle(t, nil)
		for n, at := range []time.Duration{0, 14*time.Minute + 59*time.Second, 16 * time.Minute, 3 * time.Hour} {
			until(at)
			p.mustDial(t)
			for _, i := range f.Instances() {
				i.ResetConnections()
			}
			time.Sleep(2 * time.Second)
			if err := p.exec(t.Context(), f.sql.Sleep(35*time.Second)); err != nil {
				t.Errorf("at %v: %v", at, err)
			}
			next, old := f.Readers()[n%2], f.Writer()
			old.Crash()
			if err := f.Promote(next.ID(), lab.PromoteOptions{DNSLag: 20 * time.Second}); err != nil {
				t.Fatal(err)
			}
			_ = p.exec(t.Context(), "select 1")
			if id := p.where(t); id != next.ID() {
				t.Errorf("at %v: landed on %s, want %s", at, id, next.ID())
			}
			old.Restart()
			logins := p.take()
			signedForTheirHosts(t, logins)
			if diff := cmp.Diff([]string{app}, users(logins)); diff != "" { // db_user is everybody's
				t.Errorf("at %v: who logged in (-want +got):\n%s", at, diff)
			}
		}
		if n := f.signIns(); n > 4 {
			t.Errorf("%d sign-ins", n)
		}
		before := f.signIns()
		for range 30 {
			p.mustDial(t)
			time.Sleep(8 * time.Minute)
		}
		if n := f.signIns() - before; n < 4 || n > 6 {
			t.Errorf("%d sign-ins in four hours, for credentials that last one", n)
		}
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d logins were refused", n)
		}
		f.refusedNone(t)
	})
}

// Many who connect at once are one sign-in: at the start, and after the role's credentials have
// ended.
func TestManyFederatedDials(t *testing.T) {
	federatedly(t, lab.Options{Instances: 1}, func(t *testing.T, f *federation) {
		f.aws.Slow(f.service, time.Second)
		f.aws.Slow(cloud.STS, time.Second)
		p := f.handle(t, nil)
		for _, at := range []time.Duration{0, 3 * time.Hour} {
			until(at)
			before := f.signIns()
			if err := errors.Join(together(80, func() error { return p.dial(t.Context()) })...); err != nil {
				t.Errorf("at %v: %v", at, err)
			}
			if n := f.signIns() - before; n != 1 {
				t.Errorf("at %v: %d sign-ins", at, n)
			}
		}
	})
}

// What can go wrong with a sign-in: each a distinct error, within its time, with no way to the database, and
// without a storm of passwords, which would lock the account.
func TestFederatedFailures(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(*federated.Options)
		outage  func(f *federation)
		kind    func(f *federation) error
		limit   time.Duration // of one dial
		after   time.Duration // of a dial before, which has begun it all
		signIns int           // at most, of all dials in one minute; 0: 1
	}{
		{name: "wrong password", change: func(o *federated.Options) { o.Password += "!" }, kind: is1(federated.ErrPassword)},
		{name: "unknown user", change: func(o *federated.Options) { o.User = "bob@example.com" }, kind: is1(federated.ErrPassword)},
		{name: "MFA", outage: func(f *federation) { f.aws.RequireMFA(alice) }, kind: is1(federated.ErrMFA)},
		{name: "expired password", outage: func(f *federation) { f.aws.ExpirePassword(alice) }, kind: is1(federated.ErrPasswordExpired)},
		{name: "locked out", outage: func(f *federation) { f.aws.LockUser(alice) }, kind: func(f *federation) error { return f.lockedOut }},
		{name: "no such role", change: func(o *federated.Options) { o.RoleARN += "-2" }, kind: is1(federated.ErrRole)},
		{
			name: "another's role", kind: is1(federated.ErrRole),
			outage: func(f *federation) { f.aws.AddUser(alice, f.password(1), f.aws.AddRole("other", cloud.Policy{})) },
		},
		{name: "no such provider", change: func(o *federated.Options) { o.ProviderARN += "-2" }, kind: is1(federated.ErrAssertionRefused)},
		{
			name: "assertion too old", kind: is1(federated.ErrAssertionExpired), after: 6*time.Minute + time.Second, signIns: 2,
			change: func(o *federated.Options) { o.Timeout = 10 * time.Minute },
			outage: func(f *federation) { f.aws.Slow(cloud.STS, 6*time.Minute) },
		},
		{name: "identity provider: 500", outage: func(f *federation) { f.aws.Fail(f.service, 500, "E0000009") }, kind: is1(federated.ErrUnavailable), signIns: 30},
		{name: "identity provider: 503", outage: func(f *federation) { f.aws.Fail(f.service, 503, "") }, kind: is1(federated.ErrUnavailable), signIns: 30},
		{name: "page after the sign-in: 503", outage: func(f *federation) { f.aws.Fail(f.page, 503, "") }, kind: is1(federated.ErrUnavailable), signIns: 30},
		{name: "STS: 503", change: patient, outage: func(f *federation) { f.aws.Fail(cloud.STS, 503, "") }, kind: is1(federated.ErrUnavailable), signIns: 30, limit: time.Minute},
		{name: "STS throttles", change: patient, outage: func(f *federation) { f.aws.Throttle(cloud.STS, 1_000_000) }, kind: is1(federated.ErrUnavailable), signIns: 30, limit: time.Minute},
		{name: "identity provider hangs", outage: func(f *federation) { f.aws.Hang(f.service) }, kind: is1(federated.ErrTimeout), limit: 5 * time.Second, signIns: 30},
		{name: "page hangs", outage: func(f *federation) { f.aws.Hang(f.page) }, kind: is1(federated.ErrTimeout), limit: 5 * time.Second, signIns: 30},
		{name: "sign-in hangs", outage: func(f *federation) { f.aws.Hang(f.signIn) }, kind: is1(federated.ErrTimeout), limit: 5 * time.Second, signIns: 30},
		{name: "STS hangs", outage: func(f *federation) { f.aws.Hang(cloud.STS) }, kind: is1(federated.ErrTimeout), limit: 5 * time.Second, signIns: 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			federatedly(t, lab.Options{Instances: 1}, func(t *testing.T, f *federation) {
				if test.outage != nil {
					test.outage(f)
				}
				p := f.handle(t, test.change)
				if test.after > 0 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					_ = p.dial(ctx)
					cancel()
					time.Sleep(test.after)
				}
				began := time.Now()
				err := p.dial(t.Context())
				within(t, "the first dial", began, test.limit+atOnce)
				kind := test.kind(f)
				demand.Is(t, "the first dial", err, core.ErrConnect, kind)
				onlyKind(t, err, kind)
				if errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the caller has set no limit: %v", err)
				}
				p.isNoFailover(t, err)
				began = time.Now()
				for time.Since(began) < time.Minute-time.Second {
					for _, err := range together(3, func() error { return p.dial(t.Context()) }) {
						if err == nil {
							t.Fatal("logged in")
						}
					}
					time.Sleep(time.Second)
				}
				if n := f.signIns(); n > max(test.signIns, 1) {
					t.Errorf("the password was sent %d times within a minute", n)
				}
				if n := dialsOf(f.Cluster); n > 0 {
					t.Errorf("%d dials to the database", n)
				}
				if f.aws.Locked(alice) && test.name != "locked out" {
					t.Error("the account is locked now")
				}

				// When it is well again, so is the handle.
				f.aws.Heal(cloud.Everything)
				f.aws.AddUser(alice, f.password(1))
				if test.outage == nil {
					return // the mistake is the handle's
				}
				time.Sleep(15 * time.Minute)
				p.mustDial(t)
			})
		})
	}
}

func patient(o *federated.Options) { o.Timeout = time.Minute }

func is1(kind error) func(*federation) error { return func(*federation) error { return kind } }

// onlyKind demands that the error is of no other kind.
func onlyKind(t *testing.T, err, kind error) {
	t.Helper()
	for _, other := range []error{
		federated.ErrPassword, federated.ErrPasswordExpired, federated.ErrLocked, federated.ErrMFA, federated.ErrNoAssertion,
		federated.ErrAnswer, federated.ErrUnavailable, federated.ErrTimeout, federated.ErrRole, federated.ErrAssertionExpired,
		federated.ErrAssertionRefused,
	} {
		if errors.Is(err, other) != errors.Is(kind, other) {
			t.Errorf("the error matches %q: %v", other, err)
		}
	}
}

// A sign-in that hangs keeps nobody for longer than their own contexts allow.
func TestFederatedCallersLimit(t *testing.T) {
	federatedly(t, lab.Options{Instances: 1}, func(t *testing.T, f *federation) {
		for _, step := range []cloud.Operation{f.page, f.signIn, cloud.STS} {
			f.aws.Hang(step)
			p := f.handle(t, func(o *federated.Options) { o.Timeout = time.Minute })
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			began := time.Now()
			demand.Is(t, "a dial", p.dial(ctx), context.DeadlineExceeded)
			within(t, "a dial", began, 300*time.Millisecond+atOnce)
			cancel()
			began = time.Now()
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			within(t, "Close", began, atOnce)
			f.aws.Heal(cloud.Everything)
		}
	})
}

// B90: the identity provider or STS may be out of order for as long as the credentials of the role last.
func TestB90_FederatedOutage(t *testing.T) {
	for _, service := range []func(f *federation) cloud.Operation{
		func(f *federation) cloud.Operation { return f.service }, func(*federation) cloud.Operation { return cloud.STS },
	} {
		federatedly(t, lab.Options{Instances: 1}, func(t *testing.T, f *federation) {
			p := f.handle(t, patient)
			p.mustDial(t)
			until(10 * time.Minute)
			f.aws.Fail(service(f), 503, "")
			for elapsed() < 58*time.Minute {
				began := time.Now()
				p.mustDial(t)
				within(t, "a dial during the outage", began, atOnce)
				time.Sleep(30 * time.Second)
			}
			until(61 * time.Minute)
			demand.Is(t, "without credentials", p.dial(t.Context()), federated.ErrUnavailable)
			f.aws.Heal(cloud.Everything)
			time.Sleep(11 * time.Second)
			p.mustDial(t)
		})
	}
}

// B88: the database refuses the user of the role. That is no reason to sign in again and again.
func TestB88_FederatedUserRefused(t *testing.T) {
	federatedly(t, lab.Options{Instances: 1}, func(t *testing.T, f *federation) {
		p := f.handle(t, nil)
		p.mustDial(t)
		revokeGrant(f.stage, nil)
		before := f.signIns()
		for range 60 {
			_ = p.refused.take()
			err := p.dial(t.Context())
			if code := f.front.Code(err); code != f.refusal() {
				t.Errorf("the server's error is %q: %v", code, err)
			}
			if n := p.refused.takeMost(); n > 2 {
				t.Errorf("%d refusals of one connect", n)
			}
			time.Sleep(10 * time.Second)
		}
		if n := f.signIns() - before; n > 3 {
			t.Errorf("%d sign-ins in ten minutes", n)
		}
	})
}

// B92: one handle signs in to ADFS, another to Okta; each has its own role.
func TestB92_TwoProvidersOneHost(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 1}, func(t *testing.T, s *stage) {
		s.aws.AddUser(alice, s.password(1))
		for _, idp := range providers {
			f := &federation{s, idp, s.aws.AddRole("role-of-"+idp.name, cloud.Policy{})}
			p := f.handle(t, nil)
			p.mustDial(t)
			for range 3 {
				p.mustDial(t)
			}
			if n := f.signIns(); n != 1 {
				t.Errorf("%d sign-ins at %s", n, idp.name)
			}
		}
	})
}

// Mistakes are found when the handle is opened, and no password is in the error.
func TestFederatedMistakes(t *testing.T) {
	frontend.Each(t, func(t *testing.T, f frontend.Frontend) {
		e := newEvidence()
		const secret = "pl4nted S3cret/%?@:"
		e.secret("the password", secret)
		right := map[string]string{
			"idp_endpoint": "idp.example.com", "idp_username": alice, "idp_password": secret, "db_user": app,
			"iam_role_arn": "arn:aws:iam::123456789012:role/app", "iam_idp_arn": "arn:aws:iam::123456789012:saml-provider/idp",
		}
		for _, plugin := range []string{"federated_auth", "okta"} {
			for key, wrong := range map[string]string{
				"idp_endpoint": "http://idp.example.com", "iam_role_arn": "role/app", "iam_idp_arn": "arn:aws:iam::123456789012:role/app",
				"db_user": "", "iam_region": "eu-west-1", "http_request_connect_timeout": "-1", "plugins": "iam," + plugin,
			} {
				params := []string{"plugins=" + plugin, "app_id=exk1"}
				if plugin == "federated_auth" {
					params = params[:1]
				}
				for name, value := range right {
					if name != key {
						params = append(params, name+"="+value)
					}
				}
				if key == "plugins" {
					params = params[1:]
				}
				h, err := f.OpenDSN(f.DSN(frontend.Login{Host: "mydb-1" + domain, Database: "app"}, append(params, key+"="+wrong)...))
				if err == nil {
					err = h.Close()
					t.Errorf("%s: %s=%s was accepted (%v)", plugin, key, wrong, err)
					continue
				}
				demand.Is(t, key, e.err(err), core.ErrConfig)
			}
		}
		e.check(t)
	})
}
