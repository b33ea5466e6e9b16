package awsauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/awsdb/awsdb/core"
)

// TokenOptions configure NewTokens. Code and Credentials are required.
type TokenOptions struct {
	// Code is the plugin's, and stands in front of its errors.
	Code string
	// Credentials returns the provider of the identity that signs tokens of a region. It is
	// asked every minute while tokens are wanted, in the background, so that it should
	// be one that KeepCredentials has returned.
	Credentials func(ctx context.Context, region string) (aws.CredentialsProvider, error)
	// Limit bounds one retrieval of credentials. Default: 30 seconds.
	Limit time.Duration
	// Region is asked for the region when nothing else tells it. "" or nil: it is unknown.
	Region func(ctx context.Context) (string, error)
	// User is the database user. Default: that of the connection string or, for awsdb's own
	// connections, of their prefixed parameter.
	User string
	// Host is the RDS name that tokens are signed for where the host of the connection string,
	// or an instance's, is not to be or cannot be taken; a "?" in it stands for the instance's identifier.
	Host string
	// Port is the one that tokens are signed for. 0 or less: the one that is dialled.
	Port int
	// RegionName is the region that tokens are signed for. Default: that of the RDS name.
	RegionName string
	// DSNHost is the host of the connection string, where it is known already, so that a RegionName that
	// contradicts it is found at once.
	DSNHost string
	// Expiration is how long a token is used for new logins. nil, or longer than 870 seconds:
	// 870; 0: every login gets a new one.
	Expiration *time.Duration
	// AnyTransport allows tokens to be sent where TLS does not verify the server.
	AnyTransport bool
}

const (
	// tokenLife is how long the server takes a token. It is given by RDS.
	tokenLife = 15 * time.Minute
	// tokenMargin is the part of it that is left to the login itself, and to clocks that differ.
	tokenMargin = 30 * time.Second
	// askAgain is how often the provider is asked whether it has other credentials by now.
	askAgain = time.Minute
	// oldEnough is the age from which credentials are retrieved anew when a new token that they have
	// signed is refused. If it is not they that are refused, this is how often that is for nothing.
	oldEnough = 5 * time.Minute
)

// Tokens logs in with RDS tokens; it is what the plugins iam, federated_auth and okta
// are made of. Several handles may have the same.
type Tokens struct {
	options    TokenOptions
	life       time.Duration // 0: tokens are not kept
	identities *Cache[string, *identity]
	log        atomic.Pointer[slog.Logger] // of a handle that runs; nil before
	troubled   atomic.Bool                 // credentials could not be renewed, and that was logged

	mu     sync.Mutex // never held while something is waited for
	tokens map[tokenKey]token
	plain  map[string]bool // green hosts that had better be called by their plain names
}

var (
	_ core.Authenticator = (*Tokens)(nil)
	_ core.Runner        = (*Tokens)(nil)
)

// NewTokens returns the plugin. Its errors match core.ErrConfig, and name parameters; the caller
// says whose they are.
func NewTokens(o TokenOptions) (*Tokens, error) {
	p := &Tokens{options: o, life: tokenLife - tokenMargin, tokens: map[tokenKey]token{}, plain: map[string]bool{}}
	if o.Expiration != nil {
		p.life = min(p.life, *o.Expiration)
	}
	p.identities = NewCache(p.identify, cmp.Or(o.Limit, retrieveLimit))
	if err := o.check(); err != nil {
		return nil, optionError{err}
	}
	return p, nil
}

// optionError is about options that cannot be right.
type optionError struct{ error }

// Is matches core.ErrConfig.
func (optionError) Is(target error) bool { return target == core.ErrConfig }

// Unwrap returns the cause.
func (e optionError) Unwrap() error { return e.error }

func (o *TokenOptions) check() error {
	var problems []error
	if o.Code == "" || o.Credentials == nil {
		problems = append(problems, errors.New("TokenOptions needs Code and Credentials"))
	}
	if o.Expiration != nil && *o.Expiration < 0 {
		problems = append(problems, fmt.Errorf("the expiration of tokens is negative (%s): leave it out for 870s", *o.Expiration))
	}
	if o.Port > 65535 {
		problems = append(problems, fmt.Errorf("iam_default_port=%d: want a port, or -1 for the one that is dialled", o.Port))
	}
	if strings.ContainsAny(o.Host, "/@ ") || core.ParseEndpoint(o.Host).Host != strings.TrimSuffix(strings.ToLower(o.Host), ".") {
		problems = append(problems, fmt.Errorf("iam_host=%q: want a host name without a port, such as mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com", o.Host))
	}
	if o.RegionName != "" {
		problems = append(problems, o.checkRegion(o.DSNHost))
	}
	return errors.Join(problems...)
}

// checkRegion holds RegionName against the name that tokens for the connection string's host are signed for.
func (o *TokenOptions) checkRegion(host string) error {
	if o.Host != "" {
		host = o.Host
	}
	err := CheckRegion(o.RegionName)
	if err == nil {
		err = checkRegionOf(host, o.RegionName)
	}
	if err != nil {
		return fmt.Errorf("iam_region: %w", err)
	}
	return nil
}

// Code implements core.Plugin.
func (p *Tokens) Code() string { return p.options.Code }

// Run implements core.Runner: credentials are retrieved on its goroutines, see Cache. k may be nil.
func (p *Tokens) Run(ctx context.Context, k *core.Connector) {
	if k != nil {
		p.log.Store(k.Log())
	}
	p.identities.Run(ctx)
}

// Authenticate implements core.Authenticator.
func (p *Tokens) Authenticate(ctx context.Context, t core.Target) (core.Target, error) {
	key, err := p.keyOf(ctx, t)
	if err != nil {
		return t, fmt.Errorf("%s: %w", p.options.Code, err)
	}
	id, _, err := p.identities.Get(ctx, key.region)
	if err != nil {
		return t, fmt.Errorf("%s: %w", p.options.Code, err)
	}
	key.accessKeyID = id.AccessKeyID
	secret, fresh, err := p.token(ctx, key, id)
	if err != nil {
		return t, fmt.Errorf("%s: signing a token: %w", p.options.Code, err)
	}
	t.User, t.Password, t.Fresh = key.user, secret, fresh
	t.Transport = core.TransportVerified
	if p.options.AnyTransport {
		t.Transport = core.TransportAny
	}
	return t, nil
}

// LoginFailed implements core.Authenticator. A token that was refused is never used again.
// When it was an old one, or signed by old credentials, these are retrieved anew for another, once; otherwise
// nothing better is to be had, unless for a host of a blue/green deployment, which has two names.
func (p *Tokens) LoginFailed(ctx context.Context, t core.Target, _ error) bool {
	renamed := p.rename(ctx, t)
	renewed := p.forget(t.Password, !t.Fresh)
	switch t.Refused {
	case 0, 1:
		return renamed || renewed || !t.Fresh
	case 2:
		return renamed && !t.Fresh
	}
	return false
}
