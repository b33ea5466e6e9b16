package secrets

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

const (
	// fetchLimit bounds one fetch: the AWS identity's own credentials, and the SDK's tries.
	fetchLimit = 15 * time.Second
	// pace is the time between two looks at a secret that is being rotated.
	pace = time.Second
	// lookServed is for how long the answer to one refused login is good for others: it
	// bounds how often Secrets Manager is asked when nothing it says helps.
	lookServed = 100 * time.Millisecond
	// pendingServed is how long a pending version is tried while Secrets Manager cannot be
	// asked whether it still is one.
	pendingServed = 30 * time.Second
)

// plugin is "aws_secrets_manager".
type plugin struct {
	store         *store
	region        string // "": of the host, or the SDK's
	expiration    time.Duration
	retryTimeout  time.Duration
	retryInterval time.Duration

	cache  *awsauth.Cache[version, secret]
	memory *memory                     // a pointer: nobody prints what is behind it
	host   atomic.Pointer[string]      // region of the first host that told one
	log    atomic.Pointer[slog.Logger] // of the handle that was opened last; nil before
	silent atomic.Bool                 // Secrets Manager has failed to renew
}

// version names what the cache holds.
type version struct {
	region, stage string
	// anew keeps what was fetched because of a refusal apart from what is served.
	anew bool
}

var (
	_ core.Authenticator = (*plugin)(nil)
	_ core.Runner        = (*plugin)(nil)
)

// Code implements core.Plugin.
func (p *plugin) Code() string { return "aws_secrets_manager" }

// Run implements core.Runner.
func (p *plugin) Run(ctx context.Context, k *core.Connector) {
	p.log.Store(k.Log())
	p.cache.Run(ctx)
}

// Authenticate implements core.Authenticator. User and password are always the secret's.
func (p *plugin) Authenticate(ctx context.Context, t core.Target) (core.Target, error) {
	s, fresh, err := p.choose(ctx, p.regionFor(t), t.Refused > 0)
	if err != nil {
		return t, err
	}
	t.User, t.Password, t.Fresh = s.user, s.password, fresh
	return t, nil
}

// choose returns the credentials to log in with. again tells that others were refused before,
// so that those which nobody has fetched anew are no choice.
func (p *plugin) choose(ctx context.Context, region string, again bool) (s secret, fresh bool, err error) {
	current, fresh, err := p.cache.Get(ctx, version{region: region, stage: stageCurrent})
	if err == nil && !p.memory.doubts(current.credentials) {
		return current, fresh, nil
	}
	if p.memory.lastLook() == rotationUnderWay && ctx.Err() == nil {
		pending, fresh, pendingErr := p.cache.Get(ctx, version{region: region, stage: stagePending})
		if pendingErr == nil && p.preferable(pending, current, err != nil) {
			return pending, fresh, nil
		}
	}
	if err == nil {
		return current, fresh, nil
	}
	// An outage of Secrets Manager shall not matter while the last secret still logs in; it may
	// have been discarded for what only one host refused.
	if kept, ok := p.memory.kept(region); ok && !again && p.expiration > 0 && !lasting(err) && ctx.Err() == nil {
		return kept, false, nil
	}
	return secret{}, false, err
}

// preferable tells that the pending version shall be tried, and not the current one. Of two
// that were refused it is the turn of the one for which that is longer ago: the one that is
// right is refused no more, and so will be chosen after the other.
func (p *plugin) preferable(pending, current secret, noCurrent bool) bool {
	switch {
	case !pending.found || (!noCurrent && pending.version == current.version):
		p.memory.look(rotationNone)
		return false
	case noCurrent:
		return true
	}
	return p.memory.refusedAt(pending.credentials).Before(p.memory.refusedAt(current.credentials))
}

// regionFor is the region to ask in; "" means the SDK's.
func (p *plugin) regionFor(t core.Target) string {
	if p.region != "" {
		return p.region
	}
	// Instances of a global database are in several regions. The secret is in that of the
	// connection string.
	region := core.ParseEndpoint(t.Login.Host).Region
	if region != "" && t.Login.Own {
		p.host.CompareAndSwap(nil, &region)
	}
	if first := p.host.Load(); first != nil {
		return *first
	}
	return region
}

// fetch fills the cache.
func (p *plugin) fetch(ctx context.Context, v version) (awsauth.Fetched[secret], error) {
	s, err := p.store.read(ctx, v.region, v.stage)
	if err != nil {
		p.failed(v, err)
		return awsauth.Fetched[secret]{}, err
	}
	f := awsauth.Fetched[secret]{Value: s}
	switch {
	case v.anew, v.stage == stagePending && !s.found:
		f.Expires = s.fetched.Add(lookServed)
		return f, nil
	case v.stage == stagePending:
		f.Renew, f.Expires = s.fetched.Add(pace), s.fetched.Add(pendingServed)
		return f, nil
	}
	p.succeeded(v, s)
	life := p.expiration
	if life > pace && !p.memory.refusedAt(s.credentials).IsZero() {
		f.Value.watched, life = true, pace
	}
	f.Renew = s.fetched.Add(life)
	if p.expiration == 0 {
		f.Expires = s.fetched
	}
	return f, nil
}

// failed logs what nobody is told, as the secret that was fetched before stays in use.
func (p *plugin) failed(v version, err error) {
	if _, ok := p.memory.kept(v.region); !ok || v.stage != stageCurrent {
		return
	}
	if log := p.log.Load(); log != nil && !p.silent.Swap(true) {
		log.Warn("the secret cannot be fetched, the last one stays in use", "secret", p.store.id, "error", err)
	}
}

func (p *plugin) succeeded(v version, s secret) {
	p.memory.keep(v.region, s)
	if log := p.log.Load(); log != nil && p.silent.Swap(false) {
		log.Info("the secret can be fetched again", "secret", p.store.id)
	}
}
