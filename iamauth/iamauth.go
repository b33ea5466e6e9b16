package iamauth

import (
	"fmt"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// Code is the plugin's name in the parameter plugins.
const Code = "iam"

// Options configure New. The zero value is right for connection strings that name an RDS
// host, where the SDK's default chain finds credentials.
type Options struct {
	// AWS says whose credentials sign the tokens.
	AWS awsauth.Options
	// Host is the RDS name that tokens are signed for where the host of the connection
	// string, or an instance's, is no RDS name and no alias of one; a "?" in it stands for the
	// instance's identifier. For the connection string's own host it is used in any case.
	Host string
	// Port is the one that tokens are signed for. Default: the one that is dialled.
	Port int
	// Region is the region that tokens are signed for. Default: what the host name says,
	// then AWS.Region, then the SDK's default.
	Region string
	// Expiration is how long a token is used for new logins. Default, and at most: 870
	// seconds; negative: every login gets a new one. Credentials that expire earlier shorten it.
	Expiration time.Duration
	// AnyTransport allows tokens to be sent where TLS does not verify the server. Whoever
	// listens can log in with one for 15 minutes.
	AnyTransport bool
}

// New returns the plugin "iam" for explicit use, as in pgdriver.WithPlugins(login, failover).
// Several handles may have the same. The error tells of options that cannot be right, and
// matches core.ErrConfig; credentials are not asked for before the first login.
func New(o Options) (core.Plugin, error) {
	tokens := awsauth.TokenOptions{Host: o.Host, Port: o.Port, RegionName: o.Region, AnyTransport: o.AnyTransport}
	if o.Expiration != 0 {
		expiration := max(o.Expiration, 0)
		tokens.Expiration = &expiration
	}
	p, err := build(o.AWS, tokens)
	if err != nil {
		return nil, fmt.Errorf("%w: iamauth.Options: %w", core.ErrConfig, err)
	}
	return p, nil
}

// build makes the plugin of what both ways of configuring it say.
func build(o awsauth.Options, tokens awsauth.TokenOptions) (core.Plugin, error) {
	source := awsauth.NewSource(o)
	tokens.Code, tokens.Credentials, tokens.Region = Code, source.Credentials, source.Region
	p, err := awsauth.NewTokens(tokens)
	if err != nil {
		return nil, err
	}
	return p, nil
}
