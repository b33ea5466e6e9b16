package realserver

import (
	"context"
	"time"
)

// A Control lets one call at a time change a cluster, and closing it ends them all. Use [NewControl].
type Control struct {
	slot   chan struct{}   // holds one token; whoever has taken it may change what follows, and the cluster
	ended  context.Context // done once Close has been called
	end    context.CancelFunc
	err    error // of calls to a closed cluster
	closed bool
}

// NewControl makes a Control whose calls return err after Close.
func NewControl(err error) *Control {
	c := &Control{slot: make(chan struct{}, 1), err: err}
	c.slot <- struct{}{}
	c.ended, c.end = context.WithCancel(context.Background())
	return c
}

// Do calls work while no other call changes the cluster. Close ends its context.
func (c *Control) Do(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ended, func() { cancel(c.err) })()
	select {
	case <-c.slot:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { c.slot <- struct{}{} }()
	if c.closed {
		return c.err
	}
	return work(ctx)
}

// Close interrupts the call that changes the cluster, waits for it, and then calls work; when called again it does nothing.
func (c *Control) Close(work func() error) error {
	c.end()
	<-c.slot
	defer func() { c.slot <- struct{}{} }()
	if c.closed {
		return nil
	}
	c.closed = true
	return work()
}

// pollInterval is how often Poll looks.
const pollInterval = 5 * time.Millisecond

// Poll calls check until it returns true, an error, or ctx ends.
func Poll(ctx context.Context, check func() (bool, error)) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if done, err := check(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// Pause waits for d or the end of ctx.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
