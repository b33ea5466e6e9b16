package memnet_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const delay = 3 * time.Millisecond

func pipe() (client, server *memnet.Conn) {
	return memnet.Pipe(
		&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 5432}, delay)
}

// after runs f and checks how long it took and which error it gave.
func after(t *testing.T, took time.Duration, want error, f func() error) {
	t.Helper()
	start := time.Now()
	err := f()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("error %v, want %v", err, want)
	}
	if got := time.Since(start); got != took {
		t.Errorf("took %v, want %v", got, took)
	}
}

func read(conn net.Conn, want string) func() error {
	return func() error {
		p := make([]byte, len(want))
		if _, err := io.ReadFull(conn, p); err != nil {
			return err
		}
		if string(p) != want {
			return errors.New("read " + string(p))
		}
		return nil
	}
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Errorf("write: %v", err)
	}
}

func write(conn net.Conn) func() error {
	return func() error { _, err := conn.Write([]byte("x")); return err }
}

func TestDataTakesTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe()
		after(t, 0, nil, func() error { _, err := client.Write([]byte("hello ")); return err })
		time.Sleep(time.Millisecond)
		after(t, 0, nil, func() error { _, err := client.Write([]byte("world")); return err })
		after(t, delay, nil, read(server, "hello world"))
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe()
		_ = client.SetDeadline(time.Now().Add(time.Second))
		after(t, time.Second, os.ErrDeadlineExceeded, read(client, "x"))
		after(t, 0, os.ErrDeadlineExceeded, write(client))
		_ = client.SetDeadline(time.Time{})
		go func() {
			time.Sleep(2 * time.Second)
			_ = client.SetReadDeadline(time.Unix(1, 0)) // interrupts, as pgx does when a context ends
		}()
		after(t, 2*time.Second, os.ErrDeadlineExceeded, read(client, "x"))
		_ = client.SetReadDeadline(time.Time{})
		send(t, server, "x")
		after(t, delay, nil, read(client, "x"))
	})
}

func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func TestEnds(t *testing.T) {
	bubble(t, "close", func(t *testing.T) {
		client, server := pipe()
		send(t, server, "last words")
		server.Close()
		if !client.Alive() {
			t.Error("the close was known before it arrived")
		}
		after(t, delay, nil, read(client, "last words"))
		if client.Alive() {
			t.Error("alive after the peer's close")
		}
		after(t, 0, io.EOF, read(client, "x"))
		after(t, 0, net.ErrClosed, read(server, "x"))
		after(t, 0, net.ErrClosed, write(server))
		after(t, 0, net.ErrClosed, server.Close)
		after(t, 0, nil, write(client)) // the kernel cannot know yet
		time.Sleep(2 * delay)
		after(t, 0, syscall.EPIPE, write(client))
	})
	bubble(t, "reset", func(t *testing.T) {
		client, server := pipe()
		server.Reset()
		after(t, delay, syscall.ECONNRESET, read(client, "x"))
		after(t, 0, syscall.EPIPE, write(client))
		if client.Alive() {
			t.Error("alive after the peer's reset")
		}
	})
	bubble(t, "close with unread data resets", func(t *testing.T) {
		client, server := pipe()
		send(t, client, "never read")
		time.Sleep(delay)
		server.Close()
		after(t, delay, syscall.ECONNRESET, read(client, "x"))
	})
	bubble(t, "own close wakes a reader", func(t *testing.T) {
		client, _ := pipe()
		go func() { time.Sleep(time.Second); client.Close() }()
		after(t, time.Second, net.ErrClosed, read(client, "x"))
	})
}

func TestErrorsAreDressedAsByPackageNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe()
		server.Reset()
		_, err := client.Read(make([]byte, 1))
		if want := "read tcp 10.0.0.1:1->10.0.0.2:5432: read: connection reset by peer"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		_, server = pipe()
		_ = server.SetReadDeadline(time.Now())
		_, err = server.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("error %v is no timeout", err)
		}
	})
}

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe()
		send(t, server, "a")
		time.Sleep(delay) // it is there
		send(t, server, "b")
		server.Hold(true)
		send(t, server, "c")
		server.Close()
		if got := client.Pending(); got != 3 {
			t.Errorf("%d bytes pending, want 3", got)
		}
		after(t, 0, nil, read(client, "a"))
		_ = client.SetReadDeadline(time.Now().Add(time.Hour))
		after(t, time.Hour, os.ErrDeadlineExceeded, read(client, "b"))
		if !client.Alive() {
			t.Error("a held close is known")
		}
		_ = client.SetReadDeadline(time.Time{})
		server.Hold(false)
		after(t, delay, nil, read(client, "bc"))
		after(t, 0, io.EOF, read(client, "x"))
	})
}
