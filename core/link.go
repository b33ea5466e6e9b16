package core

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Link owns one socket, under TLS. It counts what is written, stamps when an
// operation began to wait, and can be cut from any goroutine with a reason that
// the reader of the socket then sees. Drivers hide why a connection broke; the
// Link remembers.
//
// A Link exists from the moment its dial begins, so that a dial or a login that
// hangs can be cut like a query that hangs.
type Link struct {
	cluster *Cluster
	owner   *Connector // nil for monitoring connections
	side    bool       // a driver's cancel request

	host          atomic.Pointer[string] // instance ID, or the address until it is known
	target        string                 // address that the connection was opened for
	network, addr string                 // what was dialled for it
	want          atomic.Uint32          // Role the connection was opened for

	conn  net.Conn // set once, by attach, before anybody reads or writes
	raw   syscall.Conn
	heard func() // called when something was read; nil: nobody wants to know

	written   atomic.Int64 // bytes accepted by the kernel
	readSince atomic.Int64 // nanotime when the Read (or dial) in flight began to wait, 0 if none
	writeAt   atomic.Int64 // nanotime when the last Write began, 0 if none; odd until it has returned
	answered  atomic.Int64 // value of written at the last Read; pgx may read in two goroutines at once

	lost      atomic.Pointer[LostError]
	expired   atomic.Bool // a deadline that the driver had set has passed
	condemned atomic.Pointer[LostError]
	opening   atomic.Bool // not handed out yet: dialling, logging in, being verified
	lifted    atomic.Bool // TCP_USER_TIMEOUT was taken off
	released  atomic.Bool // the driver's connection has been closed; it may still be cleaning up

	mu     sync.Mutex // guards attaching against aborting and closing
	closed bool
	cancel context.CancelCauseFunc // of the dial; nil when it is over
}

// processStart makes stamps small and monotonic.
var processStart = time.Now()

// writing is the bit of a stamp that tells that its Write has not returned.
const writing = 1

// nanotime is an even number. It may be negative: in a testing/synctest bubble
// the clock begins in the year 2000.
func nanotime() int64 { return int64(time.Since(processStart)) &^ writing }

// Host is the ID of the instance at the other end, or the dialled address until
// the server has said who it is.
func (l *Link) Host() string { return *l.host.Load() }

// Connector returns the handle the connection belongs to; nil for one of our own.
func (l *Link) Connector() *Connector { return l.owner }

// Want is the role the connection was opened for; RoleUnknown means any.
func (l *Link) Want() Role { return Role(l.want.Load()) }

// Written is the number of bytes handed to the kernel so far.
func (l *Link) Written() int64 { return l.written.Load() }

// Blocked is how long the operation in flight (dial, read or write) has been
// waiting. It is zero when none is.
func (l *Link) Blocked() time.Duration {
	since := l.readSince.Load()
	if w := l.writeAt.Load(); w&writing != 0 && (since == 0 || w < since) {
		since = w &^ writing
	}
	if since == 0 {
		return 0
	}
	return time.Duration(nanotime() - since)
}

// Writing is how long the Write in flight has been waiting for room at the other end,
// zero when none is.
func (l *Link) Writing() time.Duration {
	if w := l.writeAt.Load(); w&writing != 0 {
		return time.Duration(nanotime() - w&^writing)
	}
	return 0
}

// LiftUserTimeout takes TCP_USER_TIMEOUT off the socket. The kernel holds it also
// against a peer that is alive and acknowledges, but has no room for more (COPY into a
// table that somebody has locked). It is for callers who find out by themselves
// whether the host is alive.
func (l *Link) LiftUserTimeout() {
	l.mu.Lock()
	tcp, ok := l.conn.(*net.TCPConn)
	l.mu.Unlock()
	if !ok || l.lifted.Swap(true) {
		return
	}
	if err := setUserTimeout(tcp, 0); err != nil {
		l.cluster.log.Debug("cannot lift tcp user timeout", "host", l.Host(), "error", err)
	}
}

// Lost returns why the connection is gone, or nil.
func (l *Link) Lost() *LostError { return l.lost.Load() }

// Condemned returns why the connection must not be used again although it may
// still work (its host's role has changed), or nil.
func (l *Link) Condemned() error {
	if e := l.condemned.Load(); e != nil {
		return e
	}
	return nil
}

// Condemn marks the connection so that its pool drops it before anybody gets
// it. What is running on it goes on. The first cause stays.
func (l *Link) Condemn(cause error) {
	l.condemned.CompareAndSwap(nil, &LostError{Host: l.Host(), Aborted: true, Err: cause, link: l})
}

// Abort cuts the connection: the dial, Read or Write in flight and all later
// ones fail with a *LostError holding cause. It does not block, may be called
// from any goroutine and more than once; the first cause stays.
func (l *Link) Abort(cause error) {
	lost := &LostError{Host: l.Host(), Aborted: true, Err: cause, link: l}
	l.condemned.CompareAndSwap(nil, lost)
	if !l.lost.CompareAndSwap(nil, lost) {
		return
	}
	l.mu.Lock()
	conn, cancel := l.conn, l.cancel
	l.mu.Unlock()
	if cancel != nil {
		cancel(lost)
	}
	if conn != nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // nobody is left to read what is queued; best effort
		}
		_ = conn.Close() // the socket is given up; nothing can be done about an error
	}
}

