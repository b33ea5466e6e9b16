package credentials

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
	"github.com/awsdb/awsdb/secrets"
)

const secretID = "prod/app"

// password makes a password that cannot be taken for anything else.
func (s *stage) password(n int) string {
	p := fmt.Sprintf("%d pl4nted S3cret/%%?@:'\\x\"<", n)
	s.secret("a password", p)
	return p
}

// secretText is a secret as RDS keeps it.
func secretText(user, password string) string {
	text, err := json.Marshal(map[string]any{"engine": "postgres", "host": "elsewhere", "username": user, "password": password, "dbname": "x", "port": 1})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// rotating runs a test for each front end with a cluster whose password is a secret's.
func rotating(t *testing.T, o lab.Options, test func(t *testing.T, s *stage)) {
	t.Helper()
	virtual(t, o, func(t *testing.T, s *stage) {
		s.SetPassword(app, s.password(1))
		s.aws.PutSecret(secretID, secretText(app, s.password(1)))
		test(t, s)
	})
}

// secret plugin of the stage's secret.
func (s *stage) keeper(t *testing.T, o secrets.Options) core.Plugin {
	t.Helper()
	o.SecretID = secretID
	if o.AWS.Config == nil {
		o.AWS = s.as(s.aws.AddIdentity("reader", cloud.Policy{Secrets: []string{secretID}}))
	}
	p, err := secrets.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// asked is how often Secrets Manager was called until now.
func (s *stage) asked() int { return s.aws.Calls(cloud.GetSecretValue) }

// workers dial all the time.
type workers struct {
	group   sync.WaitGroup
	stop    chan struct{}
	mu      sync.Mutex
	errs    []error
	slowest time.Duration
	dials   int
}

func (p *pool) work(n int, pause time.Duration) *workers {
	w := &workers{stop: make(chan struct{})}
	for i := range n {
		w.group.Go(func() {
			time.Sleep(time.Duration(i) * 1237 * time.Microsecond)
			for {
				select {
				case <-w.stop:
					return
				case <-time.After(pause):
				}
				began := time.Now()
				err := p.dial(context.Background())
				w.mu.Lock()
				w.dials++
				w.slowest = max(w.slowest, time.Since(began))
				if err != nil {
					w.errs = append(w.errs, fmt.Errorf("%v: %w", elapsed(), err))
				}
				w.mu.Unlock()
			}
		})
	}
	return w
}

// end demands that no dial failed or took longer than limit.
func (w *workers) end(t *testing.T, limit time.Duration) {
	t.Helper()
	close(w.stop)
	w.group.Wait()
	for _, err := range w.errs[:min(len(w.errs), 3)] {
		t.Errorf("%d of %d dials failed: %v", len(w.errs), w.dials, err)
	}
	if w.slowest > limit {
		t.Errorf("a dial took %v, want at most %v", w.slowest, limit)
	}
	if w.dials < 20 {
		t.Errorf("%d dials: nothing was tested", w.dials)
	}
}

// B89: while the password is changed there is a time in which database and Secrets Manager
// disagree. Whoever connects gets in, and Secrets Manager is not run over.
func TestB89_RotationWindow(t *testing.T) {
	const window = 25 * time.Second
	for _, test := range []struct {
		name   string
		policy cloud.Policy
		rotate func(s *stage, next string)
		limit  time.Duration // of each dial
	}{
		{
			name:  "the database first, as AWS does it",
			limit: 4 * time.Second,
			rotate: func(s *stage, next string) {
				s.aws.StageSecret(secretID, secretText(app, next))
				time.Sleep(3 * time.Second)
				s.SetPassword(app, next)
				time.Sleep(window)
				s.aws.FinishRotation(secretID)
			},
		},
		{
			name:   "the database first, and nobody may see the pending version",
			policy: cloud.Policy{Stages: []string{cloud.Current, ""}},
			limit:  30 * time.Second,
			rotate: func(s *stage, next string) {
				s.aws.StageSecret(secretID, secretText(app, next))
				s.SetPassword(app, next)
				time.Sleep(window)
				s.aws.FinishRotation(secretID)
			},
		},
		{
			name:  "the secret first",
			limit: time.Second,
			rotate: func(s *stage, next string) {
				s.aws.PutSecret(secretID, secretText(app, next))
				time.Sleep(window)
				s.SetPassword(app, next)
			},
		},
		{
			name:  "both at once",
			limit: time.Second,
			rotate: func(s *stage, next string) {
				s.aws.PutSecret(secretID, secretText(app, next))
				s.SetPassword(app, next)
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
				plugin := s.keeper(t, secrets.Options{AWS: s.as(s.aws.AddIdentity("reader", test.policy))})
				p := s.open(t, s.Endpoint(), plugin)
				p.mustDial(t)
				time.Sleep(time.Minute)
				w := p.work(4, time.Second)
				time.Sleep(2 * time.Second)
				before := s.asked()
				test.rotate(s, s.password(2))
				time.Sleep(30 * time.Second)
				asked := s.asked() - before
				w.end(t, test.limit)
				if asked > 150 {
					t.Errorf("Secrets Manager was called %d times", asked)
				}
				p.isNoFailover(t, nil)

				time.Sleep(2 * time.Minute)
				before = s.asked()
				_ = p.refused.take()
				for range 20 {
					p.mustDial(t)
					time.Sleep(20 * time.Second)
				}
				if n := p.refused.take(); n > 0 {
					t.Errorf("%d refusals when all was over", n)
				}
				if n := s.asked() - before; n > 2 {
					t.Errorf("Secrets Manager was called %d times when all was over", n)
				}
			})
		})
	}
}

