package hostmonitor

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
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
)

// ask puts one question, and says what the answer, or that there was none, means.
func (p *prober) ask(ctx context.Context, w *waiting, limit time.Duration) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := p.question(ctx, w)
	var e *core.Error
	switch {
	case err == nil:
		return alive, nil
	case time.Since(p.asked) > 2*limit:
		// Both the answer and the end of the time to give it came while nobody looked.
		return unclear, errors.Join(errSuspended, err)
	case errors.As(err, &e) && e.Phase == "credentials", errors.Is(err, errElsewhere), errors.Is(err, errPanic), ours(err):
		return unclear, err
	case ctx.Err() != nil:
		return silent, err
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
			w.link.Connector().Log().Error("host monitor panicked", "host", p.host, "panic", r)
		}
	}()
	if p.conn != nil {
		err := p.conn.Ping(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		p.disconnect(err)
	}
	return p.connect(ctx, w)
}

// connect opens a connection and makes sure that it leads to the host.
func (p *prober) connect(ctx context.Context, w *waiting) error {
	var err error
	if p.conn, p.link, err = w.link.Connector().OpenBeside(ctx, w.link, monitorPrefix); err != nil {
		p.conn, p.link = nil, nil
		return err
	}
	d := p.detector.cluster.Dialect()
	if d == nil || strings.ContainsAny(p.host, ".:") { // known by its address only
		return nil
	}
	id, err := d.Identify(ctx, p.conn)
	if err == nil && id.ID != "" && id.ID != p.host {
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
	p.conn, p.link = nil, nil
}
