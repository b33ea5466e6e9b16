package cloud

import (
	"context"
	"net/http"
	"time"

	"github.com/awsdb/awsdb/lab/internal/gate"
)

// fault is what is wrong with an operation or a service.
type fault struct {
	healed   chan struct{} // closed by Heal; calls wait for it while hanging
	hanging  bool
	latency  time.Duration
	throttle int // so many of the next calls are refused
	limit    int // calls in a second; 0: no limit
	window   time.Time
	within   int // calls since window
	failure  *problem
}

// change makes f change the fault of an operation.
func (c *Cloud) change(o Operation, f func(*fault)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults[o] == nil {
		c.faults[o] = &fault{healed: make(chan struct{})}
	}
	f(c.faults[o])
}

// Throttle refuses the next calls of an operation or service, as AWS does when there are too many of them. SDKs repeat
// such a call.
func (c *Cloud) Throttle(o Operation, calls int) {
	c.change(o, func(f *fault) { f.throttle = calls })
}

// Limit refuses calls of an operation or service in the same way when more than perSecond begin in a second.
func (c *Cloud) Limit(o Operation, perSecond int) {
	c.change(o, func(f *fault) { f.limit, f.window, f.within = perSecond, time.Time{}, 0 })
}

// Fail makes an operation or service fail until [Cloud.Heal]. status is an HTTP status, such as 503 in an outage, and code
// what the service calls the error: "InternalServiceError" with 500, "DecryptionFailure" with 400; "" is
// "ServiceUnavailable". Pages have no code.
func (c *Cloud) Fail(o Operation, status int, code string) {
	if code == "" {
		code = "ServiceUnavailable"
	}
	c.change(o, func(f *fault) {
		f.failure = &problem{status: status, code: code, message: "The lab was told to fail."}
	})
}

// Hang lets calls of an operation or service wait until [Cloud.Heal] or until the client gives up.
func (c *Cloud) Hang(o Operation) {
	c.change(o, func(f *fault) { f.hanging = true })
}

// Slow lets each call of an operation or service take that long before anything else happens to it.
func (c *Cloud) Slow(o Operation, latency time.Duration) {
	c.change(o, func(f *fault) { f.latency = latency })
}

// Heal ends what Throttle, Limit, Fail, Hang and Slow have done to just this operation or service; with [Everything]
// what they have done to all of them.
func (c *Cloud) Heal(o Operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, f := range c.faults {
		if o == Everything || o == name {
			close(f.healed)
			delete(c.faults, name)
		}
	}
}

// Calls is how often an operation or service was called, whatever became of it.
func (c *Cloud) Calls(o Operation) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[o]
}

// fate counts a call, and lets it wait or fail as the faults want it.
func (c *Cloud) fate(ctx context.Context, o Operation) *problem {
	affected := []Operation{Everything, o.service(), o}
	c.mu.Lock()
	for _, name := range affected {
		c.calls[name]++
	}
	c.mu.Unlock()
	for _, name := range affected {
		c.delay(ctx, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range affected {
		if f := c.faults[name]; f != nil {
			if p := f.refuse(time.Now()); p != nil {
				return p
			}
		}
	}
	return nil
}

// delay waits as long as the fault of an operation wants it.
func (c *Cloud) delay(ctx context.Context, o Operation) {
	c.mu.Lock()
	var f fault
	if c.faults[o] != nil {
		f = *c.faults[o]
	}
	c.mu.Unlock()
	_ = gate.Sleep(ctx, f.latency) // who called looks at the context
	if f.hanging {
		select {
		case <-f.healed:
		case <-ctx.Done():
		}
	}
}

// refuse tells what a call fails with. The caller holds the cloud's mu.
func (f *fault) refuse(now time.Time) *problem {
	if now.Sub(f.window) >= time.Second {
		f.window, f.within = now, 0
	}
	f.within++
	switch {
	case f.throttle > 0:
		f.throttle--
	case f.limit > 0 && f.within > f.limit:
	case f.failure != nil:
		return f.failure
	default:
		return nil
	}
	return &problem{kind: throttled, status: http.StatusTooManyRequests, message: "Rate exceeded"}
}
