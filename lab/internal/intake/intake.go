// Package intake reads a connection all the time, so that a server notices the end of it while a statement runs.
package intake

import (
	"io"
	"sync"
)

// chunkSize is how much is read from a connection at once, bytes.
const chunkSize = 8192

// Intake holds what has been read from a connection and not been taken yet, without bound: the peer is a test on the same
// machine. Take and Ready are for one goroutine at a time.
type Intake struct {
	from  io.Reader
	gone  func()
	ready chan struct{}
	done  chan struct{}

	mu     sync.Mutex
	buffer []byte
	err    error
}

// New starts reading. The goroutine it starts ends when reading fails, which closing the connection makes it do; then it
// calls gone, once.
func New(from io.Reader, gone func()) *Intake {
	in := &Intake{from: from, gone: gone, ready: make(chan struct{}, 1), done: make(chan struct{})}
	go in.run()
	return in
}

// Ready receives when there may be something to take.
func (in *Intake) Ready() <-chan struct{} { return in.ready }

// Done is closed when the goroutine has ended.
func (in *Intake) Done() <-chan struct{} { return in.done }

func (in *Intake) run() {
	defer close(in.done)
	chunk := make([]byte, chunkSize)
	for {
		n, err := in.from.Read(chunk)
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

// Take gives what has been read, and then the error that ended reading; 0 and nil when there is nothing now.
func (in *Intake) Take(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.buffer) == 0 {
		return 0, in.err
	}
	n := copy(p, in.buffer)
	in.buffer = in.buffer[n:]
	if len(in.buffer) == 0 {
		in.buffer = nil
	}
	return n, nil
}
