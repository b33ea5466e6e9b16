// Package memnet makes connections that behave like TCP but live in memory.
//
// They wait only on channels and timers, so that a program using them can run in a testing/synctest bubble,
// and writes never block, as with a socket whose kernel buffer is large enough (net.Pipe has no buffer at all:
// two peers that write at the same time stop for good).
package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a connection made by [Pipe].
type Conn struct {
	receive, send *stream // the streams towards us and towards the peer
	local, remote net.Addr
	delay         time.Duration // one way

	mu            sync.Mutex
	writeDeadline time.Time
	brokenAt      time.Time // when the answer to a write after the peer's close arrives; zero: never
}

// Pipe returns the two ends of a new connection on which everything takes delay to arrive.
func Pipe(client, server net.Addr, delay time.Duration) (clientEnd, serverEnd *Conn) {
	up, down := &stream{}, &stream{}
	clientEnd = &Conn{receive: down, send: up, local: client, remote: server, delay: delay}
	serverEnd = &Conn{receive: up, send: down, local: server, remote: client, delay: delay}
	return clientEnd, serverEnd
}

// Read reads what has arrived, and waits for the first byte. It fails with io.EOF after the peer's Close,
// ECONNRESET after its Reset, os.ErrDeadlineExceeded or net.ErrClosed.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.receive.read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.opError("read", err)
	}
	return n, err
}

// Write sends p and returns at once.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.writable(); err != nil {
		return 0, c.opError("write", err)
	}
	now := time.Now()
	if !c.send.append(p, now.Add(c.delay)) {
		// The peer has closed. Its kernel answers this segment with a reset, one round trip from now.
		c.mu.Lock()
		if c.brokenAt.IsZero() {
			c.brokenAt = now.Add(2 * c.delay)
		}
		c.mu.Unlock()
	}
	return len(p), nil
}

func (c *Conn) writable() error {
	if c.receive.isClosed() {
		return net.ErrClosed
	}
	now := time.Now()
	if c.receive.endedBy(now, syscall.ECONNRESET) {
		return syscall.EPIPE
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.brokenAt.IsZero() && !c.brokenAt.After(now) {
		return syscall.EPIPE
	}
	if !c.writeDeadline.IsZero() && !c.writeDeadline.After(now) {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// opError dresses err as package net would.
func (c *Conn) opError(op string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = os.NewSyscallError(op, err)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends the connection. The peer reads what is on its way and then io.EOF, or ECONNRESET when
// something it sent had arrived here and was never read, as kernels do.
func (c *Conn) Close() error {
	unread, first := c.receive.close()
	if !first {
		return c.opError("close", net.ErrClosed)
	}
	end := io.EOF
	if unread {
		end = error(syscall.ECONNRESET)
	}
	c.send.finish(end, time.Now().Add(c.delay))
	return nil
}

// Reset ends the connection with a reset, as a socket closed with a linger time of zero does.
func (c *Conn) Reset() {
	if _, first := c.receive.close(); first {
		c.send.finish(syscall.ECONNRESET, time.Now().Add(c.delay))
	}
}

// Alive reports whether the peer's end is, as far as is known here, still open. It reads nothing.
func (c *Conn) Alive() bool {
	now := time.Now()
	return !c.receive.isClosed() && !c.receive.endedBy(now, io.EOF) && !c.receive.endedBy(now, syscall.ECONNRESET)
}

// Pending is the number of bytes the peer has sent and Read has not returned, those on their way included.
func (c *Conn) Pending() int { return c.receive.pending() }

// Delay is the time anything takes to the peer.
func (c *Conn) Delay() time.Duration { return c.delay }

// Hold keeps everything that has not yet arrived at the peer, a close included, from arriving, or, with false, lets it
// go on.
func (c *Conn) Hold(on bool) { c.send.hold(on, c.delay) }

// LocalAddr is the address given to [Pipe] for this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address given to [Pipe] for the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds present and future reads; the zero time removes the bound.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.receive.setDeadline(t) {
		return c.opError("set", net.ErrClosed)
	}
	return nil
}

// SetWriteDeadline makes writes fail from t on. As writes never wait, it interrupts none.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	return nil
}
