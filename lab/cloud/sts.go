package cloud

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const stsVersion = "2011-06-15"

// Durations of sessions.
const (
	sessionDuration  = time.Hour // unless asked for another one
	shortestDuration = 15 * time.Minute
	longestDuration  = 12 * time.Hour
)

// AddRole makes a role that users of both identity providers may assume, and returns its ARN. p is what may be done with
// it. Adding it again changes p, for sessions that have begun, too.
func (c *Cloud) AddRole(name string, p Policy) string {
	role := c.arn("iam", "", "role/"+name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[role] = true
	c.policies["role/"+name] = p
	return role
}

// assumeRoleWithSAML serves [AssumeRoleWithSAML], whose requests are not signed.
func (c *Cloud) assumeRoleWithSAML(w http.ResponseWriter, r *call) *problem {
	role, provider := r.form.Get("RoleArn"), r.form.Get("PrincipalArn")
	duration := sessionDuration
	if text := r.form.Get("DurationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if duration = time.Duration(seconds) * time.Second; err != nil || duration < shortestDuration || duration > longestDuration {
			return stsProblem("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		}
	}
	if role == "" || provider == "" || r.form.Get("SAMLAssertion") == "" {
		return stsProblem("ValidationError", "1 validation error detected: RoleArn, PrincipalArn and SAMLAssertion must not be null")
	}
	a, failure := c.parseAssertion(r.form.Get("SAMLAssertion"))
	now := time.Now()
	switch {
	case failure != "":
		return stsProblem("InvalidIdentityToken", failure)
	case !now.Before(a.Conditions.NotOnOrAfter) || now.Before(a.Conditions.NotBefore):
		return stsProblem("ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance")
	case provider != c.ProviderARN(ADFS) && provider != c.ProviderARN(Okta):
		return stsProblem("InvalidIdentityToken", "Specified provider doesn't exist")
	case a.Issuer != provider:
		return stsProblem("InvalidIdentityToken", "Issuer not present in specified provider")
	case !c.hasRole(role) || !a.grants(role, provider):
		return &problem{kind: denied, message: "Not authorized to perform sts:AssumeRoleWithSAML"}
	}
	name := role[strings.Index(role, ":role/")+1:]
	c.mu.Lock()
	policy := c.policies[name]
	c.mu.Unlock()
	session := c.addIdentity(Identity{
		Name: name, ARN: c.arn("sts", "", "assumed-"+name+"/"+a.NameID), Expires: now.Add(duration).UTC().Truncate(time.Second),
		SessionToken: sessionToken(),
	}, "ASIA", policy)
	answerResult(w, AssumeRoleWithSAML, assumedRole{
		AccessKeyID: session.AccessKeyID, SecretAccessKey: session.SecretAccessKey, SessionToken: session.SessionToken,
		Expiration: session.Expires, ARN: session.ARN, RoleID: "AROA" + session.AccessKeyID[4:] + ":" + a.NameID,
		Audience: signInURL, Issuer: a.Issuer, Subject: a.NameID, SubjectType: "persistent",
	})
	return nil
}

// assumedRole is the answer.
type assumedRole struct {
	XMLName         xml.Name  `xml:"AssumeRoleWithSAMLResult"`
	AccessKeyID     string    `xml:"Credentials>AccessKeyId"`
	SecretAccessKey string    `xml:"Credentials>SecretAccessKey"`
	SessionToken    string    `xml:"Credentials>SessionToken"`
	Expiration      time.Time `xml:"Credentials>Expiration"`
	ARN             string    `xml:"AssumedRoleUser>Arn"`
	RoleID          string    `xml:"AssumedRoleUser>AssumedRoleId"`
	Audience        string    `xml:"Audience"`
	Issuer          string    `xml:"Issuer"`
	Subject         string    `xml:"Subject"`
	SubjectType     string    `xml:"SubjectType"`
}

func stsProblem(code, message string) *problem {
	return &problem{status: http.StatusBadRequest, code: code, message: message}
}

func (c *Cloud) hasRole(arn string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roles[arn]
}
