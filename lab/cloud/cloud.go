package cloud

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Options say what [New] makes. The zero value is a region us-east-1 with the account 123456789012.
type Options struct {
	Region  string // of secrets without another one; default "us-east-1". It decides about the partition of ARNs, too.
	Account string // default "123456789012"

	// RelyingParty is what AD FS knows AWS as, the parameter loginToRp; default "urn:amazon:webservices".
	RelyingParty string
	// OktaApp is the identifier of the application at Okta; default: every identifier is one.
	OktaApp string
	// LockAfter is the number of wrong passwords in a row that locks a user out; default 10.
	LockAfter int
}

// Cloud is a number of AWS services and identity providers. It is an http.Handler for all of them; [Cloud.Client] is a way
// there without a socket. All methods are safe for concurrent use.
type Cloud struct {
	options Options
	key     []byte // assertions are signed with it

	mu         sync.Mutex // guards the rest; never held while waiting
	policies   map[string]Policy
	identities map[string]Identity // by access key
	secrets    map[string]*secret  // by ARN
	users      map[string]*user
	roles      map[string]bool            // ARNs that may be assumed
	signIns    map[string]string          // cookies of AD FS: who has signed in, "" before
	tokens     map[string]oktaToken       // session tokens of Okta, valid once
	databases  map[int]func() []DBCluster // by a number that tells them apart
	last       int                        // number of the latest of databases, and of the requests
	calls      map[Operation]int
	faults     map[Operation]*fault
}

// New makes a cloud in which there is nothing yet. It needs no end: nothing runs between requests.
func New(o Options) *Cloud {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.Account = cmp.Or(o.Account, "123456789012")
	o.RelyingParty = cmp.Or(o.RelyingParty, "urn:amazon:webservices")
	o.LockAfter = cmp.Or(o.LockAfter, 10)
	return &Cloud{
		options: o, key: random(32),
		policies: map[string]Policy{}, identities: map[string]Identity{}, secrets: map[string]*secret{},
		users: map[string]*user{}, roles: map[string]bool{}, signIns: map[string]string{}, tokens: map[string]oktaToken{},
		databases: map[int]func() []DBCluster{}, calls: map[Operation]int{}, faults: map[Operation]*fault{},
	}
}

// Region is Options.Region.
func (c *Cloud) Region() string { return c.options.Region }

// Account is Options.Account.
func (c *Cloud) Account() string { return c.options.Account }

// arn makes the name of something in a region, or, with "", of something that is in no region.
func (c *Cloud) arn(service, region, resource string) string {
	partition := "aws"
	switch of := cmp.Or(region, c.options.Region); {
	case strings.HasPrefix(of, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(of, "us-gov-"):
		partition = "aws-us-gov"
	}
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", partition, service, region, c.options.Account, resource)
}

// random are n bytes nobody can guess.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// Policy is what an identity may do. The zero value allows everything.
type Policy struct {
	// DBUsers are the database users the identity may log in as (rds-db:connect); nil: all.
	DBUsers []string
	// Secrets are names or ARNs of the secrets whose values the identity may read; nil: all.
	Secrets []string
	// Stages are the version stages of secrets the identity may ask for, [Current] and so on; nil: all.
	Stages []string
	// Deny are operations or services that are forbidden all the same.
	Deny []Operation
}

// Identity is who signs requests and tokens: a user of the account or, with a session token, somebody with temporary
// credentials.
type Identity struct {
	Name            string // "app", or "role/reader" for who has assumed that role
	ARN             string
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // "" for a user of the account
	Expires         time.Time // zero for a user of the account
}

// AddIdentity makes an access key for a user of the account. A user may have several; the policy is that of all of
// them, of those made before and of sessions, too.
func (c *Cloud) AddIdentity(name string, p Policy) Identity {
	return c.addIdentity(Identity{Name: name, ARN: c.arn("iam", "", "user/"+name)}, "AKIA", p)
}

// AddSession makes temporary credentials that end after lifetime, such as those of an instance profile or of a function.
func (c *Cloud) AddSession(name string, lifetime time.Duration, p Policy) Identity {
	return c.addIdentity(Identity{
		Name: name, ARN: c.arn("sts", "", "assumed-role/"+name+"/session"), Expires: time.Now().Add(lifetime),
		SessionToken: sessionToken(),
	}, "ASIA", p)
}

// sessionTokenSize is that of tokens of usual length, 640 characters.
const sessionTokenSize = 480

func sessionToken() string { return base64.StdEncoding.EncodeToString(random(sessionTokenSize)) }

func (c *Cloud) addIdentity(i Identity, prefix string, p Policy) Identity {
	i.AccessKeyID = prefix + rand.Text()[:16]
	i.SecretAccessKey = base64.StdEncoding.EncodeToString(random(30))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identities[i.AccessKeyID] = i
	c.policies[i.Name] = p
	return i
}

// SetPolicy changes what an identity may do from now on; the name is that of the [Identity].
func (c *Cloud) SetPolicy(name string, p Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policies[name] = p
}

// RemoveIdentity deletes an access key, also one of temporary credentials.
func (c *Cloud) RemoveIdentity(accessKeyID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.identities, accessKeyID)
}

// identity is who has an access key, and what they may do.
func (c *Cloud) identity(accessKeyID string) (Identity, Policy, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.identities[accessKeyID]
	return i, c.policies[i.Name], ok
}
