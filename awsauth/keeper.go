package awsauth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	// renewAhead is how long before their expiry credentials are renewed.
	renewAhead = 5 * time.Minute
	// renewPause is how long credentials that are still good are not renewed again after that
	// failed, or brought none that last longer.
	renewPause = 10 * time.Second
	// retrieveLimit bounds one retrieval. Providers may ask several services, one after the other.
	retrieveLimit = 30 * time.Second
)

// KeepCredentials returns a provider that keeps what p returns, renews it five minutes before
// it expires, and keeps it as long as it is good while that fails. One goroutine at a time
// retrieves, for 30 seconds at most; the others wait within their contexts. A panic of p is
// an error. Other than an aws.CredentialsCache it has no goroutines. An
// aws.CredentialsCache is left to its own ways, and what this has returned comes back as it is.
func KeepCredentials(p aws.CredentialsProvider) aws.CredentialsProvider {
	switch p.(type) {
	case *aws.CredentialsCache:
		return discreet{p}
	case *keeper, discreet:
		return p
	}
	return newKeeper(p)
}

// discreet is a cache whose errors hold no credentials.
type discreet struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (d discreet) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := d.CredentialsProvider.Retrieve(ctx)
	return c, withoutOutput(err)
}

// keeper is what KeepCredentials returns.
type keeper struct {
	provider aws.CredentialsProvider
	turn     chan struct{} // holds a token while somebody retrieves
	kept     atomic.Pointer[kept]
}

// kept is immutable.
type kept struct {
	aws.Credentials
	asked   time.Time // the provider, last
	renew   time.Time // zero: never
	problem error     // why they could not be renewed, nil if they were
}

func newKeeper(p aws.CredentialsProvider) *keeper {
	return &keeper{provider: p, turn: make(chan struct{}, 1)}
}

// Retrieve implements aws.CredentialsProvider.
func (k *keeper) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if held := k.kept.Load(); held.current() {
		return held.Credentials, nil
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return aws.Credentials{}, fmt.Errorf("awsauth: waiting for AWS credentials: %w", context.Cause(ctx))
	}
	defer func() { <-k.turn }()
	held := k.kept.Load()
	if held.current() { // whoever had the turn before has renewed them
		return held.Credentials, nil
	}
	c, err := k.retrieve(ctx)
	now := wallClock()
	switch {
	case err != nil && (held == nil || !held.valid(now)):
		return aws.Credentials{}, err
	case err != nil:
		c = held.Credentials
	}
	renewed := &kept{Credentials: c, asked: now}
	if !errors.Is(ctx.Err(), context.Canceled) { // by the end of a handle
		renewed.problem = err
	}
	if c.CanExpire {
		renewed.Expires = c.Expires.Round(0)
		renewed.renew = later(renewed.Expires.Add(-renewAhead), now.Add(renewPause))
	}
	k.kept.CompareAndSwap(held, renewed)
	return c, nil
}

// renewNow makes the next Retrieve ask the provider, if these credentials are still kept. They
// are kept on while that fails.
func (k *keeper) renewNow(accessKeyID string) {
	held := k.kept.Load()
	if held == nil || held.AccessKeyID != accessKeyID {
		return
	}
	due := *held
	due.renew = wallClock()
	k.kept.CompareAndSwap(held, &due)
}

// age is how long ago the provider was asked, if these credentials are still kept.
func (k *keeper) age(accessKeyID string) time.Duration {
	held := k.kept.Load()
	if held == nil || held.AccessKeyID != accessKeyID {
		return 0
	}
	return wallClock().Sub(held.asked)
}

// problem is why the credentials that are kept could not be renewed, if they could not.
func (k *keeper) problem() error {
	if held := k.kept.Load(); held != nil {
		return held.problem
	}
	return nil
}

// current tells that there is no reason to ask the provider.
func (h *kept) current() bool {
	if h == nil {
		return false
	}
	now := wallClock()
	return h.valid(now) && (h.renew.IsZero() || now.Before(h.renew))
}

// valid tells that the credentials have not expired.
func (h *kept) valid(now time.Time) bool { return !h.CanExpire || now.Before(h.Expires) }

// retrieve asks the provider once.
func (k *keeper) retrieve(ctx context.Context) (c aws.Credentials, err error) {
	ctx, cancel := context.WithTimeout(ctx, retrieveLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // what it says may be a secret
			c, err = aws.Credentials{}, fmt.Errorf("awsauth: the credentials provider panicked with a %T", p)
		}
	}()
	c, err = k.provider.Retrieve(ctx)
	switch {
	case err != nil:
		return aws.Credentials{}, withoutOutput(err)
	case !c.HasKeys():
		return aws.Credentials{}, errors.New("awsauth: the credentials provider returned empty keys")
	}
	return c, nil
}
