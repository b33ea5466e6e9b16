//go:build unix

package core

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestLinkPeek(t *testing.T) {
	until := func(t *testing.T, l *Link, want peerState) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() { // loopback delivers soon, not at once
			got := l.peek()
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("peek says %d, want %d", got, want)
			}
		}
	}
	t.Run("quiet", func(t *testing.T) {
		l, _ := tcpLink(t)
		for range 3 {
			if got := l.peek(); got != peerQuiet {
				t.Fatalf("peek says %d", got)
			}
		}
	})
	t.Run("leftover read deadline (B80)", func(t *testing.T) {
		l, _ := tcpLink(t)
		if err := l.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if got := l.peek(); got != peerQuiet {
			t.Errorf("peek says %d", got)
		}
	})
	t.Run("data waiting is not consumed", func(t *testing.T) {
		l, peer := tcpLink(t)
		if _, err := peer.Write([]byte("notice")); err != nil {
			t.Fatal(err)
		}
		until(t, l, peerWaiting)
		until(t, l, peerWaiting)
		b := make([]byte, 6)
		if _, err := io.ReadFull(l, b); err != nil || string(b) != "notice" {
			t.Fatalf("read %q, %v", b, err)
		}
		until(t, l, peerQuiet)
	})
	t.Run("last words", func(t *testing.T) {
		l, peer := tcpLink(t)
		if _, err := peer.Write([]byte("bye")); err != nil {
			t.Fatal(err)
		}
		_ = peer.Close()
		until(t, l, peerWaiting)
	})
	t.Run("end of stream", func(t *testing.T) {
		l, peer := tcpLink(t)
		_ = peer.Close()
		until(t, l, peerGone)
	})
	t.Run("reset", func(t *testing.T) {
		l, peer := tcpLink(t)
		_ = peer.SetLinger(0)
		_ = peer.Close()
		until(t, l, peerGone)
	})
	t.Run("closed by us", func(t *testing.T) {
		l, _ := tcpLink(t)
		_ = l.Close()
		until(t, l, peerGone)
	})
	t.Run("aborted", func(t *testing.T) {
		l, _ := tcpLink(t)
		l.Abort(errTestCause)
		until(t, l, peerGone)
	})
	t.Run("in memory", func(t *testing.T) {
		alive := &livingConn{alive: true}
		l := linkTo(t, quietCluster(), func(context.Context, string, string) (net.Conn, error) { return alive, nil }, "memory")
		until(t, l, peerQuiet)
		alive.alive = false
		until(t, l, peerGone)
		plain, _ := pipeLink(t)
		until(t, plain, peerQuiet)
	})
}

// B79: the driver's own liveness check sees the socket.
func TestLinkSyscallConn(t *testing.T) {
	l, peer := tcpLink(t)
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var name syscall.Sockaddr
	if err := raw.Control(func(fd uintptr) { name, _ = syscall.Getpeername(int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if got, ok := name.(*syscall.SockaddrInet4); !ok || got.Port != peer.LocalAddr().(*net.TCPAddr).Port {
		t.Errorf("the socket's peer is %v, want port of %s", name, peer.LocalAddr())
	}
	memory, _ := pipeLink(t)
	if _, err := memory.SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("in memory: %v", err)
	}
}
