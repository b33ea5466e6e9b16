package cloud

import (
	"crypto/rand"
	"fmt"
	"html"
	"net/http"
	"net/url"
)

const (
	adfsPath         = "/adfs/ls/IdpInitiatedSignOn.aspx"
	adfsPasswordPath = "/adfs/portal/updatepassword/"
	// adfsCookie is set with the sign-in page, and adfsAuthCookie when somebody has signed in.
	adfsCookie     = "MSISSamlRequest"
	adfsAuthCookie = "MSISAuth"
)

// adfsPage serves [ADFSPage]: the assertion for who has signed in, the form to do so for others.
func (c *Cloud) adfsPage(w http.ResponseWriter, r *call) *problem {
	if r.form.Get("loginToRp") != c.options.RelyingParty {
		answerPage(w, http.StatusOK, `<div id="error"><p id="errorMessage">An error occurred. The relying party is unknown. Contact your administrator for more information.</p></div>`)
		return nil
	}
	if name, ok := c.owner(r, adfsAuthCookie); ok {
		answerSAML(w, html.EscapeString(c.assert(ADFS, name)))
		return nil
	}
	c.setCookie(w, r, adfsCookie, "")
	answerPage(w, http.StatusOK, adfsForm(r, ""))
	return nil
}

// adfsSignIn serves [ADFSSignIn].
func (c *Cloud) adfsSignIn(w http.ResponseWriter, r *call) *problem {
	if _, ok := c.owner(r, adfsCookie); !ok {
		answerPage(w, http.StatusOK, `<div id="error"><p id="errorMessage">Your browser does not accept cookies. They must be enabled to sign in.</p></div>`)
		return nil
	}
	name := r.form.Get("UserName")
	state, ok := c.authenticate(name, r.form.Get("Password"))
	switch {
	case !ok: // nobody is told that they are locked out
		answerPage(w, http.StatusOK, adfsForm(r, "Incorrect user ID or password. Type the correct user ID and password, and try again."))
	case state == needsMFA:
		answerPage(w, http.StatusOK, adfsMFA(r))
	case state == passwordExpired:
		answerPage(w, http.StatusOK, adfsNewPassword(name))
	default:
		c.setCookie(w, r, adfsAuthCookie, name)
		http.Redirect(w, r.Request, adfsPath+"?"+url.Values{"loginToRp": {r.form.Get("loginToRp")}}.Encode(), http.StatusFound)
	}
	return nil
}

// setCookie sets a cookie for a browser, and remembers who it belongs to.
func (c *Cloud) setCookie(w http.ResponseWriter, r *call, cookie, name string) {
	value := rand.Text()
	c.mu.Lock()
	c.signIns[cookie+"="+value] = name
	c.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/adfs", HttpOnly: true, Secure: r.TLS != nil})
}

// owner is who a cookie belongs to, "" if it is only that of a page; false when the browser sent none that is known.
func (c *Cloud) owner(r *call, cookie string) (name string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sent := range r.CookiesNamed(cookie) {
		if name, ok := c.signIns[cookie+"="+sent.Value]; ok {
			return name, true
		}
	}
	return "", false
}

// adfsForm is the page with the form; failure is what went wrong before.
func adfsForm(r *call, failure string) string {
	action := html.EscapeString(adfsPath + "?" + url.Values{
		"loginToRp": {r.form.Get("loginToRp")}, "client-request-id": {"00000000-0000-0000-0000-000000000001"},
	}.Encode())
	return fmt.Sprintf(`<div id="loginArea">
<form method="post" id="loginForm" autocomplete="off" novalidate="novalidate" onKeyPress="if (event &amp;&amp; event.keyCode == 13) Login.submitLoginRequest();" action="%[1]s">
<div id="error" class="fieldMargin error smallText"><span id="errorText" for="">%[2]s</span></div>
<input id="userNameInput" name="UserName" type="email" value="%[3]s" tabindex="1" class="text fullWidth" spellcheck="false" placeholder="someone@example.com" autocomplete="off"/>
<input id="passwordInput" name="Password" type="password" tabindex="2" class="text fullWidth" placeholder="Password" autocomplete="off"/>
<input type="checkbox" name="Kmsi" id="kmsiInput" value="true" tabindex="3" />
<span id="submitButton" class="submit" tabindex="4" onclick="return Login.submitLoginRequest();">Sign in</span>
<input id="optionForms" type="hidden" name="AuthMethod" value="FormsAuthentication"/>
</form>
<form id="options" method="post" action="%[1]s">
<script type="text/javascript">function SelectOption(option) { var i = document.getElementById('optionSelection'); i.value = option; document.forms['options'].submit(); return false; }</script>
<input id="optionSelection" type="hidden" name="AuthMethod" />
</form>
</div>`, action, html.EscapeString(failure), html.EscapeString(r.form.Get("UserName")))
}

// adfsMFA is the page that asks for a second factor.
func adfsMFA(r *call) string {
	return fmt.Sprintf(`<div id="authArea"><p id="instructions">For security reasons, we require additional information to verify your account (%s)</p>
<form method="post" id="loginForm" autocomplete="off" action="%s">
<input id="authMethod" type="hidden" name="AuthMethod" value="AzureMfaAuthentication"/>
<input id="context" type="hidden" name="Context" value="%s"/>
<input id="verificationCodeInput" name="VerificationCode" type="text" value="" placeholder="Verification code"/>
</form></div>`, html.EscapeString(r.form.Get("UserName")), html.EscapeString(adfsPath+"?"+r.URL.RawQuery), rand.Text())
}

// adfsNewPassword is the page that wants a new password.
func adfsNewPassword(name string) string {
	return fmt.Sprintf(`<div id="updatePasswordArea"><span id="errorText">Your password has expired. You must update it before you can sign in.</span>
<form method="post" id="updatePasswordForm" autocomplete="off" action="%s">
<input id="userNameInput" name="UserName" type="email" value="%s"/>
<input id="oldPasswordInput" name="OldPassword" type="password"/>
<input id="newPasswordInput" name="NewPassword" type="password"/>
<input id="confirmNewPasswordInput" name="ConfirmNewPassword" type="password"/>
</form></div>`, adfsPasswordPath, html.EscapeString(name))
}

// answerSAML sends the page from which a browser posts an assertion to AWS.
func answerSAML(w http.ResponseWriter, escaped string) {
	answerPage(w, http.StatusOK, `<form method="POST" name="hiddenform" id="appForm" action="`+signInURL+`">
<input type="hidden" name="SAMLResponse" value="`+escaped+`" />
<noscript><p>Script is disabled. Click Submit to continue.</p><input type="submit" value="Submit" /></noscript>
</form>
<script language="javascript">window.setTimeout('document.forms[0].submit()', 0);</script>`)
}
