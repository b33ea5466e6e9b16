package okta

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/idptest"
	"github.com/awsdb/awsdb/federated/internal/signin"
	"github.com/google/go-cmp/cmp"
)

const (
	user      = "jane@example.com"
	password  = `pässword&"<=>\`
	token     = "20111sTEhyXgZUQPSUqUk&1"
	assertion = "PHNhbWxwOlJlc3BvbnNlPjwvc2FtbHA6UmVzcG9uc2U+"
)

const assertionPage = `<form id="appForm" action="https&#x3a;&#x2f;&#x2f;signin.aws.amazon.com&#x2f;saml" method="POST"><input name="SAMLResponse" type="hidden" value="PHNhbWxwOlJlc3BvbnNlPjwvc2FtbHA6UmVzcG9uc2U&#x2b;"/></form>`

// organisation is an Okta: what comes back for the password, and for the page.
type organisation struct {
	answer, page http.HandlerFunc
}

func reply(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func (o organisation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		o.answer(w, r)
		return
	}
	o.page(w, r)
}

func newFlow(t *testing.T, client *http.Client) *flow {
	t.Helper()
	c, err := signin.NewClient(federated.Options{Endpoint: "example.okta.com", HTTPClient: client, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return &flow{client: c, user: user, password: password, app: "exk123"}
}

var success = reply(200, fmt.Sprintf(`{"status":"SUCCESS","sessionToken":%q,"expiresAt":"2030-01-01T00:00:00.000Z"}`, token))

func TestSignIn(t *testing.T) {
	var asked []string
	var sent map[string]string
	o := organisation{func(w http.ResponseWriter, r *http.Request) {
		if h := r.Header; h.Get("Content-Type") != "application/json" || h.Get("Accept") != "application/json" {
			t.Errorf("headers %v", h)
		}
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Error(err)
		}
		success(w, r)
	}, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("onetimetoken") != token {
			t.Errorf("one-time token %q", r.FormValue("onetimetoken"))
		}
		reply(200, assertionPage)(w, r)
	}}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" https://"+r.Host+r.URL.Path)
		o.ServeHTTP(w, r)
	})
	got, err := newFlow(t, idptest.Client(h)).signIn(t.Context())
	if err != nil || string(got) != assertion {
		t.Fatalf("assertion %q, %v", string(got), err)
	}
	if diff := cmp.Diff([]string{"POST https://example.okta.com/api/v1/authn", "GET https://example.okta.com/app/amazon_aws/exk123/sso/saml"}, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"username": user, "password": password}, sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

// The one-time token is in an address, which no other host may be told.
func TestNoReferer(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			success(w, r)
		case r.Host == "example.okta.com":
			http.Redirect(w, r, "https://elsewhere.example.com/", http.StatusFound)
		default:
			if r.Header.Get("Referer") != "" {
				t.Errorf("Referer %s", r.Header.Get("Referer"))
			}
		}
	})
	if _, err := newFlow(t, idptest.Client(h)).signIn(t.Context()); !errors.Is(err, federated.ErrNoAssertion) {
		t.Errorf("error %v", err)
	}
}

// Each way to fail is another error, names the step, and shows no secret.
func TestFailures(t *testing.T) {
	state := func(name string) http.HandlerFunc {
		return reply(200, fmt.Sprintf(`{"stateToken":%q,"status":%q,"_embedded":{"factors":[{"factorType":"push"}]}}`, token, name))
	}
	refuse := func(status int, code string) http.HandlerFunc {
		return reply(status, fmt.Sprintf(`{"errorCode":%q,"errorSummary":%q}`, code, "no "+password))
	}
	never := http.HandlerFunc(nil)
	tests := map[string]struct {
		organisation
		want error
		text string
	}{
		"wrong password":    {organisation{refuse(401, "E0000004"), never}, federated.ErrPassword, "sign-in at example.okta.com, sending the password: user name or password refused, HTTP status 401, E0000004"},
		"locked":            {organisation{state("LOCKED_OUT"), never}, federated.ErrLocked, "the account is locked, LOCKED_OUT"},
		"locked, too":       {organisation{refuse(403, "E0000069"), never}, federated.ErrLocked, "E0000069"},
		"second factor":     {organisation{state("MFA_REQUIRED"), never}, federated.ErrMFA, "a second factor is demanded, which awsdb cannot give, MFA_REQUIRED"},
		"factor to enroll":  {organisation{state("MFA_ENROLL"), never}, federated.ErrMFA, "MFA_ENROLL"},
		"password expired":  {organisation{state("PASSWORD_EXPIRED"), never}, federated.ErrPasswordExpired, "PASSWORD_EXPIRED"},
		"password warning":  {organisation{state("PASSWORD_WARN"), never}, federated.ErrPasswordExpired, "PASSWORD_WARN"},
		"another state":     {organisation{state("RECOVERY"), never}, federated.ErrAnswer, "unexpected answer, RECOVERY"},
		"odd state":         {organisation{state("<" + token), never}, federated.ErrAnswer, "sending the password: unexpected answer"},
		"policy":            {organisation{refuse(403, "E0000006"), never}, federated.ErrAnswer, "a policy of the organisation"},
		"odd code":          {organisation{refuse(400, password), never}, federated.ErrAnswer, "HTTP status 400"},
		"rate":              {organisation{refuse(429, "E0000047"), never}, federated.ErrUnavailable, "HTTP status 429, E0000047"},
		"outage":            {organisation{reply(503, "<h1>"+password), never}, federated.ErrUnavailable, "unavailable, HTTP status 503"},
		"not Okta":          {organisation{reply(200, "<h1>"+password), never}, federated.ErrAnswer, "it is not JSON"},
		"hangs":             {organisation{idptest.Hang, never}, federated.ErrTimeout, "sending the password: no answer in time"},
		"unknown app":       {organisation{success, reply(404, "<h1>"+token)}, federated.ErrNoAssertion, "HTTP status 404: is app_id right"},
		"not assigned":      {organisation{success, reply(200, "<h1>"+token)}, federated.ErrNoAssertion, "fetching the SAML assertion: no SAML assertion in the answer: is app_id right"},
		"outage of the app": {organisation{success, reply(502, "<h1>"+token)}, federated.ErrUnavailable, "fetching the SAML assertion: unavailable, HTTP status 502"},
		"app hangs":         {organisation{success, idptest.Hang}, federated.ErrTimeout, "fetching the SAML assertion: no answer in time"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := newFlow(t, idptest.Client(test.organisation)).signIn(t.Context())
				var e *federated.Error
				if !errors.Is(err, test.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), test.text) || got != "" {
					t.Errorf("error %v, want %v with %q", err, test.want, test.text)
				}
				if hung := errors.Is(test.want, federated.ErrTimeout); hung != errors.Is(err, context.DeadlineExceeded) || hung != (time.Since(began) == 10*time.Second) {
					t.Errorf("took %s: %v", time.Since(began), err)
				}
				idptest.NoSecret(t, err, password, token, assertion)
			})
		})
	}
}
