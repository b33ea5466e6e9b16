package core

import (
	"context"
	"errors"
	"time"
)

// connTx is the driver.Tx of a Conn. It is as large as a pointer, so that making
// an interface of it allocates nothing.
type connTx struct{ c *Conn }

// Commit implements driver.Tx.
func (t connTx) Commit() error {
	c := t.c
	if lost := c.lostTx; lost != nil {
		t.done()
		return lost // the server rolled it back long ago; nothing is sent
	}
	call := Call{Op: OpCommit}
	ctx, err := c.begin(c.txCtx, call)
	if err != nil { // a gate refused: for database/sql the transaction is over all the same
		return errors.Join(err, t.Rollback())
	}
	sent := c.link.Written()
	err = c.commit()
	if err != nil && c.link.Written() == sent {
		c.link.Condemn(errOpenTx)
	}
	err = c.end(ctx, call, sent, err)
	t.done()
	return err
}

var errOpenTx = errors.New("a transaction is open that could not be ended")

// commit ends with the context of BeginTx, whatever the driver does.
func (c *Conn) commit() error {
	if tx, ok := c.Native.(ContextTx); ok && c.txCtx.Done() != nil {
		return tx.CommitContext(c.txCtx)
	}
	return c.tx.Commit()
}

// lateRollback bounds a rollback that comes when the transaction's context has ended:
// a server that does not answer keeps nobody's place in the pool for longer. It rolls
// back by itself when the connection is closed.
const lateRollback = time.Second

// rollback likewise.
func (c *Conn) rollback() error {
	tx, ok := c.Native.(ContextTx)
	if !ok || c.txCtx.Done() == nil {
		return c.tx.Rollback()
	}
	ctx := c.txCtx
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(c.connector.ctx, lateRollback)
		defer cancel()
	}
	return tx.RollbackContext(ctx)
}

// Rollback implements driver.Tx. When the connection is lost the server has
// rolled back already, which is what was asked for: no error then, so that the
// one which mattered is not hidden behind this one.
func (t connTx) Rollback() error {
	c := t.c
	call := Call{Op: OpRollback}
	ctx := c.txCtx
	for _, o := range c.chain.observers { // no gate holds a rollback
		ctx = o.CallStart(ctx, c, call)
	}
	err := c.endRollback(ctx, call, c.rollback())
	t.done()
	return err
}

// endRollback is end for a rollback.
func (c *Conn) endRollback(ctx context.Context, call Call, err error) error {
	switch {
	case c.link.Lost() != nil || c.lostTx != nil || c.connector.Classify(err).lost():
		c.link.Condemn(errBroken)
		err = nil
	case err != nil:
		c.link.Condemn(errOpenTx)
	}
	for i := len(c.chain.observers) - 1; i >= 0; i-- {
		c.chain.observers[i].CallEnd(ctx, c, call, err)
	}
	return err
}

func (t connTx) done() { t.c.txEnded() }

func (c *Conn) txEnded() {
	c.tx, c.txCtx, c.readOnly, c.lostTx, c.leaky = nil, nil, false, nil, false
	c.quiet = c.chain.unwatched
}
