package credentials

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/conformance/frontend"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
)

// instants are when new connections are opened: a token is good for 15 minutes.
var instants = []time.Duration{0, 14*time.Minute + 59*time.Second, 16 * time.Minute, 24 * time.Hour}

// B84, B64: whenever a connection is opened, and whoever opens it, there is a token that is
// valid: of the application, of the topology monitor, of the host monitor, and of whatever
// follows the cluster.
func TestB84_B64_WheneverSomebodyDials(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
		r := s.role("app", time.Hour)
		p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
		for n, at := range instants {
			until(at)
			p.mustDial(t)
			for _, i := range s.Instances() {
				i.ResetConnections() // everybody needs a new one
			}
			time.Sleep(2 * time.Second)
			if err := p.exec(t.Context(), s.sql.Sleep(35*time.Second)); err != nil { // long enough for the host monitor to ask
				t.Errorf("at %v: %v", at, err)
			}
			logins := p.take()
			if diff := cmp.Diff([]string{app, beat, watch}, users(logins)); diff != "" {
				t.Errorf("at %v: who logged in (-want +got):\n%s", at, diff)
			}
			signedForTheirHosts(t, logins)

			next := s.Readers()[n%2]
			old := s.Writer()
			old.Crash()
			if err := s.Promote(next.ID(), lab.PromoteOptions{DNSLag: 20 * time.Second}); err != nil {
				t.Fatal(err)
			}
			_ = p.exec(t.Context(), "select 1") // may be the one that notices
			if id := p.where(t); id != next.ID() {
				t.Errorf("at %v: landed on %s, want %s", at, id, next.ID())
			}
			logins = p.take()
			signedForTheirHosts(t, logins)
			if !slices.ContainsFunc(logins, func(l login) bool { return l.User == app && l.Host.ID == next.ID() }) {
				t.Errorf("at %v: nobody logged in to %s", at, next.ID())
			}
			old.Restart()
		}
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d logins were refused", n)
		}
	})
}

// signedForTheirHosts demands that each token is for the host, the port and the user that
// it was used for.
func signedForTheirHosts(t *testing.T, logins []login) {
	t.Helper()
	for _, l := range logins {
		made, err := parseToken(l.password)
		if err != nil {
			t.Fatalf("login to %s as %s: %v", l.Host.Addr, l.User, err)
		}
		host, port, err := net.SplitHostPort(made.address)
		if err != nil || host != l.Login.Host || port != portOf(l) || made.user != l.User {
			t.Errorf("a token for %s@%s was used for %s@%s", made.user, made.address, l.User, l.Host.Addr)
		}
	}
}

// B84, in a pool that is never idle: connections are replaced all the time.
func TestB84_LifetimeOfConnections(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
		r := s.role("app", time.Hour)
		p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
		p.SetMaxIdleConns(0)
		for range 100 { // four hours
			if err := p.ping(t.Context()); err != nil {
				t.Fatalf("at %v: %v", elapsed(), err)
			}
			time.Sleep(150 * time.Second)
		}
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d logins were refused", n)
		}
		if n := r.take(); n > 6 {
			t.Errorf("credentials that last an hour were fetched %d times in 250 minutes", n)
		}
		for who, tokens := range tokensOf(t, p.take()) {
			if n := len(tokens); n > 20 {
				t.Errorf("%d tokens for %s in 250 minutes", n, who)
			}
		}
	})
}

// B85: what was valid when it was looked up is valid when it arrives, although that takes
// 25 seconds.
func TestB85_SlowDialAtExpiry(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 1}, func(t *testing.T, s *stage) {
		r := s.role("app", time.Hour)
		p := s.openWith(t, frontend.Options{
			DSN: s.DSN(s.Endpoint()), Plugins: []core.Plugin{r.iam(t, iamauth.Options{})},
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				time.Sleep(25 * time.Second) // a TLS handshake of pgx must not take long in virtual time
				return s.DialContext(ctx, network, addr)
			},
		})
		p.mustDial(t)
		var calls []<-chan error
		for at := 14 * time.Minute; at < 15*time.Minute+10*time.Second; at += time.Second {
			until(at)
			done := make(chan error, 1)
			go func() { done <- p.dial(context.WithoutCancel(t.Context())) }()
			calls = append(calls, done)
		}
		for n, call := range calls {
			if err := <-call; err != nil {
				t.Errorf("call %d: %v", n, err)
			}
		}
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d logins were refused", n)
		}
	})
}

