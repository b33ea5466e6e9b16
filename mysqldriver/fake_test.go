package mysqldriver

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// fakeServer speaks as much of MySQL's protocol as these tests need. It accepts
// every login. What the server itself does is tested in the lab.
type fakeServer struct {
	addr      string                     // of the listener
	tls       atomic.Pointer[tls.Config] // nil: no TLS
	encrypted atomic.Bool                // a login came over TLS
	replies   map[string]fakeReply       // by statement; all others succeed without rows

	mu         sync.Mutex
	statements []string
	users      []string
	conns      map[net.Conn]bool
	serving    sync.WaitGroup
}

// fakeReply is the answer to one statement.
type fakeReply struct {
	columns []string // names; those that begin with # are BIGINT NOT NULL
	rows    [][]any
	err     *mysql.MySQLError // in the place of rows, or after them
	hangUp  bool              // after the rows
	silent  bool              // after the rows
}

// startFake listens on loopback until the test ends.
func startFake(t *testing.T, replies map[string]fakeReply) *fakeServer {
	t.Helper()
	s := newFake(t, replies)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	s.serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			s.open(c)
		}
	})
	t.Cleanup(func() { _ = listener.Close() })
	return s
}

func newFake(t *testing.T, replies map[string]fakeReply) *fakeServer {
	s := &fakeServer{replies: replies, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		s.hangUp()
		s.serving.Wait()
	})
	return s
}

func (s *fakeServer) open(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	s.serving.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
			_ = c.Close()
		}()
		_ = s.serve(&fakeWire{Conn: c})
	})
}

// dial is a dialer for connections in memory.
func (s *fakeServer) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.open(theirs)
	return ours, nil
}

// hangUp closes all connections, as a server does whose clients are idle for long.
func (s *fakeServer) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// seen returns the statements so far, those of the monitor excepted.
func (s *fakeServer) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statements)
}

func (s *fakeServer) logins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.users)
}

var errHungUp = errors.New("hung up")

func (s *fakeServer) serve(w *fakeWire) error {
	const capabilities = 0x00000001 | 0x200 | 0x8000 | 0x20000 | 0x80000 // long password, protocol 4.1, authentication, multiple results
	caps := uint32(capabilities)
	secure := s.tls.Load()
	if secure != nil {
		caps |= 0x800
	}
	greeting := append([]byte("\x0a8.0.39\x00\x01\x00\x00\x00abcdefgh\x00"), byte(caps), byte(caps>>8), 45, 2, 0, byte(caps>>16), byte(caps>>24), 21)
	greeting = append(append(greeting, make([]byte, 10)...), "ijklmnopqrst\x00mysql_native_password\x00"...)
	if err := w.send(greeting); err != nil {
		return err
	}
	login, err := w.receive()
	if err == nil && secure != nil && len(login) == 32 {
		w.Conn = tls.Server(w.Conn, secure)
		login, err = w.receive()
		s.encrypted.Store(err == nil)
	}
	if err != nil {
		return err
	}
	user, _, _ := strings.Cut(string(login[32:]), "\x00")
	s.mu.Lock()
	s.users = append(s.users, user)
	s.mu.Unlock()
	if err := w.send(fakeOK(0)); err != nil {
		return err
	}
	var prepared string
	for {
		command, err := w.receive()
		if err != nil {
			return err
		}
		switch command[0] {
		case 0x01: // quit
			return nil
		case 0x16: // prepare
			prepared = string(command[1:])
			columns, parameters := s.replies[prepared].columns, strings.Count(prepared, "?")
			err = w.send([]byte{0, 1, 0, 0, 0, byte(len(columns)), 0, byte(parameters), 0, 0, 0, 0})
			err = errors.Join(err, w.columns(slices.Repeat([]string{"?"}, parameters)), w.columns(columns))
		case 0x17: // execute
			err = s.answer(w, prepared, true)
		case 0x19: // close a statement: no answer
		case 0x03:
			err = s.answer(w, string(command[1:]), false)
		default: // ping, reset
			err = w.send(fakeOK(0))
		}
		if err != nil {
			return err
		}
	}
}

// answer answers the parts of statement that "; " separates.
func (s *fakeServer) answer(w *fakeWire, statement string, binary bool) error {
	s.mu.Lock()
	s.statements = append(s.statements, statement)
	s.mu.Unlock()
	parts := strings.Split(statement, "; ")
	for i, part := range parts {
		var more byte
		if i < len(parts)-1 {
			more = 8
		}
		r := s.replies[part]
		if len(r.columns) > 0 {
			if err := errors.Join(w.send([]byte{byte(len(r.columns))}), w.columns(r.columns)); err != nil {
				return err
			}
		}
		for _, row := range r.rows {
			if err := w.send(fakeRow(row, binary)); err != nil {
				return err
			}
		}
		var err error
		switch {
		case r.hangUp:
			return errHungUp
		case r.silent:
			_, err = w.receive() // the client gives up
			return cmp.Or(err, errHungUp)
		case r.err != nil:
			return w.send(fakeError(r.err))
		case len(r.columns) > 0:
			err = w.send([]byte{0xfe, 0, 0, 2 | more, 0})
		default:
			err = w.send(fakeOK(more))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func fakeOK(more byte) []byte { return []byte{0, 3, 7, 2 | more, 0, 0, 0} } // 3 rows affected, last insert id 7

func fakeError(e *mysql.MySQLError) []byte {
	state := cmp.Or(strings.Trim(string(e.SQLState[:]), "\x00"), "HY000")
	return append(append(binary.LittleEndian.AppendUint16([]byte{0xff}, e.Number), '#'), state+e.Message...)
}

func fakeRow(row []any, isBinary bool) []byte {
	var b []byte
	if isBinary {
		b = make([]byte, 1+(len(row)+9)/8) // no NULL
	}
	for _, v := range row {
		if n, ok := v.(int); ok && isBinary {
			b = binary.LittleEndian.AppendUint64(b, uint64(n))
			continue
		}
		text := fmt.Sprint(v)
		b = append(append(b, byte(len(text))), text...)
	}
	return b
}

// fakeWire reads and writes packets.
type fakeWire struct {
	net.Conn
	sequence byte
}

func (w *fakeWire) receive() ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(w.Conn, header[:]); err != nil {
		return nil, err
	}
	w.sequence = header[3] + 1
	packet := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
	_, err := io.ReadFull(w.Conn, packet)
	return packet, err
}

func (w *fakeWire) send(packet []byte) error {
	_, err := w.Write(append([]byte{byte(len(packet)), byte(len(packet) >> 8), byte(len(packet) >> 16), w.sequence}, packet...))
	w.sequence++
	return err
}

func (w *fakeWire) columns(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		kind, flags := byte(253), byte(0) // VARCHAR
		if strings.HasPrefix(name, "#") {
			kind, flags = 8, 1 // BIGINT NOT NULL
		}
		b := append([]byte("\x03def\x00\x00\x00"), byte(len(name)))
		b = append(append(append(b, name...), 0, 0x0c, 45, 0, 80, 0, 0, 0), kind, flags, 0, 0, 0, 0)
		if err := w.send(b); err != nil {
			return err
		}
	}
	return w.send([]byte{0xfe, 0, 0, 2, 0})
}
