package federated

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/core"
)

// DefaultTimeout bounds a request to the identity provider or to STS, as in the other AWS
// wrappers.
const DefaultTimeout = 60 * time.Second

// Options are what all sign-ins need. Endpoint, User, Password, RoleARN, ProviderARN and
// DBUser must be set.
type Options struct {
	// Endpoint is the host name of the identity provider, with or without https:// in
	// front.
	Endpoint string
	// Port is the identity provider's. Default: 443.
	Port int
	// User and Password are the account at the identity provider, which need not be
	// known to the database.
	User     string
	Password core.Secret
	// RoleARN is the role to assume, ProviderARN what IAM calls the identity provider.
	RoleARN, ProviderARN string
	// DBUser is the database user that logs in.
	DBUser string
	// Timeout bounds each request of a sign-in, redirects included. Default:
	// DefaultTimeout.
	Timeout time.Duration
	// HTTPClient is for the requests to the identity provider; its Jar and CheckRedirect
	// are not used. Default: one like http.DefaultClient. That for STS is in AWS.
	HTTPClient *http.Client
	// InsecureTLS lets anybody be the identity provider: its certificate is not verified.
	// For tests only, since whoever is in between gets the password.
	InsecureTLS bool

	// TokenHost, TokenPort and Region are those that the login token is made for. They
	// are only needed where the database is dialled by a name or port that is not its own;
	// Default: those of the host dialled.
	TokenHost string
	TokenPort int
	Region    string
	// Expiration is how long a login token is used for new logins. Default, and at most:
	// 870 seconds; negative: every login gets a new one. The sign-in is not repeated for it.
	Expiration time.Duration
	// AnyTransport sends tokens also where TLS does not verify the database server.
	AnyTransport bool
	// AWS is for the call of STS. No credentials are needed.
	AWS awsauth.Options

	dsnHost string // the connection string's, "" if it is not known
}

// problems returns what is wrong with the options that are not a matter of the sign-in.
func (o *Options) problems() []error {
	problems := []error{
		checkARN("iam_role_arn", o.RoleARN, "role/"),
		checkARN("iam_idp_arn", o.ProviderARN, "saml-provider/"),
		checkPresent("db_user", o.DBUser, "the database user that the role may log in as"),
		checkPresent("idp_username", o.User, "or the user of the connection string"),
		checkPresent("idp_password", string(o.Password), "or the password of the connection string"),
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("http_request_connect_timeout=%s: want 0 for %s, or more", o.Timeout, DefaultTimeout))
	}
	return problems
}

func checkPresent(name, value, advice string) error {
	if value != "" {
		return nil
	}
	return fmt.Errorf("%s is missing: %s", name, advice)
}

// checkARN wants the ARN of an IAM resource, in any partition.
func checkARN(name, value, resource string) error {
	if value == "" {
		return fmt.Errorf("%s is missing: want arn:aws:iam::<account>:%s<name>", name, resource)
	}
	a, err := arn.Parse(value)
	if err != nil || !strings.HasPrefix(a.Partition, "aws") || a.Service != "iam" || a.Region != "" || !isAccount(a.AccountID) ||
		!strings.HasPrefix(a.Resource, resource) || a.Resource == resource {
		return fmt.Errorf("%s=%q: want arn:aws:iam::<account>:%s<name>", name, value, resource)
	}
	return nil
}

func isAccount(id string) bool { return len(id) == 12 && strings.Trim(id, "0123456789") == "" }
