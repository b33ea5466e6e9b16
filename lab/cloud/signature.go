package cloud

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is said here is from "AWS Signature Version 4 for API requests" in the IAM user guide.

const (
	signatureAlgorithm = "AWS4-HMAC-SHA256"
	signatureDate      = "20060102T150405Z"
	// skew is how far the clocks of signer and service may be apart.
	skew = 5 * time.Minute
)

// scope is what a signature is for, and by whom.
type scope struct {
	accessKeyID, date, region, service string
}

// parseScope reads AKIA.../20251123/us-east-1/rds-db/aws4_request.
func parseScope(credential string) (scope, bool) {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" || slices.Contains(parts, "") {
		return scope{}, false
	}
	return scope{parts[0], parts[1], parts[2], parts[3]}, true
}

// sign gives the signature of a canonical request.
func (s scope) sign(secret, at, request string) string {
	text := fmt.Sprintf("%s\n%s\n%s/%s/%s/aws4_request\n%s", signatureAlgorithm, at, s.date, s.region, s.service, hash([]byte(request)))
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonicalQuery is the query with its parameters in order.
func canonicalQuery(values url.Values) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		for _, value := range slices.Sorted(slices.Values(values[key])) {
			pairs = append(pairs, escape(key)+"="+escape(value))
		}
	}
	return strings.Join(pairs, "&")
}

// escape leaves the unreserved characters of RFC 3986 alone, and no others.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// canonicalRequest is the text that is signed.
func canonicalRequest(r *http.Request, signedHeaders []string, body []byte) string {
	var b bytes.Buffer
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, path, canonicalQuery(r.URL.Query()))
	for _, name := range signedHeaders {
		fmt.Fprintf(&b, "%s:%s\n", name, headerValue(r, name))
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(signedHeaders, ";"), hash(body))
	return b.String()
}

// headerValue is a header with all its values, in the form in which they are signed.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length": // clients in the process have it here only
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for n := range values {
		values[n] = strings.Join(strings.Fields(values[n]), " ")
	}
	return strings.Join(values, ",")
}

// signer is who has signed a request.
type signer struct {
	Identity
	policy Policy
	region string // that the request is for
}

// verify finds out who has signed a request to a service.
func (c *Cloud) verify(r *http.Request, body []byte, service string) (signer, *problem) {
	header, ok := strings.CutPrefix(r.Header.Get("Authorization"), signatureAlgorithm+" ")
	if !ok {
		return signer{}, &problem{kind: unsigned, message: "Missing Authentication Token"}
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(header, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[key] = value
	}
	scope, ok := parseScope(fields["Credential"])
	signed := strings.Split(fields["SignedHeaders"], ";")
	at, err := time.Parse(signatureDate, r.Header.Get("X-Amz-Date"))
	if !ok || err != nil || !slices.Contains(signed, "host") || !slices.Contains(signed, "x-amz-date") {
		return signer{}, &problem{kind: incomplete, message: "The request signature does not conform to AWS standards."}
	}
	identity, policy, known := c.identity(scope.accessKeyID)
	if p := checkCredentials(identity, known, r.Header.Get("X-Amz-Security-Token")); p != nil {
		return signer{}, p
	}
	switch want := scope.sign(identity.SecretAccessKey, at.Format(signatureDate), canonicalRequest(r, signed, body)); {
	case scope.service != service:
		return signer{}, mismatch("Credential should be scoped to correct service: '%s'.", service)
	case time.Since(at).Abs() > skew:
		return signer{}, mismatch("Signature expired: %s is not within 5 minutes of %s", at.Format(signatureDate), time.Now().UTC().Format(signatureDate))
	case !hmac.Equal([]byte(want), []byte(fields["Signature"])):
		return signer{}, mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	return signer{identity, policy, scope.region}, nil
}

func mismatch(format string, args ...any) *problem {
	return &problem{kind: mismatched, message: fmt.Sprintf(format, args...)}
}

// checkCredentials tells why credentials are not good now.
func checkCredentials(i Identity, known bool, sessionToken string) *problem {
	switch {
	case !known || !hmac.Equal([]byte(i.SessionToken), []byte(sessionToken)):
		return &problem{kind: unknownKey, message: "The security token included in the request is invalid."}
	case i.expired():
		return &problem{kind: expired, message: "The security token included in the request is expired"}
	}
	return nil
}

func (i Identity) expired() bool { return !i.Expires.IsZero() && !time.Now().Before(i.Expires) }
