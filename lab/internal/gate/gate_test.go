package gate_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab/internal/gate"
	"github.com/awsdb/awsdb/lab/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silence is how long a test on a real socket listens before it believes that nothing comes.
const silence = 50 * time.Millisecond

// eachNetwork runs f with a gate, the client's end of a connection and the server's end behind the gate.
func eachNetwork(t *testing.T, f func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn)) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, server := memnet.Pipe(&net.TCPAddr{Port: 1}, &net.TCPAddr{Port: 2}, time.Millisecond)
			g := gate.New(0)
			defer g.Close()
			f(t, g, client, g.Wrap(server))
		})
	})
	t.Run("tcp", func(t *testing.T) {
		client, server := tcpPair(t)
		defer client.Close()
		g := gate.New(0)
		defer g.Close()
		f(t, g, client, g.Wrap(gate.TCP(server)))
	})
}

func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp4", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), server
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func receive(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Time{})
	p := make([]byte, len(want))
	if _, err := io.ReadFull(conn, p); err != nil || string(p) != want {
		t.Fatalf("read %q, %v, want %q", p, err, want)
	}
}

func receiveError(t *testing.T, conn net.Conn, want error) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Time{})
	if n, err := conn.Read(make([]byte, 10)); !errors.Is(err, want) {
		t.Fatalf("read %d bytes, error %v, want %v", n, err, want)
	}
}

func receiveNothing(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(silence))
	p := make([]byte, 10)
	if n, err := conn.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, error %v, want silence", p[:n], err)
	}
	_ = conn.SetReadDeadline(time.Time{})
}

func TestNothingWrong(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		send(t, client, "question")
		receive(t, server, "question")
		send(t, server, "answer")
		receive(t, client, "answer")
		client.Close()
		receiveError(t, server, io.EOF)
		server.Close()
		if g.Live() != 0 {
			t.Errorf("%d connections live", g.Live())
		}
	})
}

func TestFreezeAndHeal(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		g.Freeze()
		send(t, client, "question")
		receiveNothing(t, server)
		send(t, server, "answer")
		receiveNothing(t, client)
		if err := g.Admit(t.Context(), 0); err != nil {
			t.Errorf("a frozen process does not keep the kernel from accepting: %v", err)
		}
		g.Heal()
		receive(t, server, "question")
		receive(t, client, "answer")
	})
}

func TestVanish(t *testing.T) {
	// blocked is a read of the server that is waiting when the fault comes.
	type result struct {
		text string
		err  error
	}
	blocked := func(server net.Conn) <-chan result {
		done := make(chan result, 1)
		go func() {
			p := make([]byte, 100)
			n, err := server.Read(p)
			done <- result{string(p[:n]), err}
		}()
		return done
	}
	t.Run("before", func(t *testing.T) {
		eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
			send(t, client, "in flight")
			g.Vanish(gate.Requests)
			send(t, client, ", late")
			receiveNothing(t, server)
			send(t, server, "answer")
			server.Close()
			receiveNothing(t, client)
			g.Heal()
			receive(t, client, "answer")
		})
	})
	t.Run("after", func(t *testing.T) {
		eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
			send(t, client, "in flight")
			g.Vanish(gate.Answers)
			send(t, client, ", late")
			receive(t, server, "in flight")
			receiveNothing(t, server)
			send(t, server, "answer")
			receiveNothing(t, client)
			g.Heal()
			receive(t, server, ", late")
			receive(t, client, "answer")
		})
	})
	t.Run("after, with a waiting reader", func(t *testing.T) {
		eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
			read := blocked(server)
			time.Sleep(silence)
			g.Vanish(gate.Answers)
			time.Sleep(silence)
			send(t, client, "late")
			select {
			case r := <-read:
				t.Fatalf("read %q, %v", r.text, r.err)
			case <-time.After(silence):
			}
			g.Heal()
			if r := <-read; r.text != "late" || r.err != nil {
				t.Errorf("read %q, %v, want late", r.text, r.err)
			}
		})
	})
	t.Run("killed", func(t *testing.T) {
		eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
			read := blocked(server)
			time.Sleep(silence)
			g.Vanish(gate.Requests)
			g.Kill()
			if r := <-read; !errors.Is(r.err, syscall.ECONNRESET) {
				t.Errorf("the server reads %q, %v", r.text, r.err)
			}
			receiveNothing(t, client)
			g.Restart()
			receiveError(t, client, syscall.ECONNRESET)
		})
	})
}

