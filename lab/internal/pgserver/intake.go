package pgserver

import (
	"errors"
	"io"
	"net"
	"sync"
)

// intakeSize is how much is read from a connection at once.
const intakeSize = 8192

// intake reads a connection all the time, so that the end of it is noticed while a statement runs. What it has read
// waits without bound; the peer is a test on the same machine.
type intake struct {
	conn  net.Conn
	gone  func()        // called once, when the connection has ended
	ready chan struct{} // there is something to take
	done  chan struct{} // its goroutine has ended

	mu     sync.Mutex
	buffer []byte
	err    error
}

// newIntake starts reading. The goroutine ends when reading fails; closing the connection makes it.
func newIntake(conn net.Conn, gone func()) *intake {
	in := &intake{conn: conn, gone: gone, ready: make(chan struct{}, 1), done: make(chan struct{})}
	go in.run()
	return in
}

func (in *intake) run() {
	defer close(in.done)
	chunk := make([]byte, intakeSize)
	for {
		n, err := in.conn.Read(chunk)
		in.mu.Lock()
		in.buffer = append(in.buffer, chunk[:n]...)
		in.err = err
		in.mu.Unlock()
		select {
		case in.ready <- struct{}{}:
		default:
		}
		if err != nil {
			in.gone()
			return
		}
	}
}

// take gives what has been read, and then the error that ended reading; 0 and nil when there is nothing now.
func (in *intake) take(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.buffer) == 0 {
		if in.err != nil && !errors.Is(in.err, io.EOF) {
			return 0, errConnection
		}
		return 0, in.err
	}
	n := copy(p, in.buffer)
	in.buffer = in.buffer[n:]
	if len(in.buffer) == 0 {
		in.buffer = nil
	}
	return n, nil
}
