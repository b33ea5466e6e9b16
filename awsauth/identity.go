package awsauth

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"

	"github.com/awsdb/awsdb/core"
)

// identity is who signs tokens of a region: credentials, and who gave them. It is immutable.
type identity struct {
	aws.Credentials
	provider aws.CredentialsProvider
}

// tokenKey is all that a token is made of, but for the time.
type tokenKey struct {
	host        string
	port        uint16
	user        string
	region      string
	accessKeyID string
}

// token is a token that is kept.
type token struct {
	secret   core.Secret
	signedAt time.Time
	expires  time.Time // when it is no longer used for new logins
	signer   *identity
}

// identify fetches the identity of a region.
func (p *Tokens) identify(ctx context.Context, region string) (Fetched[*identity], error) {
	var f Fetched[*identity]
	provider, err := p.options.Credentials(ctx, region)
	if err != nil {
		return f, err
	}
	c, err := provider.Retrieve(ctx)
	if err != nil {
		return f, fmt.Errorf("retrieving AWS credentials: %w", err)
	}
	now := wallClock()
	if c.CanExpire && !now.Before(c.Expires) {
		return f, fmt.Errorf("the AWS credentials expired at %s: renew them, or see that this machine's clock (%s) is right",
			c.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	p.tell(ctx, region, c, provider)
	f.Value = &identity{Credentials: c, provider: provider}
	f.Renew = now.Add(askAgain)
	if c.CanExpire {
		// What is about to expire serves this login, but others ask again: its successor
		// may be there by then.
		f.Expires = c.Expires.Add(-tokenMargin)
	}
	return f, nil
}

// tell logs what nobody is told of: that credentials which are still good could not be renewed.
func (p *Tokens) tell(ctx context.Context, region string, c aws.Credentials, provider aws.CredentialsProvider) {
	k, ok := provider.(*keeper)
	log := p.log.Load()
	if !ok || log == nil {
		return
	}
	err := k.problem()
	if p.troubled.Swap(err != nil) || err == nil {
		return
	}
	log.LogAttrs(ctx, slog.LevelWarn, "AWS credentials cannot be renewed, the last ones stay in use",
		slog.String("plugin", p.options.Code), slog.String("region", region), slog.Time("until", c.Expires), slog.Any("error", err))
}

// renew lets the provider retrieve others, though these have not expired.
func (id *identity) renew() {
	if k, ok := id.provider.(*keeper); ok {
		k.renewNow(id.AccessKeyID)
	}
}

// doubtful tells that the provider may have others by now: the session of a role may have been
// revoked, a key been replaced.
func (id *identity) doubtful() bool {
	k, ok := id.provider.(*keeper)
	return ok && k.age(id.AccessKeyID) >= oldEnough
}

// left is how long a token of this identity is good for new logins, if it is signed now.
func (id *identity) left(now time.Time) time.Duration {
	left := tokenLife
	if id.CanExpire {
		left = min(left, id.Expires.Round(0).Sub(now))
	}
	return left - tokenMargin
}

// token returns the token that is kept for the key, or signs one. fresh tells that there is no better
// one: it was signed just now, by credentials that last.
func (p *Tokens) token(ctx context.Context, key tokenKey, id *identity) (secret core.Secret, fresh bool, err error) {
	now := wallClock()
	p.mu.Lock()
	held, ok := p.tokens[key]
	p.mu.Unlock()
	if ok && held.valid(now) {
		return held.secret, false, nil
	}
	signed, err := sign(ctx, key, id.Credentials)
	if err != nil {
		return "", false, err
	}
	left := id.left(now)
	made := token{secret: signed, signedAt: now, expires: now.Add(min(left, p.life)), signer: id}
	if !made.valid(now) {
		return made.secret, left > 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if held, ok = p.tokens[key]; ok && held.valid(now) { // somebody was quicker
		return held.secret, true, nil
	}
	p.sweep(now)
	p.tokens[key] = made
	return made.secret, true, nil
}

// valid tells that the token may be used for a new login. A clock that was set back tells
// the server that the token comes from the future.
func (t *token) valid(now time.Time) bool {
	return now.Before(t.expires) && !now.Add(clockSlack).Before(t.signedAt)
}

// sweep forgets tokens that are no longer good. The caller holds the lock.
func (p *Tokens) sweep(now time.Time) {
	for key, t := range p.tokens {
		if !t.valid(now) {
			delete(p.tokens, key)
		}
	}
}

// forget makes sure that a token that was refused is not used again and, if it is an old one or was
// signed by old credentials, that the next is signed by those that are retrieved anew. It reports whether
// it has done that; whoever comes later with the same token finds it done.
func (p *Tokens) forget(refused core.Secret, old bool) (renewed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, t := range p.tokens {
		if t.secret != refused {
			continue
		}
		delete(p.tokens, key)
		if !old && !t.signer.doubtful() {
			return false
		}
		t.signer.renew()
		p.identities.Discard(key.region, func(held *identity) bool { return held.AccessKeyID == key.accessKeyID })
		return true
	}
	return false
}

// sign makes a token. It asks nobody for anything.
func sign(ctx context.Context, key tokenKey, c aws.Credentials) (core.Secret, error) {
	endpoint := net.JoinHostPort(key.host, strconv.Itoa(int(key.port)))
	signed, err := auth.BuildAuthToken(ctx, endpoint, key.region, key.user, constant(c))
	return core.Secret(signed), err
}

// constant is credentials that have been retrieved already.
type constant aws.Credentials

// Retrieve implements aws.CredentialsProvider.
func (c constant) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials(c), nil }
