package awsauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/awsdb/awsdb/core"
)

// A login gets a token that is good for it, whenever it is; one is signed for as long as it can be used.
func TestTokenLife(t *testing.T) {
	zero, minute, day := time.Duration(0), time.Minute, 24*time.Hour
	tests := map[string]struct {
		expiration *time.Duration
		role       *role
		life       time.Duration // of a token
	}{
		"default":                  {role: &role{}, life: 870 * time.Second},
		"shorter":                  {expiration: &minute, role: &role{}, life: time.Minute},
		"longer than it can be":    {expiration: &day, role: &role{}, life: 870 * time.Second},
		"never kept":               {expiration: &zero, role: &role{}, life: 0},
		"credentials end before":   {role: &role{life: 10 * time.Minute}, life: 10*time.Minute - 30*time.Second},
		"credentials about to end": {expiration: &minute, role: &role{life: 20 * time.Second}, life: 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			signing(t, func() TokenOptions {
				return tokensOf(test.role, func(o *TokenOptions) { o.Expiration = test.expiration })
			}, func(t *testing.T, p *Tokens) {
				first := authenticate(t, p, dial(cluster))
				if test.life > 0 {
					time.Sleep(test.life - time.Second)
					if again := authenticate(t, p, dial(cluster)); again.Password != first.Password || again.Fresh {
						t.Errorf("another token within %s, or fresh (%t)", test.life, again.Fresh)
					}
				}
				time.Sleep(time.Second)
				again := authenticate(t, p, dial(cluster))
				if again.Password == first.Password {
					t.Error("the same token after its life")
				}
				inspect(t, again.Password)
			})
		})
	}
}

// The clock of B84: every token that is handed out is one that the server takes.
func TestTokensThroughADay(t *testing.T) {
	signing(t, func() TokenOptions { return tokensOf(&role{life: time.Hour}, nil) }, func(t *testing.T, p *Tokens) {
		start := time.Now()
		for _, at := range []time.Duration{0, 14*time.Minute + 59*time.Second, 16 * time.Minute, 24 * time.Hour} {
			time.Sleep(time.Until(start.Add(at)))
			inspect(t, authenticate(t, p, dial(cluster)).Password)
		}
	})
}

// 500 connections that are opened when everything has expired: one retrieval, one token per host.
func TestTokensAtExpiry(t *testing.T) {
	r := &role{life: time.Hour, takes: time.Second}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		for round := 1; round <= 2; round++ {
			var mu sync.Mutex
			tokens := map[core.Secret]int{}
			var dials sync.WaitGroup
			for n := range 500 {
				dials.Go(func() {
					target := dial(fmt.Sprintf("mydb-%d.c9xyz0abcdef.us-east-1.rds.amazonaws.com", n%5))
					answer, err := p.Authenticate(t.Context(), target)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					tokens[answer.Password]++
				})
			}
			dials.Wait()
			if r.asked() != round || len(tokens) != 5 {
				t.Errorf("round %d: %d retrievals, %d tokens for five hosts", round, r.asked(), len(tokens))
			}
			time.Sleep(2 * time.Hour)
		}
	})
}

// Nobody waits for the renewal of credentials that are in use.
func TestTokensRenewAhead(t *testing.T) {
	r := &role{life: time.Hour, takes: 5 * time.Second}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		authenticate(t, p, dial(cluster))
		for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(30 * time.Second) {
			asked := time.Now()
			inspect(t, authenticate(t, p, dial(cluster)).Password)
			if waited := time.Since(asked); waited > 0 {
				t.Fatalf("after %s a login waited for %s", time.Since(start), waited)
			}
		}
		if n := r.asked(); n < 25 || n > 28 {
			t.Errorf("%d retrievals of credentials for an hour, in a day", n)
		}
	})
}

// While the provider is out of order, what it gave is used for as long as it is good.
func TestTokensSurviveAnOutage(t *testing.T) {
	r := &role{life: time.Hour}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		var log bytes.Buffer
		p.log.Store(slog.New(slog.NewTextHandler(&log, nil)))
		authenticate(t, p, dial(cluster))
		r.set(func(r *role) { r.err = errors.New("STS is out of order") })
		start := time.Now()
		for time.Since(start) < time.Hour-tokenMargin {
			inspect(t, authenticate(t, p, dial(cluster)).Password)
			time.Sleep(10 * time.Second)
		}
		time.Sleep(tokenMargin)
		if _, err := p.Authenticate(t.Context(), dial(cluster)); err == nil || !strings.Contains(err.Error(), "STS is out of order") {
			t.Errorf("with credentials that have expired: %v", err)
		}
		if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "STS is out of order") || !strings.Contains(got, "until=2000-01-01T01:00:00.000Z") {
			t.Errorf("whoever reads the log learns: %s", got)
		}
		r.set(func(r *role) { r.err = nil })
		time.Sleep(longestPause)
		inspect(t, authenticate(t, p, dial(cluster)).Password)
	})
}

func TestTokensBounds(t *testing.T) {
	r := &role{takes: time.Hour}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := p.Authenticate(ctx, dial(cluster)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("the caller's deadline: %v after %s", err, time.Since(start))
		}
		if _, err := p.Authenticate(t.Context(), dial(cluster)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != retrieveLimit {
			t.Errorf("a provider that hangs: %v after %s", err, time.Since(start))
		}
		if r.asked() != 1 {
			t.Errorf("%d retrievals", r.asked())
		}
	})
}