// B89: who connects for the first time meets the window, too.
func TestB89_ColdInTheWindow(t *testing.T) {
	rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
		s.aws.StageSecret(secretID, secretText(app, s.password(2)))
		s.SetPassword(app, s.password(2))
		p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{}))
		began := time.Now()
		p.mustDial(t)
		within(t, "the first dial", began, 4*time.Second)
		if n := s.asked(); n > 10 {
			t.Errorf("Secrets Manager was called %d times", n)
		}
		s.aws.FinishRotation(secretID)
		time.Sleep(10 * time.Second)
		p.mustDial(t)
	})
}

// B89: with the retries turned off, and with a password that is simply wrong, it is over at
// once, after two logins, or one with what was fetched for this very login.
func TestB89_B88_FailsFast(t *testing.T) {
	off := time.Duration(0)
	for name, test := range map[string]struct {
		retry    *time.Duration
		begin    func(s *stage)
		cold     bool
		refusals int
		gone     bool // the plugin may find out within the time of another fetch
	}{
		"turned off":        {retry: &off, begin: (*stage).beginRotation, refusals: 1},
		"turned off, cold":  {retry: &off, begin: (*stage).beginRotation, cold: true, refusals: 1},
		"no rotation":       {begin: func(s *stage) { s.SetPassword(app, s.password(9)) }, refusals: 1},
		"no rotation, cold": {begin: func(s *stage) { s.SetPassword(app, s.password(9)) }, cold: true, refusals: 1},
	} {
		t.Run(name, func(t *testing.T) {
			rotating(t, lab.Options{}, func(t *testing.T, s *stage) {
				p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{RetryTimeout: test.retry}))
				if !test.cold {
					p.mustDial(t)
					time.Sleep(2 * time.Minute)
					p.mustDial(t)
				}
				test.begin(s)
				before := s.asked()
				_ = p.refused.take()
				began := time.Now()
				err := p.dial(t.Context())
				within(t, "the dial", began, time.Second)
				demand.Is(t, "the dial", err, core.ErrConnect)
				if code := s.front.Code(err); code != s.codes.WrongPassword {
					t.Errorf("the server's error is %q: %v", code, err)
				}
				if n := p.refused.take(); n < test.refusals || n > 2 {
					t.Errorf("%d refusals, want %d or 2", n, test.refusals)
				}
				if n := s.asked() - before; n > 3 {
					t.Errorf("Secrets Manager was called %d times", n)
				}
				p.isNoFailover(t, err)
				before = s.asked()
				for range 20 {
					_ = together(5, func() error { return p.dial(t.Context()) })
					time.Sleep(100 * time.Millisecond)
				}
				if n := s.asked() - before; n > 20 {
					t.Errorf("Secrets Manager was called %d times in two seconds of wrong passwords", n)
				}
			})
		})
	}
}

// beginRotation changes the password in the database, and leaves the secret pending.
func (s *stage) beginRotation() {
	s.aws.StageSecret(secretID, secretText(app, s.password(2)))
	s.SetPassword(app, s.password(2))
}

