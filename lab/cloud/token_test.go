package cloud

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	host     = "mydb-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	endpoint = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
)

// TestTokensOfTheSDK has what feature/rds/auth v1.7.10 of the SDK made at 2000-01-01T00:00:00Z, when bubbles begin.
func TestTokensOfTheSDK(t *testing.T) {
	const (
		user  = "app user+ä"
		start = host + ":5432?Action=connect&DBUser=app%20user%2B%C3%A4&X-Amz-Algorithm=AWS4-HMAC-SHA256" +
			"&X-Amz-Credential=AKIAEXAMPLEEXAMPLE12%2F20000101%2Fus-east-1%2Frds-db%2Faws4_request" +
			"&X-Amz-Date=20000101T000000Z&X-Amz-Expires=900"
	)
	for _, tc := range []struct{ sessionToken, token string }{
		{"", start + "&X-Amz-SignedHeaders=host&X-Amz-Signature=3d92cd639a723a45da279abf4db5d754791f3144b29e73da07eef28c30c521c4"},
		{
			"session/token+with=specials", start + "&X-Amz-Security-Token=session%2Ftoken%2Bwith%3Dspecials" +
				"&X-Amz-SignedHeaders=host&X-Amz-Signature=aaa2167ae35a83dfa5dc1308cd14ee19524879bff2c48043250b23f9c46902a8",
		},
	} {
		bubble(t, Options{}, func(t *testing.T, c *Cloud) {
			identity := Identity{
				Name: "app", AccessKeyID: "AKIAEXAMPLEEXAMPLE12", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
				SessionToken: tc.sessionToken,
			}
			c.identities[identity.AccessKeyID] = identity
			if err := c.VerifyToken(tc.token, []string{host}, 5432, user, "us-east-1"); err != nil {
				t.Error(err)
			}
			want := strings.Replace(tc.token, "?", "/?", 1) // as other SDKs write it
			wantEqual(t, "our own token", identity.Token(host, 5432, "us-east-1", user), want)
		})
	}
}

// changed is a token with one of its parameters changed, or removed by "".
func changed(token, key, value string) string {
	address, query, _ := strings.Cut(token, "?")
	values, _ := url.ParseQuery(query)
	values.Set(key, value)
	if value == "" {
		values.Del(key)
	}
	return address + "?" + values.Encode()
}

