package mysqlserver

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// sink is a connection that keeps what is written to it.
type sink struct {
	net.Conn
	bytes.Buffer
}

func (s *sink) Read(p []byte) (int, error)  { return s.Buffer.Read(p) }
func (s *sink) Write(p []byte) (int, error) { return s.Buffer.Write(p) }

// TestPackets: what is written can be read, whatever its size, compressed or not.
func TestPackets(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		for _, size := range []int{0, 1, 49, 50, 1000, maxFrame - 1, maxFrame, 2 * maxFrame} {
			if compressed && size > maxFrame {
				continue
			}
			wire := &sink{}
			p := &packets{in: wire, out: wire}
			q := &packets{in: wire, out: wire}
			if compressed {
				p.compression, q.compression = &compression{in: wire}, &compression{in: wire}
			}
			want := bytes.Repeat([]byte("abc\x00"), size/4+1)[:size]
			if err := errors.Join(p.write(want), p.write([]byte("next")), p.flush()); err != nil {
				t.Fatal(err)
			}
			for _, want := range [][]byte{want, []byte("next")} {
				got, err := q.read()
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("compressed %v, %d bytes: got %d and %v", compressed, len(want), len(got), err)
				}
			}
			if p.sequence != q.sequence {
				t.Errorf("sequences %d and %d", p.sequence, q.sequence)
			}
		}
	}
}

func TestBadPackets(t *testing.T) {
	number := func(err error) uint16 {
		var failure *Error
		if errors.As(err, &failure) {
			return failure.Number
		}
		return 0
	}
	cases := []struct {
		name       string
		compressed bool
		data       []byte
		want       uint16 // 0: a plain error of the connection
	}{
		{name: "out of order", data: []byte{1, 0, 0, 5, 'x'}, want: 1156},
		{name: "cut", data: []byte{5, 0, 0, 0, 'x'}},
		{name: "continued out of order", data: bytes.Repeat(append([]byte{0xff, 0xff, 0xff, 0}, make([]byte, maxFrame)...), 2), want: 1156},
		{name: "compressed out of order", compressed: true, data: []byte{1, 0, 0, 1, 0, 0, 0, 'x'}, want: 1156},
		{name: "not compressed at all", compressed: true, data: []byte{1, 0, 0, 0, 9, 0, 0, 'x'}, want: 1157},
	}
	for _, c := range cases {
		wire := &sink{}
		wire.Buffer.Write(c.data)
		p := &packets{in: wire, out: wire}
		if c.compressed {
			p.compression = &compression{in: wire}
		}
		if _, err := p.readCommand(); err == nil || number(err) != c.want {
			t.Errorf("%s: got %v, want error %d", c.name, err, c.want)
		}
	}
}

func TestTooLargePacket(t *testing.T) {
	wire := &sink{}
	for i := range maxPacket/maxFrame + 1 {
		wire.Buffer.Write([]byte{0xff, 0xff, 0xff, byte(i)})
		wire.Buffer.Write(make([]byte, maxFrame))
	}
	_, err := (&packets{in: wire, out: wire}).readCommand()
	var failure *Error
	if !errors.As(err, &failure) || failure.Number != 1153 {
		t.Errorf("got %v, want error 1153", err)
	}
}

func TestIntegers(t *testing.T) {
	for _, n := range []uint64{0, 250, 251, 252, 255, 1<<16 - 1, 1 << 16, 1<<24 - 1, 1 << 24, 1<<64 - 1} {
		r := reader{data: appendInteger(nil, n)}
		if got := r.integer(); got != n || r.broken || len(r.data) != 0 {
			t.Errorf("%d came back as %d", n, got)
		}
	}
	r := reader{data: appendString(nil, "abc")}
	if diff := cmp.Diff("abc", string(r.counted())); diff != "" {
		t.Error(diff)
	}
	for _, data := range [][]byte{{}, {0xfb}, {0xff}, {0xfc, 1}, {0xfe, 1, 2, 3}} {
		r := reader{data: data}
		if r.integer(); !r.broken {
			t.Errorf("%x is taken for an integer", data)
		}
	}
}

// FuzzPackets: nothing a client sends makes the server panic or read without end.
func FuzzPackets(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 3}, false)
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, true)
	f.Add([]byte("\x20\x00\x00\x01\x85\xa2\x3f\x00\x00\x00\x00\x01\x21"), false)
	f.Fuzz(func(t *testing.T, data []byte, compressed bool) {
		wire := &sink{}
		wire.Buffer.Write(data)
		p := &packets{in: wire, out: wire}
		if compressed {
			p.compression = &compression{in: wire}
		}
		for range 100 {
			packet, err := p.read()
			if err != nil {
				if errors.Is(err, io.ErrNoProgress) {
					t.Error(err)
				}
				return
			}
			parseResponse(packet)
			for count := range 3 {
				_, _, _ = parameters(&reader{data: packet}, count, nil, nil)
			}
		}
	})
}

// FuzzSession: no command makes a session panic, and the server goes on.
func FuzzSession(f *testing.F) {
	for _, s := range []string{"\x03SELECT 1", "\x16SELECT ?", "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\x08\x00\x05\x00\x00\x00\x00\x00\x00\x00", "\x1f", "\x0e",
		"\x03INSERT INTO t VALUES (1, 'x') ON DUPLICATE KEY UPDATE b = CONCAT(b, a)", "\x03SELECT a / 0, b + 1, a = b FROM t GROUP BY a, b HAVING COUNT(*) > '0'",
		"\x03SELECT SUBSTRING(b, a, -1), LPAD(b, 9, ''), ROUND(a, -400), DATE_ADD(b, INTERVAL a YEAR) FROM t", "\x03SET @a = 1, sql_mode = ''", "\x03SHOW VARIABLES"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, command []byte) {
		if bytes.Contains(bytes.ToLower(command), []byte("sleep")) || bytes.Contains(bytes.ToLower(command), []byte("load")) || bytes.Contains(command, []byte("seq_")) {
			t.Skip("waits, or makes many rows")
		}
		server := New(Config{Store: sqlengine.NewStore(), Host: newHost("mydb-1", true), Database: "shop"})
		client, end := net.Pipe()
		defer client.Close()
		defer end.Close()
		wire := &sink{}
		s := newSession(server, end, end, 1)
		s.packets = &packets{in: wire, out: wire}
		defer func() {
			end.Close()
			s.close()
		}()
		for _, c := range [][]byte{[]byte("\x03CREATE TABLE IF NOT EXISTS t (a INT PRIMARY KEY, b VARCHAR(9))"), []byte("\x16SELECT ? + 1"), command, []byte("\x0e")} {
			_ = s.command(c)
		}
		if bytes.Contains(wire.Bytes(), []byte("internal error")) {
			t.Errorf("%q made the engine panic", command)
		}
	})
}