// Credentials that take long to get have the time they need.
func TestTokensLimit(t *testing.T) {
	o := TokenOptions{Code: "test", Limit: 5 * time.Minute, Credentials: func(context.Context, string) (aws.CredentialsProvider, error) {
		return &role{takes: 4 * time.Minute}, nil
	}}
	signing(t, func() TokenOptions { return o }, func(t *testing.T, p *Tokens) {
		inspect(t, authenticate(t, p, dial(cluster)).Password)
	})
}

// Two users, two profiles and two regions against one host never get each other's tokens.
func TestTokensOfSeveralIdentities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var plugins []*Tokens
		for _, name := range []string{"ALICE", "BOB"} {
			p, err := NewTokens(tokensOf(&role{keyID: name}, nil))
			if err != nil {
				t.Fatal(err)
			}
			go p.Run(ctx, nil)
			plugins = append(plugins, p)
		}
		for range 2 {
			for n, name := range []string{"ALICE", "BOB"} {
				for _, user := range []string{"app", "admin"} {
					target := dial(cluster)
					target.Login.User = user
					if got, want := inspect(t, authenticate(t, plugins[n], target).Password), (inspected{cluster + ":5432", user, "us-east-1", name}); got != want {
						t.Errorf("got %v, want %v", got, want)
					}
				}
			}
		}
	})
}

// Who signs may change while the application runs.
func TestTokensFollowTheProvider(t *testing.T) {
	var mu sync.Mutex
	name := "FIRST"
	provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		mu.Lock()
		defer mu.Unlock()
		return aws.Credentials{AccessKeyID: name, SecretAccessKey: secretKey}, nil
	})
	o := TokenOptions{Code: "test", Credentials: func(context.Context, string) (aws.CredentialsProvider, error) { return provider, nil }}
	signing(t, func() TokenOptions { return o }, func(t *testing.T, p *Tokens) {
		authenticate(t, p, dial(cluster))
		mu.Lock()
		name = "SECOND"
		mu.Unlock()
		time.Sleep(askAgain)
		authenticate(t, p, dial(cluster)) // is what makes it ask
		synctest.Wait()
		if got := inspect(t, authenticate(t, p, dial(cluster)).Password).AccessKeyID; got != "SECOND" {
			t.Errorf("signed by %s", got)
		}
	})
}

// B24: what is kept does not grow with time.
func TestTokensDoNotGrow(t *testing.T) {
	signing(t, func() TokenOptions { return tokensOf(&role{life: 10 * time.Minute}, nil) }, func(t *testing.T, p *Tokens) {
		for n := range 5000 {
			target := dial(cluster)
			target.Login.User = fmt.Sprint(n)
			authenticate(t, p, target)
			time.Sleep(10 * time.Second)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.tokens) > 100 {
			t.Errorf("%d tokens are kept, of which at most 87 are good", len(p.tokens))
		}
	})
}

// A machine that was suspended, or whose clock is set, trusts the wall clock.
func TestTokensFollowTheWallClock(t *testing.T) {
	now := wallClock()
	id := &identity{Credentials: aws.Credentials{CanExpire: true, Expires: now.Add(10 * time.Minute)}}
	kept := token{signedAt: now, expires: now.Add(id.left(now))}
	for name, test := range map[string]struct {
		at   time.Time
		want bool
	}{
		"at once":                  {now, true},
		"while it is good":         {now.Add(9 * time.Minute), true},
		"after an hour of freeze":  {now.Add(time.Hour), false},
		"corrected by a little":    {now.Add(-time.Second), true},
		"set back by half an hour": {now.Add(-30 * time.Minute), false},
	} {
		if got := kept.valid(test.at); got != test.want {
			t.Errorf("%s: valid %t, want %t", name, got, test.want)
		}
	}
}

func TestNothingShowsSecrets(t *testing.T) {
	r := &role{life: time.Hour}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		answer := authenticate(t, p, dial(cluster))
		static := credentials.NewStaticCredentialsProvider("AK", secretKey, session)
		source := NewSource(Options{Credentials: static})
		kept := KeepCredentials(static)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			text := fmt.Sprintf(strings.Repeat(verb, 5), p, answer, source, kept, p.identities)
			for _, secret := range []string{secretKey, session, "X-Amz-Signature", string(answer.Password)} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows %s", verb, secret[:10])
				}
			}
		}
	})
}

// authenticator returns a plugin that has signed a token for dial(cluster), outside of virtual time.
func authenticator(t testing.TB) *Tokens {
	t.Helper()
	p, err := NewTokens(tokensOf(&role{keyID: "AK"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	runs.Go(func() { p.Run(ctx, nil) })
	t.Cleanup(runs.Wait)
	t.Cleanup(cancel)
	if _, err := p.Authenticate(ctx, dial(cluster)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestKeptTokensCostNoAllocation(t *testing.T) {
	p := authenticator(t)
	if n := testing.AllocsPerRun(100, func() { _, _ = p.Authenticate(t.Context(), dial(cluster)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	p := authenticator(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Authenticate(b.Context(), dial(cluster)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	key := tokenKey{host: cluster, port: 5432, user: "app", region: "us-east-1"}
	for b.Loop() {
		if _, err := sign(b.Context(), key, aws.Credentials{AccessKeyID: "AK", SecretAccessKey: secretKey}); err != nil {
			b.Fatal(err)
		}
	}
}
