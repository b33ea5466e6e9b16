package core

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// guesser is an Authenticator that tries passwords in turn, waiting before each.
type guesser struct {
	passwords []Secret
	pause     time.Duration
	broken    error // what Authenticate says from the second login on

	mu      sync.Mutex
	asked   []Login
	refused []Target
}

func (*guesser) Code() string { return "guesser" }

func (g *guesser) Authenticate(_ context.Context, t Target) (Target, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.Refused > 0 && g.broken != nil {
		return t, g.broken
	}
	t.Login.Canonical = nil // cannot be compared
	g.asked = append(g.asked, t.Login)
	t.User, t.Password, t.Fresh = t.Login.User, g.passwords[min(t.Refused, len(g.passwords)-1)], t.Refused > 0
	return t, nil
}

func (g *guesser) LoginFailed(ctx context.Context, t Target, err error) bool {
	g.mu.Lock()
	g.refused = append(g.refused, t)
	g.mu.Unlock()
	if !errors.Is(err, errFakeLogin) || t.Refused >= len(g.passwords) {
		return false
	}
	select {
	case <-time.After(g.pause):
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *fakeCluster) handleOf(t *testing.T, user string, params map[string]string, p Plugin) *Connector {
	t.Helper()
	f.cleanup.Do(func() { t.Cleanup(f.hangUp) })
	k, err := NewConnector(Config{
		Engine: &fakeEngine{cluster: f, user: user, password: "of the DSN"}, Family: "fake", Addr: fakeAddress, User: user, Password: "of the DSN",
		Settings: settingsFrom(t, params), Plugins: []Plugin{p}, Dial: f.dial, Resolver: cnames(noAlias), Log: testLog(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // never fails
	return k
}

// A login is tried for as long as an Authenticator has something else to try, which
// learns how often and since when the server has refused it.
func TestLoginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		f.passwords = map[string]string{"app": "third"}
		g := &guesser{passwords: []Secret{"first", "second", "third"}, pause: time.Second}
		k := f.handleOf(t, "app", nil, g)
		began := time.Now()
		open(t, k)
		if got := time.Since(began); got != 2*time.Second {
			t.Errorf("it took %s", got)
		}
		type seen struct {
			Refused int
			Fresh   bool
			Since   time.Duration
		}
		var got []seen
		for _, r := range g.refused {
			got = append(got, seen{r.Refused, r.Fresh, time.Since(r.RefusedSince)})
		}
		if diff := cmp.Diff([]seen{{1, false, 2 * time.Second}, {2, true, 2 * time.Second}}, got); diff != "" {
			t.Errorf("LoginFailed (-want +got):\n%s", diff)
		}
		own := Login{User: "app", Password: "of the DSN", Host: "db.cluster-" + fakeDomain, Port: 5432, Own: true}
		if diff := cmp.Diff(own, g.asked[0]); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
}

// Waiting for other credentials ends with the caller's patience, and the caller learns
// what the server has said.
func TestLoginAgainWithinContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		f.passwords = map[string]string{"app": "second"}
		k := f.handleOf(t, "app", nil, &guesser{passwords: []Secret{"first", "second"}, pause: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := k.Open(ctx)
		if !errors.Is(err, errFakeLogin) || !errors.Is(err, ErrConnect) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// Who waits for other credentials when the handle is closed is not kept.
func TestLoginAgainUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		f.passwords = map[string]string{"app": "second"}
		k := f.handleOf(t, "app", nil, &guesser{passwords: []Secret{"first", "second"}, pause: time.Minute})
		began := time.Now()
		time.AfterFunc(time.Second, func() { _ = k.Close() })
		if _, err := k.Open(t.Context()); !errors.Is(err, ErrConnect) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// A Multi-AZ cluster refuses a token with the code of an instance that reboots: there are other
// credentials to try all the same, and without any it is what it looks like.
func TestLoginAgainOfMultiAZ(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		g := &guesser{passwords: []Secret{"old", "new"}}
		k := f.handleOf(t, "app", nil, g)
		k.engine.(*fakeEngine).multiAZ = true
		if err := k.Cluster().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.mu.Lock()
		f.passwords = map[string]string{"app": "new"}
		f.mu.Unlock()
		open(t, k)
		f.mu.Lock()
		f.passwords = map[string]string{"app": "another"}
		f.mu.Unlock()
		if _, err := k.Open(t.Context()); !errors.Is(err, errFakeLogin) || k.Classify(err) != FaultShutdown {
			t.Errorf("%v is a %v", err, k.Classify(err))
		}
	})
}

// Where there are no other credentials any more, the error tells that and what the
// server said of the first.
func TestNoCredentialsAfterRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		f.passwords = map[string]string{"app": "right"}
		broken := errors.New("the source of passwords has run dry")
		k := f.handleOf(t, "app", nil, &guesser{passwords: []Secret{"wrong", "wrong"}, broken: broken})
		_, err := k.Open(t.Context())
		var e *Error
		if !errors.Is(err, broken) || !errors.Is(err, errFakeLogin) || !errors.As(err, &e) || e.Phase != "credentials" || k.Classify(err) != FaultLogin {
			t.Errorf("%v", err)
		}
	})
}

