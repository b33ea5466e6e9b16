package core

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errTestCause = errors.New("the monitor says it is dead")

func quietCluster() *Cluster {
	return newCluster(clusterOptions{keepAlive: net.KeepAliveConfig{Enable: true, Idle: 7 * time.Second, Interval: 3 * time.Second, Count: 4}, userTimeout: 9 * time.Second}, slog.New(slog.DiscardHandler))
}

// linkTo dials one Link of an application through c.
func linkTo(t *testing.T, c *Cluster, dial DialFunc, addr string) *Link {
	t.Helper()
	conn, err := c.dial(t.Context(), dialOptions{id: "w1", target: addr, owner: &Connector{}, dial: dial}, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // perhaps closed already
	return conn.(*Link)
}

// tcpLink returns a Link over loopback and the other end.
func tcpLink(t *testing.T) (*Link, *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l := linkTo(t, quietCluster(), new(net.Dialer).DialContext, listener.Addr().String())
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	return l, peer.(*net.TCPConn)
}

// pipeLink is the same in memory, for synctest.
func pipeLink(t *testing.T) (*Link, net.Conn) {
	t.Helper()
	ours, peer := net.Pipe()
	l := linkTo(t, quietCluster(), func(context.Context, string, string) (net.Conn, error) { return ours, nil }, "memory")
	t.Cleanup(func() { _ = peer.Close() })
	return l, peer
}

func TestLinkCountsWhatIsWritten(t *testing.T) {
	for name, pair := range map[string]func() (*Link, net.Conn){
		"tcp":  func() (*Link, net.Conn) { return asConn(tcpLink(t)) },
		"pipe": func() (*Link, net.Conn) { return pipeLink(t) },
	} {
		t.Run(name, func(t *testing.T) {
			l, peer := pair()
			done := make(chan error, 1)
			go func() { // the peer echoes seven bytes
				b := make([]byte, 7)
				_, err := io.ReadFull(peer, b)
				if err == nil {
					_, err = peer.Write(b)
				}
				done <- err
			}()
			for _, part := range []string{"abc", "", "defg"} {
				if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatalf("Write: %d, %v", n, err)
				}
			}
			b := make([]byte, 7)
			if _, err := io.ReadFull(l, b); err != nil || string(b) != "abcdefg" {
				t.Fatalf("read %q, %v", b, err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if l.Written() != 7 {
				t.Errorf("Written is %d, want 7", l.Written())
			}
			if l.Blocked() != 0 || l.Lost() != nil || l.Condemned() != nil {
				t.Errorf("a healthy link: blocked %s, lost %v, condemned %v", l.Blocked(), l.Lost(), l.Condemned())
			}
			if l.LocalAddr() == nil || l.RemoteAddr() == nil {
				t.Error("no addresses")
			}
		})
	}
}

func asConn(l *Link, c *net.TCPConn) (*Link, net.Conn) { return l, c }

func TestLinkBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peer := pipeLink(t)
		go func() { _, _ = l.Read(make([]byte, 1)) }()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		if got := l.Blocked(); got != 3*time.Second {
			t.Errorf("a read blocks for %s, want 3s", got)
		}
		go func() { _, _ = l.Write([]byte("x")) }() // nobody reads: it blocks too
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if got := l.Blocked(); got != 5*time.Second {
			t.Errorf("the older of two blocks for %s, want 5s", got)
		}
		if _, err := peer.Write([]byte("y")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := l.Blocked(); got != 2*time.Second {
			t.Errorf("the write alone blocks for %s, want 2s", got)
		}
		if _, err := peer.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := l.Blocked(); got != 0 {
			t.Errorf("nothing blocks, but %s", got)
		}
	})
}

