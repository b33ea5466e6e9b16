//go:build !unix

package gate

import "net"

// pending cannot tell on this system: a black hole that lets sent requests through loses those that the server has
// not read yet.
func pending(*net.TCPConn) int { return 0 }
