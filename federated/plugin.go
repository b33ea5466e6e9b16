package federated

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// plugin is one of the plugins that sign in: it has tokens made with the credentials of a
// role.
type plugin struct {
	*awsauth.Tokens
	credentials *credentials
}

var (
	_ core.Authenticator = (*plugin)(nil)
	_ core.Runner        = (*plugin)(nil)
)

// New returns a plugin with the code that gets its assertions from signIn: for identity
// providers that have no plugin here. Endpoint, Port, HTTPClient and InsecureTLS are then
// signIn's business. Of problems those that are not nil are reported together with what is
// wrong with the options; the error matches core.ErrConfig.
func New(code string, o Options, signIn SignIn, problems ...error) (core.Plugin, error) {
	source := awsauth.NewSource(o.AWS)
	c := newCredentials(signIn, &role{arn: o.RoleARN, provider: o.ProviderARN, source: source, limit: cmp.Or(o.Timeout, DefaultTimeout)})
	options := awsauth.TokenOptions{
		Code: code, Credentials: c.provider, Limit: c.limit() + time.Second, Region: source.Region, User: o.DBUser,
		Host: o.TokenHost, Port: o.TokenPort, RegionName: o.Region, DSNHost: o.dsnHost, AnyTransport: o.AnyTransport,
	}
	if o.Expiration != 0 {
		expiration := max(o.Expiration, 0)
		options.Expiration = &expiration
	}
	tokens, err := awsauth.NewTokens(options)
	if own := errors.Join(append(problems, o.problems()...)...); own != nil {
		err = errors.Join(fmt.Errorf("%w: %w", core.ErrConfig, own), err)
	}
	if err != nil {
		return nil, err
	}
	return &plugin{Tokens: tokens, credentials: c}, nil
}

// Run implements core.Runner: all sign-ins are made on its goroutines, see awsauth.Cache. k
// may be nil.
func (p *plugin) Run(ctx context.Context, k *core.Connector) {
	if k != nil {
		p.credentials.log.Store(k.Log())
	}
	var both sync.WaitGroup
	both.Go(func() { p.credentials.held.Run(ctx) })
	p.Tokens.Run(ctx, k)
	both.Wait()
}

// LoginFailed implements core.Authenticator. A token may be new and still be made with
// credentials that are not good any more: somebody may have revoked the role's sessions.
func (p *plugin) LoginFailed(ctx context.Context, t core.Target, err error) bool {
	if t.Refused <= 1 && p.credentials.refused(t.Password) {
		t.Fresh = false
	}
	return p.Tokens.LoginFailed(ctx, t, err)
}
