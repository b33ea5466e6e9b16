package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/awsdb/awsdb/conformance/demand"
	"github.com/awsdb/awsdb/lab"
)

// A server that accepts connections and never answers, or stops at some point of
// the login: whoever has a deadline of a second is back after exactly a second.
func TestB75_MuteServer(t *testing.T) {
	for _, answered := range []int{0, 1, 9, 100, 300, 400} { // bytes
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, warm=%t", answered, warm), func(t *testing.T) {
				virtual(t, lab.Options{Auth: lab.Cleartext}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint(), "topology-monitoring-user=app")
					mute(t, c, p, answered, warm, time.Second, func(took time.Duration) bool { return took == time.Second })
				})
			})
		}
	}
}

// The same within the TLS handshake, in real time: pgx reads and writes from two
// goroutines then, which crypto/tls keeps apart with a mutex.
func TestB75_MuteServerInTLS(t *testing.T) {
	for _, answered := range []int{0, 1, 100, 700} {
		for _, warm := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes, warm=%t", answered, warm), func(t *testing.T) {
				t.Parallel()
				loopback(t, lab.Options{TLS: lab.TLSRequired}, func(t *testing.T, c *cluster) {
					p := open(t, c, c.Endpoint())
					limit := 150 * time.Millisecond
					mute(t, c, p, answered, warm, limit, func(took time.Duration) bool { return took >= limit })
				})
			})
		}
	}
}

func mute(t *testing.T, c *cluster, p *pool, answered int, warm bool, limit time.Duration, onTime func(time.Duration) bool) {
	t.Helper()
	p.SetMaxIdleConns(0)
	if warm {
		if err := p.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.Writer().HangAfter(answered)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := p.PingContext(ctx)
	if took := time.Since(began); !onTime(took) {
		t.Errorf("the connect took %v: %v", took, err)
	}
	demand.Is(t, "the connect", err, context.DeadlineExceeded)
}