// pgx's CopyFrom does that when it gives up: it reads what is left while the reader in the
// background may still be at it. Like any net.Conn, a Link takes it. Needs -race to fail.
func TestLinkReadByTwo(t *testing.T) {
	l := linkTo(t, quietCluster(), func(context.Context, string, string) (net.Conn, error) { return endlessConn{}, nil }, "memory")
	if _, err := l.Write([]byte("copy")); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			if _, err := l.Read(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
}

// endlessConn takes and gives any bytes, and orders no goroutine before another.
type endlessConn struct{ net.Conn }

func (endlessConn) Read(p []byte) (int, error)  { return len(p), nil }
func (endlessConn) Write(p []byte) (int, error) { return len(p), nil }
func (endlessConn) Close() error                { return nil }

// B78, B35: an abort reaches the reader at once, with its cause.
func TestLinkAbortWhileReading(t *testing.T) {
	for name, pair := range map[string]func() (*Link, net.Conn){
		"tcp":  func() (*Link, net.Conn) { return asConn(tcpLink(t)) },
		"pipe": func() (*Link, net.Conn) { return pipeLink(t) },
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := pair()
			failed := make(chan error, 1)
			go func() {
				_, err := l.Read(make([]byte, 1))
				failed <- err
			}()
			for l.Blocked() == 0 {
				runtime.Gosched()
			}
			var wg sync.WaitGroup
			for i := range 8 { // from many sides at once; one cause stays
				wg.Go(func() { l.Abort(fmt.Errorf("%w (%d)", errTestCause, i)) })
			}
			wg.Wait()
			err := <-failed
			var lost *LostError
			if !errors.As(err, &lost) || !lost.Aborted || lost.Host != "w1" || !errors.Is(err, errTestCause) {
				t.Fatalf("Read: %v", err)
			}
			if l.Lost() != lost {
				t.Errorf("Lost is %v, the reader saw %v", l.Lost(), lost)
			}
			l.Abort(errors.New("too late"))
			for op, err := range map[string]error{
				"Read":      second(l.Read(make([]byte, 1))),
				"Write":     second(l.Write([]byte("x"))),
				"Condemned": l.Condemned(),
			} {
				if !errors.Is(err, errTestCause) {
					t.Errorf("%s after the abort: %v", op, err)
				}
			}
			if l.Written() != 0 {
				t.Errorf("Written is %d", l.Written())
			}
		})
	}
}

func second(_ int, err error) error { return err }

// The cause is still there when TLS lies between the Link and the driver.
func TestLinkCauseThroughTLS(t *testing.T) {
	l, peer := tcpLink(t)
	certificate := selfSigned(t)
	server := tls.Server(peer, &tls.Config{Certificates: []tls.Certificate{certificate}})
	client := tls.Client(l, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the certificate is made here
	served := make(chan error, 1)
	go func() {
		_, err := server.Read(make([]byte, 1))
		served <- err
	}()
	if err := client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := client.Read(make([]byte, 1))
		failed <- err
	}()
	for l.Blocked() == 0 {
		runtime.Gosched()
	}
	l.Abort(errTestCause)
	if err := <-failed; !errors.Is(err, errTestCause) {
		t.Errorf("read under TLS: %v", err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, errTestCause) {
		t.Errorf("write under TLS: %v", err)
	}
	if err := <-served; err == nil {
		t.Error("the server saw no end")
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestLinkDeadlineIsNoLoss(t *testing.T) {
	l, peer := tcpLink(t)
	if err := l.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read: %v", err)
	}
	if err := l.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Write: %v", err)
	}
	if l.Lost() != nil || l.Condemned() != nil {
		t.Errorf("lost %v, condemned %v", l.Lost(), l.Condemned())
	}
	if err := l.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte("y")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(make([]byte, 1)); err != nil {
		t.Errorf("the link does not work any more: %v", err)
	}
}

// B35: what we close ourselves is not lost.
func TestLinkOwnCloseIsNoLoss(t *testing.T) {
	l, _ := tcpLink(t)
	failed := make(chan error, 1)
	go func() {
		_, err := l.Read(make([]byte, 1))
		failed <- err
	}()
	for l.Blocked() == 0 {
		runtime.Gosched()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) || errors.As(err, new(*LostError)) {
		t.Errorf("Read: %v", err)
	}
	if l.Lost() != nil {
		t.Errorf("lost %v", l.Lost())
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}

func TestLinkPeerIsLost(t *testing.T) {
	tests := map[string]struct {
		end  func(*net.TCPConn)
		want error
	}{
		"end of stream": {func(c *net.TCPConn) { _ = c.Close() }, io.EOF},
		"half closed":   {func(c *net.TCPConn) { _ = c.CloseWrite() }, io.EOF},
		"reset":         {func(c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }, syscall.ECONNRESET},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, peer := tcpLink(t)
			test.end(peer)
			_, err := l.Read(make([]byte, 1))
			var lost *LostError
			if !errors.As(err, &lost) || lost.Aborted || !errors.Is(err, test.want) || lost.Host != "w1" {
				t.Fatalf("Read: %v, want a loss by %v", err, test.want)
			}
			l.Abort(errTestCause)
			if l.Lost() != lost {
				t.Errorf("a later abort replaced the first cause: %v", l.Lost())
			}
		})
	}
}

