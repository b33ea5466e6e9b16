package cloud

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"html"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	adfsPageURL = "https://adfs.example.com/adfs/ls/IdpInitiatedSignOn.aspx?loginToRp=urn%3Aamazon%3Awebservices"
	oktaURL     = "https://example.okta.com"
)

// samlInput finds the assertion on a page.
var samlInput = regexp.MustCompile(`<input type="hidden" name="SAMLResponse" value="([^"]*)"`)

// assertionOn is the assertion on a page, "" when there is none.
func assertionOn(page string) string {
	found := samlInput.FindStringSubmatch(page)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// signInAtADFS opens the page, fills in the form and sends it. It gives the last page.
func signInAtADFS(t *testing.T, c *Cloud, name, password string) string {
	t.Helper()
	client := c.Client()
	client.Jar, _ = cookiejar.New(nil)
	page, err := send(t, client, newRequest(t.Context(), t, http.MethodGet, adfsPageURL, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`id="loginForm"[^>]* action="([^"]*)"`).FindStringSubmatch(page.body)
	if action == nil {
		t.Fatalf("no form: %s", page.body)
	}
	if !strings.Contains(action[1], "&amp;") || !strings.HasPrefix(action[1], "/adfs/") {
		t.Errorf("action %s", action[1])
	}
	form := url.Values{"UserName": {name}, "Password": {password}, "AuthMethod": {"FormsAuthentication"}}.Encode()
	page, err = send(t, client, newRequest(t.Context(), t, http.MethodPost,
		"https://adfs.example.com"+html.UnescapeString(action[1]), "application/x-www-form-urlencoded", form))
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "status of the page", page.status, http.StatusOK)
	return page.body
}

// signInAtOkta gives the status, and the session token if there is one.
func signInAtOkta(t *testing.T, c *Cloud, name, password string) (a answer, status, token string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"username": name, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	a = mustSend(t, c, newRequest(t.Context(), t, http.MethodPost, oktaURL+"/api/v1/authn", "application/json", string(body)))
	var found struct{ Status, SessionToken string }
	if err := json.Unmarshal([]byte(a.body), &found); err != nil {
		t.Fatal(err)
	}
	return a, found.Status, found.SessionToken
}

// oktaPage is the page a session token leads to.
func oktaPage(t *testing.T, c *Cloud, app, token string) answer {
	t.Helper()
	return mustSend(t, c, newRequest(t.Context(), t, http.MethodGet, oktaURL+"/app/amazon_aws/"+app+"/sso/saml?onetimetoken="+token, "", ""))
}

// assume asks STS for credentials.
func assume(t *testing.T, c *Cloud, provider, role, assertion, seconds string) (Identity, answer) {
	t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithSAML"}, "Version": {"2011-06-15"}, "PrincipalArn": {provider}, "RoleArn": {role}, "SAMLAssertion": {assertion}}
	if seconds != "" {
		form.Set("DurationSeconds", seconds)
	}
	a := mustSend(t, c, newRequest(t.Context(), t, http.MethodPost, "https://sts.us-east-1.amazonaws.com/", "application/x-www-form-urlencoded", form.Encode()))
	var result struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithSAMLResponse"`
		Result  struct {
			Credentials struct {
				AccessKeyID     string `xml:"AccessKeyId"`
				SecretAccessKey string
				SessionToken    string
				Expiration      time.Time
			}
			AssumedRoleUser struct{ Arn string }
		} `xml:"AssumeRoleWithSAMLResult"`
	}
	if a.status != http.StatusOK {
		return Identity{}, a
	}
	if err := xml.Unmarshal([]byte(a.body), &result); err != nil {
		t.Fatal(err)
	}
	granted := result.Result.Credentials
	return Identity{
		ARN: result.Result.AssumedRoleUser.Arn, AccessKeyID: granted.AccessKeyID, SecretAccessKey: granted.SecretAccessKey,
		SessionToken: granted.SessionToken, Expires: granted.Expiration,
	}, a
}