// B86: a token is no longer valid than the credentials behind it, however short these live.
func TestB86_RoleCredentialsEndFirst(t *testing.T) {
	for _, lifetime := range []time.Duration{15 * time.Minute, 6 * time.Minute, 70 * time.Second, 20 * time.Second} {
		t.Run(lifetime.String(), func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.IAM, Instances: 1}, func(t *testing.T, s *stage) {
				r := s.role("app", lifetime)
				p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
				for range 60 {
					p.mustDial(t)
					time.Sleep(17 * time.Second)
				}
				if n := p.refused.take(); n > 0 {
					t.Errorf("%d logins were refused", n)
				}
				for _, l := range p.take() {
					made, err := parseToken(l.password)
					if err != nil {
						t.Fatal(err)
					}
					if known, _ := r.gave(made.key); !known {
						t.Errorf("a token by %s, whom nobody knows", made.key)
					}
				}
			})
		})
	}
}

// Many who need a connection at the same time, because the application starts, or at the instant at
// which the token expires, are one fetch of credentials and
// one token for each host and user.
func TestB84_ManyDialsAtExpiry(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 2}, func(t *testing.T, s *stage) {
		r := s.role("app", 15*time.Minute)
		r.takes = time.Second
		p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
		rush := func(what string) {
			t.Helper()
			_, _ = p.take(), r.take()
			if err := errors.Join(together(500, func() error { return p.dial(t.Context()) })...); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if n := r.take(); n > 1 {
				t.Errorf("%s: %d fetches of credentials", what, n)
			}
			logins := p.take()
			if len(logins) < 500 {
				t.Errorf("%s: %d logins: nothing was tested", what, len(logins))
			}
			for who, tokens := range tokensOf(t, logins) {
				if len(tokens) != 1 {
					t.Errorf("%s: %d tokens for %s", what, len(tokens), who)
				}
			}
		}
		rush("at the start")
		first := tokenOf(t, p).at
		for range 14 {
			time.Sleep(time.Minute)
			p.mustDial(t)
		}
		until(first.Add(870 * time.Second).Sub(beginning))
		rush("when the token expires")
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d logins were refused", n)
		}
	})
}

// tokenOf is the token that a login of the application has now.
func tokenOf(t *testing.T, p *pool) token {
	t.Helper()
	_, password, err := p.Connector.Credentials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := parseToken(string(password))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// The service that gives credentials is out of order: what is there is used as long as it is
// valid, nobody waits, and nobody asks too often.
func TestB90_NoCredentialsForAWhile(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 1}, func(t *testing.T, s *stage) {
		r := s.role("app", time.Hour)
		p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
		p.mustDial(t)
		until(50 * time.Minute)
		p.mustDial(t)
		r.fail(&net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}) // nor is it the database that refuses
		r.take()
		for elapsed() < 59*time.Minute {
			began := time.Now()
			p.mustDial(t)
			within(t, "a dial while nothing is missing yet", began, atOnce)
			time.Sleep(4 * time.Second)
		}
		if n := r.take(); n == 0 || n > 60 {
			t.Errorf("the provider was asked %d times in nine minutes", n)
		}
		until(time.Hour + time.Minute)
		err := p.dial(t.Context())
		demand.Is(t, "without credentials", err, core.ErrConnect)
		p.isNoFailover(t, err)
		for range 100 {
			_ = p.dial(t.Context())
			time.Sleep(100 * time.Millisecond)
		}
		if n := r.take(); n > 40 {
			t.Errorf("the provider was asked %d times in ten seconds", n)
		}
		r.fail(nil)
		time.Sleep(11 * time.Second)
		p.mustDial(t)
	})
}

// A provider that hangs keeps nobody for longer than his context lets him.
func TestProviderHangs(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 1}, func(t *testing.T, s *stage) {
		r := s.role("app", time.Hour)
		r.takes = 24 * time.Hour
		p := s.openPlain(t, s.DSN(s.Endpoint()), r.iam(t, iamauth.Options{}))
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := p.dial(ctx)
		demand.Is(t, "a dial of three seconds", err, context.DeadlineExceeded)
		within(t, "a dial of three seconds", began, 3*time.Second+atOnce)
		began = time.Now()
		if err := p.dial(t.Context()); err == nil {
			t.Error("there were credentials")
		}
		within(t, "a dial without a limit", began, 2*time.Minute)
	})
}

