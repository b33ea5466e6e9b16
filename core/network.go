package core

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// networkErrors are what sockets report of a peer or a path that is gone.
var networkErrors = []error{
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ECONNREFUSED, syscall.EPIPE,
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.ETIMEDOUT,
}

// IsNetworkError tells that err comes from a socket or from looking a name up,
// by its type: what is left to an Engine's Classify when the error is neither the
// server's nor the context's.
func IsNetworkError(err error) bool {
	for _, target := range networkErrors {
		if errors.Is(err, target) {
			return true
		}
	}
	return errors.As(err, new(*net.DNSError)) || errors.As(err, new(*net.OpError))
}
