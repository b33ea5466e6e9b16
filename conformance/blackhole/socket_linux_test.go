package blackhole

import (
	"context"
	"maps"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/conformance/frontend"
)

// options are a socket's, by their names; in seconds, but for the user timeout's milliseconds.
type options map[string]int

var optionNames = map[string]struct{ level, name int }{
	"SO_KEEPALIVE":     {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
	"TCP_KEEPIDLE":     {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
	"TCP_KEEPINTVL":    {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
	"TCP_KEEPCNT":      {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
	"TCP_USER_TIMEOUT": {syscall.IPPROTO_TCP, 0x12}, // linux/tcp.h; package syscall does not name it
}

// optionsOf asks the kernel.
func optionsOf(socket syscall.Conn) (options, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	got := options{}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for text, option := range optionNames {
			value, err := syscall.GetsockoptInt(int(fd), option.level, option.name)
			if err != nil {
				failed = err
			}
			got[text] = value
		}
	})
	if err != nil {
		return nil, err
	}
	return got, failed
}

// defaults are the options without parameters.
func defaults() options {
	return options{"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 5, "TCP_USER_TIMEOUT": 30_000}
}

// TestSocketOptions: each parameter of the sockets reaches the kernel, through each driver.
func TestSocketOptions(t *testing.T) {
	tests := map[string]options{ // what differs from the defaults
		"":                         nil,
		"tcp_keepalive=false":      {"SO_KEEPALIVE": 0},
		"tcp_keepalive_time=7":     {"TCP_KEEPIDLE": 7},
		"tcp_keepalive_idle=8":     {"TCP_KEEPIDLE": 8},
		"tcp_keepalive_interval=3": {"TCP_KEEPINTVL": 3},
		"tcp_keepalive_probes=4":   {"TCP_KEEPCNT": 4},
		"tcp_user_timeout_ms=9000": {"TCP_USER_TIMEOUT": 9000},
		"tcp_user_timeout_ms=0":    {"TCP_USER_TIMEOUT": 0},
	}
	each(t, func(t *testing.T, c *cluster) {
		for param, differs := range tests {
			var params []string
			if param != "" {
				params = []string{param}
			}
			_, link := session(t, open(t, c, c.Endpoint(), params...))
			got, err := optionsOf(link)
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			maps.Copy(want, differs)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", param, diff)
			}
		}
	})
}

// TestOwnSocketOptions: awsdb's own connections have them as well: a call has nobody else to tell it of a dead host.
func TestOwnSocketOptions(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		var mu sync.Mutex
		var sockets []*net.TCPConn
		db, err := c.front.Open(frontend.Options{
			Lab: c.Cluster, DSN: c.DSN(c.Endpoint(), detection.Params()...),
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := c.DialContext(ctx, network, addr)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					sockets = append(sockets, conn.(*net.TCPConn))
				}
				return conn, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		ctx, cancel := context.WithCancel(t.Context())
		done := call(ctx, c, db)
		const all = 3 // the application's, the topology monitor's, the host monitor's
		eventually(t, "there are not three connections with the options", func() bool {
			mu.Lock()
			defer mu.Unlock()
			n := 0
			for _, socket := range sockets {
				if got, err := optionsOf(socket); err == nil && cmp.Equal(got, defaults()) {
					n++
				}
			}
			return n == len(sockets) && n == all
		})
		cancel()
		<-done
	})
}
