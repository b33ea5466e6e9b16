// Package idptest is for the tests of the sign-ins: identity providers in process, and a
// search for secrets.
package idptest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Client returns a client whose requests go to the handler, whatever host they are for, in
// the goroutine of the request. A handler that waits does so for the end of the request's
// context, which is then the client's error.
func Client(h http.Handler) *http.Client { return &http.Client{Transport: transport{h}} }

type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	asked := r.Clone(r.Context())
	asked.Host = r.URL.Host
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	t.handler.ServeHTTP(recorder, asked)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := recorder.Result()
	answer.Request = r
	return answer, nil
}

// Hang is a handler that never answers.
func Hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// NoSecret fails the test if any way to print the error, or what it wraps, shows one of
// the secrets.
func NoSecret(t *testing.T, err error, secrets ...string) {
	t.Helper()
	if err == nil {
		return
	}
	text := fmt.Sprintf("%v %+v %#v", err, err, err)
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%q is in the error %q", s, text)
		}
	}
	switch e := err.(type) { //nolint:errorlint // every level is looked at
	case interface{ Unwrap() error }:
		NoSecret(t, e.Unwrap(), secrets...)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			NoSecret(t, inner, secrets...)
		}
	}
}
