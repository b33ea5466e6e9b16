package adfs

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/federated"
	"github.com/awsdb/awsdb/federated/internal/signin"
)

// The steps of a sign-in, for errors.
const (
	reading = "reading the sign-in page"
	sending = "sending the password"
)

// flow is the sign-in with a form, that begins at the identity provider.
type flow struct {
	client   *signin.Client
	user     string
	password core.Secret
	party    string // which relying party the assertion is for
}

// signIn gets an assertion.
func (f *flow) signIn(ctx context.Context) (core.Secret, error) {
	s := f.client.Begin()
	page, err := s.Get(ctx, reading, f.client.URL("/adfs/ls/IdpInitiatedSignOn.aspx", url.Values{"loginToRp": {f.party}}))
	if err != nil {
		return "", err
	}
	if err := checkStatus(page, reading); err != nil {
		return "", err
	}
	target, fields, err := f.fill(page)
	if err != nil {
		return "", err
	}
	page, err = s.PostForm(ctx, sending, target, fields)
	if err != nil {
		return "", err
	}
	if err := checkStatus(page, sending); err != nil {
		return "", err
	}
	if assertion := page.Assertion(); assertion != "" {
		return assertion, nil
	}
	return "", judge(page)
}

// checkStatus is Page.CheckStatus with the commonest mistakes in setting up AD FS.
func checkStatus(page *signin.Page, step string) error {
	err := page.CheckStatus(step)
	if err == nil {
		return nil
	}
	if page.Status == http.StatusUnauthorized && page.Header.Get("WWW-Authenticate") != "" {
		return &federated.Error{Kind: federated.ErrAnswer, Step: step, Host: page.URL.Host, Status: page.Status,
			Advice: "it wants Windows Integrated Authentication: enable forms authentication for the intranet"}
	}
	return err
}

// fill returns the sign-in form of a page with the account in it, and where to send it.
func (f *flow) fill(page *signin.Page) (*url.URL, url.Values, error) {
	form, ok := signInForm(page)
	if !ok {
		return nil, nil, page.Unexpected(reading, "it has no form for a password: are IdpInitiatedSignOn and forms authentication enabled?")
	}
	target, err := page.URL.Parse(form.Action)
	if err != nil {
		return nil, nil, page.Unexpected(reading, "the form's action is no address")
	}
	target.Fragment = ""
	if target.Scheme != "https" || target.User != nil || (target.Host != page.URL.Host && target.Host != f.client.Host()) {
		return nil, nil, page.Unexpected(reading, "the form wants the password to be sent to another host, or without https")
	}
	fields, complete := f.fields(form)
	if !complete {
		return nil, nil, page.Unexpected(reading, "the form for the password has no field for a user name")
	}
	return target, fields, nil
}

func signInForm(page *signin.Page) (signin.Form, bool) {
	for _, form := range page.Forms() {
		if form.Passwords() > 0 {
			return form, true
		}
	}
	return signin.Form{}, false
}

// fields fills a form in as a browser would when its first button is pressed. Field names
// have a prefix in old versions of AD FS (ctl00$ContentPlaceHolder1$UsernameTextBox), which
// also want to be told the button.
func (f *flow) fields(form signin.Form) (fields url.Values, complete bool) {
	fields = url.Values{}
	seen := map[string]bool{}
	for _, i := range form.Inputs {
		name := strings.ToLower(i.Name)
		if seen[name] || !sent(i, seen) {
			continue
		}
		seen[name] = true
		open := i.Type != "hidden" || i.Value == "" // for us to fill in
		switch {
		case open && (i.Type == "password" || strings.Contains(name, "password")):
			fields.Set(i.Name, string(f.password))
		case open && strings.Contains(name, "username"):
			fields.Set(i.Name, f.user)
			complete = true
		case strings.Contains(name, "authmethod") && i.Value == "":
		default:
			fields.Set(i.Name, i.Value)
		}
	}
	return fields, complete
}

// sent tells that a browser sends the field. seen remembers that it has sent a button.
func sent(i signin.Input, seen map[string]bool) bool {
	const button = "<button>" // no name of a field: those are in there as they are
	switch i.Type {
	case "checkbox", "radio":
		return i.Checked
	case "submit":
		first := !seen[button]
		seen[button] = true
		return first
	case "button", "reset", "image", "file":
		return false
	}
	return true
}

// judge says what a page without an assertion means, which is the answer to the password.
// AD FS says it in the user's language; the fields of its forms are the same in all.
func judge(page *signin.Page) error {
	e := &federated.Error{Step: sending, Host: page.URL.Host}
	for _, form := range page.Forms() {
		switch {
		case wantsFactor(form):
			e.Kind, e.Advice = federated.ErrMFA, "exempt the account from it for this relying party"
			return e
		case form.Passwords() > 1: // the old and the new one
			e.Kind = federated.ErrPasswordExpired
			return e
		case form.Passwords() == 1:
			e.Kind, e.Advice = federated.ErrPassword, "AD FS shows the sign-in page again, as it also does for accounts that are locked"
			return e
		}
	}
	e.Kind, e.Advice = federated.ErrNoAssertion, "is the relying party (rp_identifier) known, and the account allowed to use it?"
	return e
}

// wantsFactor tells that the form is that of an additional authentication method: these
// are named in a field AuthMethod, and get back what they wrote into a field Context.
func wantsFactor(form signin.Form) bool {
	for _, i := range form.Inputs {
		if strings.EqualFold(i.Name, "AuthMethod") && i.Value != "" && !strings.EqualFold(i.Value, "FormsAuthentication") {
			return true
		}
	}
	return false
}