// TestSignInToDatabase goes all the way: page, assertion, credentials, login token.
func TestSignInToDatabase(t *testing.T) {
	for name, signIn := range map[Operation]func(t *testing.T, c *Cloud) string{
		ADFS: func(t *testing.T, c *Cloud) string {
			return assertionOn(signInAtADFS(t, c, `CORP\ann`, `p"<&+ä`))
		},
		Okta: func(t *testing.T, c *Cloud) string {
			_, status, token := signInAtOkta(t, c, `CORP\ann`, `p"<&+ä`)
			wantEqual(t, "status", status, "SUCCESS")
			page := oktaPage(t, c, "exk1", token).body
			if strings.Contains(page, "+") || strings.Contains(page, "==") {
				t.Error("the assertion is not escaped")
			}
			return assertionOn(page)
		},
	} {
		t.Run(string(name), func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, c *Cloud) {
				role := c.AddRole("reader", Policy{DBUsers: []string{"ann"}})
				c.AddUser(`CORP\ann`, `p"<&+ä`)
				identity, a := assume(t, c, c.ProviderARN(name), role, signIn(t, c), "900")
				wantEqual(t, "status", a.status, http.StatusOK)
				wantEqual(t, "end", identity.Expires, time.Now().UTC().Add(15*time.Minute))
				wantEqual(t, "who", identity.ARN, `arn:aws:sts::123456789012:assumed-role/reader/CORP\ann`)
				verify := func(user string) error {
					return c.VerifyToken(identity.Token(host, 5432, "us-east-1", user), []string{host}, 5432, user, "us-east-1")
				}
				if err := verify("ann"); err != nil {
					t.Error(err)
				}
				if verify("admin") == nil {
					t.Error("the role's policy does not hold")
				}
				c.AddRole("reader", Policy{})
				if err := verify("admin"); err != nil {
					t.Errorf("after the policy has changed: %v", err)
				}
			})
		})
	}
}

func TestRefusedAssertions(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		role, forbidden := c.AddRole("reader", Policy{}), c.AddRole("admin", Policy{})
		c.AddUser("ann", "secret", role)
		assertion := assertionOn(signInAtADFS(t, c, "ann", "secret"))
		document, err := base64.StdEncoding.DecodeString(assertion)
		if err != nil {
			t.Fatal(err)
		}
		forged := base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(document), "role/reader", "role/admin")))
		adfs := c.ProviderARN(ADFS)
		for _, tc := range []struct {
			name, provider, role, assertion, seconds string
			status                                   int
			code                                     string
		}{
			{"good", adfs, role, assertion, "", 200, ""},
			{"no text", adfs, role, "%", "", 400, "InvalidIdentityToken"},
			{"no XML", adfs, role, "aGVsbG8=", "", 400, "InvalidIdentityToken"},
			{"cut off", adfs, role, assertion[:len(assertion)/8*4], "", 400, "InvalidIdentityToken"},
			{"forged", adfs, forbidden, forged, "", 400, "InvalidIdentityToken"},
			{"another provider", c.ProviderARN(Okta), role, assertion, "", 400, "InvalidIdentityToken"},
			{"no provider", adfs + "2", role, assertion, "", 400, "InvalidIdentityToken"},
			{"another role", adfs, forbidden, assertion, "", 403, "AccessDenied"},
			{"no role", adfs, role + "2", assertion, "", 403, "AccessDenied"},
			{"no assertion", adfs, role, "", "", 400, "ValidationError"},
			{"too short", adfs, role, assertion, "899", 400, "ValidationError"},
			{"too long", adfs, role, assertion, "43201", 400, "ValidationError"},
			{"no duration", adfs, role, assertion, "x", 400, "ValidationError"},
		} {
			t.Log(tc.name)
			_, a := assume(t, c, tc.provider, tc.role, tc.assertion, tc.seconds)
			wantProblem(t, a, tc.status, tc.code)
		}
		c.AddUser("bob", "secret", role+"2")
		_, a := assume(t, c, adfs, role+"2", assertionOn(signInAtADFS(t, c, "bob", "secret")), "")
		wantProblem(t, a, http.StatusForbidden, "AccessDenied")
		time.Sleep(5*time.Minute - time.Nanosecond)
		identity, _ := assume(t, c, adfs, role, assertion, "")
		wantEqual(t, "an hour by default", identity.Expires, time.Now().UTC().Add(time.Hour).Truncate(time.Second))
		time.Sleep(time.Nanosecond)
		_, a = assume(t, c, adfs, role, assertion, "")
		wantProblem(t, a, http.StatusBadRequest, "ExpiredTokenException")
	})
}

