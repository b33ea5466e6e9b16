package cloud

import (
	"net/http"
	"net/url"
	"testing"
	"time"
)

// TestRequestOfTheSDK has what service/secretsmanager v1.50.10 of the SDK sent at 2000-01-01T00:00:00Z, when bubbles
// begin.
func TestRequestOfTheSDK(t *testing.T) {
	bubble(t, Options{Region: "eu-west-1"}, func(t *testing.T, c *Cloud) {
		c.PutSecret("prod/db", "value")
		c.identities["AKIAEXAMPLEEXAMPLE12"] = Identity{
			Name: "app", AccessKeyID: "AKIAEXAMPLEEXAMPLE12", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
			SessionToken: "session/token+with=specials",
		}
		get := func(body, target string) answer {
			request := newRequest(t.Context(), t, http.MethodPost, "https://secretsmanager.eu-west-1.amazonaws.com/", "application/x-amz-json-1.1", body)
			for key, value := range map[string]string{
				"Amz-Sdk-Request": "attempt=1; max=1", "Amz-Sdk-Invocation-Id": "4111a736-2af1-47e4-8908-31e6ff06252c",
				"X-Amz-Date": "20000101T000000Z", "X-Amz-Security-Token": "session/token+with=specials", "X-Amz-Target": target,
				"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLEEXAMPLE12/20000101/eu-west-1/secretsmanager/aws4_request, " +
					"SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;host;x-amz-date;x-amz-security-token;x-amz-target, " +
					"Signature=b4c80e610741a67a4b8c3209793916c17a2cfe223de8556f0a0abc8fa6afbf81",
			} {
				request.Header.Set(key, value)
			}
			return mustSend(t, c, request)
		}
		wantEqual(t, "status", get(`{"SecretId":"prod/db"}`, "secretsmanager.GetSecretValue").status, http.StatusOK)
		wantProblem(t, get(`{"SecretId":"prod/dc"}`, "secretsmanager.GetSecretValue"), http.StatusBadRequest, "InvalidSignatureException")
		wantEqual(t, "status of what is not there", get(`{}`, "secretsmanager.PutSecretValue").status, http.StatusNotFound)
		time.Sleep(5 * time.Minute)
		wantEqual(t, "status after 5 minutes", get(`{"SecretId":"prod/db"}`, "secretsmanager.GetSecretValue").status, http.StatusOK)
		time.Sleep(time.Second)
		wantProblem(t, get(`{"SecretId":"prod/db"}`, "secretsmanager.GetSecretValue"), http.StatusBadRequest, "InvalidSignatureException")
	})
}

// TestRefusedSignatures: who does not prove who they are hears it in the words of the service.
func TestRefusedSignatures(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		c.PutSecret("db", "value")
		identity := c.AddIdentity("app", Policy{})
		ended := c.AddSession("function", time.Minute, Policy{})
		time.Sleep(time.Minute)
		forbidden := c.AddIdentity("forbidden", Policy{Deny: []Operation{SecretsManager, DescribeDBClusters}})
		wrong, unknown, noToken := identity, identity, c.AddSession("function", time.Minute, Policy{})
		wrong.SecretAccessKey, unknown.AccessKeyID, noToken.SessionToken = "wrong", "AKIAWHO", ""
		for name, tc := range map[string]struct {
			identity      Identity
			change        func(http.Header)
			inJSON, inXML string
		}{
			"none":             {identity: identity, change: func(h http.Header) { h.Del("Authorization") }, inJSON: "MissingAuthenticationTokenException", inXML: "MissingAuthenticationToken"},
			"half":             {identity: identity, change: func(h http.Header) { h.Set("Authorization", h.Get("Authorization")[:40]) }, inJSON: "IncompleteSignatureException", inXML: "IncompleteSignature"},
			"no date":          {identity: identity, change: func(h http.Header) { h.Del("X-Amz-Date") }, inJSON: "IncompleteSignatureException", inXML: "IncompleteSignature"},
			"another day":      {identity: identity, change: func(h http.Header) { h.Set("X-Amz-Date", "20000102T000000Z") }, inJSON: "InvalidSignatureException", inXML: "SignatureDoesNotMatch"},
			"wrong":            {identity: wrong, inJSON: "InvalidSignatureException", inXML: "SignatureDoesNotMatch"},
			"unknown":          {identity: unknown, inJSON: "UnrecognizedClientException", inXML: "InvalidClientTokenId"},
			"no session token": {identity: noToken, inJSON: "UnrecognizedClientException", inXML: "InvalidClientTokenId"},
			"ended":            {identity: ended, inJSON: "ExpiredTokenException", inXML: "ExpiredToken"},
			"forbidden":        {identity: forbidden, inJSON: "AccessDeniedException", inXML: "AccessDenied"},
		} {
			t.Log(name)
			secret := secretRequest(t.Context(), t, tc.identity, "us-east-1", `{"SecretId":"db"}`)
			describe := rdsRequest(t, tc.identity, "us-east-1", "DescribeDBClusters", url.Values{})
			if tc.change != nil {
				tc.change(secret.Header)
				tc.change(describe.Header)
			}
			wantProblem(t, mustSend(t, c, secret), http.StatusBadRequest, tc.inJSON)
			wantProblem(t, mustSend(t, c, describe), http.StatusForbidden, tc.inXML)
		}
		request := secretRequest(t.Context(), t, identity, "us-east-1", `{"SecretId":"db"}`)
		wantProblem(t, mustSend(t, c, sign(request, identity, "sts", "us-east-1", `{"SecretId":"db"}`)), http.StatusBadRequest, "InvalidSignatureException")
	})
}
