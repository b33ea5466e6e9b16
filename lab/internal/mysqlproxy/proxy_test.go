package mysqlproxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every test. Only one that fails waits for so long.
const patience = 20 * time.Second

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{dialed, accepted} {
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
	}
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// proxied starts a session through the proxy; done gets Copy's result.
func proxied(t *testing.T, p *Proxy) (client, server *net.TCPConn, done chan error) {
	t.Helper()
	client, inner := pair(t)
	outer, server := pair(t)
	done = make(chan error, 1)
	go func() {
		err := p.Copy(inner, outer)
		inner.Close()
		outer.Close()
		done <- err
	}()
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server, done
}

func send(t *testing.T, conn net.Conn, number byte, payload string) {
	t.Helper()
	if _, err := conn.Write(packet{header{len(payload), number}, []byte(payload)}.bytes()); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, conn net.Conn, number byte, payload string) {
	t.Helper()
	got, err := readPacket(conn)
	if err != nil {
		t.Fatalf("waiting for %.40q: %v", payload, err)
	}
	if got.number != number || string(got.payload) != payload {
		t.Fatalf("got %d %.40q, want %d %.40q", got.number, got.payload, number, payload)
	}
}

// greeting has the capabilities in their two places; what else it says does not matter.
func greeting(capabilities uint32) string {
	b := []byte("\x0a10.11-test\x00idididid\x00\x00\x00\x00\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(capabilities))
	b = append(b, "\x21\x02\x00"...)
	b = binary.LittleEndian.AppendUint16(b, uint16(capabilities>>16))
	return string(append(b, "\x15 the rest"...))
}

func response(capabilities uint32, rest string) string {
	return string(binary.LittleEndian.AppendUint32(nil, capabilities)) + rest
}

const others = 1<<9 | 1<<24 // capabilities that are not the proxy's business

// login brings a session to the point where commands begin.
func login(t *testing.T, client, server net.Conn) {
	t.Helper()
	send(t, server, 0, greeting(others|capabilityCompress|capabilityTLS))
	want(t, client, 0, greeting(others))
	send(t, client, 1, response(others|capabilityCompress, "app"))
	want(t, server, 1, response(others, "app"))
	send(t, server, 2, "\xfeplugin")
	want(t, client, 2, "\xfeplugin")
	send(t, client, 3, "\x03select 1: a password")
	want(t, server, 3, "\x03select 1: a password")
	send(t, server, 4, "\x00OK")
	want(t, client, 4, "\x00OK")
}

func shout(sql string) string { return strings.ToUpper(sql) }

func TestCommands(t *testing.T) {
	client, server, done := proxied(t, &Proxy{Rewrite: func(sql string) string { return shout(sql) + " indeed" }})
	login(t, client, server)
	for _, command := range []struct{ sent, got string }{
		{"\x03select 1", "\x03SELECT 1 indeed"},
		{"\x16insert", "\x16INSERT indeed"},
		{"\x03", "\x03"},
		{"\x0e", "\x0e"},
		{"\x17select", "\x17select"}, // an execution
		{"", ""},
	} {
		send(t, client, 0, command.sent)
		want(t, server, 0, command.got)
		send(t, server, 1, "\x00OK")
		want(t, client, 1, "\x00OK")
	}
	// The content of a file is not a command, whatever number its packets have.
	for number := range 600 {
		send(t, client, byte(number+2), "\x03file")
		want(t, server, byte(number+2), "\x03file")
	}
	send(t, client, byte(602&0xff), "")
	want(t, server, byte(602&0xff), "")
	send(t, client, 0, "\x03a")
	want(t, server, 0, "\x03A indeed")

	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the client's end: %v, want EOF", err)
	}
	send(t, server, 1, "\x00late")
	want(t, client, 1, "\x00late")
	server.Close()
	if err := <-done; err != nil {
		t.Errorf("Copy: %v", err)
	}
}

// TestFileEndsAtTheTurn: a file whose last, empty packet has number 255 is followed by a command.
func TestFileEndsAtTheTurn(t *testing.T) {
	client, server, _ := proxied(t, &Proxy{Rewrite: shout})
	login(t, client, server)
	for number := range 254 {
		send(t, client, byte(number+1), "\x03file")
		want(t, server, byte(number+1), "\x03file")
	}
	send(t, client, 255, "")
	want(t, server, 255, "")
	send(t, client, 0, "\x03a")
	want(t, server, 0, "\x03A")
}

