package gate_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
)

// TestFaultsAtRandom runs echo traffic through a gate while several goroutines play with its faults. The race
// detector, goleak and the comparison of what comes back are the judges.
func TestFaultsAtRandom(t *testing.T) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	g := gate.New(0)
	var servers, others sync.WaitGroup
	servers.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			server := g.Wrap(gate.TCP(conn))
			servers.Go(func() { defer server.Close(); _, _ = io.Copy(server, server) })
		}
	})
	stop := make(chan struct{})
	for range 4 {
		others.Go(func() { echo(t, listener.Addr().String(), stop) })
	}
	for n := range uint64(2) {
		others.Go(func() { play(g, rand.New(rand.NewPCG(n, 0)), stop) })
	}
	time.Sleep(300 * time.Millisecond)
	close(stop)
	g.Restart() // nobody waits for ever
	others.Wait()
	g.Close()
	listener.Close()
	servers.Wait()
	if g.Live() != 0 {
		t.Errorf("%d connections live", g.Live())
	}
}

// play causes faults and mends them.
func play(g *gate.Gate, random *rand.Rand, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.Int64N(int64(2 * time.Millisecond)))):
		}
		[]func(){
			g.Freeze, g.Refuse, g.Heal, g.Heal, g.Heal, g.Reset, g.Restart,
			func() { g.Vanish(gate.Answers) }, func() { g.Vanish(gate.Requests) },
			func() { g.Slow(time.Duration(random.Int64N(int64(time.Millisecond)))) },
			func() { g.HangAfter(random.IntN(100)) },
		}[random.IntN(11)]()
	}
}

// echo sends bytes and checks that they come back unchanged and in order, as long as the connection lives.
func echo(t *testing.T, addr string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		conn, err := net.Dial("tcp4", addr)
		if err != nil {
			continue // a refusal, which on loopback is a reset right after the connect
		}
		for next := byte(0); next < 250; next += 10 {
			p := []byte{next, next + 1, next + 2, next + 3, next + 4, next + 5, next + 6, next + 7, next + 8, next + 9}
			if _, err := conn.Write(p); err != nil {
				break
			}
			got := make([]byte, len(p))
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := io.ReadFull(conn, got); err != nil {
				break // reset, or a fault that lasts
			}
			if string(got) != string(p) {
				t.Errorf("sent %v, got %v", p, got)
			}
		}
		conn.Close()
	}
}
