package core

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is the option's number in linux/tcp.h; package syscall does not
// name it.
const tcpUserTimeout = 0x12

// setUserTimeout bounds how long sent data may stay unacknowledged before the
// kernel gives the connection up with ETIMEDOUT. It bounds two more waits: that for a
// peer to have room for more, and that for an answer to keep-alive probes, of which the
// kernel then no longer counts how many have had none (measured in
// conformance/blackhole, as the kernel's tcp_timer.c has it).
func setUserTimeout(c *net.TCPConn, d time.Duration) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	if err := raw.Control(func(fd uintptr) {
		opErr = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
	}); err != nil {
		return err
	}
	return opErr
}