// TestLongCommands: what is as long as a packet can be, or would be after the change, stays as it is.
func TestLongCommands(t *testing.T) {
	client, server, _ := proxied(t, &Proxy{Rewrite: func(sql string) string { return shout(sql) + "!" }})
	login(t, client, server)
	for _, length := range []int{maxPayload - 2, maxPayload - 1, maxPayload} {
		sent := "\x03" + strings.Repeat("a", length-1)
		expected := sent
		if length == maxPayload-2 {
			expected = "\x03" + strings.Repeat("A", length-1) + "!"
		}
		failed := make(chan error, 1)
		go func() {
			_, err := client.Write(packet{header{len(sent), 0}, []byte(sent)}.bytes())
			failed <- err
		}()
		got, err := readPacket(server)
		if err != nil || <-failed != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.payload, []byte(expected)) {
			t.Errorf("%d bytes became %d, %.10q", length, len(got.payload), got.payload)
		}
		if length == maxPayload {
			send(t, client, 1, "\x03rest")
			want(t, server, 1, "\x03rest")
		}
	}
}

func TestServerIsFull(t *testing.T) {
	client, server, done := proxied(t, &Proxy{})
	send(t, server, 0, "\xff\x10\x04Too many connections")
	want(t, client, 0, "\xff\x10\x04Too many connections")
	server.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("afterwards: %v, want EOF", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Copy: %v", err)
	}
}

// TestLosses: Copy says how the server's end was lost, in every phase, and nothing of the client's.
func TestLosses(t *testing.T) {
	greet := func(t *testing.T, client, server net.Conn) {
		send(t, server, 0, greeting(others))
		want(t, client, 0, greeting(others))
	}
	answer := func(t *testing.T, client, server net.Conn) {
		greet(t, client, server)
		send(t, client, 1, response(others, "app"))
		want(t, server, 1, response(others, "app"))
	}
	phases := map[string]func(t *testing.T, client, server net.Conn){
		"connected": func(*testing.T, net.Conn, net.Conn) {}, "logging in": answer, "logged in": login,
	}
	for phase, reach := range phases {
		for name, lose := range map[string]func(client, server *net.TCPConn) error{
			"server reset":  func(_, server *net.TCPConn) error { return errors.Join(server.SetLinger(0), server.Close()) },
			"server closed": func(_, server *net.TCPConn) error { return server.Close() },
			"client reset":  func(client, _ *net.TCPConn) error { return errors.Join(client.SetLinger(0), client.Close()) },
		} {
			t.Run(phase+", "+name, func(t *testing.T) {
				client, server, done := proxied(t, &Proxy{Rewrite: shout})
				reach(t, client, server)
				if err := lose(client, server); err != nil {
					t.Fatal(err)
				}
				if phase == "connected" && name == "client reset" {
					server.Close() // the proxy first waits for the greeting
				}
				select {
				case err := <-done:
					if reset := name == "server reset"; errors.Is(err, syscall.ECONNRESET) != reset || !reset && err != nil {
						t.Errorf("Copy: %v", err)
					}
				case <-time.After(patience):
					t.Error("Copy goes on")
				}
			})
		}
	}
}

func TestInsecureTransport(t *testing.T) {
	client, server, done := proxied(t, &Proxy{TLS: &tls.Config{}, RequireTLS: true})
	send(t, server, 0, greeting(others))
	want(t, client, 0, greeting(others|capabilityTLS))
	send(t, client, 1, response(others, "app"))
	got, err := readPacket(client)
	if err != nil || got.number != 2 || !got.isError() || binary.LittleEndian.Uint16(got.payload[1:]) != 3159 {
		t.Errorf("a client without TLS got %d %q, %v", got.number, got.payload, err)
	}
	if err := <-done; err != nil {
		t.Errorf("Copy: %v", err)
	}
	if n, err := server.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("the server heard of it")
	}
}

func TestOfferTLS(t *testing.T) {
	for _, test := range []struct {
		name, before, after string
		offer               bool
	}{
		{"offer", greeting(others | capabilityZstd), greeting(others | capabilityTLS), true},
		{"withdraw", greeting(others | capabilityTLS), greeting(others), false},
		{"another protocol", "\x09text\x00", "\x09text\x00", true},
		{"cut off", greeting(0)[:30], greeting(0)[:30], true},
		{"no text", "\x0a", "\x0a", true},
		{"empty", "", "", true},
	} {
		b := []byte(test.before)
		offerTLS(b, test.offer)
		if diff := cmp.Diff(test.after, string(b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
