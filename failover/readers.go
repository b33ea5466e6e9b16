package failover

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/awsdb/awsdb/core"
)

const (
	// avoidFor is how long a reader that failed is tried after the others.
	avoidFor = 30 * time.Second
	// readerPatience bounds an attempt on one reader while there are others.
	readerPatience = 3 * time.Second
)

// readers chooses among readers and remembers which failed lately. That is no
// verdict about the host, only an order of preference of one handle.
type readers struct {
	selector core.Selector

	mu   sync.Mutex // guards late
	late map[string]time.Time
}

func newReaders(s core.Selector) *readers {
	return &readers{selector: s, late: map[string]time.Time{}}
}

func (r *readers) failed(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late[id] = time.Now()
}

func (r *readers) succeeded(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.late, id)
}

func (r *readers) avoid(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.late[id]
	if ok && time.Since(at) >= avoidFor {
		delete(r.late, id)
		ok = false
	}
	return ok
}

// pick chooses one of hosts, preferring those that have not failed lately.
func (r *readers) pick(hosts []core.Host) core.Host {
	var good []core.Host
	for _, h := range hosts {
		if !r.avoid(h.ID) {
			good = append(good, h)
		}
	}
	if len(good) == 0 {
		good = hosts
	}
	return r.selector.Select(good)
}

var errNoReader = errors.New("the cluster has no reader")

// reader tries each reader once, in the selector's order, and then, if the mode
// allows, the writer.
func (l *landing) reader(ctx context.Context, mode Mode) (*core.Conn, error) {
	left := l.cluster.Topology().Readers()
	last := errNoReader
	for len(left) > 0 {
		h := l.plugin.readers.pick(left)
		left = without(left, h)
		c, err := l.openReader(ctx, h, mode, len(left) > 0 || mode == ReaderOrWriter)
		if err == nil {
			l.plugin.readers.succeeded(h.ID)
			return c, nil
		}
		last = err
		if ctx.Err() != nil || !(l.lost(ctx, err) || l.stale(err)) {
			return nil, err
		}
		l.plugin.readers.failed(h.ID)
	}
	if mode == StrictReader {
		return nil, last
	}
	h, ok := l.cluster.Topology().Writer()
	if !ok {
		return nil, last
	}
	return l.open(ctx, h, mode)
}

// openReader bounds the attempt when there is somebody else to try.
func (l *landing) openReader(ctx context.Context, h core.Host, mode Mode, others bool) (*core.Conn, error) {
	if !others {
		return l.open(ctx, h, mode)
	}
	attempt, cancel := context.WithTimeout(ctx, readerPatience)
	defer cancel()
	return l.open(attempt, h, mode)
}

func without(hosts []core.Host, h core.Host) []core.Host {
	var rest []core.Host
	for _, o := range hosts {
		if o != h {
			rest = append(rest, o)
		}
	}
	return rest
}