// A monitoring connection logs in as its own user, and with its own password if it has
// one: no Authenticator is asked then.
func TestMonitorsLogin(t *testing.T) {
	for name, test := range map[string]struct {
		params map[string]string
		want   []string // users asked for on monitoring connections
	}{
		"as the application":         {nil, []string{"app"}},
		"as a user":                  {map[string]string{"topology-monitoring-user": "watch"}, []string{"watch"}},
		"as a user with a password":  {map[string]string{"topology-monitoring-user": "watch", "topology-monitoring-password": "w"}, nil},
		"with a password of its own": {map[string]string{"topology-monitoring-password": "w"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeCluster("w1")
				g := &guesser{passwords: []Secret{"any"}}
				k := f.handleOf(t, "app", test.params, g)
				n, _, err := k.OpenBeside(t.Context(), open(t, k).Link(), topologyPrefix, nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = n.Close()
				var got []string
				for _, l := range g.asked[1:] {
					got = append(got, l.User)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("users (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Tools get what a login would use, and nothing is opened.
func TestCredentials(t *testing.T) {
	f := newFakeCluster("w1")
	for name, test := range map[string]struct {
		plugin Plugin
		want   Secret
	}{
		"of a plugin": {&guesser{passwords: []Secret{"of the plugin"}}, "of the plugin"},
		"of the DSN":  {asked{new(atomic.Int32)}, "of the DSN"},
	} {
		user, password, err := f.handleOf(t, "app", nil, test.plugin).Credentials(t.Context())
		if user != "app" || password != test.want || err != nil {
			t.Errorf("%s: %s, %q, %v", name, user, string(password), err)
		}
	}
	if got := read(f, "w1", dialsOf); got != 0 {
		t.Errorf("%d dials", got)
	}
}

// What a login is for: the host dialled, which may be an instance, and the port.
func TestLoginOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1")
		k := f.handleOf(t, "app", nil, &guesser{})
		for addr, want := range map[string]Login{
			fakeAddress:                          {Host: "db.cluster-" + fakeDomain, Port: 5432, Own: true},
			"DB.Cluster-" + fakeDomain + ".":     {Host: "db.cluster-" + fakeDomain, Port: 5432, Own: true},
			"w1." + fakeDomain + ":5432":         {Host: "w1." + fakeDomain, Port: 5432},
			"db.cluster-" + fakeDomain + ":6543": {Host: "db.cluster-" + fakeDomain, Port: 6543},
			"[2001:DB8::1]:7000":                 {Host: "2001:db8::1", Port: 7000},
			"/var/run/postgresql":                {Host: "/var/run/postgresql", Port: 5432},
		} {
			got := k.loginOf(Target{Host: Host{Addr: addr}})
			got.Canonical = nil
			want.User, want.Password = "app", "of the DSN"
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", addr, diff)
			}
		}
	})
}

// An alias is followed by the application's own resolver, within a limit.
func TestCanonical(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, test := range map[string]struct {
			cname cnames
			want  EndpointKind
			takes time.Duration
		}{
			"an alias":  {func(context.Context, string) (string, error) { return "w1." + fakeDomain + ".", nil }, EndpointInstance, 0},
			"no alias":  {noAlias, EndpointOther, 0},
			"of no RDS": {func(context.Context, string) (string, error) { return "elsewhere.example.", nil }, EndpointOther, 0},
			"a panic":   {func(context.Context, string) (string, error) { panic("resolver") }, EndpointOther, 0},
			"no answer": {func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() }, EndpointOther, 5 * time.Second},
		} {
			k, err := NewConnector(Config{Engine: &fakeEngine{}, Family: "fake", Addr: "db.example:5432", Settings: settingsFrom(t, nil), Resolver: test.cname})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			got := k.loginOf(Target{Host: Host{Addr: "db.example:5432"}}).Canonical(t.Context())
			if got.Kind != test.want || time.Since(began) != test.takes {
				t.Errorf("%s: %v after %s", name, got, time.Since(began))
			}
			_ = k.Close()
		}
	})
}

// The error of a certificate that nobody knows says what to do, for hosts of RDS.
func TestExplainUnknownAuthority(t *testing.T) {
	unknown := x509.UnknownAuthorityError{}
	for addr, want := range map[string]bool{"w1." + fakeDomain + ":5432": true, "db.example:5432": false, "/var/run": false} {
		err := explain(Host{Addr: addr}, unknown)
		if !errors.As(err, new(x509.UnknownAuthorityError)) || strings.Contains(err.Error(), "global-bundle.pem") != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := explain(Host{Addr: "w1." + fakeDomain}, errFakeLogin); err != errFakeLogin { //nolint:errorlint // the very same
		t.Errorf("another error: %v", err)
	}
}

// slowCredentials take their time.
type slowCredentials time.Duration

func (slowCredentials) Code() string { return "slow" }

func (s slowCredentials) Authenticate(ctx context.Context, t Target) (Target, error) {
	select {
	case <-time.After(time.Duration(s)):
		return t, nil
	case <-ctx.Done():
		return t, ctx.Err()
	}
}

func (slowCredentials) LoginFailed(context.Context, Target, error) bool { return false }

// The topology monitor waits for credentials for longer than a host has to let it in.
func TestMonitorWaitsForCredentials(t *testing.T) {
	for takes, ready := range map[time.Duration]bool{7 * time.Second: true, time.Minute: true, time.Hour: false} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeCluster("w1").handleOf(t, "app", nil, slowCredentials(takes))
			k.start()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			err := k.Cluster().Ready(ctx)
			if (err == nil) != ready {
				t.Errorf("credentials that take %s: %v", takes, err)
			}
			if errors.Is(err, ErrQueryTimeout) {
				t.Errorf("credentials that take %s are taken for a host that is silent: %v", takes, err)
			}
		})
	}
}
