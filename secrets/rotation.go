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
	before := p.memory.refuse(refused)
	if t.Fresh && p.retryTimeout == 0 {
		return false
	}
	var next prospect
	if t.Refused <= 1 && !t.Fresh {
		next = p.renewed(ctx, region, refused, before)
	} else {
		next = p.prospect(ctx, region, refused)
	}
	limited, cancel := context.WithDeadline(ctx, t.RefusedSince.Add(p.retryTimeout))
	defer cancel()
	for round := t.Refused; ; round++ {
		switch {
		case ctx.Err() != nil || next == hopeless:
			return false
		case next == promising:
			return true
		}
		waited := p.pause(limited, round)
		if next == undecided {
			return waited
		}
		if !waited {
			return p.untold(ctx, region)
		}
		next = p.prospect(limited, region, refused)
	}
}

// renewed fetches the secret anew when one out of the cache was refused. One that was refused
// before is known to be wrong: then it is not fetched for everybody, only looked at.
func (p *plugin) renewed(ctx context.Context, region string, refused credentials, before bool) prospect {
	served := question{region: region}
	if !before {
		p.cache.Discard(served, func(v versions) bool { return v.current.credentials == refused })
	}
	v, fresh, err := p.cache.Get(ctx, served)
	switch {
	case errors.Is(err, awsauth.ErrNotRunning):
		return hopeless
	case err != nil && (p.retryTimeout == 0 || lasting(err)):
		return promising // Authenticate tells why
	case err != nil:
		return unreachable
	case v.current.credentials != refused && p.memory.refusedAt(v.current.credentials).IsZero():
		return promising
	case fresh && p.retryTimeout == 0:
		return hopeless
	}
	return p.prospect(ctx, region, refused)
}

// prospect finds out what else there is when credentials were refused.
func (p *plugin) prospect(ctx context.Context, region string, refused credentials) prospect {
	found, _, err := p.look(ctx, region)
	if err != nil {
		if ctx.Err() != nil || p.retryTimeout == 0 || lasting(err) || errors.Is(err, awsauth.ErrNotRunning) {
			return hopeless
		}
		return unreachable
	}
	if found.rotation == rotationUnderWay {
		for _, s := range []secret{found.current, found.pending} {
			if p.memory.refusedAt(s.credentials).IsZero() {
				return promising
			}
		}
		return undecided
	}
	served, _, err := p.cache.Get(ctx, question{region: region})
	switch {
	case err == nil && served.current.credentials != refused:
		return promising
	case found.rotation == rotationUnknown:
		return undecided
	}
	return hopeless
}

// look returns both versions, and sees to it that what is served is the current one.
func (p *plugin) look(ctx context.Context, region string) (v versions, fresh bool, err error) {
	v, fresh, err = p.cache.Get(ctx, question{region: region, look: true})
	if err != nil {
		return v, fresh, err
	}
	p.cache.Discard(question{region: region}, func(served versions) bool {
		return served.current.credentials != v.current.credentials && !served.current.fetched.After(v.current.fetched)
	})
	log := p.log.Load()
	if !p.memory.look(v.rotation) || log == nil {
		return v, fresh, nil
	}
	switch v.rotation {
	case rotationUnderWay:
		log.Debug("a login was refused while the secret is being rotated: its pending version is tried as well", "secret", p.store.id)
	case rotationUnknown:
		log.Warn("a login was refused, and Secrets Manager does not say whether the secret is being rotated", "secret", p.store.id, "error", v.problem)
	}
	return v, fresh, nil
}

// untold tells that the secret cannot be fetched, and Authenticate will say so: there is
// nothing to log in with.
func (p *plugin) untold(ctx context.Context, region string) bool {
	_, _, err := p.cache.Get(ctx, question{region: region})
	return err != nil && ctx.Err() == nil
}

// longestPause bounds what is waited between two logins.
const longestPause = 30 * time.Second

// pause waits before both versions are tried again, the longer the more logins were refused,
// and returns false if ctx, which has a deadline, leaves too little time for that. The first
// half of a pause is certain, the rest is left to chance, lest all come back at one moment.
func (p *plugin) pause(ctx context.Context, round int) bool {
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
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