// livingConn is an in-memory connection that can tell whether its peer is there.
type livingConn struct {
	net.Conn
	alive bool
}

func (c *livingConn) Alive() bool  { return c.alive }
func (c *livingConn) Close() error { return nil }

// The dial itself can be cut like a query that hangs.
func TestLinkAbortWhileDialling(t *testing.T) {
	c := quietCluster()
	dialling := make(chan struct{})
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err() // hides the cause, as drivers' dialers do
	}
	failed := make(chan error, 1)
	go func() {
		_, err := c.dial(context.Background(), dialOptions{id: "w1", owner: &Connector{}, dial: dial}, "tcp", "w1:1")
		failed <- err
	}()
	<-dialling
	for l := range c.Links() {
		if l.Host() != "w1" || !l.opening.Load() {
			t.Errorf("link to %q, opening %t", l.Host(), l.opening.Load())
		}
		l.Abort(errTestCause)
	}
	var lost *LostError
	if err := <-failed; !errors.As(err, &lost) || !errors.Is(err, errTestCause) {
		t.Errorf("dial: %v", err)
	}
	if len(c.links) != 0 {
		t.Errorf("%d links are left", len(c.links))
	}
}

// A socket that a dialer returns although its context ended is closed.
func TestLinkAbortedDialThatSucceeds(t *testing.T) {
	c := quietCluster()
	ours, peer := net.Pipe()
	dial := func(context.Context, string, string) (net.Conn, error) {
		for l := range c.Links() {
			l.Abort(errTestCause)
		}
		return ours, nil
	}
	_, err := c.dial(t.Context(), dialOptions{id: "w1", owner: &Connector{}, dial: dial}, "tcp", "w1:1")
	if !errors.Is(err, errTestCause) {
		t.Errorf("dial: %v", err)
	}
	if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the socket is still open: %v", err)
	}
	if len(c.links) != 0 {
		t.Errorf("%d links are left", len(c.links))
	}
}

func TestDialErrorIsTheDialers(t *testing.T) {
	c := quietCluster()
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	if _, err := c.dial(t.Context(), dialOptions{dial: dial}, "tcp", "x:1"); err != syscall.ECONNREFUSED { //nolint:errorlint // identity is meant
		t.Errorf("dial: %v", err)
	}
	if len(c.links) != 0 {
		t.Errorf("%d links are left", len(c.links))
	}
}

func TestCondemnKeepsTheFirstCause(t *testing.T) {
	l, peer := tcpLink(t)
	l.Condemn(errTestCause)
	l.Condemn(errors.New("another"))
	if !errors.Is(l.Condemned(), errTestCause) || l.Lost() != nil {
		t.Errorf("condemned %v, lost %v", l.Condemned(), l.Lost())
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(make([]byte, 1)); err != nil {
		t.Errorf("a condemned link must go on working: %v", err)
	}
}

// B24, B30: ten thousand connections come and go without leaving anything, and
// closing one does not look at the others.
func TestLinksComeAndGo(t *testing.T) {
	const number = 10_000
	c := quietCluster()
	dial := func(context.Context, string, string) (net.Conn, error) { return &livingConn{}, nil }
	many := func() []*Link {
		links := make([]*Link, number)
		for i := range links {
			links[i] = linkTo(t, c, dial, "memory")
		}
		return links
	}
	links := many()
	if len(c.links) != number {
		t.Fatalf("%d links, want %d", len(c.links), number)
	}
	seen := 0
	for range c.Links() {
		seen++
		if seen == 3 {
			break
		}
	}
	allocs := testing.AllocsPerRun(100, func() {
		l := links[len(links)-1]
		links = links[:len(links)-1]
		_ = l.Close()
	})
	if allocs > 2 { // ending the context; a scan or a copy would be 10000
		t.Errorf("Close allocates %.0f times", allocs)
	}
	for _, l := range links {
		_ = l.Close()
	}
	if len(c.links) != 0 {
		t.Errorf("%d links are left", len(c.links))
	}
}

func BenchmarkLinkCloseAmongMany(b *testing.B) {
	dial := func(context.Context, string, string) (net.Conn, error) { return &livingConn{}, nil }
	for _, others := range []int{0, 10_000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			c := quietCluster()
			open := func() net.Conn {
				conn, err := c.dial(context.Background(), dialOptions{owner: &Connector{}, dial: dial}, "tcp", "x")
				if err != nil {
					b.Fatal(err)
				}
				return conn
			}
			for range others {
				defer open().Close()
			}
			for b.Loop() {
				_ = open().Close()
			}
		})
	}
}
