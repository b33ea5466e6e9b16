package core

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// fail is the cold path of every call: it decides what the error means, who has
// to know, and what the caller shall see. sent tells that bytes left this
// process during the call.
func (c *Conn) fail(ctx context.Context, call Call, sent bool, err error) error {
	if c.lostTx != nil && call.Op != OpBegin {
		return c.lostTx // the transaction has ended already; its first error counts
	}
	lost := c.link.Lost()
	fault := c.connector.Classify(err)
	closed := fault == FaultClosed || errors.Is(err, driver.ErrBadConn)
	if lost == nil && closed && ctx.Err() == nil {
		lost = c.link.TimedOut()
	}
	switch {
	case ctx.Err() != nil && (lost == nil || !lost.Aborted || lost.Err == context.Cause(ctx)): //nolint:errorlint // cut for this very caller, see closeUnused
		return c.canceled(ctx, call, sent, closed, err)
	case fault == FaultReadOnly && !c.readOnly:
		return c.refused(ctx, call, err)
	case !closed && c.spared(lost, fault):
		return c.answered(call, err)
	}
	// Who begins a transaction knows that the one before is over, also when
	// database/sql has not come round to rolling it back.
	inTx := c.InTx() && call.Op != OpBegin
	e := &Error{Op: call.Op, Host: c.link.Host(), Phase: "send", Sent: sent, InTx: inTx, Err: cause(lost, err)}
	e.Outcome = outcome(call.Op, sent, inTx, inTx && c.leaky)
	if sent {
		e.Phase = "reply"
	}
	c.link.Condemn(e.Err)
	if lost != nil || fault.lost() {
		c.Cluster().Suspect(e.Host, e.Err)
		if !e.repeatable() {
			c.recover(ctx, call, e)
		}
	}
	return c.endTx(e)
}

// spared tells that an error is not of the connection: that is intact, or was lost only
// after an answer had been read in full.
func (c *Conn) spared(lost *LostError, fault Fault) bool {
	if lost == nil && !fault.lost() {
		return true
	}
	return ((lost == nil && fault == FaultLink) || (lost != nil && !fault.lost())) && c.vouched()
}

// vouched tells that the driver says that its connection is as good as before: the
// error is of something else, such as what the application gives to LOAD DATA to read,
// or the server's.
func (c *Conn) vouched() bool {
	v, ok := c.Native.(driver.Validator)
	return ok && v.IsValid()
}

// outcome is what is known about a request whose connection broke. Inside a
// transaction the server rolls back what was not committed; leaky means that some
// of it may be.
func outcome(op Op, sent, inTx, leaky bool) Outcome {
	switch {
	case op == OpCommit && sent, leaky:
		return OutcomeUnknown
	case inTx, op.repeatable() && sent:
		return OutcomeRolledBack
	case sent:
		return OutcomeUnknown
	}
	return OutcomeNotSent
}

// cause is the most telling reason for a broken connection: what the Link saw,
// since drivers hide it, unless the server itself said why.
func cause(lost *LostError, err error) error {
	switch {
	case lost == nil:
		return harmless(err)
	case lost.Aborted, errors.Is(err, driver.ErrBadConn), errors.As(err, new(*LostError)):
		return lost
	}
	return errors.Join(lost, harmless(err))
}

// canceled deals with a call that ended with its caller's context. That is no
// sign of the host's health; but a deadline that passed while an answer was
// awaited is a reason to look.
func (c *Conn) canceled(ctx context.Context, call Call, sent, closed bool, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		c.DeadlinePassed()
	}
	if !errors.Is(err, ctx.Err()) {
		if !closed && c.link.Lost() == nil {
			return err // the server's answer came first
		}
		err = context.Cause(ctx) // the driver hides why it closed the connection
		if !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
	untouched := !sent && !closed && call.Op != OpCommit && c.intact()
	if call.Op.repeatable() || untouched {
		return err
	}
	e := &Error{Op: call.Op, Host: c.link.Host(), Phase: "send", Sent: sent, InTx: c.InTx(), Err: err}
	e.Outcome = outcome(call.Op, sent, e.InTx, c.leaky)
	if sent {
		e.Phase = "reply"
	}
	return c.endTx(e)
}

// DeadlinePassed has the host looked at: a caller's deadline has passed while the
// connection was waiting. It does not block.
func (c *Conn) DeadlinePassed() {
	c.Cluster().Look(c.link.Host())
	for _, d := range c.chain.deadlines {
		d.DeadlinePassed(c.link)
	}
}

// refused deals with a write that met a host which is read-only. If a writer was
// asked for, the host was demoted. The server refused the statement, so it had no
// effect.
func (c *Conn) refused(ctx context.Context, call Call, err error) error {
	e := &Error{
		Op: call.Op, Host: c.link.Host(), Phase: "reply",
		Sent: true, InTx: c.InTx(), Outcome: OutcomeRolledBack, Err: err,
	}
	if c.committedBefore(call) {
		e.Outcome = OutcomeUnknown
	}
	if c.link.Want() == RoleWriter {
		c.Cluster().Suspect(e.Host, err)
	}
	c.recover(ctx, call, e)
	if e.Kind == nil {
		if r, ok := c.connector.engine.(ReadOnlyRejecter); !ok || !r.RejectsReadOnly() {
			return err // the host is what was asked for: it is the statement that is wrong
		}
		c.link.Condemn(err)
		if e.InTx {
			return err
		}
		return e // lets database/sql repeat the statement on another connection
	}
	c.link.Condemn(err)
	return c.endTx(e)
}

// committedBefore tells that a statement which failed without effect may have been
// preceded by some that were committed, in its own text or in its transaction.
func (c *Conn) committedBefore(call Call) bool {
	if c.InTx() {
		return c.leaky
	}
	return c.implicit != nil && c.implicit.CommitsInParts(call.Query)
}

// answered deals with an ordinary error, which only matters where it invites to
// repeat everything.
func (c *Conn) answered(call Call, err error) error {
	if c.implicit == nil || !conflicts.match(err) {
		return err
	}
	before := c.committedBefore(call)
	if c.InTx() {
		c.leaky = true // the server may have ended the transaction: what follows would be committed at once
	}
	if !before {
		return err
	}
	return &Error{Op: call.Op, Host: c.link.Host(), Phase: "reply", Sent: true, InTx: c.InTx(), Outcome: OutcomeUnknown, Err: err}
}

func (c *Conn) recover(ctx context.Context, call Call, e *Error) {
	for _, r := range c.chain.recoverers {
		r.Recover(ctx, c, call, e)
	}
}

// endTx remembers what ended the open transaction, so that every later call on
// it gets the same answer.
func (c *Conn) endTx(e *Error) error {
	if e.InTx && e.Op != OpCommit {
		c.lostTx = e
		c.link.Condemn(e.Err) // perhaps it works, but then with a transaction that nobody will end
	}
	return e
}
