package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
	"github.com/awsdb/awsdb/lab/internal/memnet"
)

// transport is how connections to the instances are made.
type transport interface {
	listen(i *Instance) error
	dial(ctx context.Context, i *Instance, stagger time.Duration) (net.Conn, error)
	answerDelay(latency time.Duration) time.Duration // what the gate adds before each answer
	settle()                                         // waits until what was sent last has arrived
}

// DialContext connects to an instance by the cluster's DNS names, the addresses its LookupHost gives, or
// [Instance.ListenAddr]; it is what a driver's dial function should be. Nothing outside the cluster can be
// reached. Errors are those of the operating system: connection refused, no route to host, and so on. On
// loopback the connection is a plain *net.TCPConn.
func (c *Cluster) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	target, i, err := c.route(ctx, network, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: target, Err: err}
	}
	i.dials.Add(1)
	conn, err := c.transport.dial(ctx, i, stagger(i))
	var opError *net.OpError
	switch {
	case errors.As(err, &opError):
		opError.Addr = target
		return nil, opError
	case err != nil:
		return nil, &net.OpError{Op: "dial", Net: network, Addr: target, Err: err}
	}
	return conn, nil
}

// route finds the instance at an address. The returned address is for error messages and may be nil.
func (c *Cluster) route(ctx context.Context, network, addr string) (net.Addr, *Instance, error) {
	if network != "tcp" && network != "tcp4" {
		return nil, nil, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, nil, &net.AddrError{Err: "invalid port", Addr: service}
	}
	ips, err := c.LookupHost(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	ip, err := netip.ParseAddr(ips[0])
	if err != nil {
		return nil, nil, &net.AddrError{Err: "invalid address", Addr: ips[0]}
	}
	target := netip.AddrPortFrom(ip.Unmap(), uint16(number))
	i, err := c.at(target)
	return net.TCPAddrFromAddrPort(target), i, err
}

// at is the instance that listens at an address.
func (c *Cluster) at(target netip.AddrPort) (*Instance, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, connectError(syscall.ECONNREFUSED)
	}
	for _, i := range c.instances {
		if i.ip == target.Addr() {
			if int(target.Port()) != c.port() {
				return nil, connectError(syscall.ECONNREFUSED)
			}
			return i, nil
		}
		if i.listener != nil && i.listener.Addr().(*net.TCPAddr).AddrPort() == target {
			return i, nil
		}
	}
	return nil, connectError(syscall.EHOSTUNREACH)
}

func connectError(errno syscall.Errno) error { return os.NewSyscallError("connect", errno) }

// stagger is a delay of some nanoseconds that differs between dials, so that what several connections do because
// of one event happens in the same order in every run. It depends on the instant and the target only: a count of
// dials would depend on who comes first of two at the same instant, as when pgx sends a cancel request in the
// background while database/sql dials anew.
func stagger(i *Instance) time.Duration {
	hash := uint64(time.Now().UnixNano()) ^ uint64(i.ip.As4()[3])<<56
	hash *= 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio: spreads neighbouring instants
	return time.Duration(hash>>(64-staggerBits))*2 + 1
}

const (
	staggerBits = 12
	maxStagger  = 2 << staggerBits // nanoseconds
)

// admit is what both networks do first: the time a SYN and its answer take, and what the host says to it.
func admit(ctx context.Context, i *Instance, roundTrip, stagger time.Duration) error {
	sleep, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(i.cluster.life, cancel)()
	if err := gate.Sleep(sleep, roundTrip); err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	err := i.gate.Admit(ctx, stagger)
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return connectError(errno)
	}
	return err
}

// loopback is TCP on 127.0.0.1. A host that refuses or has vanished does so in dial; its listener stays, so that the
// port does, and resets those who come around dial.
type loopback struct{}

func (loopback) answerDelay(latency time.Duration) time.Duration { return 2 * latency }

func (loopback) settle() {}

func (loopback) listen(i *Instance) error {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("listen on loopback: %w", err)
	}
	i.listener = listener
	return nil
}

func (loopback) dial(ctx context.Context, i *Instance, stagger time.Duration) (net.Conn, error) {
	if err := admit(ctx, i, 2*i.cluster.options.Latency, stagger); err != nil {
		return nil, err
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp4", i.listener.Addr().String())
}

// memory makes connections in memory.
type memory struct{ latency time.Duration }

func (memory) answerDelay(time.Duration) time.Duration { return 0 } // the connections have it

// settle lets the resets arrive that Close sends. Clients that wait for their connections see them then, and
// not only after the test: a synctest bubble in which the test has ended has no time any more.
func (m memory) settle() { time.Sleep(m.latency + maxStagger) } //ci:wait virtual time, and less than a millisecond of it

func (memory) listen(*Instance) error { return nil }

func (m memory) dial(ctx context.Context, i *Instance, stagger time.Duration) (net.Conn, error) {
	delay := m.latency + stagger
	if err := admit(ctx, i, 2*delay, stagger); err != nil {
		return nil, err
	}
	client := &net.TCPAddr{IP: net.IPv4(10, 20, 255, 1), Port: 32768 + int(stagger)} // the same in every run
	server := net.TCPAddrFromAddrPort(netip.AddrPortFrom(i.ip, uint16(i.cluster.port())))
	clientEnd, serverEnd := memnet.Pipe(client, server, delay)
	if !i.serve(serverEnd) {
		return nil, connectError(syscall.ECONNREFUSED)
	}
	return clientEnd, nil
}
