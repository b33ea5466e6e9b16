package realmaria

import (
	"context"
	"io"
	"net"
	"sync"
)

// A relay is the address at which a server's readers replicate from it. Cutting it takes them away from a server that hears
// nothing any more: afterwards no reader can confirm a commit to it, and none waits for it.
type relay struct {
	listener net.Listener
	target   string // the server's own address
	tasks    sync.WaitGroup
	life     context.Context // ends with Close
	end      context.CancelFunc

	mu    sync.Mutex // guards the rest
	isCut bool
	conns map[net.Conn]struct{}
}

// newRelay starts a relay on a port of the system's choice. The caller closes it.
func newRelay(target string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, target: target, conns: make(map[net.Conn]struct{})}
	r.life, r.end = context.WithCancel(context.Background())
	r.tasks.Go(r.accept)
	return r, nil
}

func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

func (r *relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.tasks.Go(func() { r.serve(conn) })
	}
}

func (r *relay) serve(reader net.Conn) {
	defer reader.Close()
	if !r.add(reader) {
		return
	}
	defer r.remove(reader)
	var dialer net.Dialer
	server, err := dialer.DialContext(r.life, "tcp", r.target)
	if err != nil {
		return // the server is down
	}
	defer server.Close()
	if !r.add(server) {
		return
	}
	defer r.remove(server)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(reader, server) // either end may be cut at any time
		reader.Close()
	})
	_, _ = io.Copy(server, reader)
	server.Close()
	back.Wait()
}

// add notes a connection that is to be closed by a cut; false after one.
func (r *relay) add(conn net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isCut {
		r.conns[conn] = struct{}{}
	}
	return !r.isCut
}

func (r *relay) remove(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
}

// cut ends all connections, and every new one at once, until mend.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = true
	for conn := range r.conns {
		conn.Close()
	}
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isCut = false
}

func (r *relay) close() {
	r.end()
	r.listener.Close()
	r.cut()
	r.tasks.Wait()
}
