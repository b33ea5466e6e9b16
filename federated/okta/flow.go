package okta

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/signin"
)

// The steps of a sign-in, for errors.
const (
	sending = "sending the password"
	reading = "fetching the SAML assertion"
)

// flow is the sign-in by Okta's authentication API.
type flow struct {
	client   *signin.Client
	user     string
	password core.Secret
	app      string
}

// signIn gets an assertion.
func (f *flow) signIn(ctx context.Context) (core.Secret, error) {
	s := f.client.Begin()
	token, err := f.authenticate(ctx, s)
	if err != nil {
		return "", err
	}
	page, err := s.Get(ctx, reading, f.client.URL("/app/amazon_aws/"+f.app+"/sso/saml", url.Values{"onetimetoken": {string(token)}}))
	if err != nil {
		return "", err
	}
	e := &federated.Error{Kind: federated.ErrNoAssertion, Step: reading, Host: page.URL.Host,
		Advice: "is app_id right, and the application assigned to the account?"}
	switch page.Status {
	case http.StatusForbidden, http.StatusNotFound:
		e.Status = page.Status
		return "", e
	}
	if err := page.CheckStatus(reading); err != nil {
		return "", err
	}
	if assertion := page.Assertion(); assertion != "" {
		return assertion, nil
	}
	return "", e
}

// answer is what is read of one of the authentication API.
type answer struct {
	Status       string      `json:"status"`
	SessionToken core.Secret `json:"sessionToken"`
	ErrorCode    string      `json:"errorCode"`
}

// authenticate exchanges the password for a token that is good for one page.
func (f *flow) authenticate(ctx context.Context, s *signin.Session) (core.Secret, error) {
	request, err := json.Marshal(map[string]string{"username": f.user, "password": string(f.password)})
	if err != nil {
		return "", err // strings can always be written
	}
	page, err := s.PostJSON(ctx, sending, f.client.URL("/api/v1/authn", nil), request)
	if err != nil {
		return "", err
	}
	var a answer
	readable := json.Unmarshal(page.Body, &a) == nil // what it says would quote the answer
	if page.Status/100 != 2 {
		return "", refusal(page, a.ErrorCode)
	}
	if !readable {
		return "", page.Unexpected(sending, "it is not JSON: is idp_endpoint the host name of an Okta organisation?")
	}
	if a.SessionToken == "" {
		return "", incomplete(page, a.Status)
	}
	return a.SessionToken, nil
}

// refusal is the error of an answer that has one. The codes are those of Okta's API
// reference.
func refusal(page *signin.Page, code string) error {
	e := &federated.Error{Kind: federated.ErrAnswer, Step: sending, Host: page.URL.Host, Status: page.Status, Code: shown(code)}
	switch {
	case code == "E0000069":
		e.Kind = federated.ErrLocked
	case code == "E0000047", page.Status == http.StatusTooManyRequests, page.Status/100 == 5:
		e.Kind = federated.ErrUnavailable
	case code == "E0000004", page.Status == http.StatusUnauthorized:
		e.Kind = federated.ErrPassword
	case code == "E0000006":
		e.Advice = "a policy of the organisation does not let the account sign in from here"
	}
	return e
}

// incomplete is the error of an answer that is one of the states between password and
// session.
func incomplete(page *signin.Page, status string) error {
	e := &federated.Error{Kind: federated.ErrAnswer, Step: sending, Host: page.URL.Host, Code: shown(status)}
	switch status {
	case "MFA_REQUIRED", "MFA_ENROLL", "MFA_ENROLL_ACTIVATE", "MFA_CHALLENGE":
		e.Kind, e.Advice = federated.ErrMFA, "exempt the account from it by a policy for this application"
	case "PASSWORD_EXPIRED", "PASSWORD_WARN", "PASSWORD_RESET":
		e.Kind = federated.ErrPasswordExpired
	case "LOCKED_OUT":
		e.Kind = federated.ErrLocked
	}
	return e
}

// shown returns a code of Okta's if it looks like one: anything else is not for errors.
func shown(code string) string {
	if len(code) > 40 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
		return ""
	}
	return code
}
