// Package mysqlproxy copies the connection of a MySQL client to a server and back, and changes what it has to on the way: the
// texts of statements, so that a MariaDB server can seem to have the variables and tables of Amazon Aurora, and
// TLS, which it offers and speaks itself, so that the texts can be read.
//
// It follows a session's packets, not its meaning. Compression is taken out of what the server offers: client and server
// then talk without, and every packet can be read.
package mysqlproxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy says what to change. The zero value changes nothing but the offer of compression and TLS.
type Proxy struct {
	// Rewrite returns what the server gets instead of a statement that the client sends for execution (COM_QUERY) or
	// preparation (COM_STMT_PREPARE). Statements of 16 MB and more, which take several packets, are not asked about. It may
	// be called from many goroutines. nil changes no statement.
	Rewrite func(sql string) string
	// TLS is offered to clients, if it is not nil. The server is always spoken to without TLS.
	TLS *tls.Config
	// RequireTLS refuses clients that do not ask for TLS with error 3159. It needs TLS.
	RequireTLS bool
}

// Copy copies between a client that has just connected and a server that it has just been connected to, until one of them
// ends the connection, and returns the error that the server's end was lost with: ECONNRESET for instance, nil for
// an orderly end. A client's end is passed on to the server, whose answers are still waited for. Copy closes neither
// connection. Whoever wants to stop it closes both.
func (p *Proxy) Copy(client, server net.Conn) error {
	s := &session{Proxy: p, client: client, server: server}
	if err := s.begin(); err != nil {
		if errors.Is(err, errEnded) {
			return nil
		}
		return err
	}
	var requests sync.WaitGroup
	requests.Go(s.requests)
	err := s.answers()
	// Whatever the client says now, nobody hears it.
	_ = client.SetReadDeadline(time.Unix(1, 0))
	requests.Wait()
	if errors.Is(err, os.ErrDeadlineExceeded) { // set by stop
		return nil
	}
	return err
}

// A session is one client's connection.
type session struct {
	*Proxy
	client net.Conn // through TLS, after that has begun
	server net.Conn
	// shift is how far the numbers of the client's packets are ahead of the server's during the login: TLS begins with a
	// packet that the server does not get.
	shift byte
	// loggedIn: packets are commands and answers from now on. It is set before the client hears of it.
	loggedIn atomic.Bool
}

// errEnded is the cause when a session ended before its login, by the client or by an answer of the proxy's.
var errEnded = errors.New("the session has ended")

// begin passes on the server's greeting and the client's answer to it, and starts TLS in between.
func (s *session) begin() error {
	greeting, err := readPacket(s.server)
	if errors.Is(err, io.EOF) {
		return nil // answers meets the same end
	} else if err != nil {
		return err
	}
	offerTLS(greeting.payload, s.TLS != nil)
	if _, err := s.client.Write(greeting.bytes()); err != nil {
		return errEnded
	}
	if greeting.isError() {
		return nil // the server takes no more sessions, and ends this one
	}
	response, err := readPacket(s.client)
	if err != nil {
		return errEnded
	}
	if s.TLS != nil && asksForTLS(response.payload) {
		// Closing the session is the caller's business, and closes the connection below.
		secured := tls.Server(s.client, s.TLS)
		if err := secured.Handshake(); err != nil {
			return errEnded
		}
		s.client, s.shift = secured, 1
		if response, err = readPacket(s.client); err != nil {
			return errEnded
		}
	} else if s.RequireTLS {
		_, _ = s.client.Write(insecureTransport(response.number + 1)) // the session ends, whether or not the client hears why
		return errEnded
	}
	withoutTLS(response.payload)
	response.number -= s.shift
	if _, err := s.server.Write(response.bytes()); err != nil {
		return nil // answers finds out why
	}
	return nil
}

// answers passes on what the server sends, up to its end.
func (s *session) answers() error {
	for !s.loggedIn.Load() {
		answer, err := readPacket(s.server)
		if errors.Is(err, io.EOF) {
			return s.goodbye()
		} else if err != nil {
			return err
		}
		if answer.isOK() {
			s.loggedIn.Store(true)
		}
		answer.number += s.shift
		if _, err := s.client.Write(answer.bytes()); err != nil {
			return nil
		}
	}
	read := recorder{Reader: s.server}
	if _, err := io.Copy(s.client, &read); err == nil {
		return s.goodbye()
	}
	return read.err
}

// goodbye tells a client behind TLS that nothing was cut off: the server has ended the session in order.
func (s *session) goodbye() error {
	if secured, ok := s.client.(*tls.Conn); ok {
		_ = secured.CloseWrite() // fails when the client was faster
	}
	return nil
}

// requests passes on what the client sends, up to its end.
func (s *session) requests() {
	var last header // of the packet before
	for {
		h, err := readHeader(s.client)
		if err != nil {
			s.stop(err)
			return
		}
		if !s.loggedIn.Load() {
			h.number -= s.shift
		}
		// A file that LOAD DATA LOCAL sends and a long command are in packets that count on from the one before, round
		// after round; an empty packet ends a file.
		command := h.number == 0 && !(last.number == 255 && last.length > 0)
		last = h
		if err := s.request(h, command && s.loggedIn.Load() && s.Rewrite != nil); err != nil {
			s.stop(err)
			return
		}
	}
}

// request passes on one packet, and asks what to make of it if it is the first of a command.
func (s *session) request(h header, command bool) error {
	if !command || h.length < 2 || h.length == maxPayload {
		return s.forward(h, nil)
	}
	kind := make([]byte, 1)
	if _, err := io.ReadFull(s.client, kind); err != nil {
		return err
	}
	if kind[0] != commandQuery && kind[0] != commandPrepare {
		return s.forward(h, kind)
	}
	text := make([]byte, h.length-1)
	if _, err := io.ReadFull(s.client, text); err != nil {
		return err
	}
	changed := s.Rewrite(string(text))
	if len(changed)+1 >= maxPayload {
		changed = string(text) // the answer to two packets has another number than the answer to one
	}
	p := packet{header: header{length: len(changed) + 1, number: h.number}, payload: append(kind, changed...)}
	_, err := s.server.Write(p.bytes())
	return err
}

// forward passes on a packet of which the first bytes have been read already.
func (s *session) forward(h header, read []byte) error {
	if _, err := s.server.Write(append(h.bytes(), read...)); err != nil {
		return err
	}
	_, err := io.CopyN(s.server, s.client, int64(h.length-len(read)))
	return err
}

// stop tells the server that the client has ended the connection, in its own words.
func (s *session) stop(err error) {
	half, ok := s.server.(interface{ CloseWrite() error })
	if ok && errors.Is(err, io.EOF) {
		_ = half.CloseWrite() // fails when the server was faster
		return
	}
	_ = s.server.SetDeadline(time.Unix(1, 0)) // ends answers; fails when the connection has been closed, which ends it too
}

// recorder remembers the error of its reads, to tell those of a copy from its write errors.
type recorder struct {
	io.Reader
	err error
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = fmt.Errorf("reading from the server: %w", err)
	}
	return n, err
}
