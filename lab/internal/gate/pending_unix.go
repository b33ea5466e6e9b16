//go:build unix

package gate

import (
	"net"
	"syscall"
)

// pending is how many bytes wait in the socket's receive buffer, as far as it is of interest (1 MiB). It looks at
// them without taking them, and without the lock that a concurrent Read holds.
func pending(conn *net.TCPConn) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	err = raw.Control(func(fd uintptr) {
		n, _, _ = syscall.Recvfrom(int(fd), make([]byte, 1<<20), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	if err != nil {
		return 0
	}
	return max(n, 0)
}
