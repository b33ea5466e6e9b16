package awsauth

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/awsdb/awsdb/core"
)

// refuse is what core does after the server has refused a login.
func refuse(t *testing.T, p *Tokens, refused core.Target, times int) bool {
	t.Helper()
	refused.Refused, refused.RefusedSince = times, time.Now()
	return p.LoginFailed(t.Context(), refused, errors.New("refused"))
}

func TestLoginFailed(t *testing.T) {
	r := &role{}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		first := authenticate(t, p, dial(cluster))
		if refuse(t, p, first, 1) {
			t.Error("a token that is new was refused, and the login is tried again")
		}
		time.Sleep(time.Second)
		second := authenticate(t, p, dial(cluster))
		if second.Password == first.Password || !second.Fresh {
			t.Error("a token that was refused is used again")
		}
		time.Sleep(10 * time.Minute)
		old := authenticate(t, p, dial(cluster))
		if old.Password != second.Password || old.Fresh {
			t.Fatal("the token was not kept")
		}
		asked := r.asked()
		if !refuse(t, p, old, 1) {
			t.Error("a token that was kept was refused, and the login is not tried again")
		}
		third := authenticate(t, p, dial(cluster))
		if third.Password == second.Password || !third.Fresh || r.asked() != asked+1 {
			t.Errorf("fresh %t, %d retrievals, want one", third.Fresh, r.asked()-asked)
		}
		if refuse(t, p, third, 2) {
			t.Error("the login is tried a third time")
		}
		if _, err := p.Authenticate(t.Context(), dial(cluster)); err != nil {
			t.Error(err)
		}
	})
}

// Credentials that end while a login is under way are a reason to try again: there are others by then.
func TestLoginFailedWithCredentialsThatEnd(t *testing.T) {
	r := &role{life: 20 * time.Second}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		answer := authenticate(t, p, dial(cluster))
		time.Sleep(time.Second)
		if !refuse(t, p, answer, 1) {
			t.Error("not tried again")
		}
		if again := authenticate(t, p, dial(cluster)); refuse(t, p, again, 2) {
			t.Error("tried a third time")
		}
	})
}

// The session of a role was revoked, and then a host is dialled that no token is kept for, as
// after a failover: what a new token says is refused, and the credentials are retrieved anew. If
// that is not the reason, it is done once in a while.
func TestLoginFailedWithOldCredentials(t *testing.T) {
	r := &role{life: 12 * time.Hour}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		authenticate(t, p, dial(cluster))
		time.Sleep(time.Hour)
		revoked := authenticate(t, p, dial(cluster))
		if !revoked.Fresh || r.asked() != 1 {
			t.Fatalf("fresh %t, %d retrievals", revoked.Fresh, r.asked())
		}
		if !refuse(t, p, revoked, 1) {
			t.Error("there are other credentials, and the login is not tried again")
		}
		again := authenticate(t, p, dial(cluster))
		if inspect(t, again.Password).AccessKeyID != "AK2" || !again.Fresh {
			t.Errorf("the next token is signed by %s", inspect(t, again.Password).AccessKeyID)
		}
		if refuse(t, p, again, 2) {
			t.Error("tried a third time")
		}
		for range 60 { // a minute of logins that are refused for another reason
			answer := authenticate(t, p, dial(cluster))
			if refuse(t, p, answer, 1) {
				t.Error("tried again")
			}
			time.Sleep(time.Second)
		}
		if r.asked() != 2 {
			t.Errorf("%d retrievals, want 2", r.asked())
		}
	})
}

// Credentials that have expired already sign nothing that a server takes. That is told, and their
// provider, which may be a process to start, is left alone for a while.
func TestExpiredCredentials(t *testing.T) {
	r := &role{life: -time.Second}
	for name, provider := range map[string]aws.CredentialsProvider{"kept": r, "cached by the SDK": aws.NewCredentialsCache(r)} {
		r.set(func(r *role) { r.calls, r.life = 0, -time.Second })
		signing(t, func() TokenOptions { return tokensOf(provider, nil) }, func(t *testing.T, p *Tokens) {
			_, err := p.Authenticate(t.Context(), dial(cluster))
			if err == nil || !strings.Contains(err.Error(), "expired at 1999-12-31T23:59:59Z") || strings.Contains(err.Error(), secretKey) {
				t.Errorf("%s: %v", name, err)
			}
			for range 100 {
				if _, err := p.Authenticate(t.Context(), dial(cluster)); err == nil {
					t.Fatalf("%s: a token", name)
				}
				time.Sleep(time.Millisecond)
			}
			if r.asked() > 3 {
				t.Errorf("%s: asked %d times within 0.1 s", name, r.asked())
			}
			r.set(func(r *role) { r.life = time.Hour })
			time.Sleep(longestPause)
			inspect(t, authenticate(t, p, dial(cluster)).Password)
		})
	}
}

// Other connections may use what was refused at the same time; each of them is tried once
// more, and they do not make a retrieval each.
func TestLoginFailedForMany(t *testing.T) {
	r := &role{takes: 100 * time.Millisecond}
	signing(t, func() TokenOptions { return tokensOf(r, nil) }, func(t *testing.T, p *Tokens) {
		authenticate(t, p, dial(cluster))
		time.Sleep(10 * time.Minute)
		old := authenticate(t, p, dial(cluster))
		time.Sleep(time.Second)
		before := r.asked()
		var mu sync.Mutex
		tokens := map[core.Secret]bool{}
		var logins sync.WaitGroup
		for range 100 {
			logins.Go(func() {
				if !refuse(t, p, old, 1) {
					t.Error("not tried again")
				}
				answer := authenticate(t, p, dial(cluster))
				mu.Lock()
				defer mu.Unlock()
				tokens[answer.Password] = true
			})
		}
		logins.Wait()
		if n := r.asked() - before; n != 1 || len(tokens) != 1 || tokens[old.Password] {
			t.Errorf("%d retrievals, want 1; %d new tokens, want 1", n, len(tokens))
		}
	})
}

// The new side of a blue/green deployment takes the name of the old one with the switchover.
func TestGreenHosts(t *testing.T) {
	signing(t, func() TokenOptions { return tokensOf(&role{keyID: "AK"}, nil) }, func(t *testing.T, p *Tokens) {
		signedFor := func(target core.Target, want string) {
			t.Helper()
			if got := inspect(t, target.Password).Host; got != want+":5432" {
				t.Errorf("signed for %s, want %s", got, want)
			}
		}
		answer := authenticate(t, p, dial(green))
		signedFor(answer, green)
		if !refuse(t, p, answer, 1) {
			t.Fatal("the other name is not tried")
		}
		answer = authenticate(t, p, dial(green))
		signedFor(answer, instance)
		time.Sleep(time.Minute)
		signedFor(authenticate(t, p, dial(green)), instance) // as it went well
		if refuse(t, p, answer, 2) {
			t.Error("a new token for the second name was refused, and there is a third attempt")
		}
		signedFor(authenticate(t, p, dial(green)), green)
		for n := 1; ; n++ {
			if !refuse(t, p, authenticate(t, p, dial(green)), n) {
				break
			}
			if n == 3 {
				t.Fatal("attempts without an end")
			}
		}
	})
}