// The server refuses a token that was valid: one that is there is replaced once, one that was
// made for the very login is not, whatever replaces it.
func TestB88_B41_RefusedTokens(t *testing.T) {
	for name, test := range map[string]struct {
		revoke   func(s *stage, r *role)
		cold     bool // there is no token yet
		refusals int
		succeeds bool
	}{
		"policy changed":         {revoke: forbid, refusals: 2},
		"policy changed, cold":   {revoke: forbid, cold: true, refusals: 1},
		"keys replaced":          {revoke: func(s *stage, r *role) { s.aws.RemoveIdentity(r.current().AccessKeyID) }, refusals: 1, succeeds: true},
		"grant revoked":          {revoke: revokeGrant, refusals: 2},
		"grant revoked, cold":    {revoke: revokeGrant, cold: true, refusals: 1},
		"provider failing since": {revoke: func(s *stage, r *role) { forbid(s, r); r.fail(errors.New("away")) }, refusals: 2},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
				r := s.role("app", 0)
				p := s.open(t, s.Endpoint(), r.iam(t, iamauth.Options{}))
				if !test.cold {
					p.mustDial(t)
					p.mustDial(t)
				}
				test.revoke(s, r)
				_ = p.refused.take()
				began := time.Now()
				_ = p.take()
				err := p.dial(t.Context())
				within(t, "the refused dial", began, time.Second)
				if test.succeeds != (err == nil) {
					t.Errorf("the dial: %v", err)
				}
				if code := s.front.Code(err); err != nil && code != s.refusal() {
					t.Errorf("the server's error: %q: %v", code, err)
				}
				if refusals := p.refused.take(); refusals != test.refusals {
					t.Errorf("%d refusals, want %d", refusals, test.refusals)
				}
				p.isNoFailover(t, err)
			})
		})
	}
}

// forbid takes from a role the right to log in as the application's user.
func forbid(s *stage, r *role) {
	policy := cloud.Policy{DBUsers: []string{watch, beat}}
	r.mu.Lock()
	r.policy = policy
	r.mu.Unlock()
	s.aws.SetPolicy(r.name, policy)
}

// revokeGrant takes from the application's user the right to log in with tokens.
func revokeGrant(s *stage, _ *role) {
	for _, i := range s.Instances() {
		i.OnLogin(func(user string) error {
			if user == app {
				return &lab.LoginError{Code: s.refusal(), Message: "access denied"}
			}
			return nil
		})
	}
}

// B41, B42: one reader refuses the user. It is not taken for dead, and the others are not
// tried in its stead.
func TestB42_OneReaderRefuses(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM}, func(t *testing.T, s *stage) {
		r := s.role("app", time.Hour)
		p := s.open(t, s.ReaderEndpoint(), r.iam(t, iamauth.Options{}), "failover_mode=strict-reader")
		p.mustDial(t)
		for _, reader := range s.Readers() {
			reader.OnLogin(func(user string) error {
				if user == app {
					return &lab.LoginError{Code: s.refusal(), Message: "access denied"}
				}
				return nil
			})
		}
		for range 5 {
			_ = p.take()
			began := time.Now()
			err := p.dial(t.Context())
			within(t, "the refused dial", began, time.Second)
			if err == nil {
				t.Fatal("nobody refused")
			}
			if n := len(p.take()); n > 2 {
				t.Errorf("%d logins for one dial", n)
			}
			p.isNoFailover(t, err)
			time.Sleep(time.Minute)
		}
	})
}

// B92: two identities, and two users, against one host in one process: each handle logs in as
// who it is.
func TestB92_TwoIdentitiesOneHost(t *testing.T) {
	virtual(t, lab.Options{Auth: lab.IAM, Instances: 2}, func(t *testing.T, s *stage) {
		one, two := s.role("one", 20*time.Minute), s.role("two", 20*time.Minute)
		shared := s.role("shared", 20*time.Minute).iam(t, iamauth.Options{})
		another := s.user(other, s.DSN(s.Endpoint()))
		handles := []struct {
			pool *pool
			role *role
			user string
		}{
			{s.open(t, s.Endpoint(), one.iam(t, iamauth.Options{})), one, app},
			{s.open(t, s.Endpoint(), two.iam(t, iamauth.Options{})), two, app},
			{s.openDSN(t, another, two.iam(t, iamauth.Options{})), two, other},
			{s.open(t, s.Endpoint(), shared), nil, app},
			{s.openDSN(t, another, shared), nil, other},
		}
		for range 30 {
			for _, h := range handles {
				h.pool.mustDial(t)
			}
			time.Sleep(2 * time.Minute)
		}
		for n, h := range handles {
			for _, l := range h.pool.take() {
				made, err := parseToken(l.password)
				if err != nil {
					t.Fatal(err)
				}
				known := h.role == nil
				if !known {
					known, _ = h.role.gave(made.key)
				}
				if l.Monitor == "" && made.user != h.user || !known {
					t.Errorf("handle %d logged in with a token of %s by %s", n, made.user, made.key)
				}
			}
			if n := h.pool.refused.take(); n > 0 {
				t.Errorf("%d logins were refused", n)
			}
		}
	})
}
