package credentials

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/awsdb/awsdb/awsauth"
	"github.com/awsdb/awsdb/lab/cloud"
)

// eavesdropper is between the application and the cloud, and learns the secrets that pass: what
// is an http.RoundTripper.
type eavesdropper struct {
	*evidence
	next http.RoundTripper
}

// client is the way to the stage's cloud.
func (s *stage) client() *http.Client {
	c := s.aws.Client()
	c.Transport = eavesdropper{s.evidence, c.Transport}
	return c
}

// as is who asks the cloud for secrets, and by which way.
func (s *stage) as(identity cloud.Identity) awsauth.Options {
	s.secret("a secret key", identity.SecretAccessKey)
	s.secret("a session token", identity.SessionToken)
	return s.config(constant(aws.Credentials{
		AccessKeyID: identity.AccessKeyID, SecretAccessKey: identity.SecretAccessKey, SessionToken: identity.SessionToken,
		CanExpire: !identity.Expires.IsZero(), Expires: identity.Expires,
	}))
}

// config leads to the cloud, and to nothing else that this machine may know of AWS.
func (s *stage) config(p aws.CredentialsProvider) awsauth.Options {
	return awsauth.Options{Config: &aws.Config{Region: s.aws.Region(), HTTPClient: s.client(), Credentials: p}}
}

// secretsInAnswers are the places of secrets in what the services and pages answer.
var secretsInAnswers = map[string]*regexp.Regexp{
	"a secret key":                 regexp.MustCompile(`<SecretAccessKey>([^<]+)<`),
	"a session token":              regexp.MustCompile(`<SessionToken>([^<]+)<`),
	"an assertion":                 regexp.MustCompile(`name="SAMLResponse" value="([^"]+)"`),
	"a session token of Okta":      regexp.MustCompile(`"sessionToken":"([^"]+)"`),
	"a state token of Okta":        regexp.MustCompile(`"stateToken":"([^"]+)"`),
	"a context of AD FS":           regexp.MustCompile(`name="Context" value="([^"]+)"`),
	"a secret of Secrets Manager":  regexp.MustCompile(`"SecretString":"((?:[^"\\]|\\.)+)"`),
	"a password in Secret Manager": regexp.MustCompile(`\\"password\\":\s*\\"((?:[^"\\]|\\\\.)+)\\"`),
}

// RoundTrip implements http.RoundTripper.
func (e eavesdropper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if form, err := url.ParseQuery(string(sent)); err == nil {
			e.secret("an assertion", form.Get("SAMLAssertion"))
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	for _, c := range r.Cookies() {
		e.secret("a cookie", c.Value)
	}
	answer, err := e.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range answer.Cookies() {
		e.secret("a cookie", c.Value)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	for what, where := range secretsInAnswers {
		for _, found := range where.FindAllSubmatch(text, -1) {
			if len(found[1]) > len("null") {
				e.secret(what, string(found[1]))
			}
		}
	}
	_ = answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(text))
	return answer, nil
}
