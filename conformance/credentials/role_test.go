package credentials

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/iamauth"
	"github.com/awsdb/awsdb/lab/cloud"
)

// role is where credentials are from that do not last, as those of an instance profile. It
// is an aws.CredentialsProvider.
type role struct {
	stage    *stage
	name     string
	lifetime time.Duration // of the credentials; 0: for ever
	takes    time.Duration // to be asked

	mu     sync.Mutex
	policy cloud.Policy
	asked  int
	failed error
	keys   map[string]bool // access keys handed out
	last   cloud.Identity
}

func (s *stage) role(name string, lifetime time.Duration) *role {
	return &role{stage: s, name: name, lifetime: lifetime, keys: map[string]bool{}}
}

// Retrieve implements aws.CredentialsProvider.
func (r *role) Retrieve(ctx context.Context) (aws.Credentials, error) {
	r.mu.Lock()
	r.asked++
	failed := r.failed
	r.mu.Unlock()
	if r.takes > 0 {
		select {
		case <-time.After(r.takes):
		case <-ctx.Done():
			return aws.Credentials{}, ctx.Err()
		}
	}
	if failed != nil {
		return aws.Credentials{}, failed
	}
	identity := r.begin()
	r.mu.Lock()
	r.keys[identity.AccessKeyID], r.last = true, identity
	r.mu.Unlock()
	r.stage.secret("a secret key", identity.SecretAccessKey)
	r.stage.secret("a session token", identity.SessionToken)
	return aws.Credentials{
		AccessKeyID: identity.AccessKeyID, SecretAccessKey: identity.SecretAccessKey, SessionToken: identity.SessionToken,
		Source: "test", CanExpire: r.lifetime > 0, Expires: identity.Expires,
	}, nil
}

func (r *role) begin() cloud.Identity {
	r.mu.Lock()
	policy := r.policy
	r.mu.Unlock()
	if r.lifetime == 0 {
		return r.stage.aws.AddIdentity(r.name, policy)
	}
	return r.stage.aws.AddSession(r.name, r.lifetime, policy)
}

// take returns how often it was asked since it was last called.
func (r *role) take() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.asked
	r.asked = 0
	return n
}

// fail makes it fail from now on; nil ends that.
func (r *role) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
}

// gave tells whether it has handed out an access key, and how many it has.
func (r *role) gave(accessKeyID string) (known bool, of int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[accessKeyID], len(r.keys)
}

func (r *role) current() cloud.Identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// iam is the plugin for a role.
func (r *role) iam(t *testing.T, o iamauth.Options) core.Plugin {
	t.Helper()
	o.AWS = r.stage.config(r)
	p, err := iamauth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// constant is a provider of the same credentials always.
type constant aws.Credentials

// Retrieve implements aws.CredentialsProvider.
func (c constant) Retrieve(context.Context) (aws.Credentials, error) { return aws.Credentials(c), nil }
