package adfs

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
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
	user      = `CORP\jane doe`
	password  = `pässword&"<=>`
	assertion = "PHNhbWxwOlJlc3BvbnNlPjwvc2FtbHA6UmVzcG9uc2U+"
	cookie    = "c00kie"
	start     = "/adfs/ls/IdpInitiatedSignOn.aspx"
)

// signInPage is like that of AD FS 2019.
const signInPage = `<html><body><form method="post" id="loginForm" action="/adfs/ls/?loginToRp=urn:amazon:webservices&amp;id=1">
<input name="UserName" type="email" value=""/><input name="Password" type="password"/>
<input type="checkbox" name="Kmsi" value="true"/><input type="hidden" name="AuthMethod" value="FormsAuthentication"/></form>
<form id="options" method="post" action="/adfs/ls/"><input type="hidden" name="AuthMethod"/></form></body></html>`

const assertionPage = `<form method="POST" action="https://signin.aws.amazon.com/saml"><input type="hidden" name="SAMLResponse" value="` + assertion + `"/></form>`

// provider is an AD FS: what comes back for the page, and for the password.
type provider struct {
	page, answer http.HandlerFunc
}

func text(page string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "the page says "+assertion)
	}
}

func (p provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		p.answer(w, r)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "MSISSamlRequest", Value: cookie, Path: "/adfs", Secure: true, HttpOnly: true})
	p.page(w, r)
}

