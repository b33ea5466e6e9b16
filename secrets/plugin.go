package secrets

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

const (
	// fetchLimit bounds one fetch: the AWS identity's own credentials, and the SDK's tries.
	fetchLimit = 15 * time.Second
	// lookServed is for how long what was found for one refused login is good for others: it
	// bounds how often Secrets Manager is asked when nothing it says helps.
	lookServed = time.Second
	// pace is the time between two looks at a secret that is being rotated.
	pace = time.Second
	// rotationServed is for how long both versions are tried while Secrets Manager cannot be
	// asked whether they still are the ones.
	rotationServed = 30 * time.Second
)

// plugin is "aws_secrets_manager".
type plugin struct {
	store         *store
	region        string // "": of the host, or the SDK's
	expiration    time.Duration
	retryTimeout  time.Duration
	retryInterval time.Duration

	cache  *awsauth.Cache[question, versions]
	memory *memory                     // a pointer: nobody prints what is behind it
	host   atomic.Pointer[string]      // region of the first host that told one
	log    atomic.Pointer[slog.Logger] // of the handle that was opened last; nil before
	silent atomic.Bool                 // Secrets Manager has failed to renew
}

// question names what the cache holds.
type question struct {
	region string
	// look asks what there is beside what is served, see store.look.
	look bool
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
		return t, fmt.Errorf("%s: %w", p.Code(), err)
	}
	t.User, t.Password, t.Fresh = s.user, s.password, fresh
	return t, nil
}

// choose returns the credentials to log in with. again tells that others were refused before,
// so that those which nobody has fetched anew are no choice.
func (p *plugin) choose(ctx context.Context, region string, again bool) (s secret, fresh bool, err error) {
	served, fresh, err := p.cache.Get(ctx, question{region: region})
	if err == nil && !p.memory.doubts(served.current.credentials) {
		return served.current, fresh, nil
	}
	if p.memory.rotating() && ctx.Err() == nil {
		if found, fresh, err := p.look(ctx, region); err == nil {
			return p.memory.older(found), fresh, nil
		}
	}
	if err == nil {
		return served.current, fresh, nil
	}
	// An outage of Secrets Manager shall not matter while the last secret still logs in; it may
	// have been discarded for what only one host refused.
	if kept, ok := p.memory.kept(region); ok && !again && p.expiration > 0 && !lasting(err) && ctx.Err() == nil {
		return kept, false, nil
	}
	return secret{}, false, err
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
func (p *plugin) fetch(ctx context.Context, q question) (awsauth.Fetched[versions], error) {
	var f awsauth.Fetched[versions]
	var err error
	if q.look {
		f.Value, err = p.store.look(ctx, q.region, p.retryTimeout > 0)
	} else {
		f.Value.current, err = p.store.read(ctx, q.region, stageCurrent)
	}
	if err != nil {
		p.failed(q.region, err)
		return f, err
	}
	p.succeeded(q.region, f.Value.current)
	at := f.Value.current.fetched
	switch {
	case q.look && f.Value.rotation == rotationUnderWay:
		f.Renew, f.Expires = at.Add(pace), at.Add(rotationServed)
	case q.look && f.Value.rotation == rotationUnknown:
		f.Expires = at.Add(pace)
	case q.look:
		f.Expires = at.Add(lookServed)
	case p.expiration == 0:
		f.Expires = at
	default:
		f.Renew = at.Add(p.expiration)
	}
	return f, nil
}

// failed logs what nobody is told, as the secret that was fetched before stays in use.
func (p *plugin) failed(region string, err error) {
	if _, ok := p.memory.kept(region); !ok {
		return
	}
	if log := p.log.Load(); log != nil && !p.silent.Swap(true) {
		log.Warn("the secret cannot be fetched, the last one stays in use", "secret", p.store.id, "error", err)
	}
}

func (p *plugin) succeeded(region string, s secret) {
	p.memory.keep(region, s)
	if log := p.log.Load(); log != nil && p.silent.Swap(false) {
		log.Debug("the secret can be fetched again", "secret", p.store.id)
	}
}
