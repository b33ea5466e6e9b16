package secrets

import (
	"errors"
	"fmt"
	"time"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// Options configure New. All but SecretID may be left out.
type Options struct {
	// SecretID is the name or the ARN of the secret. A secret of another account needs its
	// ARN.
	SecretID string
	// Region is the one that the secret is in. Default: that of the ARN; else that of the
	// first RDS host name that is logged in to; else that of AWS.
	Region string
	// Endpoint is the URL of Secrets Manager, for interface endpoints that have no private
	// DNS name. Default: the region's.
	Endpoint string
	// UsernameKey and PasswordKey are the names that the secret has the credentials under.
	// Default: "username" and "password".
	UsernameKey, PasswordKey string
	// Expiration is the age at which the secret is fetched anew, in the background. nil is
	// the default, 870 seconds; 0 makes every login fetch it.
	Expiration *time.Duration
	// RetryTimeout is for how long a refused login is repeated while the secret is being
	// rotated. nil is the default, 30 seconds; 0 turns that off.
	RetryTimeout *time.Duration
	// RetryInterval is the first pause between these logins; the others grow, to 30 seconds
	// at most. Default: 1 second.
	RetryInterval time.Duration
	// AWS says who asks Secrets Manager.
	AWS awsauth.Options
	// Client asks Secrets Manager in place of the SDK's own client. Region, Endpoint and AWS
	// are then not used.
	Client Client
}

// New returns the plugin "aws_secrets_manager" for explicit use, as in
// pgdriver.WithPlugins(login). Several handles may have the same, and then fetch a secret
// once. It asks nothing of AWS yet. The error names every mistake and matches
// core.ErrConfig.
func New(o Options) (core.Plugin, error) {
	p, problems := build(o, "")
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: secrets.Options: %w", core.ErrConfig, errors.Join(problems...))
	}
	return p, nil
}

const (
	defaultExpiration    = 870 * time.Second
	defaultRetryTimeout  = 30 * time.Second
	defaultRetryInterval = time.Second
)

// build makes the plugin. host is the connection string's, "" if it is not known.
func build(o Options, host string) (*plugin, []error) {
	var problems []error
	report := func(name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	region, err := regionOf(o, host)
	report("region", err)
	if o.Endpoint != "" {
		report("endpoint", checkEndpoint(o.Endpoint))
	}
	report("expiration", checkNegative(or(o.Expiration, 0)))
	report("retry timeout", checkNegative(or(o.RetryTimeout, 0)))
	report("retry interval", checkNegative(o.RetryInterval))
	if o.SecretID == "" {
		problems = append(problems, errors.New("the secret is missing: set secrets_manager_secret_id (SecretID) to its name or ARN"))
	}
	if len(problems) > 0 {
		return nil, problems
	}
	p := &plugin{
		store: &store{
			id:       o.SecretID,
			endpoint: o.Endpoint,
			keys:     keys{user: orText(o.UsernameKey, "username"), password: orText(o.PasswordKey, "password")},
			source:   awsauth.NewSource(o.AWS),
			explicit: o.Client,
		},
		region:        region,
		expiration:    or(o.Expiration, defaultExpiration),
		retryTimeout:  or(o.RetryTimeout, defaultRetryTimeout),
		retryInterval: o.RetryInterval,
		memory:        &memory{},
	}
	if p.retryInterval == 0 {
		p.retryInterval = defaultRetryInterval
	}
	p.cache = awsauth.NewCache(p.fetch, fetchLimit)
	return p, nil
}

// regionOf is what the options, the ARN and the host say, in this order; "" if they do not.
func regionOf(o Options, host string) (string, error) {
	id, isARN, err := parseARN(o.SecretID)
	switch {
	case err != nil:
		return "", err
	case o.Region == "" && isARN:
		return id.region, nil
	case o.Region == "":
		return core.ParseEndpoint(host).Region, nil
	case isARN && o.Region != id.region:
		return "", fmt.Errorf("%s contradicts the secret's ARN, which is in %s: leave it out", o.Region, id.region)
	}
	return o.Region, awsauth.CheckRegion(o.Region)
}

func checkNegative(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s is negative: leave it out for the default", d)
	}
	return nil
}

// or returns what d points to, or what applies without it.
func or(d *time.Duration, absent time.Duration) time.Duration {
	if d == nil {
		return absent
	}
	return *d
}

func orText(s, absent string) string {
	if s == "" {
		return absent
	}
	return s
}
