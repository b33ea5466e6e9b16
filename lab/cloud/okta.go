package cloud

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const (
	oktaAuthenticationPath = "/api/v1/authn"
	oktaAppPath            = "/app/amazon_aws/"
	oktaTokenLifetime      = 5 * time.Minute
)

// oktaToken is what a session token stands for.
type oktaToken struct {
	user    string
	expires time.Time
}

// oktaAuthenticate serves [OktaAuthenticate].
func (c *Cloud) oktaAuthenticate(w http.ResponseWriter, r *call) *problem {
	var request struct{ Username, Password string }
	if json.Unmarshal(r.body, &request) != nil {
		return &problem{status: http.StatusBadRequest, code: "E0000003", message: "The request body was not well-formed."}
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return &problem{status: http.StatusUnsupportedMediaType, code: "E0000021", message: "Bad request. Accept and/or Content-Type headers likely do not match supported values."}
	}
	now := time.Now().UTC()
	answer := map[string]any{
		"expiresAt": now.Add(oktaTokenLifetime).Format("2006-01-02T15:04:05.000Z"),
		"_embedded": map[string]any{"user": map[string]any{"id": "00u1awsdblab", "profile": map[string]string{"login": request.Username}}},
	}
	switch state, ok := c.authenticate(request.Username, request.Password); {
	case state == locked:
		answer = map[string]any{"status": "LOCKED_OUT"}
	case !ok:
		return &problem{status: http.StatusUnauthorized, code: "E0000004", message: "Authentication failed"}
	case state == needsMFA:
		answer["status"], answer["stateToken"] = "MFA_REQUIRED", rand.Text()
		answer["_embedded"].(map[string]any)["factors"] = []map[string]string{
			{"id": "ost1awsdblab", "factorType": "token:software:totp", "provider": "GOOGLE", "vendorName": "GOOGLE"},
		}
	case state == passwordExpired:
		answer["status"], answer["stateToken"] = "PASSWORD_EXPIRED", rand.Text()
	default:
		token := rand.Text()
		c.mu.Lock()
		c.tokens[token] = oktaToken{request.Username, now.Add(oktaTokenLifetime)}
		c.mu.Unlock()
		answer["status"], answer["sessionToken"] = "SUCCESS", token
	}
	answerJSON(w, "application/json", http.StatusOK, answer)
	return nil
}

// oktaSAML serves [OktaSAML]. Who brings no valid session token gets the page on which to sign in.
func (c *Cloud) oktaSAML(w http.ResponseWriter, r *call) *problem {
	app, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, oktaAppPath), "/sso/saml")
	if !ok || app == "" || c.options.OktaApp != "" && app != c.options.OktaApp {
		answerPage(w, http.StatusNotFound, `<h1>404</h1><p>Page not found</p>`)
		return nil
	}
	token := r.form.Get("onetimetoken")
	if token == "" {
		token = r.form.Get("sessionToken")
	}
	c.mu.Lock()
	session, known := c.tokens[token]
	delete(c.tokens, token)
	c.mu.Unlock()
	if !known || !time.Now().Before(session.expires) {
		answerPage(w, http.StatusOK, `<div id="okta-sign-in"><form method="post" action="/login/do-login"><input type="text" name="username"/><input type="password" name="password"/></form></div>`)
		return nil
	}
	answerSAML(w, strings.NewReplacer("+", "&#x2b;", "/", "&#x2f;", "=", "&#x3d;").Replace(c.assert(Okta, session.user)))
	return nil
}

// answerOkta sends the problem as Okta does.
func (p *problem) answerOkta(w http.ResponseWriter) {
	status, code, message := p.status, p.code, p.message
	if p.kind == throttled {
		code, message = "E0000047", "API call exceeded rate limit due to too many requests."
		w.Header().Set("X-Rate-Limit-Limit", "600")
		w.Header().Set("X-Rate-Limit-Remaining", "0")
	}
	answerJSON(w, "application/json", status, map[string]any{
		"errorCode": code, "errorSummary": message, "errorLink": code, "errorId": "oae" + rand.Text(), "errorCauses": []any{},
	})
}
