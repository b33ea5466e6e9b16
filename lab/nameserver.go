package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"golang.org/x/net/dns/dnsmessage"
)

// dialDNS connects net.DefaultResolver to the DNS of the published cluster, or else to the one that it wants.
func dialDNS(ctx context.Context, network, address string) (net.Conn, error) {
	if c := published.Load(); c != nil {
		return c.dialDNS()
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}

// dialDNS makes a connection in memory, over which DNS talks as over TCP.
func (c *Cluster) dialDNS() (net.Conn, error) {
	client, server := net.Pipe()
	if !c.run(func() { c.answerDNS(server) }) {
		return nil, net.ErrClosed
	}
	return client, nil
}

// answerDNS answers until the client hangs up or the cluster ends.
func (c *Cluster) answerDNS(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(c.life, func() { conn.Close() })
	defer stop()
	for {
		var size [2]byte // RFC 1035, 4.2.2: messages over TCP are preceded by their length
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		answer, err := c.answer(request)
		if err != nil {
			return // nonsense
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// ttl is that of Aurora's endpoints, in seconds.
const ttl = 5

// answer is the DNS message for another one, which has one question.
func (c *Cluster) answer(request []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(request); err != nil {
		return nil, err
	}
	if len(message.Questions) != 1 {
		return nil, errors.New("not one question")
	}
	question := message.Questions[0]
	message.Header = dnsmessage.Header{ID: message.ID, Response: true, RecursionDesired: message.RecursionDesired, RecursionAvailable: true}
	message.Additionals = nil
	i, name, err := c.resolve(c.life, canonical(question.Name.String()))
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		message.RCode = dnsmessage.RCodeNameError
	case err != nil || i == nil:
		message.RCode = dnsmessage.RCodeServerFailure
	default:
		message.Answers, err = c.records(question, i, name)
	}
	if err != nil && message.RCode == dnsmessage.RCodeSuccess {
		return nil, err
	}
	return message.Pack()
}

// records are the alias, if the name is one, and the address. There is none of IPv6.
func (c *Cluster) records(question dnsmessage.Question, i *Instance, name string) ([]dnsmessage.Resource, error) {
	header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: ttl}
	var records []dnsmessage.Resource
	if canonical(name) != canonical(question.Name.String()) {
		target, err := dnsmessage.NewName(name)
		if err != nil {
			return nil, err
		}
		header.Type = dnsmessage.TypeCNAME
		records = append(records, dnsmessage.Resource{Header: header, Body: &dnsmessage.CNAMEResource{CNAME: target}})
		header.Name = target
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if listener := c.listeners[i]; listener != nil && question.Type == dnsmessage.TypeA {
		header.Type = dnsmessage.TypeA
		address := listener.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		records = append(records, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
	}
	return records, nil
}
