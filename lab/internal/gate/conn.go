package gate

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// Conn is the server's end of a connection, seen through the faults of its host. Read and Write are for one
// goroutine each; the other methods for any. Fields below the line are guarded by the gate's mu.
type Conn struct {
	gate    *Gate
	network Network
	number  uint64
	dead    chan struct{} // closed when the connection has been killed

	killed       bool
	ended        bool      // closed by the server
	resetLater   bool      // killed in a black hole: the peer learns of it when the network is back
	readDeadline time.Time // the server's
	resumeAt     time.Time // reads go on at this instant after a fault
	reading      bool      // a Read is waiting on the network
	settling     bool      // that read began before answers got lost and may still bring what was sent before
	allowed      int64     // bytes that may still be read; -1: no limit
	stash        []byte    // read from the network and not yet seen by the server
	stashErr     error     // what came after the stash

	writeDeadline time.Time
	queue         []chunk // to be sent, in order
	flushing      bool    // somebody is sending
	budget        int64   // bytes that may still be sent; -1: no limit
}

// Wrap returns the connection as the host's server sees it; to be called for each connection the host accepts.
func (g *Gate) Wrap(network Network) *Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	c := &Conn{gate: g, network: network, number: g.last, dead: make(chan struct{}), allowed: -1, budget: g.budget}
	g.conns[c.number] = c
	if g.flow == vanished { // accepted by the kernel just before, or dialed around Admit
		network.Hold(true)
		c.allowed = 0
	}
	if g.down || g.refusing {
		c.kill()
	}
	return c
}

// Killed is closed when a fault has ended the connection, or the gate's Close.
func (c *Conn) Killed() <-chan struct{} { return c.dead }

// Read reads what the faults let through.
func (c *Conn) Read(p []byte) (int, error) {
	g := c.gate
	g.mu.Lock()
	for {
		if n, err, done := c.readStash(p); done {
			g.mu.Unlock()
			return n, err
		}
		limit, wait := c.readable(len(p))
		if limit == 0 || c.stashErr != nil {
			c.wait(wait)
			continue
		}
		c.reading = true
		g.mu.Unlock()
		n, err := c.network.Read(p[:limit])
		g.mu.Lock()
		c.reading = false
		if n > 0 && err == nil && g.flow == running && len(c.stash) == 0 && !c.killed && !c.ended {
			g.mu.Unlock() // nothing is wrong: no detour
			return n, nil
		}
		c.stash, c.stashErr = append(c.stash, p[:n]...), c.keep(err)
		c.settle()
	}
}

// readStash answers a read from what is known. The caller holds mu.
func (c *Conn) readStash(p []byte) (n int, err error, done bool) {
	now := time.Now()
	switch {
	case c.killed:
		return 0, c.opError("read", syscall.ECONNRESET), true
	case c.ended:
		return 0, c.opError("read", net.ErrClosed), true
	case !c.readDeadline.IsZero() && !c.readDeadline.After(now):
		return 0, c.opError("read", os.ErrDeadlineExceeded), true
	case len(p) == 0:
		return 0, nil, true
	}
	limit, _ := c.readable(len(p))
	if limit > 0 && len(c.stash) > 0 {
		n = copy(p[:limit], c.stash)
		if c.stash = c.stash[n:]; len(c.stash) == 0 {
			c.stash = nil
		}
		if c.allowed > 0 {
			c.allowed -= int64(n)
		}
		return n, nil, true
	}
	if c.gate.flow == running && limit > 0 && c.stashErr != nil {
		return 0, c.stashErr, true
	}
	return 0, nil, false
}

// readable is how many bytes of size may be read now. When none, wait is the time until that may change by itself, or
// negative. The caller holds mu.
func (c *Conn) readable(size int) (limit int, wait time.Duration) {
	wait = -1
	if !c.readDeadline.IsZero() {
		wait = time.Until(c.readDeadline)
	}
	if c.gate.flow == frozen {
		return 0, wait
	}
	if !c.resumeAt.IsZero() {
		rest := time.Until(c.resumeAt)
		if rest > 0 {
			if wait < 0 || rest < wait {
				wait = rest
			}
			return 0, wait
		}
		c.resumeAt = time.Time{}
	}
	if c.allowed >= 0 {
		return int(min(c.allowed, int64(size))), wait
	}
	return size, wait
}

// wait releases mu until the gate's state or the connection's changes, or for the given time if it is not negative.
func (c *Conn) wait(limit time.Duration) {
	change := c.gate.change
	c.gate.mu.Unlock()
	defer c.gate.mu.Lock()
	if limit < 0 {
		select {
		case <-change:
		case <-c.dead:
		}
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-change:
	case <-c.dead:
	case <-timer.C:
	}
}

// keep returns the error of a network read if it says something about the connection: a timeout is either an
// interruption of ours or found again by looking at the deadline. The caller holds mu.
func (c *Conn) keep(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if !c.killed {
		_ = c.network.SetReadDeadline(c.readDeadline) // fails only when closed, which the next read says
	}
	return nil
}

// cut applies a black hole to the connection. The caller holds mu.
func (c *Conn) cut(lost Lost) {
	switch {
	case lost == Requests:
		c.allowed, c.settling = 0, false
	case c.reading:
		// The reader may have data in its hands that is no longer among the pending. Wake it; it settles what is
		// left.
		c.allowed, c.settling = 0, true
		_ = c.network.SetReadDeadline(past)
	default:
		c.allowed = int64(c.network.Pending() + len(c.stash))
	}
}

// settle ends a cut that had to wait for the reader: what it brought was sent before. The caller holds mu.
func (c *Conn) settle() {
	if c.settling {
		c.settling = false
		c.allowed = int64(len(c.stash) + c.network.Pending())
	}
}

var past = time.Unix(1, 0)

// kill ends the connection without a word of the server's. The caller holds mu.
func (c *Conn) kill() {
	if c.killed {
		return
	}
	c.killed, c.queue = true, nil
	close(c.dead)
	if c.gate.flow == vanished {
		c.resetLater = true
		_ = c.network.SetDeadline(past) // wakes whoever waits on it
		return
	}
	c.remove()
	c.network.Reset()
}

// remove forgets the connection. The caller holds mu.
func (c *Conn) remove() { delete(c.gate.conns, c.number) }

func (c *Conn) opError(op string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// LocalAddr is the host's address.
func (c *Conn) LocalAddr() net.Addr { return c.network.LocalAddr() }

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.network.RemoteAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds present and future reads.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.readDeadline = t
	if c.gate.flow != running || !c.resumeAt.IsZero() {
		c.gate.changed() // a Read may be waiting here instead of on the network
	}
	if c.killed || c.ended || c.settling {
		return nil
	}
	return c.network.SetReadDeadline(t)
}

// SetWriteDeadline makes writes that begin later than t fail. Writes do not wait long: what the network does not
// take is queued.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.writeDeadline = t
	return nil
}
