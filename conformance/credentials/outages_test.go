package credentials

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/lab"
	"github.com/awsdb/awsdb/lab/cloud"
	"github.com/awsdb/awsdb/secrets"
)

// B90: Secrets Manager is away, or slow, or throttles, or the secret was deleted: that is no matter as long as the
// secret that was fetched before still logs in. Nobody waits, and there is no storm of calls.
func TestB90_Outage(t *testing.T) {
	for name, outage := range map[string]func(s *stage){
		"503":            func(s *stage) { s.aws.Fail(cloud.SecretsManager, 503, "") },
		"internal error": func(s *stage) { s.aws.Fail(cloud.SecretsManager, 500, "InternalServiceError") },
		"no permission":  func(s *stage) { s.aws.SetPolicy("reader", cloud.Policy{Deny: []cloud.Operation{cloud.GetSecretValue}}) },
		"no key":         func(s *stage) { s.aws.Fail(cloud.SecretsManager, 400, "DecryptionFailure") },
		"hangs":          func(s *stage) { s.aws.Hang(cloud.SecretsManager) },
		"slow":           func(s *stage) { s.aws.Slow(cloud.SecretsManager, 9*time.Second) },
		"throttled":      func(s *stage) { s.aws.Throttle(cloud.SecretsManager, 1_000_000) },
		"deleted":        func(s *stage) { s.aws.DeleteSecret(secretID) },
		"malformed":      func(s *stage) { s.aws.PutSecret(secretID, `{"user": "`+s.password(7)+`"`) },
	} {
		t.Run(name, func(t *testing.T) {
			rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
				p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{}))
				p.mustDial(t)
				until(10 * time.Minute)
				outage(s)
				before := s.asked()
				for elapsed() < 40*time.Minute {
					began := time.Now()
					p.mustDial(t)
					within(t, "a dial during the outage", began, atOnce)
					time.Sleep(37 * time.Second)
				}
				if n := s.asked() - before; n > 600 {
					t.Errorf("Secrets Manager was called %d times in half an hour", n)
				}
				if name == "slow" {
					return
				}
				s.aws.Heal(cloud.Everything)
				s.aws.SetPolicy("reader", cloud.Policy{})
				s.aws.PutSecret(secretID, secretText(app, s.password(2)))
				s.SetPassword(app, s.password(2))
				time.Sleep(11 * time.Second)
				p.mustDial(t)
			})
		})
	}
}

// B90: five hundred at the instant at which the secret is to be fetched anew: one call, and
// nobody waits for it. Five hundred who have none yet: one call, too.
func TestB90_ManyDialsAtExpiry(t *testing.T) {
	rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
		s.aws.Slow(cloud.SecretsManager, 2*time.Second)
		p := s.open(t, s.Endpoint(), s.keeper(t, secrets.Options{}))
		rush := func(what string, limit time.Duration) {
			t.Helper()
			before, began := s.asked(), time.Now()
			if err := errors.Join(together(500, func() error { return p.dial(t.Context()) })...); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			within(t, what, began, limit)
			time.Sleep(5 * time.Second)
			if n := s.asked() - before; n > 1 {
				t.Errorf("%s: Secrets Manager was called %d times", what, n)
			}
		}
		rush("at the start", 2*time.Second+atOnce)
		for elapsed() < 14*time.Minute {
			time.Sleep(time.Minute)
			p.mustDial(t)
		}
		until(870 * time.Second)
		rush("when the secret is due", atOnce)
	})
}

// Without a secret nobody gets in, and everybody is told why, in time.
func TestB90_OutageAtTheStart(t *testing.T) {
	for name, test := range map[string]struct {
		outage func(s *stage)
		limit  time.Duration
		says   string
	}{
		"503":           {func(s *stage) { s.aws.Fail(cloud.SecretsManager, 503, "") }, 20 * time.Second, "503"},
		"no permission": {func(s *stage) { s.aws.SetPolicy("reader", cloud.Policy{Secrets: []string{"other"}}) }, time.Second, "secretsmanager:GetSecretValue"},
		"no key":        {func(s *stage) { s.aws.Fail(cloud.SecretsManager, 400, "DecryptionFailure") }, time.Second, "kms:Decrypt"},
		"no secret":     {func(s *stage) { s.aws.DeleteSecret(secretID) }, time.Second, "secrets_manager_secret_id"},
		"hangs":         {func(s *stage) { s.aws.Hang(cloud.SecretsManager) }, 20 * time.Second, "within 15s"},
	} {
		t.Run(name, func(t *testing.T) {
			rotating(t, lab.Options{Instances: 1}, func(t *testing.T, s *stage) {
				p := s.openPlain(t, s.DSN(s.Endpoint()), s.keeper(t, secrets.Options{}))
				test.outage(s)
				began := time.Now()
				for _, err := range together(50, func() error { return p.dial(t.Context()) }) {
					demand.Is(t, "a dial without a secret", err, core.ErrConnect)
					if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), secretID) {
						t.Fatalf("the error does not say %q: %v", test.says, err)
					}
				}
				within(t, "failing", began, test.limit)
				if n := s.asked(); n > 3 {
					t.Errorf("Secrets Manager was called %d times", n)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				began = time.Now()
				if err := p.dial(ctx); err == nil {
					t.Error("a dial without a secret succeeded")
				}
				within(t, "who has little time", began, 50*time.Millisecond+atOnce)
				if dials := dialsOf(s.Cluster); dials > 0 {
					t.Errorf("%d dials without a secret", dials)
				}
				s.aws.Heal(cloud.Everything)
				s.aws.SetPolicy("reader", cloud.Policy{})
				s.aws.PutSecret(secretID, secretText(app, s.password(1)))
				time.Sleep(11 * time.Second)
				p.mustDial(t)
			})
		})
	}
}
