package blackhole

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/awsdb/awsdb/core"
)

// Settings of the kernel. Its timers are coarse: it may be a fifth of a second early.
const (
	keepAlive     = "tcp_keepalive_time=1 tcp_keepalive_interval=1 tcp_keepalive_probes=2 " // 3 s in all
	noKeepAlive   = "tcp_keepalive=false "
	noUserTimeout = "tcp_user_timeout_ms=0"
	tolerance     = 500 * time.Millisecond
)

// never is not before the test's end.
const never = 10 * time.Second

// TestKernel: what the kernel finds in a black hole without any plugin, by the parameters of the socket. Keep-alive finds
// nothing while something is unacknowledged, the user timeout nothing else; but with both, it is the user timeout that says
// when keep-alive gives up.
func TestKernel(t *testing.T) {
	tests := []struct {
		params string
		acked  bool // the request was acknowledged before
		after  time.Duration
	}{
		{keepAlive + noUserTimeout, true, 3 * time.Second},
		{keepAlive + noUserTimeout, false, never},
		{keepAlive + "tcp_user_timeout_ms=6000", true, 6 * time.Second},
		{keepAlive + "tcp_user_timeout_ms=6000", false, 6 * time.Second},
		{noKeepAlive + "tcp_user_timeout_ms=2000", true, never},
		{noKeepAlive + "tcp_user_timeout_ms=2000", false, 2 * time.Second},
		{noKeepAlive + noUserTimeout, true, never},
		{noKeepAlive + noUserTimeout, false, never},
	}
	each(t, func(t *testing.T, c *cluster) {
		i := c.Writer()
		ctx, cancel := context.WithTimeout(t.Context(), never)
		defer cancel()
		conns, calls, began := make([]caller, len(tests)), make([]<-chan ended, len(tests)), make([]time.Time, len(tests))
		for n, test := range tests {
			db := open(t, c, i.Host(), append(strings.Fields(test.params), "plugins=none")...)
			conns[n], _ = session(t, db)
			if test.acked {
				i.ResetStatements()
				began[n] = time.Now()
				calls[n] = call(ctx, c, conns[n])
				received(t, i)
			}
		}
		drop(t, i, everything)
		for n, test := range tests {
			if !test.acked {
				began[n] = time.Now()
				calls[n] = call(ctx, c, conns[n])
			}
		}
		for n, test := range tests {
			end := <-calls[n]
			took := end.at.Sub(began[n])
			t.Logf("%s, acknowledged %v: ended after %v: %v", test.params, test.acked, ms(took), end.err)
			if !errors.Is(end.err, core.ErrOutcomeUnknown) {
				t.Errorf("%v, want %v", end.err, core.ErrOutcomeUnknown)
			}
			switch {
			case test.after == never:
				if !errors.Is(end.err, context.DeadlineExceeded) {
					t.Errorf("want it to last until its deadline")
				}
			case !errors.Is(end.err, syscall.ETIMEDOUT):
				t.Errorf("want %v", syscall.ETIMEDOUT)
			case took < test.after-tolerance:
				t.Errorf("want %v", test.after)
			}
		}
	})
}

// TestFullWindow: to the kernel, a server that takes no data is dead after the user timeout, though its host acknowledges
// all that has been sent; without one, keep-alive knows better. The host monitor, which can tell, lifts it.
func TestFullWindow(t *testing.T) {
	const more = 12 << 20 // than the buffers of a connection hold
	each(t, func(t *testing.T, c *cluster) {
		i := c.Writer()
		for params, want := range map[string]error{
			keepAlive + "tcp_user_timeout_ms=2000 plugins=none":               syscall.ETIMEDOUT,
			keepAlive + "tcp_user_timeout_ms=2000 plugins=host_monitoring_v2": context.DeadlineExceeded,
			keepAlive + noUserTimeout + " plugins=none":                       context.DeadlineExceeded,
		} {
			conn, _ := session(t, open(t, c, i.Host(), strings.Fields(params)...))
			ctx, cancel := context.WithTimeout(t.Context(), never/2)
			i.Freeze()
			_, err := conn.ExecContext(ctx, "select '"+strings.Repeat("x", more)+"'")
			i.Heal()
			cancel()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", params, err, want)
			}
		}
	})
}

// TestRecovery: a pool whose connection the kernel has given up works again when the network is back.
func TestRecovery(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		i := c.Writer()
		db := open(t, c, i.Host(), append(strings.Fields(keepAlive+noUserTimeout), "plugins=none")...)
		done := call(t.Context(), c, db)
		received(t, i)
		heal := drop(t, i, everything)
		if end := <-done; !errors.Is(end.err, syscall.ETIMEDOUT) {
			t.Errorf("%v, want %v", end.err, syscall.ETIMEDOUT)
		}
		heal()
		if id := works(t, c, db); id != i.ID() {
			t.Errorf("landed on %s, want %s", id, i.ID())
		}
	})
}