func TestVerifyToken(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		limited := c.AddIdentity("limited", Policy{DBUsers: []string{"app"}})
		session := c.AddSession("function", time.Hour, Policy{})
		other := c.AddSession("function", time.Hour, Policy{})
		ended := c.AddSession("function", time.Minute, Policy{})
		removed := c.AddIdentity("gone", Policy{})
		good := limited.Token(host, 5432, "us-east-1", "app")
		withSession := session.Token(host, 5432, "us-east-1", "app")
		afterEnd := ended.Token(host, 5432, "us-east-1", "app")
		gone := removed.Token(host, 5432, "us-east-1", "app")
		c.RemoveIdentity(removed.AccessKeyID)
		stranger := Identity{AccessKeyID: limited.AccessKeyID, SecretAccessKey: "another"}
		time.Sleep(time.Minute)
		for _, tc := range []struct {
			name, token, user, want string
		}{
			{"good", good, "app", ""},
			{"for the endpoint", limited.Token(endpoint, 5432, "us-east-1", "app"), "app", ""},
			{"with a session", withSession, "app", ""},
			{"a password", "secret", "app", "is no token"},
			{"nothing", "", "app", "is no token"},
			{"half a token", good[:strings.Index(good, "&X-Amz-Date")], "app", "X-Amz-Date is malformed"},
			{"cut off", good[:len(good)-1], "app", "signature is wrong"},
			{"not to be parsed", "host:5432/?Action=connect&%zz", "app", "is no token"},
			{"no port", strings.Replace(good, ":5432", "", 1), "app", "host:port"},
			{"other host", limited.Token("mydb-2.c9xyz0abcdef.us-east-1.rds.amazonaws.com", 5432, "us-east-1", "app"), "app", "is for host"},
			{"other spelling", limited.Token(strings.ToUpper(host), 5432, "us-east-1", "app"), "app", "is for host"},
			{"host changed", strings.Replace(good, host, endpoint, 1), "app", "signature is wrong"},
			{"other port", limited.Token(host, 3306, "us-east-1", "app"), "app", "is for port"},
			{"other user", good, "admin", "is for user"},
			{"user's case", good, "App", "is for user"},
			{"user changed", changed(good, "DBUser", "admin"), "admin", "signature is wrong"},
			{"other region", limited.Token(host, 5432, "eu-west-1", "app"), "app", "is for region"},
			{"other service", strings.Replace(good, "rds-db", "rds", 1), "app", "is for service"},
			{"longer life", changed(good, "X-Amz-Expires", "1000"), "app", "X-Amz-Expires"},
			{"other life", changed(good, "X-Amz-Expires", "899"), "app", "signature is wrong"},
			{"later date", changed(good, "X-Amz-Date", "20000101T000100Z"), "app", "signature is wrong"},
			{"other day", changed(good, "X-Amz-Date", "20000102T000000Z"), "app", "X-Amz-Date is malformed"},
			{"no date", changed(good, "X-Amz-Date", ""), "app", "X-Amz-Date is malformed"},
			{"twice", good + "&DBUser=admin", "app", "DBUser 2 times"},
			{"more", good + "&more=1", "app", "signature is wrong"},
			{"no credential", changed(good, "X-Amz-Credential", ""), "app", "X-Amz-Credential is malformed"},
			{"unknown key", changed(good, "X-Amz-Credential", "AKIA/20000101/us-east-1/rds-db/aws4_request"), "app", "access key is unknown"},
			{"removed key", gone, "app", "access key is unknown"},
			{"other secret key", stranger.Token(host, 5432, "us-east-1", "app"), "app", "signature is wrong"},
			{"no session token", changed(withSession, "X-Amz-Security-Token", ""), "app", "session token is missing"},
			{"other session token", changed(withSession, "X-Amz-Security-Token", other.SessionToken), "app", "session token is wrong"},
			{"a session token too many", changed(good, "X-Amz-Security-Token", other.SessionToken), "app", "session token is wrong"},
			{"session ended", afterEnd, "app", "credentials it was signed with ended"},
			{"not allowed", limited.Token(host, 5432, "us-east-1", "admin"), "admin", "rds-db:connect"},
		} {
			err := c.VerifyToken(tc.token, []string{host, endpoint}, 5432, tc.user, "us-east-1")
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("%s: %v", tc.name, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
			}
			if err == nil {
				continue
			}
			query, _ := url.ParseQuery(tc.token[strings.Index(tc.token, "?")+1:])
			for _, secret := range []string{query.Get("X-Amz-Signature"), query.Get("X-Amz-Security-Token")} {
				if secret != "" && strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error quotes the token: %v", tc.name, err)
				}
			}
		}
	})
}

func TestTokensAge(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		identity := c.AddIdentity("app", Policy{})
		verify := func(token string) bool {
			return c.VerifyToken(token, []string{host}, 3306, "app", "us-east-1") == nil
		}
		at := func(offset time.Duration) string { // as if the signer's clock was wrong
			when := time.Now().Add(offset).UTC().Format(signatureDate)
			values, _ := url.ParseQuery(strings.SplitN(identity.Token(host, 3306, "us-east-1", "app"), "?", 2)[1])
			values.Del("X-Amz-Signature")
			values.Set("X-Amz-Date", when)
			s := scope{identity.AccessKeyID, when[:8], "us-east-1", "rds-db"}
			values.Set("X-Amz-Credential", s.accessKeyID+"/"+s.date+"/us-east-1/rds-db/aws4_request")
			signature := s.sign(identity.SecretAccessKey, when, tokenRequest(host+":3306", values))
			return host + ":3306/?" + canonicalQuery(values) + "&X-Amz-Signature=" + signature
		}
		for offset, want := range map[time.Duration]bool{
			-15 * time.Minute: false, -15*time.Minute + time.Second: true, 5 * time.Minute: true, 5*time.Minute + time.Second: false,
		} {
			wantEqual(t, offset.String(), verify(at(offset)), want)
		}
		token := identity.Token(host, 3306, "us-east-1", "app")
		time.Sleep(TokenLifetime - time.Nanosecond)
		wantEqual(t, "just before", verify(token), true)
		time.Sleep(time.Nanosecond)
		wantEqual(t, "after 15 minutes", verify(token), false)
		c.SetPolicy("app", Policy{DBUsers: []string{}})
		wantEqual(t, "without the right", verify(identity.Token(host, 3306, "us-east-1", "app")), false)
	})
}
