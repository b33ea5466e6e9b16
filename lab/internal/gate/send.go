package gate

import (
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// chunk is data to send, or the end of the connection.
type chunk struct {
	due  time.Time
	data []byte
	end  end
}

type end int

const (
	open end = iota
	closed
	reset
)

// Write sends p, or queues it when a fault keeps it back.
func (c *Conn) Write(p []byte) (int, error) {
	g := c.gate
	g.mu.Lock()
	switch {
	case c.killed:
		g.mu.Unlock()
		return 0, c.opError("write", syscall.EPIPE)
	case c.ended:
		g.mu.Unlock()
		return 0, c.opError("write", net.ErrClosed)
	case !c.writeDeadline.IsZero() && !c.writeDeadline.After(time.Now()):
		g.mu.Unlock()
		return 0, c.opError("write", os.ErrDeadlineExceeded)
	}
	delay := g.latency + g.slow
	if delay == 0 && len(c.queue) == 0 && !c.flushing && g.flow == running && c.budget < 0 {
		c.flushing = true
		g.mu.Unlock()
		n, err := c.network.Write(p)
		g.mu.Lock()
		c.flushing = false
		g.flushLater(c)
		g.mu.Unlock()
		return n, err
	}
	c.queue = append(c.queue, chunk{due: time.Now().Add(delay), data: slices.Clone(p)})
	g.flushLater(c)
	g.mu.Unlock()
	return len(p), nil
}

// Close ends the connection behind what is still queued.
func (c *Conn) Close() error {
	c.finish(closed)
	return nil
}

// Reset is Close with a reset instead of an orderly end.
func (c *Conn) Reset() { c.finish(reset) }

func (c *Conn) finish(how end) {
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.ended || c.killed {
		c.ended = true
		return
	}
	c.ended = true
	if len(c.queue) == 0 && !c.flushing && g.flow == running && c.budget < 0 {
		c.hangUp(how)
		return
	}
	_ = c.network.SetReadDeadline(past) // nobody reads any more
	c.queue = append(c.queue, chunk{due: time.Now(), end: how})
	g.flushLater(c)
	g.changed()
}

// hangUp ends the connection on the network. The caller holds mu.
func (c *Conn) hangUp(how end) {
	c.remove()
	if how == reset {
		c.network.Reset()
	} else {
		c.network.Close()
	}
}

// flushLater starts a goroutine that sends what is queued, unless there is one or nothing can be sent.
// The caller holds mu.
func (g *Gate) flushLater(c *Conn) {
	if c.flushing || !c.sendable() {
		return
	}
	c.flushing = true
	g.flushers.Go(c.flush)
}

// sendable reports whether the head of the queue may leave, now or when it is due. The caller holds mu.
func (c *Conn) sendable() bool {
	return len(c.queue) > 0 && !c.killed && c.gate.flow == running && c.budget != 0
}

// flush sends the queue in order until it is empty or a fault stops it.
func (c *Conn) flush() {
	g := c.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	for c.sendable() {
		head := &c.queue[0]
		if rest := time.Until(head.due); rest > 0 {
			c.wait(rest)
			continue
		}
		if head.end != open {
			how := head.end
			c.queue = nil
			c.hangUp(how)
			break
		}
		data := head.data
		if c.budget > 0 && int64(len(data)) > c.budget {
			data = data[:c.budget]
		}
		if head.data = head.data[len(data):]; len(head.data) == 0 {
			c.queue = c.queue[1:]
		}
		if c.budget > 0 {
			c.budget -= int64(len(data))
		}
		g.mu.Unlock()
		_, err := c.network.Write(data)
		g.mu.Lock()
		if err != nil {
			c.queue = nil
			if c.ended && !c.killed {
				c.hangUp(reset)
			}
			break
		}
	}
	c.flushing = false
}
