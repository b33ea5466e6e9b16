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
	left atomic.Int64 // bytes that may still leave, plus one; 0: no limit
}

func (k *knife) cutAfter(n int64) { k.left.Store(n + 1) }

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
	dead  bool
}

func (c *knifed) Write(p []byte) (int, error) {
	limit := c.knife.left.Swap(0)
	if limit == 0 && !c.dead {
		return c.Conn.Write(p)
	}
	n := 0
	if !c.dead {
		n, _ = c.Conn.Write(p[:min(int64(len(p)), limit-1)])
		c.dead = true
		_ = c.Conn.Close() // the other side sees the end
	}
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
}

func (c *knifed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && c.dead {
		err = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return n, err
}