func TestKill(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		g.Kill()
		receiveError(t, client, syscall.ECONNRESET)
		receiveError(t, server, syscall.ECONNRESET)
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write: %v", err)
		}
		if err := g.Admit(t.Context(), 0); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("admit: %v", err)
		}
		g.Heal() // mends no dead process
		if err := g.Admit(t.Context(), 0); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("admit after heal: %v", err)
		}
		g.Restart()
		if err := g.Admit(t.Context(), 0); err != nil {
			t.Errorf("admit after restart: %v", err)
		}
	})
}

func TestRefuseLeavesConnectionsAlone(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		g.Refuse()
		if err := g.Admit(t.Context(), 0); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("admit: %v", err)
		}
		send(t, server, "still here")
		receive(t, client, "still here")
		g.Heal()
		if err := g.Admit(t.Context(), 0); err != nil {
			t.Errorf("admit after heal: %v", err)
		}
	})
}

func TestHangAfter(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		g.HangAfter(5)
		send(t, server, "abc")
		send(t, server, "defg")
		receive(t, client, "abcde")
		receiveNothing(t, client)
		server.Close()
		receiveNothing(t, client)
		g.Heal()
		receive(t, client, "fg")
		receiveError(t, client, io.EOF)
	})
}

func TestSlowKeepsTheOrder(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		g.Slow(silence)
		start := time.Now()
		send(t, server, "a")
		g.Slow(0)
		send(t, server, "b")
		server.Close()
		receive(t, client, "ab")
		receiveError(t, client, io.EOF)
		if took := time.Since(start); took < silence {
			t.Errorf("took %v, want at least %v", took, silence)
		}
	})
}

func TestResetGoesBehindWhatWasSent(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		send(t, server, "first rows")
		receive(t, client, "first rows")
		server.Reset()
		receiveError(t, client, syscall.ECONNRESET)
	})
}

func TestServerDeadline(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		receiveNothing(t, server)
		g.Freeze()
		go func() {
			time.Sleep(silence)
			_ = server.SetReadDeadline(time.Unix(1, 0)) // while the reader waits for the gate
		}()
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		g.Heal()
		_ = server.SetReadDeadline(time.Time{})
		send(t, client, "x")
		receive(t, server, "x")
	})
}

func TestAdmitIntoABlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate.New(0)
		defer g.Close()
		g.Vanish(gate.Requests)

		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := g.Admit(ctx, 0); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("admit: %v after %v", err, time.Since(start))
		}
		start = time.Now()
		if err := g.Admit(t.Context(), 0); !errors.Is(err, syscall.ETIMEDOUT) || time.Since(start) != 127*time.Second {
			t.Errorf("admit: %v after %v", err, time.Since(start))
		}
		start = time.Now()
		go func() { time.Sleep(time.Second); g.Heal() }()
		if err := g.Admit(t.Context(), 3); err != nil || time.Since(start) != time.Second+3 {
			t.Errorf("admit: %v after %v", err, time.Since(start))
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	eachNetwork(t, func(t *testing.T, g *gate.Gate, client net.Conn, server *gate.Conn) {
		g.Slow(time.Hour)
		send(t, server, "never")
		g.Vanish(gate.Requests)
		g.Close()
		receiveError(t, client, syscall.ECONNRESET)
		if g.Live() != 0 {
			t.Errorf("%d connections live", g.Live())
		}
	})
}
