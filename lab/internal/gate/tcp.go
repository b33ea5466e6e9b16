package gate

import (
	"net"
	"time"
)

// TCP makes a TCP connection a [Network].
func TCP(conn *net.TCPConn) Network { return tcp{conn} }

type tcp struct{ *net.TCPConn }

func (c tcp) Reset() {
	_ = c.SetLinger(0) // fails when closed already, as Close does
	c.Close()
}

func (c tcp) Pending() int { return pending(c.TCPConn) }

// Hold does nothing: what was written to a loopback socket has arrived.
func (c tcp) Hold(bool) {}

func (c tcp) Delay() time.Duration { return 0 }