func newFlow(t *testing.T, client *http.Client) *flow {
	t.Helper()
	c, err := signin.NewClient(federated.Options{Endpoint: "adfs.example.com", HTTPClient: client, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return &flow{client: c, user: user, password: password, party: defaultParty}
}

func TestSignIn(t *testing.T) {
	var asked []string
	var sent url.Values
	p := provider{text(signInPage), func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("MSISSamlRequest"); err != nil || c.Value != cookie {
			t.Errorf("cookie %v, %v", c, err)
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		sent = r.PostForm
		http.SetCookie(w, &http.Cookie{Name: "MSISAuth", Value: cookie, Path: "/adfs"})
		http.Redirect(w, r, start+"?again=1", http.StatusFound)
	}}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		if r.Header.Get("Referer") != "" {
			t.Errorf("Referer %s", r.Header.Get("Referer"))
		}
		if c, err := r.Cookie("MSISAuth"); err == nil && c.Value == cookie {
			text(assertionPage)(w, r)
			return
		}
		p.ServeHTTP(w, r)
	})
	got, err := newFlow(t, idptest.Client(h)).signIn(t.Context())
	if err != nil || string(got) != assertion {
		t.Fatalf("assertion %q, %v", string(got), err)
	}
	if diff := cmp.Diff([]string{
		"GET https://adfs.example.com" + start + "?loginToRp=urn%3Aamazon%3Awebservices",
		"POST https://adfs.example.com/adfs/ls/?loginToRp=urn:amazon:webservices&id=1",
		"GET https://adfs.example.com" + start + "?again=1",
	}, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(url.Values{"UserName": {user}, "Password": {password}, "AuthMethod": {"FormsAuthentication"}}, sent); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

// Forms of all kinds: where they are sent, and what with.
func TestFill(t *testing.T) {
	const both = `<input name=UserName><input name=Password type=password>`
	tests := map[string]struct {
		form   string
		target string // "": refused
		fields url.Values
	}{
		"absolute path":   {`<form action="/adfs/x?y=1">` + both, "https://adfs.example.com/adfs/x?y=1", nil},
		"no action":       {`<form>` + both, "https://adfs.example.com/adfs/ls/page?q=1", nil},
		"only a query":    {`<form action="?z=2#top">` + both, "https://adfs.example.com/adfs/ls/page?z=2", nil},
		"relative":        {`<form action="next">` + both, "https://adfs.example.com/adfs/ls/next", nil},
		"absolute":        {`<form action="https://adfs.example.com/a">` + both, "https://adfs.example.com/a", nil},
		"no https":        {`<form action="http://adfs.example.com/a">` + both, "", nil},
		"another host":    {`<form action="https://evil.example.com/a">` + both, "", nil},
		"without scheme":  {`<form action="//evil.example.com/a">` + both, "", nil},
		"another port":    {`<form action="https://adfs.example.com:8443/a">` + both, "", nil},
		"script":          {`<form action="javascript:void(0)">` + both, "", nil},
		"with a user":     {`<form action="https://x@adfs.example.com/a">` + both, "", nil},
		"no address":      {`<form action="%zz">` + both, "", nil},
		"no password":     {`<form><input name=UserName></form>`, "", nil},
		"no user":         {`<form><input name=Password type=password></form>`, "", nil},
		"password by js":  {`<script>document.write('<form><input type=password>')</script>`, "", nil},
		"second form":     {`<form action=/search><input name=q></form><form action=/b>` + both, "https://adfs.example.com/b", nil},
		"old version":     {`<form action=/b><input type=hidden name=__VIEWSTATE value=abc=><input name=ctl00$UsernameTextBox value=x><input type=password name=ctl00$PasswordTextBox><input type=submit name=ctl00$SubmitButton value="Sign In"><input type=submit name=ctl00$Cancel value=No>`, "https://adfs.example.com/b", url.Values{"__VIEWSTATE": {"abc="}, "ctl00$UsernameTextBox": {user}, "ctl00$PasswordTextBox": {password}, "ctl00$SubmitButton": {"Sign In"}}},
		"what is sent":    {`<form action=/b>` + both + `<input type=checkbox name=no value=1><input type=checkbox name=yes value=1 checked><input type=radio name=r value=1><input type=button name=b><input type=reset name=c><input type=image name=d><input type=file name=e><input type=hidden name=AuthMethod><input name=username value=twice><input type=hidden name=PasswordPolicy value=strict>`, "https://adfs.example.com/b", url.Values{"UserName": {user}, "Password": {password}, "yes": {"1"}, "PasswordPolicy": {"strict"}}},
		"password by any": {`<form action=/b><input name=username><input name=Kennwort type=PASSWORD>`, "https://adfs.example.com/b", url.Values{"username": {user}, "Kennwort": {password}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			from, _ := url.Parse("https://adfs.example.com/adfs/ls/page?q=1")
			target, fields, err := newFlow(t, nil).fill(&signin.Page{URL: from, Body: []byte(test.form)})
			idptest.NoSecret(t, err, password)
			if test.target == "" {
				if !errors.Is(err, federated.ErrAnswer) {
					t.Errorf("target %v, error %v, want ErrAnswer", target, err)
				}
				return
			}
			if err != nil || target.String() != test.target {
				t.Fatalf("target %v, %v, want %s", target, err, test.target)
			}
			if test.fields == nil {
				test.fields = url.Values{"UserName": {user}, "Password": {password}}
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// The password goes where a redirect has led, to the host that was configured, and nowhere else.
func TestPasswordAfterRedirect(t *testing.T) {
	tests := map[string]struct {
		action string
		want   error
	}{
		"its own host":   {"/login", nil},
		"the endpoint":   {"https://adfs.example.com/login", nil},
		"a third":        {"https://evil.example.com/login", federated.ErrAnswer},
		"no https there": {"http://login.example.com/login", federated.ErrAnswer},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodPost:
					text(assertionPage)(w, r)
				case r.Host == "adfs.example.com":
					http.Redirect(w, r, "https://login.example.com/form", http.StatusFound)
				default:
					text(`<form action="`+test.action+`"><input name=UserName><input type=password name=Password></form>`)(w, r)
				}
			})
			got, err := newFlow(t, idptest.Client(h)).signIn(t.Context())
			if !errors.Is(err, test.want) || (err == nil) != (string(got) == assertion) {
				t.Errorf("assertion %q, %v, want %v", string(got), err, test.want)
			}
		})
	}
}

// Each way to fail is another error, names the step, and shows no secret.
func TestFailures(t *testing.T) {
	redirect := func(code int, to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(code)
		}
	}
	integrated := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Negotiate")
		w.WriteHeader(http.StatusUnauthorized)
	}
	mfa := `<form method=post action=/adfs/ls/><input type=hidden name=AuthMethod value=AzureMfaAuthentication><input type=hidden name=Context value=abc><input type=password name=VerificationCode></form>`
	update := `<form><input name=UserName><input type=password name=OldPassword><input type=password name=NewPassword></form>`
	page, never := text(signInPage), http.HandlerFunc(nil)
	tests := map[string]struct {
		provider
		want error
		text string
	}{
		"wrong password":         {provider{page, text(signInPage)}, federated.ErrPassword, "sign-in at adfs.example.com, sending the password: user name or password refused"},
		"second factor":          {provider{page, text(mfa)}, federated.ErrMFA, "a second factor is demanded, which awsdb cannot give"},
		"password expired":       {provider{page, text(update)}, federated.ErrPasswordExpired, "expired"},
		"not allowed":            {provider{page, text("<p>MSIS7001 " + assertion)}, federated.ErrNoAssertion, "rp_identifier"},
		"no form":                {provider{text("<h1>Sign in</h1>" + assertion), never}, federated.ErrAnswer, "reading the sign-in page: unexpected answer: it has no form for a password"},
		"outage":                 {provider{status(503), never}, federated.ErrUnavailable, "reading the sign-in page: unavailable, HTTP status 503"},
		"too many":               {provider{status(429), never}, federated.ErrUnavailable, "HTTP status 429"},
		"not found":              {provider{status(404), never}, federated.ErrAnswer, "HTTP status 404"},
		"integrated":             {provider{integrated, never}, federated.ErrAnswer, "enable forms authentication"},
		"outage later":           {provider{page, status(500)}, federated.ErrUnavailable, "sending the password: unavailable, HTTP status 500"},
		"hangs":                  {provider{idptest.Hang, never}, federated.ErrTimeout, "reading the sign-in page: no answer in time: context deadline exceeded: http_request_connect_timeout is 10s"},
		"hangs later":            {provider{page, idptest.Hang}, federated.ErrTimeout, "sending the password: no answer in time"},
		"redirect without https": {provider{redirect(302, "http://adfs.example.com/"), never}, federated.ErrAnswer, "without https"},
		"endless redirects":      {provider{redirect(302, start), never}, federated.ErrAnswer, "more than ten redirects"},
		"post sent on":           {provider{page, redirect(307, "https://evil.example.com/?"+assertion)}, federated.ErrAnswer, "it redirects what was posted to another host"},
		"bad location":           {provider{page, redirect(302, "https://%zz/"+assertion)}, federated.ErrUnavailable, "the request failed with a"},
		"endless page":           {provider{text(strings.Repeat("x", 5<<20)), never}, federated.ErrAnswer, "4 MiB"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := newFlow(t, idptest.Client(test.provider)).signIn(t.Context())
				var e *federated.Error
				if !errors.Is(err, test.want) || !errors.As(err, &e) || !strings.Contains(err.Error(), test.text) || got != "" {
					t.Errorf("error %v, want %v with %q", err, test.want, test.text)
				}
				if hung := errors.Is(test.want, federated.ErrTimeout); hung != errors.Is(err, context.DeadlineExceeded) || hung != (time.Since(began) == 10*time.Second) {
					t.Errorf("took %s: %v", time.Since(began), err)
				}
				idptest.NoSecret(t, err, password, url.QueryEscape(password), assertion, cookie)
			})
		})
	}
}

