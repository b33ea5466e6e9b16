//go:build unix

package core

import "syscall"

// peekSocket asks the kernel whether a read would find data, the end of the
// stream or an error. One system call, nothing is consumed.
func peekSocket(c syscall.Conn) peerState {
	raw, err := c.SyscallConn()
	if err != nil {
		return peerQuiet
	}
	state := peerQuiet
	// Control, not Read: a read deadline that a driver left behind must not look
	// like a dead peer.
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case n > 0:
			state = peerWaiting
		case err == nil: // end of stream
			state = peerGone
		case err != syscall.EAGAIN && err != syscall.EINTR:
			state = peerGone
		}
	})
	if err != nil {
		return peerGone // closed on our side
	}
	return state
}
