package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// published is the cluster whose names net.DefaultResolver knows. Those are of the whole process, so there can be one.
var published atomic.Pointer[Cluster]

// replaceResolver is done once and for ever: whoever has looked a name up may still be reading net.DefaultResolver.
var replaceResolver = sync.OnceFunc(func() { net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: dialDNS} })

// Publish makes the cluster's names work for everything in this process, for programs that take nothing but a connection
// string. Each instance there is listens on a loopback address of its own as well, at the engine's own port, and until Close
// net.DefaultResolver, which is replaced, knows this cluster and nothing else. Call it before anything looks names up. A
// process can publish one cluster at a time. An instance that is down lets clients connect, and resets them.
//
// It needs a system on which all of 127.0.0.0/8 is local, such as Linux, and no cluster in memory.
func (c *Cluster) Publish() error {
	if c.options.Network != Loopback {
		return errors.New("lab: a cluster in memory cannot be published: leave Network as lab.Loopback")
	}
	if !published.CompareAndSwap(nil, c) {
		return errors.New("lab: another cluster of this process is published: close that first")
	}
	listeners, err := listenAtPort(c.Instances(), c.port())
	if err != nil {
		published.CompareAndSwap(c, nil) // Close may have done so, and let another be published
		return fmt.Errorf("lab: publish: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		closeAll(listeners)
		published.CompareAndSwap(c, nil) // Close may have done so, and let another be published
		return errors.New("lab: publish: the cluster is closed")
	}
	c.listeners = listeners
	for i, listener := range listeners {
		c.goroutines.Go(func() { i.accept(listener) })
	}
	replaceResolver()
	return nil
}

// listenAtPort finds each instance an address at which the port is free.
func listenAtPort(instances []*Instance, port int) (map[*Instance]*net.TCPListener, error) {
	listeners := map[*Instance]*net.TCPListener{}
	for _, i := range instances {
		listener, err := listenSomewhere(port)
		if err != nil {
			closeAll(listeners)
			return nil, err
		}
		listeners[i] = listener
	}
	return listeners, nil
}

// listenSomewhere listens on a loopback address drawn at random: other processes may run tests, too.
func listenSomewhere(port int) (*net.TCPListener, error) {
	const attempts = 100
	var err error
	for range attempts {
		ip := net.IPv4(127, byte(1+rand.IntN(254)), byte(rand.IntN(256)), byte(1+rand.IntN(254))) //nolint:gosec // no secret
		var listener *net.TCPListener
		if listener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: ip, Port: port}); err == nil {
			return listener, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return nil, err
}

func closeAll(listeners map[*Instance]*net.TCPListener) {
	for _, l := range listeners {
		l.Close()
	}
}

// unpublish takes the names back. The caller holds mu.
func (c *Cluster) unpublish() {
	closeAll(c.listeners)
	c.listeners = nil
	published.CompareAndSwap(c, nil)
}
