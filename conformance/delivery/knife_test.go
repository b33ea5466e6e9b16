package delivery

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
)

// knife cuts what the client sends.
type knife struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	plan atomic.Pointer[plan] // for the connection that sends next
}

// plan is where a connection is cut: after so many requests, of which each is one
// Write, and so many bytes of the next; or before the answer to the last of them.
type plan struct {
	requests, bytes int
	answer          bool
}

func (k *knife) cut(p plan) { k.plan.Store(&p) }

func (k *knife) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := k.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &knifed{Conn: c, knife: k}, nil
}

type knifed struct {
	net.Conn
	knife *knife
	plan  *plan
	dead  bool
}

func (c *knifed) Write(p []byte) (int, error) {
	if plan := c.knife.plan.Swap(nil); plan != nil {
		c.plan = plan
	}
	switch {
	case c.dead:
		return 0, reset("write")
	case c.plan == nil:
		return c.Conn.Write(p)
	case c.plan.requests > 0:
		n, err := c.Conn.Write(p)
		if c.plan.requests--; c.plan.requests == 0 && c.plan.answer {
			c.end()
		}
		return n, err
	}
	n, _ := c.Conn.Write(p[:min(len(p), c.plan.bytes)])
	c.end()
	return n, reset("write")
}

func (c *knifed) end() {
	c.dead = true
	_ = c.Conn.Close() // the other side sees the end
}

func reset(op string) error { return &net.OpError{Op: op, Net: "tcp", Err: syscall.ECONNRESET} }

func (c *knifed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.dead {
		err = reset("read")
	}
	return n, err
}