// B91: what a secret may hold, and what errors say of what it must not.
func TestB91_Malformed(t *testing.T) {
	for name, test := range map[string]struct {
		value   func(password string) string
		binary  bool
		options secrets.Options
		says    string // "": logs in
	}{
		"renamed keys":        {value: func(p string) string { return `{"user":"app","pass":` + quote(p) + `}` }, says: `"username"`},
		"renamed keys, named": {value: func(p string) string { return `{"user":"app","pass":` + quote(p) + `}` }, options: secrets.Options{UsernameKey: "user", PasswordKey: "pass"}},
		"no password":         {value: func(p string) string { return `{"username":"app","pass":` + quote(p) + `}` }, says: `"password"`},
		"empty password":      {value: func(p string) string { return `{"username":"app","password":"","old":` + quote(p) + `}` }, says: `"password"`},
		"password no string":  {value: func(p string) string { return `{"username":"app","password":[` + quote(p) + `]}` }, says: `"password"`},
		"not JSON":            {value: func(p string) string { return p }, says: "JSON"},
		"half of JSON":        {value: func(p string) string { return `{"username":"app","password":` + quote(p) }, says: "JSON"},
		"a list":              {value: func(p string) string { return `["app",` + quote(p) + `]` }, says: "JSON"},
		"null":                {value: func(string) string { return "null" }, says: "JSON"},
		"binary":              {value: func(p string) string { return secretText(app, p) }, binary: true, says: "binary"},
	} {
		t.Run(name, func(t *testing.T) {
			rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
				if value := test.value(s.password(1)); test.binary {
					s.aws.PutBinarySecret(secretID, []byte(value))
				} else {
					s.aws.PutSecret(secretID, value)
				}
				p := s.openPlain(t, s.DSN(s.Endpoint()), s.keeper(t, test.options))
				began := time.Now()
				err := p.dial(t.Context())
				within(t, "the dial", began, atOnce)
				if test.says == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				demand.Is(t, "the dial", err, core.ErrConnect, secrets.ErrInvalid)
				if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), secretID) {
					t.Errorf("the error does not say %s and %s: %v", test.says, secretID, err)
				}
			})
		})
	}
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// B93: a password that is changed while the application runs is used by the next connection, and
// so is another user, as where two users take turns.
func TestB93_NewPasswordAtRuntime(t *testing.T) {
	rotating(t, lab.Options{}, func(t *testing.T, s *stage) {
		p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{}))
		p.mustDial(t)
		for n := range 5 {
			time.Sleep(time.Hour)
			next := s.password(n + 2)
			s.SetPassword(app, next)
			s.aws.PutSecret(secretID, secretText(app, next))
			_ = p.refused.take()
			began := time.Now()
			p.mustDial(t)
			within(t, "the dial after the change", began, atOnce)
			if n := p.refused.takeMost(); n > 1 {
				t.Errorf("%d refusals of one connect", n)
			}
			p.mustDial(t)
			if n := p.refused.take(); n > 0 {
				t.Errorf("%d refusals of what is known by now", n)
			}
		}
	})
	rotating(t, lab.Options{}, func(t *testing.T, s *stage) {
		p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{}))
		names := []string{app, "app_clone"}
		for n := range 6 {
			name, password := names[n%2], s.password(n+2)
			s.aws.StageSecret(secretID, secretText(name, password))
			s.SetPassword(name, password) // the other one's is still good
			s.aws.FinishRotation(secretID)
			for range 10 {
				p.mustDial(t)
				time.Sleep(3 * time.Minute)
			}
			_ = p.take()
			p.mustDial(t)
			if diff := cmp.Diff([]string{name}, users(p.take())); diff != "" {
				t.Errorf("half an hour later (-want +got):\n%s", diff)
			}
		}
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d refusals, though one password is always good", n)
		}
	})
}

// B92: two secrets against one host never swap.
func TestB92_TwoSecretsOneHost(t *testing.T) {
	rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
		s.SetPassword(other, s.password(2))
		s.aws.PutSecret("prod/other", secretText(other, s.password(2)))
		o := secrets.Options{SecretID: "prod/other", AWS: s.as(s.aws.AddIdentity("other reader", cloud.Policy{}))}
		plugin, err := secrets.New(o)
		if err != nil {
			t.Fatal(err)
		}
		handles := map[string]*pool{app: s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{})), other: s.open(t, s.Endpoint(), plugin)}
		for range 40 {
			for _, p := range handles {
				p.mustDial(t)
			}
			time.Sleep(time.Minute)
		}
		for user, p := range handles {
			if diff := cmp.Diff([]string{user}, users(p.take())); diff != "" {
				t.Errorf("who logged in (-want +got):\n%s", diff)
			}
			if n := p.refused.take(); n > 0 {
				t.Errorf("%d refusals", n)
			}
		}
	})
}

// With an expiration of zero every login asks.
func TestSecretForEveryLogin(t *testing.T) {
	rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
		zero := time.Duration(0)
		p := s.openPlain(t, s.DSN(s.Endpoint()), s.keeper(t, secrets.Options{Expiration: &zero}))
		for n := range 5 {
			s.SetPassword(app, s.password(n+1))
			s.aws.PutSecret(secretID, secretText(app, s.password(n+1)))
			p.mustDial(t)
			if asked := s.asked(); asked != n+1 {
				t.Errorf("Secrets Manager was called %d times for %d logins", asked, n+1)
			}
		}
		if n := p.refused.take(); n > 0 {
			t.Errorf("%d refusals", n)
		}
	})
}
