package awsauth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
)

// Options say where AWS credentials and settings come from. The zero value is the SDK's
// default chain: environment, shared files, web identity, container, instance role.
type Options struct {
	// Config is used instead of what the SDK would load. It excludes Profile.
	Config *aws.Config
	// Credentials are used instead of those of Config or of the chain. They are kept, and
	// renewed five minutes before they expire, unless this is an aws.CredentialsCache, which
	// has its own ways. Retrieve must end with its context: a handle that is closed awaits it.
	Credentials aws.CredentialsProvider
	// Profile is the section of the shared files to use. Default: AWS_PROFILE, then "default".
	Profile string
	// Region is used instead of that of Config or of the chain.
	Region string
	// HTTPClient makes all requests to AWS; only where AWS_CA_BUNDLE or ca_bundle names authorities,
	// those of the SDK's default chain of credentials are made by its own. Default: the SDK's,
	// which gives up on a request after ten seconds.
	HTTPClient *http.Client
}

// Source is the SDK's configuration, loaded when it is first needed. Methods may be called
// by any goroutine.
type Source struct {
	options  Options
	explicit aws.CredentialsProvider // Options.Credentials, kept
	turn     chan struct{}           // who holds its one token may load; sent to and received from by one goroutine
	loaded   chan struct{}           // closed when config is set
	config   aws.Config
}

// ErrNoCredentials is matched by the errors of the SDK's default chain when it has no credentials to give.
var ErrNoCredentials = errors.New("awsauth: no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in aws_profile or AWS_PROFILE, or run with a role")

// requestTimeout bounds one request to AWS; the SDK makes up to three. What the SDK caches it
// fetches with no limit but this.
const requestTimeout = 10 * time.Second

// NewSource returns a Source that has not loaded anything yet.
func NewSource(o Options) *Source {
	s := &Source{options: o, turn: make(chan struct{}, 1), loaded: make(chan struct{})}
	if o.Credentials != nil {
		s.explicit = KeepCredentials(o.Credentials)
	}
	return s
}

