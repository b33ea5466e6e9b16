package core

import (
	"syscall"
	"testing"
	"time"
)

// The kernel has what the parameters say; dialers set keep-alive on their own
// terms and know nothing of TCP_USER_TIMEOUT.
func TestSocketOptions(t *testing.T) {
	l, _ := tcpLink(t) // quietCluster's options
	option := func(level, name int) int {
		t.Helper()
		raw, err := l.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var value int
		var optErr error
		if err := raw.Control(func(fd uintptr) { value, optErr = syscall.GetsockoptInt(int(fd), level, name) }); err != nil {
			t.Fatal(err)
		}
		if optErr != nil {
			t.Fatal(optErr)
		}
		return value
	}
	tests := map[string]struct{ level, name, want int }{
		"SO_KEEPALIVE":     {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		"TCP_KEEPIDLE":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 7},
		"TCP_KEEPINTVL":    {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 3},
		"TCP_KEEPCNT":      {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 4},
		"TCP_USER_TIMEOUT": {syscall.IPPROTO_TCP, 0x12, int((9 * time.Second).Milliseconds())},
	}
	for name, test := range tests {
		if got := option(test.level, test.name); got != test.want {
			t.Errorf("%s is %d, want %d", name, got, test.want)
		}
	}
}
