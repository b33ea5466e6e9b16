package federated

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/core"
)

// attempt is a login that the server refuses as long as the credentials are those of one
// of the calls; it returns how often it has refused.
func (f *fixture) attempt(t *testing.T, refused func(call int) bool) (refusals int, ok bool) {
	t.Helper()
	target := core.Target{Host: core.Host{Addr: writer + ":5432"}, Login: core.Login{User: "ignored", Host: writer, Port: 5432, Own: true}}
	for {
		asked, err := f.auth.Authenticate(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		if asked.Transport != core.TransportVerified {
			t.Errorf("transport %s", asked.Transport)
		}
		_, id := signer(asked.Password)
		call := 0
		if _, err := fmt.Sscanf(id, "ASIAEXAMPLE%09d", &call); err != nil {
			t.Fatal(err)
		}
		if !refused(call) {
			return target.Refused, true
		}
		target.Refused++
		asked.Refused = target.Refused
		if !f.auth.LoginFailed(t.Context(), asked, errors.New("refused")) {
			return target.Refused, false
		}
	}
}

// Sessions of the role that were revoked are replaced by the first login that notices,
// whether its token is new or not.
func TestRevoked(t *testing.T) {
	for name, quiet := range map[string]time.Duration{"token kept": 10 * time.Minute, "token new": 16 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, nil)
				f.mustLogin(t)
				time.Sleep(quiet)
				if refusals, ok := f.attempt(t, func(call int) bool { return call == 1 }); refusals != 1 || !ok {
					t.Errorf("refused %d times, %t", refusals, ok)
				}
				if n := f.calls.Load(); n != 2 {
					t.Errorf("%d sign-ins", n)
				}
			})
		})
	}
}

// A server that refuses everything costs one sign-in in five minutes, and two logins for
// one of the application's.
func TestAlwaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.mustLogin(t)
		for began := time.Now(); time.Since(began) < time.Hour; time.Sleep(5 * time.Second) {
			if refusals, ok := f.attempt(t, func(int) bool { return true }); refusals > 2 || ok {
				t.Fatalf("refused %d times, %t", refusals, ok)
			}
		}
		if n := f.calls.Load(); n > 13 {
			t.Errorf("%d sign-ins in an hour", n)
		}
	})
}

// If the identity provider is out of order when a server refuses what was signed, the
// credentials are kept: the server may have had another reason.
func TestRefusedInOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.mustLogin(t)
		time.Sleep(10 * time.Minute)
		f.failure.Store(&Error{Kind: ErrUnavailable, Step: "testing", Host: "idp"})
		asked := 0
		if refusals, ok := f.attempt(t, func(int) bool { asked++; return asked == 1 }); refusals != 1 || !ok {
			t.Errorf("refused %d times, %t", refusals, ok)
		}
		if call := f.mustLogin(t); call != 1 {
			t.Errorf("credentials of call %d", call)
		}
	})
}

// A server that refuses everything while the identity provider is out of order makes
// nobody ask that more often.
func TestAlwaysRefusedInOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, nil)
		f.mustLogin(t)
		f.failure.Store(&Error{Kind: ErrUnavailable, Step: "testing", Host: "idp"})
		for began := time.Now(); time.Since(began) < 40*time.Minute; time.Sleep(5 * time.Second) {
			f.attempt(t, func(int) bool { return true })
		}
		if n := f.calls.Load(); n > 45 {
			t.Errorf("%d sign-ins in 40 minutes", n)
		}
	})
}

// What keeps the next sign-in away is not the wall clock, which may be set meanwhile.
func TestPauseIsNotOfTheWallClock(t *testing.T) {
	c := newCredentials(nil, &role{})
	for _, kind := range []error{ErrPassword, ErrAssertionExpired} {
		e := &Error{Kind: kind}
		_ = c.note(e)
		if e.Next.IsZero() || e.Next == e.Next.Round(0) { // without a monotonic reading
			t.Errorf("%v: the next is at %s", kind, e.Next)
		}
	}
}