// A 307 within the host is followed with the password: the host has it already.
func TestPostSentOnWithinHost(t *testing.T) {
	p := provider{text(signInPage), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/adfs/other" {
			http.Redirect(w, r, "/adfs/other", http.StatusTemporaryRedirect)
			return
		}
		if r.FormValue("Password") == password {
			text(assertionPage)(w, r)
		}
	}}
	if got, err := newFlow(t, idptest.Client(p)).signIn(t.Context()); err != nil || string(got) != assertion {
		t.Errorf("assertion %q, %v", string(got), err)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	closed := errors.New("handle closed")
	p := provider{func(w http.ResponseWriter, r *http.Request) {
		cancel(closed)
		idptest.Hang(w, r)
	}, nil}
	_, err := newFlow(t, idptest.Client(p)).signIn(ctx)
	if !errors.Is(err, closed) || errors.Is(err, federated.ErrTimeout) {
		t.Errorf("error %v", err)
	}
}

// With no client given, a real connection is made and let go of.
func TestOwnTransport(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := signin.NewClient(federated.Options{Endpoint: "127.0.0.1", Port: port})
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&flow{client: c, user: user, password: password, party: defaultParty}).signIn(t.Context())
	var operation *net.OpError
	if !errors.Is(err, federated.ErrUnavailable) || !errors.As(err, &operation) || operation.Op != "dial" {
		t.Errorf("error %v", err)
	}
}
