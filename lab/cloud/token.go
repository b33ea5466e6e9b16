package cloud

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TokenLifetime is how old a login token may be.
const TokenLifetime = 15 * time.Minute

// Token makes a login token for a database user on host, the endpoint that the client connects to: what
// feature/rds/auth of the SDK does. It is good for [TokenLifetime], and no longer than the identity's credentials.
func (i Identity) Token(host string, port int, region, user string) string {
	at := time.Now().UTC().Format(signatureDate)
	scope := scope{accessKeyID: i.AccessKeyID, date: at[:len("20060102")], region: region, service: "rds-db"}
	values := url.Values{
		"Action": {"connect"}, "DBUser": {user}, "X-Amz-Algorithm": {signatureAlgorithm},
		"X-Amz-Credential": {fmt.Sprintf("%s/%s/%s/%s/aws4_request", scope.accessKeyID, scope.date, scope.region, scope.service)},
		"X-Amz-Date":       {at}, "X-Amz-Expires": {strconv.Itoa(int(TokenLifetime.Seconds()))}, "X-Amz-SignedHeaders": {"host"},
	}
	if i.SessionToken != "" {
		values.Set("X-Amz-Security-Token", i.SessionToken)
	}
	address := net.JoinHostPort(host, strconv.Itoa(port))
	signature := scope.sign(i.SecretAccessKey, at, tokenRequest(address, values))
	return address + "/?" + canonicalQuery(values) + "&X-Amz-Signature=" + signature
}

// tokenRequest is the canonical request a token signs.
func tokenRequest(address string, values url.Values) string {
	return fmt.Sprintf("GET\n/\n%s\nhost:%s\n\nhost\n%s", canonicalQuery(values), address, hash(nil))
}

// VerifyToken tells why a login token is not good for a database user on an instance, as RDS does when the user logs in: its
// signature, its age, and that of the credentials behind it. hosts are the names by which the instance may be
// called, port and region its own. The error quotes nothing of the token's signature and session token.
func (c *Cloud) VerifyToken(token string, hosts []string, port int, user, region string) error {
	if err := c.verifyToken(token, hosts, port, user, region); err != nil {
		return fmt.Errorf("cloud: login token of %q: %w", user, err)
	}
	return nil
}

func (c *Cloud) verifyToken(token string, hosts []string, port int, user, region string) error {
	address, query, ok := strings.Cut(token, "?")
	address = strings.TrimSuffix(address, "/") // some SDKs write it, Go's does not
	values, err := url.ParseQuery(query)
	if !ok || err != nil || values.Get("Action") != "connect" || values.Get("X-Amz-Algorithm") != signatureAlgorithm {
		return errors.New("what was sent as a password is no token, which begins with host:port/?Action=connect")
	}
	for key, repeated := range values {
		if len(repeated) > 1 {
			return fmt.Errorf("it has %s %d times", key, len(repeated))
		}
	}
	host, tokenPort, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return errors.New("it does not begin with host:port")
	case !slices.Contains(hosts, host):
		return fmt.Errorf("it is for host %q, and this is %s", host, strings.Join(hosts, " or "))
	case tokenPort != strconv.Itoa(port):
		return fmt.Errorf("it is for port %q, and this is %d", tokenPort, port)
	case values.Get("DBUser") != user:
		return fmt.Errorf("it is for user %q", values.Get("DBUser"))
	}
	scope, ok := parseScope(values.Get("X-Amz-Credential"))
	switch {
	case !ok:
		return errors.New("its X-Amz-Credential is malformed")
	case scope.service != "rds-db":
		return fmt.Errorf("it is for service %q, not rds-db", scope.service)
	case scope.region != region:
		return fmt.Errorf("it is for region %q, and this is %s", scope.region, region)
	}
	if err := checkAge(values, scope); err != nil {
		return err
	}
	identity, policy, known := c.identity(scope.accessKeyID)
	if err := checkSigner(identity, known, values.Get("X-Amz-Security-Token")); err != nil {
		return err
	}
	signature := values.Get("X-Amz-Signature")
	values.Del("X-Amz-Signature")
	want := scope.sign(identity.SecretAccessKey, values.Get("X-Amz-Date"), tokenRequest(address, values))
	switch {
	case !hmac.Equal([]byte(want), []byte(signature)):
		return errors.New("its signature is wrong: signed with another secret key, or changed afterwards")
	case policy.DBUsers != nil && !slices.Contains(policy.DBUsers, user):
		return fmt.Errorf("%s may not do rds-db:connect as %q", identity.ARN, user)
	}
	return nil
}

// checkAge tells why a token is not valid now.
func checkAge(values url.Values, scope scope) error {
	at, err := time.Parse(signatureDate, values.Get("X-Amz-Date"))
	if err != nil || scope.date != at.Format("20060102") {
		return errors.New("its X-Amz-Date is malformed")
	}
	seconds, err := strconv.Atoi(values.Get("X-Amz-Expires"))
	if err != nil || seconds <= 0 || time.Duration(seconds)*time.Second > TokenLifetime {
		return errors.New("its X-Amz-Expires is not 1 to 900")
	}
	switch age := time.Since(at); {
	case age >= time.Duration(seconds)*time.Second:
		return fmt.Errorf("it is %v old, and was good for %d s", age.Truncate(time.Second), seconds)
	case age < -skew:
		return fmt.Errorf("it is from the future, by %v", -age.Truncate(time.Second))
	}
	return nil
}

// checkSigner tells why those who signed a token cannot do so now.
func checkSigner(i Identity, known bool, sessionToken string) error {
	switch {
	case !known:
		return errors.New("its access key is unknown")
	case i.SessionToken != "" && sessionToken == "":
		return errors.New("its session token is missing, and it was signed with temporary credentials")
	case !hmac.Equal([]byte(i.SessionToken), []byte(sessionToken)):
		return errors.New("its session token is wrong")
	case i.expired():
		return fmt.Errorf("the credentials it was signed with ended at %v", i.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}
