package core

import (
	"context"
	"database/sql/driver"
	"errors"
	"slices"
)

// HandOver tells that the driver's connection has been taken out of c, which forgets it;
// n is how c reaches whoever uses the session from now on.
func (c *Conn) HandOver(n Native) { c.setNative(n) }

// Ongoing is a call between [Conn.Enter] and [Conn.Leave]. They are for front ends other
// than database/sql: whoever has taken the driver's connection out of a Conn and calls it
// directly says so, call by call. A Conn serves one call after the other, like the
// connection itself.
type Ongoing struct {
	Call
	sent int64 // bytes written before
}

// Enter asks the plugins before a call. On success the result is for Leave, and the
// context for the call and for Leave. An error is for the caller as it is; Leave must
// not follow. No plugin holds a rollback.
func (c *Conn) Enter(ctx context.Context, call Call) (context.Context, Ongoing, error) {
	if c.quiet {
		return ctx, Ongoing{call, c.link.Written()}, nil
	}
	return c.enterWatched(ctx, call)
}

func (c *Conn) enterWatched(ctx context.Context, call Call) (context.Context, Ongoing, error) {
	var err error
	if call.Op == OpRollback {
		for _, o := range c.chain.observers {
			ctx = o.CallStart(ctx, c, call)
		}
	} else {
		ctx, err = c.beginWatched(ctx, call)
	}
	return ctx, Ongoing{call, c.link.Written()}, err
}

// Leave turns the driver's error into what the caller shall see, as the methods of Conn
// do; it may wait for a failover. nil stays nil. A rollback on a lost connection
// succeeds: the server has rolled back.
func (c *Conn) Leave(ctx context.Context, o Ongoing, err error) error {
	if err == nil && c.chain.unwatched {
		return nil
	}
	return c.leave(ctx, o, err)
}

func (c *Conn) leave(ctx context.Context, o Ongoing, err error) error {
	if o.Op == OpRollback {
		return c.endRollback(ctx, o.Call, err)
	}
	return c.endWatched(ctx, o.Call, o.sent, err)
}

// Failed returns what the driver shall see of an error of the socket, or of what runs over
// it: the end of a TLS session is a loss as well, of which the socket itself knows nothing.
// A loss makes the monitor look at the host, whatever call it befell. What is read after a
// deadline is nobody's call any more: the driver waits for the server to close the
// connection.
func (c *Conn) Failed(err error) error {
	err = c.link.failed(err)
	var lost *LostError
	if errors.As(err, &lost) && !lost.Aborted && c.link.TimedOut() == nil {
		c.Cluster().Suspect(lost.Host, lost)
	}
	return err
}

// Sent makes o a call whose request has left this process: its answer is being read.
func (o Ongoing) Sent(op Op) Ongoing { return Ongoing{Call{op, o.Query}, -1} }

// TxBegun tells that a transaction is open from now on, until TxEnded. It is what BeginTx
// is for database/sql; the call that began it was between Enter and Leave.
func (c *Conn) TxBegun(readOnly bool) {
	c.tx, c.readOnly, c.lostTx, c.leaky = elsewhere{}, readOnly, nil, false
	c.quiet = c.chain.unwatched && c.implicit == nil
}

// TxEnded tells that no transaction is open any more, after Leave of the call that ended
// it. The loss of the connection does not replace it.
func (c *Conn) TxEnded() { c.txEnded() }

// Leaky tells that the open transaction may have been committed, wholly or in part, by
// a statement: its loss will not be reported as a rollback.
func (c *Conn) Leaky() { c.leaky = true }

// elsewhere is a transaction that is ended by others.
type elsewhere struct{}

var _ driver.Tx = elsewhere{}

var errElsewhere = errors.New("the transaction was not begun through database/sql")

// Commit implements driver.Tx.
func (elsewhere) Commit() error { return errElsewhere }

// Rollback implements driver.Tx.
func (elsewhere) Rollback() error { return errElsewhere }

// Cause says of an error of the driver's own interfaces what awsdb knows of it: if the
// connection was lost, the result is an *[Error], which matches ErrFailover where the
// handle follows its cluster, and ErrFailoverSuccess if another host is known already that
// will do. It does not wait for the failover: whoever opens the next connection does. What
// the call was, and whether it was inside a transaction, is not known, so that
// ErrOutcomeUnknown always matches as well. Other errors, and those that hold an *Error
// already, are returned as they are.
func Cause(err error) error {
	var lost *LostError
	if errors.As(err, new(*Error)) || !errors.As(err, &lost) {
		return err
	}
	e := &Error{Op: OpCall, Host: lost.Host, Phase: "reply", Sent: true, Outcome: OutcomeUnknown, Err: err}
	l := lost.link
	if l == nil || l.owner == nil || len(l.owner.chain.recoverers) == 0 {
		return e
	}
	e.Kind = ErrFailover
	another := func(h Host) bool { return h.ID != lost.Host && (h.Role == l.Want() || l.Want() == RoleUnknown) }
	if t := l.cluster.Topology(); t.Verified && !l.cluster.Searching() && slices.ContainsFunc(t.Hosts, another) {
		e.Kind = ErrFailoverSuccess
	}
	return e
}
