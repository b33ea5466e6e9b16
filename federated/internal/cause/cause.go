// Package cause takes out of an error of an HTTP request what may be shown.
package cause

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// Of returns why a request failed, without the request. net/http and the SDK put the
// address with its query, and sometimes a line of the answer, into the texts of their
// errors: those may be one-time tokens and cookies. What is known to name hosts, addresses
// and certificates alone is kept; of everything else only the type.
func Of(err error) error {
	var operation *net.OpError
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &operation):
		return operation
	case errors.As(err, &name):
		return name
	case errors.As(err, &certificate):
		return certificate
	case errors.As(err, &record):
		return record
	case errors.As(err, &alert):
		return alert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the request failed with a %T", innermost(err))
}

// Timeout tells that the request took too long for a limit of the HTTP client itself.
func Timeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
