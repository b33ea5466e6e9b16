package federated

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// SignIn gets a SAML assertion from an identity provider: the response as a browser would
// post it to AWS. It must end with ctx. An *Error that says ErrPassword, ErrPasswordExpired,
// ErrLocked, ErrMFA or ErrNoAssertion keeps the next sign-in away for a while; it must be a new one, and
// gets its Next here.
type SignIn func(ctx context.Context) (core.Secret, error)

const (
	// requestsOfSignIn is an upper bound of the requests that are made for one set of
	// credentials, each of which has the time of Options.Timeout.
	requestsOfSignIn = 4
	// expiryMargin is how long before their end credentials are not used any more: what
	// is signed with them must arrive.
	expiryMargin = time.Minute
	// renewPause is how long credentials that are still good are not renewed again after
	// that has failed.
	renewPause = time.Minute
	// settingPause is how long there is no other sign-in after one that a setting, here or
	// there, has made useless.
	settingPause = time.Minute
	// oldEnough is the age from which credentials are replaced when a server refuses what
	// they have signed. If it is not they that are refused, this is how often there is a
	// sign-in for nothing.
	oldEnough = 5 * time.Minute
)

// credentials are those of the role, for each region whose STS was asked for them. They
// are renewed when a quarter of their life is left: an identity provider that is out of
// order for a while does not matter then.
type credentials struct {
	signIn SignIn
	role   *role
	held   *awsauth.Cache[string, session]
	log    atomic.Pointer[slog.Logger] // of a handle that runs

	mu       sync.Mutex
	last     map[string]session // by region
	doubted  time.Time          // when a server's refusal was last a reason to sign in
	refusal  *Error             // of the last sign-in; nil if it was not refused
	refusals int                // of the password, in a row
}

// session is what STS has given.
type session struct {
	aws.Credentials
	begun time.Time
}

// end is when the session is not used any more.
func (s session) end() time.Time {
	return s.Expires.Add(-min(expiryMargin, s.Expires.Sub(s.begun)/8))
}

func newCredentials(signIn SignIn, r *role) *credentials {
	c := &credentials{signIn: signIn, role: r, last: map[string]session{}}
	c.log.Store(slog.New(slog.DiscardHandler))
	c.held = awsauth.NewCache(c.fetch, c.limit())
	return c
}

// limit bounds one sign-in.
func (c *credentials) limit() time.Duration { return requestsOfSignIn * c.role.limit }

// provider returns the credentials for a region, in the form that awsauth.Tokens wants.
func (c *credentials) provider(_ context.Context, region string) (aws.CredentialsProvider, error) {
	return aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		s, _, err := c.held.Get(ctx, region)
		return s.Credentials, err
	}), nil
}

// fetch makes one sign-in; the cache sees to it that there is one at a time for a region. When
// it fails, what was fetched before goes on as long as it is good: also if a server has
// refused it, for servers have other reasons, too.
func (c *credentials) fetch(ctx context.Context, region string) (awsauth.Fetched[session], error) {
	s, err := c.begin(ctx, region)
	now := time.Now().Round(0)
	if err == nil {
		s.begun = now
		c.keep(region, s)
		return awsauth.Fetched[session]{Value: s, Renew: s.Expires.Add(-s.Expires.Sub(now) / 4), Expires: s.end()}, nil
	}
	last := c.latest(region)
	if errors.Is(ctx.Err(), context.Canceled) || !now.Before(last.end()) {
		return awsauth.Fetched[session]{}, err
	}
	c.log.Load().LogAttrs(ctx, slog.LevelWarn, "credentials of the role not renewed", slog.Time("last until", last.Expires), slog.Any("error", err))
	return awsauth.Fetched[session]{Value: last, Renew: now.Add(renewPause), Expires: last.end()}, nil
}

func (c *credentials) keep(region string, s session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last[region] = s
}

func (c *credentials) latest(region string) session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[region]
}

// begin signs in and assumes the role, unless it is too early for that.
func (c *credentials) begin(ctx context.Context, region string) (session, error) {
	if err := c.paused(); err != nil {
		return session{}, err
	}
	assertion, err := c.signIn(ctx)
	if err != nil {
		return session{}, c.note(err)
	}
	value, err := c.role.assume(ctx, region, assertion)
	return session{Credentials: value}, c.note(err)
}

// paused returns the last refusal until it may be asked again. Credentials of another
// region wait for the same account.
func (c *credentials) paused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refusal == nil || c.refusal.Pause() == 0 {
		return nil
	}
	return c.refusal
}

// note remembers how a sign-in ended, and says in the error of a refusal when the next is
// allowed. That is not left to the wall clock: one that was wrong may be why the assertion was
// refused, and setting it right must not keep the next sign-in away.
func (c *credentials) note(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var e *Error
	switch {
	case err == nil:
		c.refusal, c.refusals = nil, 0
	case !errors.As(err, &e):
	case e.isOne(ErrPassword, ErrPasswordExpired, ErrLocked, ErrMFA):
		c.refusal, e.Next = e, time.Now().Add(pauseAfter(c.refusals))
		c.refusals++
	case e.isOne(ErrNoAssertion, ErrRole, ErrAssertionRefused, ErrAssertionExpired): // the password was right
		c.refusal, e.Next = e, time.Now().Add(settingPause)
		c.refusals = 0
	}
	return err
}

// pauseAfter is how long an account is left alone after so many refusals before: 1, 4,
// and then 15 minutes. Directories commonly lock an account after five attempts within
// half an hour, and this makes four.
func pauseAfter(before int) time.Duration {
	return min(15*time.Minute, time.Minute<<(2*min(before, 4)))
}

// refused is told of a token that a server has refused, and reports whether there are, or
// will be, other credentials than those it was made with.
func (c *credentials) refused(token core.Secret) bool {
	region, accessKeyID := signer(token)
	if accessKeyID == "" {
		return false
	}
	c.mu.Lock()
	last, now := c.last[region], time.Now().Round(0)
	old := now.Sub(last.begun) >= oldEnough && now.Sub(c.doubted) >= oldEnough
	replaced := last.AccessKeyID != accessKeyID
	if old && !replaced {
		c.doubted = now
	}
	c.mu.Unlock()
	if old && !replaced {
		c.held.Discard(region, func(s session) bool { return s.AccessKeyID == accessKeyID })
	}
	return old || replaced
}

// signer reads in a token with whose credentials, and for which region, it was made.
func signer(token core.Secret) (region, accessKeyID string) {
	_, query, _ := strings.Cut(string(token), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", ""
	}
	scope := strings.Split(values.Get("X-Amz-Credential"), "/") // <access key id>/<date>/<region>/rds-db/aws4_request
	if len(scope) != 5 {
		return "", ""
	}
	return scope[2], scope[0]
}
