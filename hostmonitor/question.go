package hostmonitor

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awsdb/awsdb/core"
)

// verdict is what a question to a host has shown.
type verdict uint8

const (
	alive   verdict = iota // it answered, if only to refuse
	silent                 // it did not answer, or cannot be reached
	unclear                // it was not asked, or it was another that answered
)

var (
	errElsewhere = errors.New("the address leads to another instance")
	errSuspended = errors.New("this process was suspended meanwhile")
	errPanic     = errors.New("panic in a callback")
	errSilent    = errors.New("it says nothing")
)

// alarm rings when a host has said nothing for limit.
type alarm struct {
	limit atomic.Int64 // a time.Duration
	timer *time.Timer
	heard atomic.Pointer[time.Time] // when it was asked, or has last said something
}

func newAlarm(limit time.Duration, ring func(cause error)) *alarm {
	now := time.Now()
	a := &alarm{}
	a.limit.Store(int64(limit))
	a.heard.Store(&now)
	a.timer = time.AfterFunc(limit, func() {
		if time.Since(*a.heard.Load()) > limit+lag {
			ring(errSuspended) // an answer may have come as well, while nobody looked
			return
		}
		ring(errSilent)
	})
	return a
}

// hear is told that the host has said something, if only a part of an answer.
func (a *alarm) hear() {
	now := time.Now()
	a.heard.Store(&now)
	a.timer.Reset(time.Duration(a.limit.Load()))
}

// ask puts one question, and says what the answer, or that there was none, means. A
// host that says anything has limit again: a login is several answers, each of which
// may take as long as one to a ping.
func (p *prober) ask(ctx context.Context, w *waiting, limit time.Duration) (verdict, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := newAlarm(limit, cancel)
	defer a.timer.Stop()
	p.alarm.Store(a)
	err := p.question(ctx, w)
	p.heard = *a.heard.Load()
	var e *core.Error
	switch {
	case err == nil:
		return alive, nil
	case errors.Is(context.Cause(ctx), errSuspended):
		return unclear, errSuspended
	case errors.As(err, &e) && e.Phase == "credentials", errors.Is(err, core.ErrClosed), errors.Is(err, errElsewhere), errors.Is(err, errPanic), ours(err):
		return unclear, err
	case ctx.Err() != nil:
		return silent, context.Cause(ctx) // err says that our context has ended
	}
	switch w.link.Connector().Classify(err) {
	case core.FaultLink, core.FaultClosed, core.FaultCanceled: // cancelled by a limit of the driver's own
		return silent, err
	case core.FaultNone:
		if p.conn == nil {
			return unclear, err // TLS, or an error of the application's dialer
		}
	}
	if errors.Is(err, driver.ErrBadConn) {
		return silent, err
	}
	return alive, err
}

// ours tells that an error is of this machine or of the name server.
func ours(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, new(*net.DNSError))
}

// question pings the host. What goes wrong on a connection that has been open for long
// is tried again on a new one. Callbacks of the application (dialer, credentials) may
// panic.
func (p *prober) question(ctx context.Context, w *waiting) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
			w.link.Connector().Log().Error("host monitor panicked", "host", p.place.host, "panic", r)
		}
	}()
	if p.conn != nil {
		err := p.ping(ctx, w.options)
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.disconnect(err)
	}
	return p.connect(ctx, w)
}

// ping uses the connection that is open. If one silent interval is all it takes, half
// of it is for a new connection: this one may be all that is broken.
func (p *prober) ping(ctx context.Context, o Options) error {
	if o.Count > 1 {
		return p.conn.Ping(ctx)
	}
	half := o.Interval / 2
	ctx, cancel := context.WithTimeout(ctx, half)
	defer cancel()
	err := p.conn.Ping(ctx)
	if err != nil {
		p.alarm.Load().limit.Store(int64(half)) // also for what the new connection may have to say
	}
	return err
}

// hear is told that the host has said something.
func (p *prober) hear() { p.alarm.Load().hear() }

// connect opens a connection and makes sure that it leads to the host. A host that is
// down is asked for by its name, as those who want to connect to it do: its name may
// lead to another machine by now, or the host may have a new address.
func (p *prober) connect(ctx context.Context, w *waiting) error {
	k := w.link.Connector()
	open := k.OpenBeside
	if p.wasDown {
		open = k.OpenAnew
	}
	n, l, err := open(ctx, w.link, monitorPrefix, p.hear)
	if err != nil {
		return err
	}
	p.conn, p.link, p.source = n, l, w
	d := p.detector.cluster.Dialect()
	if d == nil || p.place.addr != "" { // known by its address only
		return nil
	}
	id, err := d.Identify(ctx, p.conn)
	if err == nil && id.ID != "" && id.ID != p.place.host {
		return fmt.Errorf("%w: %s", errElsewhere, id.ID)
	}
	return err
}

// disconnect closes the connection, without a farewell to a host with which something
// is wrong.
func (p *prober) disconnect(cause error) {
	if p.conn == nil {
		return
	}
	if cause != nil {
		p.link.Abort(cause)
	}
	_ = p.conn.Close() // ours alone, and done with
	p.conn, p.link, p.source = nil, nil, nil
}