// Config returns the configuration, which is loaded by the first call; another call loads
// again only after an error. Region and Credentials may be missing in it; the latter can
// be retrieved as often as one likes, see KeepCredentials.
func (s *Source) Config(ctx context.Context) (aws.Config, error) {
	select {
	case <-s.loaded:
		return s.config.Copy(), nil
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return aws.Config{}, fmt.Errorf("awsauth: loading the AWS configuration: %w", context.Cause(ctx))
	}
	defer func() { <-s.turn }()
	select {
	case <-s.loaded: // by who had the turn before
		return s.config.Copy(), nil
	default:
	}
	cfg, err := s.load(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	s.config = cfg
	close(s.loaded)
	return cfg.Copy(), nil
}

// Credentials returns the provider of the credentials, the same for every region. It is the form
// that TokenOptions.Credentials wants.
func (s *Source) Credentials(ctx context.Context, _ string) (aws.CredentialsProvider, error) {
	if s.explicit != nil {
		return s.explicit, nil
	}
	cfg, err := s.Config(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, ErrNoCredentials
	}
	return cfg.Credentials, nil
}

// Region returns the region of the options, or the configuration's; "" if there is none.
func (s *Source) Region(ctx context.Context) (string, error) {
	if s.options.Region != "" {
		return s.options.Region, nil
	}
	cfg, err := s.Config(ctx)
	return cfg.Region, err
}

func (s *Source) load(ctx context.Context) (aws.Config, error) {
	o := s.options
	var cfg aws.Config
	if o.Config != nil {
		if o.Profile != "" {
			return cfg, errors.New("awsauth: Options has both Config and Profile: load the profile into Config, or leave Config out")
		}
		cfg = o.Config.Copy()
		if cfg.Credentials != nil {
			cfg.Credentials = KeepCredentials(cfg.Credentials)
		}
	} else {
		var err error
		if cfg, err = s.loadDefault(ctx); err != nil {
			return cfg, err
		}
	}
	if s.explicit != nil {
		cfg.Credentials = s.explicit
	}
	if o.Region != "" {
		cfg.Region = o.Region
	}
	if o.HTTPClient != nil {
		cfg.HTTPClient = o.HTTPClient
	}
	return cfg, nil
}

// loadDefault asks the SDK's chain.
func (s *Source) loadDefault(ctx context.Context) (aws.Config, error) {
	o := s.options
	cfg, err := s.loadChain(ctx, o.HTTPClient)
	if err != nil && o.HTTPClient != nil {
		// Where AWS_CA_BUNDLE or ca_bundle is set the SDK wants to add it to a client of its
		// own and takes no other. The chain's own requests are then made by that.
		if own, ownErr := s.loadChain(ctx, nil); ownErr == nil {
			cfg, err = own, nil
		}
	}
	var missing config.SharedConfigProfileNotExistError
	switch {
	case errors.As(err, &missing):
		return cfg, fmt.Errorf("awsauth: no profile %q in the AWS configuration files: name another in aws_profile or AWS_PROFILE, or add it: %w", missing.Profile, err)
	case err != nil:
		return cfg, fmt.Errorf("awsauth: loading the AWS configuration: %w", err)
	}
	if cached, ok := cfg.Credentials.(*aws.CredentialsCache); ok && s.explicit == nil {
		cfg.Credentials = newKeeper(&chainCredentials{cached})
	} else if cfg.Credentials != nil {
		cfg.Credentials = KeepCredentials(cfg.Credentials)
	}
	return cfg, nil
}

// loadChain loads with a client of the application's, or with the SDK's.
func (s *Source) loadChain(ctx context.Context, client *http.Client) (aws.Config, error) {
	o := s.options
	loaders := []func(*config.LoadOptions) error{
		// What is to be renewed early is seen to by the keeper, which must know when
		// credentials expire in truth.
		config.WithCredentialsCacheOptions(func(c *aws.CredentialsCacheOptions) { c.ExpiryWindow = 0 }),
	}
	if client != nil {
		loaders = append(loaders, config.WithHTTPClient(client))
	} else {
		loaders = append(loaders, config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(requestTimeout)))
	}
	if o.Profile != "" {
		loaders = append(loaders, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		loaders = append(loaders, config.WithRegion(o.Region))
	}
	if s.explicit != nil {
		loaders = append(loaders, config.WithCredentialsProvider(s.explicit))
	}
	return config.LoadDefaultConfig(ctx, loaders...)
}

// chainCredentials asks the provider within a cache that is nobody else's.
type chainCredentials struct{ cache *aws.CredentialsCache }

// Retrieve implements aws.CredentialsProvider.
func (c *chainCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c.cache.Invalidate()
	credentials, err := c.cache.Retrieve(ctx)
	if err != nil {
		return credentials, fmt.Errorf("%w: %w", ErrNoCredentials, withoutOutput(err))
	}
	return credentials, nil
}

// errProcessOutput stands in for what the SDK says of it.
var errProcessOutput = errors.New("credential_process printed something that is no credentials in JSON")

// withoutOutput replaces an error of the SDK that quotes what a credential_process has printed:
// credentials, and perhaps a warning before them. Errors of running it are kept.
func withoutOutput(err error) error {
	var process *processcreds.ProviderError
	if !errors.As(err, &process) || errors.Unwrap(process.Err) == nil {
		return err
	}
	for _, running := range []any{new(*exec.ExitError), new(*exec.Error), new(*fs.PathError), new(syscall.Errno)} {
		if errors.As(process.Err, running) {
			return err
		}
	}
	if errors.Is(process.Err, context.DeadlineExceeded) || errors.Is(process.Err, context.Canceled) {
		return err
	}
	return errProcessOutput
}
