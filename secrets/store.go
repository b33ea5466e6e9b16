package secrets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/awsdb/awsdb/awsauth"
)

// Client is what the plugin needs of Secrets Manager; *secretsmanager.Client is one.
type Client interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, options ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// The stages of a version, which are Secrets Manager's names for them.
const (
	stageCurrent = "AWSCURRENT"
	stagePending = "AWSPENDING"
)

// store reads one secret from Secrets Manager.
type store struct {
	id       string
	endpoint string
	keys     keys
	source   *awsauth.Source
	explicit Client // Options.Client, nil if there is none

	mu      sync.Mutex // never held while something is waited for
	clients map[string]Client
}

// errNoVersion: no version of the secret has the stage.
var errNoVersion = errors.New("no version has that stage")

// read fetches the version that has the stage, which is errNoVersion for one that is not there
// but need not be.
func (s *store) read(ctx context.Context, region, stage string) (secret, error) {
	client, region, err := s.client(ctx, region)
	if err != nil {
		return secret{}, fmt.Errorf("secret %q: %w", s.id, err)
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.id)}
	if stage != stageCurrent {
		in.VersionStage = aws.String(stage)
	}
	out, err := client.GetSecretValue(ctx, in)
	switch {
	case err != nil && stage != stageCurrent && errors.As(err, new(*types.ResourceNotFoundException)):
		return secret{}, errNoVersion
	case err != nil:
		return secret{}, fmt.Errorf("secret %q in %s: %w", s.id, region, explain(err))
	}
	found, err := s.decode(out)
	if err != nil {
		return secret{}, fmt.Errorf("secret %q in %s: %w", s.id, region, err)
	}
	return found, nil
}

// look reads both versions: the pending one first, so that a rotation which ends meanwhile is
// seen in one of them. Not to be allowed to read that one is no error.
func (s *store) look(ctx context.Context, region string, pending bool) (v versions, err error) {
	if pending {
		switch v.pending, err = s.read(ctx, region, stagePending); {
		case err == nil:
			v.rotation = rotationUnderWay
		case errors.Is(err, errNoVersion):
			v.rotation = rotationNone
		default:
			v.rotation, v.problem = rotationUnknown, err
		}
	}
	v.current, err = s.read(ctx, region, stageCurrent)
	if v.rotation == rotationUnderWay && v.pending.credentials == v.current.credentials { // the same version, once it is over
		v.rotation = rotationNone
	}
	return v, err
}

func (s *store) decode(out *secretsmanager.GetSecretValueOutput) (secret, error) {
	switch {
	case out == nil || (out.SecretString == nil && len(out.SecretBinary) == 0):
		return secret{}, fmt.Errorf("%w: it is empty", ErrInvalid)
	case out.SecretString == nil:
		return secret{}, fmt.Errorf("%w: it is binary: store it as text, a JSON object", ErrInvalid)
	}
	c, err := s.keys.parse(*out.SecretString)
	if err != nil {
		return secret{}, err
	}
	return secret{credentials: c, fetched: time.Now()}, nil
}

// client returns the client for a region; "" is the one that the SDK is configured for.
func (s *store) client(ctx context.Context, region string) (Client, string, error) {
	if s.explicit != nil {
		if region == "" {
			region = "the region of Options.Client"
		}
		return s.explicit, region, nil
	}
	cfg, err := s.source.Config(ctx)
	if err != nil {
		return nil, region, err
	}
	if region == "" {
		region = cfg.Region
	}
	if region == "" {
		return nil, "", errors.New("in which AWS region is it? Set secrets_manager_region, or use the secret's ARN")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.clients[region]
	if client == nil {
		client = secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
			o.Region = region
			if s.endpoint != "" {
				o.BaseEndpoint = aws.String(s.endpoint)
			}
		})
		if s.clients == nil {
			s.clients = map[string]Client{}
		}
		s.clients[region] = client
	}
	return client, region, nil
}

// advice says what to do about what Secrets Manager refuses, by its codes. It is not worth
// waiting for another answer to these.
var advice = map[string]string{
	"AccessDeniedException":     "allow the AWS identity secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its key if that is your own",
	"ResourceNotFoundException": "check secrets_manager_secret_id and secrets_manager_region; a secret of another account needs its ARN",
	"DecryptionFailure":         "allow the AWS identity kms:Decrypt on the secret's key, and see that the key is enabled",
	"InvalidRequestException":   "the secret may be marked for deletion",
	"InvalidParameterException": "check secrets_manager_secret_id",
	"ValidationException":       "check secrets_manager_secret_id",
}

// explain completes an error of the SDK. An answer that could not be read is not wrapped, as
// it may hold the secret.
func explain(err error) error {
	if errors.As(err, new(*smithy.DeserializationError)) {
		status := 0
		var answer interface{ HTTPStatusCode() int }
		if errors.As(err, &answer) {
			status = answer.HTTPStatusCode()
		}
		return fmt.Errorf("the answer of Secrets Manager cannot be read (HTTP status %d): is secrets_manager_endpoint right?", status)
	}
	if known, ok := advice[codeOf(err)]; ok {
		return fmt.Errorf("%w: %s", err, known)
	}
	return err
}

// lasting tells that trying again soon will not help.
func lasting(err error) bool {
	_, refused := advice[codeOf(err)]
	return refused || errors.Is(err, ErrInvalid)
}

// codeOf is what Secrets Manager calls the error; "" if it is none of its own.
func codeOf(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}
