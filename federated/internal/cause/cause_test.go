package cause

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"testing"
)

const secret = "s3cr3t"

func inRequest(err error) error {
	return &url.Error{Op: "Get", URL: "https://idp.example.com/?onetimetoken=" + secret, Err: err}
}

// malformed is an error that quotes the answer.
type malformed string

// Error implements error.
func (m malformed) Error() string { return "malformed header " + string(m) }

func TestOf(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{nil, ""},
		{inRequest(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "idp.example.com", IsNotFound: true}}), "dial tcp: lookup idp.example.com: no such host"},
		{inRequest(&net.DNSError{Err: "no such host", Name: "idp.example.com"}), "lookup idp.example.com: no such host"},
		{inRequest(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{inRequest(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), "tls: first record does not look like a TLS handshake"},
		{inRequest(tls.AlertError(40)), "tls: handshake failure"},
		{inRequest(io.EOF), "unexpected EOF"},
		{inRequest(fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)), "unexpected EOF"},
		{inRequest(malformed(secret)), "the request failed with a cause.malformed"},
		{fmt.Errorf("%s: %w", secret, malformed(secret)), "the request failed with a cause.malformed"},
	}
	for _, test := range tests {
		got := ""
		if err := Of(test.err); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%T: %q, want %q", test.err, got, test.want)
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{inRequest(os.ErrDeadlineExceeded), true},
		{inRequest(context.DeadlineExceeded), true},
		{inRequest(io.EOF), false},
		{nil, false},
	} {
		if got := Timeout(test.err); got != test.want {
			t.Errorf("%v: %t, want %t", test.err, got, test.want)
		}
	}
}
