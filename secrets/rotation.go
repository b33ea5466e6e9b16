package secrets

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// prospect is what can be expected of another login.
type prospect uint8

const (
	hopeless    prospect = iota // the secret has what was refused, and nothing else is coming
	promising                   // there are credentials that were not refused, or an error to tell
	undecided                   // a rotation is under way, or may be, but all there is was refused
	unreachable                 // Secrets Manager does not say
)

// LoginFailed implements core.Authenticator. The secret is fetched anew if it came out of the
// cache. A password that is wrong all the same is given up, unless the secret is being
// rotated: the database has the new password for some seconds before AWSCURRENT does. Both
// versions are tried then until one is right or the time is over.
func (p *plugin) LoginFailed(ctx context.Context, t core.Target, _ error) bool {
	region, refused := p.regionFor(t), credentials{t.User, t.Password}
	p.memory.refuse(refused)
	since := t.RefusedSince
	if since.IsZero() {
		since = time.Now()
	}
	if t.Refused <= 1 && !t.Fresh {
		p.cache.Discard(version{region: region, stage: stageCurrent}, func(s secret) bool { return s.credentials == refused && !s.watched })
	}
	next := p.prospect(ctx, region, refused)
	for round := t.Refused; ; round++ {
		switch {
		case ctx.Err() != nil || next == hopeless:
			return false
		case next == promising:
			return true
		}
		waited := p.pause(ctx, since.Add(p.retryTimeout), round)
		if next == undecided {
			return waited
		}
		if !waited {
			return ctx.Err() == nil // Authenticate tells why there is no newer secret
		}
		next = p.prospect(ctx, region, refused)
	}
}

// prospect finds out what else there is when credentials were refused.
func (p *plugin) prospect(ctx context.Context, region string, refused credentials) prospect {
	current, fresh, err := p.cache.Get(ctx, version{region: region, stage: stageCurrent})
	switch {
	case ctx.Err() != nil || errors.Is(err, awsauth.ErrNotRunning):
		return hopeless
	case err != nil && (p.retryTimeout == 0 || lasting(err)):
		return promising // Authenticate tells why
	case err != nil:
		return unreachable
	case current.credentials != refused && (p.retryTimeout == 0 || p.memory.refusedAt(current.credentials).IsZero()):
		return promising
	case p.retryTimeout == 0:
		return p.verify(ctx, region, current, fresh)
	}
	pending, _, err := p.cache.Get(ctx, version{region: region, stage: stagePending})
	switch {
	case ctx.Err() != nil:
		return hopeless
	case err != nil:
		p.look(rotationUnknown)
	case !pending.found || pending.version == current.version:
		p.look(rotationNone)
		if current.credentials != refused {
			return promising
		}
		return p.verify(ctx, region, current, fresh)
	default:
		p.look(rotationUnderWay)
	}
	p.watch(region, refused)
	if err == nil && p.memory.refusedAt(pending.credentials).IsZero() {
		return promising
	}
	return undecided
}

// verify makes sure that Secrets Manager has nothing newer than the current version, which
// was refused. It is renewed at short intervals then, but only while it is asked for. It is
// left alone if there is none: to fetch it anew for everybody would help nobody.
func (p *plugin) verify(ctx context.Context, region string, current secret, fresh bool) prospect {
	if fresh || !current.watched {
		return hopeless // it was fetched after the refusal, or for the login that was refused
	}
	newer, _, err := p.cache.Get(ctx, version{region: region, stage: stageCurrent, anew: true})
	if err != nil || newer.credentials == current.credentials {
		return hopeless // as far as anybody knows
	}
	p.cache.Discard(version{region: region, stage: stageCurrent}, func(s secret) bool { return s.credentials == current.credentials })
	return promising
}

// look notes what was found of a rotation.
func (p *plugin) look(found rotation) {
	log := p.log.Load()
	if !p.memory.look(found) || log == nil {
		return
	}
	switch found {
	case rotationUnderWay:
		log.Info("a login was refused while the secret is being rotated: its pending version is tried as well", "secret", p.store.id)
	case rotationUnknown:
		log.Warn("a login was refused, and Secrets Manager does not say whether the secret is being rotated", "secret", p.store.id)
	}
}

// watch makes the current version be fetched now and at short intervals from then on, as long
// as it is asked for and has what was refused.
func (p *plugin) watch(region string, refused credentials) {
	p.cache.Discard(version{region: region, stage: stageCurrent}, func(s secret) bool { return s.credentials == refused && !s.watched })
}

// longestPause bounds what is waited between two logins.
const longestPause = 30 * time.Second

// pause waits before both versions are tried again, the longer the more logins were refused,
// and returns false if too little time is left for that. The first half of a pause is
// certain, the rest is left to chance, lest all come back at one moment.
func (p *plugin) pause(ctx context.Context, until time.Time, round int) bool {
	left := time.Until(until)
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	longest := longestPause
	if shift := max(round-2, 0); shift < 32 && p.retryInterval < longestPause>>shift {
		longest = p.retryInterval << shift
	}
	longest = max(p.retryInterval, min(longest, left/2)) // the last tries are close to the end
	if longest > left {
		return false
	}
	timer := time.NewTimer(longest/2 + rand.N(longest/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