func TestRefusedSignIns(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare  func(c *Cloud)
		password string
		onPage   string // of ADFS
		status   string // of Okta
		code     string
	}{
		"wrong password":   {func(*Cloud) {}, "wrong", "Incorrect user ID or password", "", "E0000004"},
		"no password":      {func(*Cloud) {}, "", "Incorrect user ID or password", "", "E0000004"},
		"MFA":              {func(c *Cloud) { c.RequireMFA("ann") }, "secret", "AzureMfaAuthentication", "MFA_REQUIRED", ""},
		"MFA, wrong":       {func(c *Cloud) { c.RequireMFA("ann") }, "wrong", "Incorrect user ID or password", "", "E0000004"},
		"password expired": {func(c *Cloud) { c.ExpirePassword("ann") }, "secret", "Your password has expired", "PASSWORD_EXPIRED", ""},
		"locked":           {func(c *Cloud) { c.LockUser("ann") }, "secret", "Incorrect user ID or password", "LOCKED_OUT", ""},
		"nobody":           {func(c *Cloud) { delete(c.users, "ann") }, "secret", "Incorrect user ID or password", "", "E0000004"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, c *Cloud) {
				c.AddUser("ann", "secret")
				tc.prepare(c)
				page := signInAtADFS(t, c, "ann", tc.password)
				if !strings.Contains(page, tc.onPage) || assertionOn(page) != "" || strings.Contains(page, tc.password) && tc.password == "secret" {
					t.Errorf("page: %s", page)
				}
				a, status, token := signInAtOkta(t, c, "ann", tc.password)
				wantEqual(t, "status at Okta", status, tc.status)
				wantEqual(t, "error at Okta", a.code, tc.code)
				wantEqual(t, "session token", token, "")
			})
		})
	}
}

func TestLockout(t *testing.T) {
	bubble(t, Options{LockAfter: 3}, func(t *testing.T, c *Cloud) {
		c.AddUser("ann", "secret")
		for _, password := range []string{"wrong", "wrong", "secret", "wrong", "wrong"} {
			signInAtOkta(t, c, "ann", password)
		}
		wantEqual(t, "locked after two in a row", c.Locked("ann"), false)
		signInAtADFS(t, c, "ann", "wrong")
		wantEqual(t, "locked after three", c.Locked("ann"), true)
		_, status, _ := signInAtOkta(t, c, "ann", "secret")
		wantEqual(t, "status", status, "LOCKED_OUT")
		c.AddUser("ann", "secret")
		_, status, _ = signInAtOkta(t, c, "ann", "secret")
		wantEqual(t, "status of the user made anew", status, "SUCCESS")
	})
}

// TestADFSWantsCookies: without those of the page the form is worth nothing.
func TestADFSWantsCookies(t *testing.T) {
	bubble(t, Options{RelyingParty: "urn:other"}, func(t *testing.T, c *Cloud) {
		c.AddUser("ann", "secret")
		form := url.Values{"UserName": {"ann"}, "Password": {"secret"}}.Encode()
		page := mustSend(t, c, newRequest(t.Context(), t, http.MethodPost, adfsPageURL, "application/x-www-form-urlencoded", form))
		if !strings.Contains(page.body, "cookies") || assertionOn(page.body) != "" {
			t.Error(page.body)
		}
		page = mustSend(t, c, newRequest(t.Context(), t, http.MethodGet, adfsPageURL, "", ""))
		if !strings.Contains(page.body, "relying party is unknown") {
			t.Error(page.body)
		}
	})
}

func TestOktaSessions(t *testing.T) {
	bubble(t, Options{OktaApp: "exk1"}, func(t *testing.T, c *Cloud) {
		c.AddUser("ann", "secret")
		_, _, token := signInAtOkta(t, c, "ann", "secret")
		wantEqual(t, "status of another application", oktaPage(t, c, "exk2", token).status, http.StatusNotFound)
		wantEqual(t, "an assertion", assertionOn(oktaPage(t, c, "exk1", token).body) != "", true)
		wantEqual(t, "the second time", assertionOn(oktaPage(t, c, "exk1", token).body), "")
		_, _, token = signInAtOkta(t, c, "ann", "secret")
		time.Sleep(5 * time.Minute)
		wantEqual(t, "after five minutes", assertionOn(oktaPage(t, c, "exk1", token).body), "")
		for contentType, body := range map[string]string{"application/json": "{", "text/plain": "{}"} {
			a := mustSend(t, c, newRequest(t.Context(), t, http.MethodPost, oktaURL+"/api/v1/authn", contentType, body))
			wantEqual(t, "refused "+contentType, a.status >= 400 && strings.HasPrefix(a.code, "E00000"), true)
		}
	})
}
