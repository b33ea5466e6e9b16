package idptest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// The secret parts of all credentials that STS gives.
const (
	SecretAccessKey = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
	SessionToken    = "FwoGZXIvYXdzEXAMPLESESSIONTOKEN"
)

// STS is an http.Handler that knows AssumeRoleWithSAML.
type STS struct {
	// Life is how long credentials last; default an hour.
	Life time.Duration

	mu      sync.Mutex
	calls   []url.Values
	status  int
	code    string
	message string
}

// Fail makes calls fail from now on; with "" they do no longer.
func (s *STS) Fail(status int, code, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.code, s.message = status, code, message
}

// Calls returns the parameters of all calls.
func (s *STS) Calls() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[:len(s.calls):len(s.calls)]
}

// AccessKeyID is that of the credentials of a call, the first of which is 1.
func AccessKeyID(call int) string { return fmt.Sprintf("ASIAEXAMPLE%09d", call) }

// ServeHTTP implements http.Handler.
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Header.Get("Authorization") != "" {
		http.Error(w, "signed, or no form", http.StatusTeapot)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.PostForm)
	life := s.Life
	if life == 0 {
		life = time.Hour
	}
	w.Header().Set("Content-Type", "text/xml")
	if s.code != "" {
		w.WriteHeader(s.status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>`, s.code)
		_ = xml.EscapeText(w, []byte(s.message))
		_, _ = fmt.Fprint(w, `</Message></Error><RequestId>1</RequestId></ErrorResponse>`)
		return
	}
	_, _ = fmt.Fprintf(w, `<AssumeRoleWithSAMLResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithSAMLResult><Credentials>`+
		`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration>`+
		`</Credentials></AssumeRoleWithSAMLResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithSAMLResponse>`,
		AccessKeyID(len(s.calls)), SecretAccessKey, SessionToken, time.Now().Add(life).UTC().Format(time.RFC3339))
}
