package hostmonitor

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/awsdb/awsdb/core"
)

// B16: however many short calls there are, the loop looks at them only as often as
// its settings say, and nobody asks the host.
func TestShortCallsCostNoLooks(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		every   time.Duration // at the soonest
	}{
		"default":    {Options{DetectionTime: 30 * time.Second}, 15 * time.Second}, // tcp_user_timeout_ms / 2
		"aggressive": {Options{DetectionTime: 100 * time.Millisecond}, 95 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const call, connections = 5 * time.Millisecond, 10 // 120,000 calls in a minute
				d := startCrowd(t, connections, call, test.options)
				looks := 0
				for start := time.Now(); time.Since(start) < time.Minute; looks++ {
					time.Sleep(d.look())
				}
				if most := int(time.Minute/test.every) + 1; looks > most {
					t.Errorf("%d looks in a minute, want at most %d", looks, most)
				}
				if len(d.probers) > 0 {
					t.Error("the host is asked though no call takes long")
				}
			})
		})
	}
}

// BenchmarkLook is one turn of the loop while a call waits on every connection.
func BenchmarkLook(b *testing.B) {
	for _, connections := range []int{10, 1_000, 10_000} {
		b.Run(fmt.Sprint("connections=", connections), func(b *testing.B) {
			d := startCrowd(b, connections, time.Hour, Options{DetectionTime: time.Hour})
			b.ReportAllocs()
			for b.Loop() {
				d.look()
			}
		})
	}
}

// startCrowd makes a detector whose loop does not run, of a cluster with connections
// that make one call after the other, each of which takes so long.
func startCrowd(tb testing.TB, connections int, call time.Duration, o Options) *detector {
	tb.Helper()
	engine := &crowdEngine{}
	settings, err := core.TakeSettings(map[string]string{})
	if err != nil {
		tb.Fatal(err)
	}
	k, err := core.NewConnector(core.Config{
		Engine: engine, Family: "crowd", Addr: "db-1.c9xyz0abcdef.us-east-1.rds.amazonaws.com:5432",
		Settings: settings, Plugins: []core.Plugin{},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return &crowdSocket{answers: call, closed: make(chan struct{})}, nil
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	var callers sync.WaitGroup
	tb.Cleanup(func() {
		for _, l := range engine.links {
			_ = l.Close() // there is nothing behind it
		}
		callers.Wait()
		if err := k.Close(); err != nil {
			tb.Error(err)
		}
	})
	for range connections {
		if _, err := k.Connect(context.Background()); err != nil {
			tb.Fatal(err)
		}
	}
	for _, l := range engine.links {
		callers.Go(func() {
			var message [1]byte
			for err := error(nil); err == nil; _, err = l.Read(message[:]) {
				_, _ = l.Write(message[:]) // Read tells when it is over
			}
		})
	}
	d := detectorOf(k.Cluster())
	d.add(k, o)
	return d
}

// crowdSocket answers every request after the same time.
type crowdSocket struct {
	net.Conn

	answers time.Duration
	closed  chan struct{}
}

func (s *crowdSocket) Write(p []byte) (int, error) { return len(p), nil }

func (s *crowdSocket) Read(p []byte) (int, error) {
	timer := time.NewTimer(s.answers)
	defer timer.Stop()
	select {
	case <-timer.C:
		return len(p), nil
	case <-s.closed:
		return 0, net.ErrClosed
	}
}

func (s *crowdSocket) Close() error {
	close(s.closed)
	return nil
}

// crowdEngine opens connections on which nothing is said.
type crowdEngine struct{ links []*core.Link }

func (e *crowdEngine) Open(ctx context.Context, t core.Target) (core.Native, *core.Link, error) {
	conn, err := t.Dial(ctx, "tcp", t.Host.Addr)
	if err != nil {
		return nil, nil, err
	}
	l := conn.(*core.Link)
	e.links = append(e.links, l)
	return crowdNative{}, l, nil
}

func (*crowdEngine) Detect(context.Context, core.Native, core.Endpoint) (core.Dialect, error) {
	return crowdDialect{}, nil
}

func (*crowdEngine) Classify(error, core.Dialect) core.Fault { return core.FaultNone }

// crowdNative does nothing.
type crowdNative struct{ core.Native }

func (crowdNative) Close() error { return nil }

// crowdDialect is a database that stands alone.
type crowdDialect struct{}

func (crowdDialect) Code() string    { return "crowd" }
func (crowdDialect) Clustered() bool { return false }

func (crowdDialect) Identify(context.Context, core.Native) (core.Identity, error) {
	return core.Identity{}, nil
}

func (crowdDialect) Topology(context.Context, core.Native) ([]core.Instance, error) {
	return nil, nil
}