// attach gives the dialled socket to the Link. It reports false, and closes the
// socket, when the Link was cut or closed meanwhile.
func (l *Link) attach(conn net.Conn) bool {
	l.mu.Lock()
	gone := l.closed || l.lost.Load() != nil
	if !gone {
		l.conn = conn
		l.raw, _ = conn.(syscall.Conn)
	}
	cancel := l.cancel
	l.cancel = nil // the dial is over: do not keep its contexts for the life of the connection
	l.mu.Unlock()
	cancel(nil)
	l.readSince.Store(0)
	if gone {
		_ = conn.Close() // never used
	}
	return !gone
}

// Read implements net.Conn. The wait for an answer began with the request: only
// a Read that follows another one needs to look at the clock.
func (l *Link) Read(p []byte) (int, error) {
	since := l.writeAt.Load()
	if sent := l.written.Load(); sent != l.answered.Load() {
		l.answered.Store(sent)
	} else {
		since = nanotime()
	}
	l.readSince.Store(since)
	n, err := l.conn.Read(p)
	l.readSince.Store(0)
	if n > 0 && l.heard != nil {
		l.heard()
	}
	if err != nil {
		err = l.failed(err)
	}
	return n, err
}

// Write implements net.Conn.
func (l *Link) Write(p []byte) (int, error) {
	now := nanotime()
	l.writeAt.Store(now | writing)
	n, err := l.conn.Write(p)
	l.writeAt.Store(now)
	if n > 0 {
		l.written.Add(int64(n))
	}
	if err != nil {
		err = l.failed(err)
	}
	return n, err
}

// idle is how long ago the last Write began.
func (l *Link) idle() time.Duration { return time.Duration(nanotime() - l.writeAt.Load()) }

// failed records the first real fault of the socket and returns what the driver
// shall see. A deadline that the driver set (for its caller's context) and our
// own Close are no faults. ETIMEDOUT is one: the kernel gave up on the peer.
func (l *Link) failed(err error) error {
	if lost := l.lost.Load(); lost != nil {
		return lost
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		l.expired.Store(true)
		return err
	}
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	if closed {
		return err
	}
	l.lost.CompareAndSwap(nil, &LostError{Host: l.Host(), Err: err, link: l})
	return l.lost.Load()
}

// TimedOut tells that a limit which the driver itself has set for reading or writing
// (go-sql-driver's readTimeout) has passed, or returns nil. If the driver then says
// that the connection is closed, this is why.
func (l *Link) TimedOut() *LostError {
	if !l.expired.Load() {
		return nil
	}
	return &LostError{Host: l.Host(), Err: os.ErrDeadlineExceeded, link: l}
}

// Close implements net.Conn.
func (l *Link) Close() error {
	l.mu.Lock()
	closed, conn, cancel := l.closed, l.conn, l.cancel
	l.closed = true
	l.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	l.cluster.unregister(l)
	if cancel != nil {
		cancel(net.ErrClosed)
	}
	if conn == nil {
		return nil
	}
	err := conn.Close()
	if l.lost.Load() != nil {
		return nil // it was cut long ago; closing it again is no error
	}
	return err
}

// peer is the address of the socket's other end; nil while there is none.
func (l *Link) peer() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if tcp, ok := l.conn.(*net.TCPConn); ok {
		return tcp.RemoteAddr()
	}
	return nil
}

// Place is where the socket leads, or is being opened to: a connection to the same
// address leads to the same machine. An application's dialer may know hosts by name
// only; then it is what that was given.
func (l *Link) Place() (network, addr string) {
	if peer := l.peer(); peer != nil && l.owner != nil && l.owner.plainDial {
		return l.network, peer.String()
	}
	return l.network, l.addr
}

// LocalAddr implements net.Conn.
func (l *Link) LocalAddr() net.Addr { return l.conn.LocalAddr() }

// RemoteAddr implements net.Conn.
func (l *Link) RemoteAddr() net.Addr { return l.conn.RemoteAddr() }

// SetDeadline implements net.Conn.
func (l *Link) SetDeadline(t time.Time) error { return l.conn.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (l *Link) SetReadDeadline(t time.Time) error { return l.conn.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (l *Link) SetWriteDeadline(t time.Time) error { return l.conn.SetWriteDeadline(t) }

// SyscallConn implements syscall.Conn, so that a driver's own liveness check
// still sees the socket. In-memory connections have none: errors.ErrUnsupported.
func (l *Link) SyscallConn() (syscall.RawConn, error) {
	if l.raw == nil {
		return nil, errors.ErrUnsupported
	}
	return l.raw.SyscallConn()
}

// peerState is what a look at an idle socket tells without reading from it.
type peerState uint8

const (
	peerQuiet   peerState = iota // nothing to read: alive as far as the kernel knows
	peerWaiting                  // something to read: a notice, or the server's last words
	peerGone                     // closed or reset by the other side
)

// peek looks at an idle socket without blocking. In-memory connections may tell
// by a method Alive() bool.
func (l *Link) peek() peerState {
	if l.lost.Load() != nil {
		return peerGone
	}
	if l.raw != nil {
		return peekSocket(l.raw)
	}
	if c, ok := l.conn.(interface{ Alive() bool }); ok && !c.Alive() {
		return peerGone
	}
	return peerQuiet
}
